// One unit h = σ(w h' + b) from ½, asked to end at 0.7: loss, gradient, and training with cures.

const sigmoid = (a) => 1 / (1 + Math.exp(-a));

export const loss = ([w, b], steps) => {
  const h = [0.5];
  for (let t = 0; t < steps; t++) h.push(sigmoid(w * h[t] + b));
  const gap = h[steps] - 0.7;
  let [dh, dw, db] = [2 * gap, 0, 0];
  for (let t = steps; t > 0; t--) {
    const delta = dh * h[t] * (1 - h[t]);
    dw += delta * h[t - 1];
    db += delta;
    dh = delta * w;
  }
  return { loss: gap * gap, gradient: [dw, db] };
};

// Numbers from 0 to 1, the same for the same seed (Marsaglia's xorshift, 32 bits).
export const uniform = (seed) => {
  let x = seed;
  return () => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return (x >>> 0) / 2 ** 32;
  };
};

// A gradient after a cure with threshold v; `draw` gives the random numbers.
export const cured = (cure, g, v, draw) => {
  const norm = Math.hypot(...g);
  if (cure === "value") return g.map((entry) => Math.min(v, Math.max(-v, entry)));
  if (cure === "none" || norm <= v) return g;
  if (cure === "norm") return g.map((entry) => (v * entry) / norm);
  const angle = 2 * Math.PI * draw();
  return [v * Math.cos(angle), v * Math.sin(angle)];
};

// Places, losses and lengths of the updates of gradient descent.
export const descend = ({ start, steps, cure, rate, threshold }, updates) => {
  const draw = uniform(7);
  const places = [start];
  const losses = [];
  const lengths = [];
  for (let k = 0; k < updates; k++) {
    const found = loss(places[k], steps);
    const step = cured(cure, found.gradient, threshold, draw).map((entry) => rate * entry);
    losses.push(found.loss);
    lengths.push(Math.hypot(...step));
    places.push(places[k].map((value, d) => value - step[d]));
  }
  losses.push(loss(places[updates], steps).loss);
  return { places, losses, lengths };
};
