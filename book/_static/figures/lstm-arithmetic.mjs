// One LSTM cell whose gates are given: C = f C' + i g, h = o tanh C, and the way back.

export const sigmoid = (a) => 1 / (1 + Math.exp(-a));

// Rows of T numbers in, rows of T numbers out; C and h before the first step are 0.
export const forward = ({ i, f, g, o }) => {
  const C = [];
  const h = [];
  f.forEach((forget, t) => {
    C.push(forget * (C[t - 1] ?? 0) + i[t] * g[t]);
    h.push(o[t] * Math.tanh(C[t]));
  });
  return { C, h };
};

// The error at C of every step, where the last h alone has an error, of 1: along the cell.
export const backward = ({ f, o }, { C }) => {
  const last = C.length - 1;
  const dC = new Array(C.length);
  dC[last] = o[last] * (1 - Math.tanh(C[last]) ** 2);
  for (let t = last; t > 0; t--) dC[t - 1] = dC[t] * f[t];
  return dC;
};

// What each step's i g still contributes to the last C: its share, since C is a sum.
export const shares = ({ i, f, g }) => {
  const parts = new Array(f.length);
  let kept = 1;
  for (let t = f.length - 1; t >= 0; t--) {
    parts[t] = kept * i[t] * g[t];
    kept *= f[t];
  }
  return parts;
};
