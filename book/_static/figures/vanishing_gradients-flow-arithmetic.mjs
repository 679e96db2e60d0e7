// What is left of an error on its way back through h = f(U x + ρ W h').

const ACTIVATIONS = {
  tanh: [Math.tanh, (h) => 1 - h * h],
  relu: [(a) => Math.max(0, a), (h) => (h > 0 ? 1 : 0)],
  sigmoid: [(a) => 1 / (1 + Math.exp(-a)), (h) => h * (1 - h)],
};

// The error's norm after 0, 1, … steps back, starting from dh at the last step.
export const flow = ({ W, Ux, dh }, radius, activation) => {
  const [value, slope] = ACTIVATIONS[activation];
  const hs = [];
  let h = dh.map(() => 0);
  for (const row of Ux) {
    const before = h;
    h = row.map((a, j) => value(a + radius * W[j].reduce((sum, w, k) => sum + w * before[k], 0)));
    hs.push(h);
  }
  let error = dh;
  const norms = [Math.hypot(...error)];
  for (let t = hs.length - 1; t >= 0; t--) {
    const delta = error.map((e, j) => e * slope(hs[t][j]));
    error = delta.map((_, k) => radius * delta.reduce((sum, d, j) => sum + d * W[j][k], 0));
    norms.push(Math.hypot(...error));
  }
  return norms;
};
