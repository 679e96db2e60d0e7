// Attention by dot products: weights, context, and what comes back to the scores.

export const dot = (a, b) => a.reduce((sum, value, k) => sum + value * b[k], 0);

export const softmax = (scores) => {
  const most = Math.max(...scores);
  const powers = scores.map((score) => Math.exp(score - most));
  const sum = powers.reduce((total, power) => total + power, 0);
  return powers.map((power) => power / sum);
};

// Keys are their own values.
export const attend = (query, keys, scale) => {
  const scores = keys.map((key) => scale * dot(query, key));
  const weights = softmax(scores);
  const context = query.map((_, d) => keys.reduce((sum, key, t) => sum + weights[t] * key[d], 0));
  return { scores, weights, context };
};

// How much a weight moves when its own score does: the diagonal of the softmax's Jacobian.
export const slopes = (weights) => weights.map((weight) => weight * (1 - weight));

// Norm of the context's Jacobian for the query: Σ scale α_t (k_t − c) k_tᵀ.
export const sensitivity = (keys, { weights, context }, scale) => {
  let total = 0;
  for (let a = 0; a < context.length; a++) {
    for (let b = 0; b < context.length; b++) {
      const entry = keys.reduce((sum, key, t) => sum + weights[t] * (key[a] - context[a]) * key[b], 0);
      total += (scale * entry) ** 2;
    }
  }
  return Math.sqrt(total);
};
