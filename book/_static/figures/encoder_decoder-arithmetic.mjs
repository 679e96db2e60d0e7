// Beam search over a decoder with a context; symbol 0 ends a sequence.

import { affine, gru, logSoftmax } from "./recurrent-arithmetic.mjs";

// All steps of a search: of each step the beginnings kept, best first, with their parents'
// places in the step before; the answers that ended, and the place of the best.
export const beam = ({ weights, contexts, states }, example, width, penalty, most) => {
  const start = weights.target.length - 1;
  let alive = [{ symbol: start, total: 0, state: states[example], place: 0, written: [] }];
  const steps = [];
  const ended = [];
  let best = -1;
  for (let count = 1; count <= most; count++) {
    const candidates = [];
    for (const one of alive) {
      const x = [...weights.target[one.symbol], ...contexts[example]];
      const state = gru(weights.decoder, x, one.state);
      logSoftmax(affine(weights.output, state)).forEach((logp, symbol) => {
        candidates.push({ symbol, total: one.total + logp, state, parent: one.place, written: [...one.written, symbol] });
      });
    }
    candidates.sort((one, other) => other.total - one.total);
    const kept = candidates.slice(0, width).map((one, place) => ({ ...one, place }));
    steps.push(kept.map(({ symbol, total, parent, written }) => ({ symbol, total, parent, written })));
    for (const one of kept) {
      if (one.symbol !== 0) continue;
      ended.push({ step: count, place: one.place, total: one.total, score: one.total / count ** penalty, written: one.written });
      if (best < 0 || ended.at(-1).score > ended[best].score) best = ended.length - 1;
    }
    alive = kept.filter(({ symbol }) => symbol !== 0);
    // What is to come only lowers a total: no beginning can beat the best any more.
    const top = Math.max(...alive.map(({ total }) => total / most ** penalty));
    if (best >= 0 && !(top > ended[best].score)) break;
  }
  return { steps, ended, best };
};
