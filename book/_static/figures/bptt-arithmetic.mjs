// Truncated backpropagation through time: which states the loss of each step reaches.

// The first state reached by each loss, all counted from 0; the last is the loss's own.
export const reach = (steps, k1, k2) =>
  Array.from({ length: steps }, (_, t) => {
    const end = Math.min((Math.floor(t / k1) + 1) * k1, steps);
    return Math.max(end - k2, 0);
  });

// Steps carried back in all windows together, for each step of the sequence.
export const work = (steps, k1, k2) => {
  let carried = 0;
  for (let first = 0; first < steps; first += k1) {
    const end = Math.min(first + k1, steps);
    carried += end - Math.max(end - k2, 0);
  }
  return carried / steps;
};
