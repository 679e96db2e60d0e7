// A GRU step, and what is read out of it.

export const product = (W, v) => W.map((row) => row.reduce((sum, w, k) => sum + w * v[k], 0));
const sigmoid = (a) => 1 / (1 + Math.exp(-a));

// h = z h' + (1 − z) n, blocks stacked r, z, n, with the reset before the product.
export const gru = ({ U, W, b }, x, h) => {
  const H = h.length;
  const a = product(U, x).map((value, k) => value + b[k]);
  const gate = (block) =>
    product(W.slice(block * H, (block + 1) * H), h).map((value, j) => sigmoid(value + a[block * H + j]));
  const r = gate(0);
  const z = gate(1);
  const reset = r.map((value, j) => value * h[j]);
  return product(W.slice(2 * H), reset).map((value, j) => {
    const n = Math.tanh(value + a[2 * H + j]);
    return n + z[j] * (h[j] - n);
  });
};

export const affine = ({ W, b }, x) => product(W, x).map((value, k) => value + b[k]);

export const logSoftmax = (logits) => {
  const most = Math.max(...logits);
  const sum = logits.reduce((total, logit) => total + Math.exp(logit - most), 0);
  return logits.map((logit) => logit - most - Math.log(sum));
};
