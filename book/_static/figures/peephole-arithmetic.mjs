// One LSTM unit with peepholes that reads neither x nor h.

const sigmoid = (a) => 1 / (1 + Math.exp(-a));

// `drive` is the candidate g of every step; with `old`, o sees the cell before the step.
export const run = ({ p_i, p_f, p_o, b_i, b_f, b_o, drive, old }, steps) => {
  const rows = { C: [], i: [], f: [], o: [], h: [] };
  let C = 0;
  for (let t = 0; t < steps; t++) {
    const before = C;
    const i = sigmoid(b_i + p_i * before);
    const f = sigmoid(b_f + p_f * before);
    C = f * before + i * drive;
    const o = sigmoid(b_o + p_o * (old ? before : C));
    const h = o * Math.tanh(C);
    for (const [name, value] of Object.entries({ C, i, f, o, h })) rows[name].push(value);
  }
  return rows;
};

// The steps, counted from 1, at which the bell rings.
export const rings = ({ h }) => h.flatMap((value, t) => (value > 0.5 ? [t + 1] : []));
