// The trained network with attention: characters in, ISO date out, and where it looked.

import { affine, gru, logSoftmax, product } from "./recurrent-arithmetic.mjs";

const MOST = 11; // symbols of an ISO date and its end

// Numbers of a text's characters: what the network has no symbol for is 0.
export const encoded = ({ source }, written) => [
  ...[...written.toLowerCase()].map((character) => Math.max(0, source.indexOf(character))),
  1,
];

export const translate = ({ weights, target }, numbers) => {
  const { source, forward, backward, bridge, score, decoder, output } = weights;
  const xs = numbers.map((k) => source[k]);
  const zero = () => new Array(forward.W[0].length).fill(0);
  const read = (cell, inputs) => {
    let h = zero();
    return inputs.map((x) => (h = gru(cell, x, h)));
  };
  const onwards = read(forward, xs);
  const back = read(backward, [...xs].reverse()).reverse();
  const hs = onwards.map((h, t) => [...h, ...back[t]]);
  const keys = hs.map((h) => product(score.U, h));
  const context = [...onwards.at(-1), ...back[0]];
  let state = affine(bridge, context).map(Math.tanh);
  let symbol = target.length; // the start symbol
  const steps = [];
  while (steps.length < MOST && symbol !== 0) {
    const query = product(score.W, state);
    const scores = keys.map((key) => key.reduce((sum, k, a) => sum + score.v[a] * Math.tanh(query[a] + k), 0));
    const alphas = logSoftmax(scores).map(Math.exp);
    const looked = hs[0].map((_, d) => hs.reduce((sum, h, t) => sum + alphas[t] * h[d], 0));
    state = gru(decoder, [...weights.target[symbol], ...looked], state);
    const logp = logSoftmax(affine(output, state));
    symbol = logp.indexOf(Math.max(...logp));
    steps.push({ symbol, probability: Math.exp(logp[symbol]), weights: alphas });
  }
  return steps;
};
