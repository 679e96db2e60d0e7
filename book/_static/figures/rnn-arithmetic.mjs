// What a model of characters gives to the characters that came, from stored logits.

// Probabilities at temperature θ.
export const probabilities = (logits, temperature) => {
  const scaled = logits.map((logit) => logit / temperature);
  const most = Math.max(...scaled);
  const powers = scaled.map((value) => Math.exp(value - most));
  const sum = powers.reduce((total, power) => total + power, 0);
  return powers.map((power) => power / sum);
};

// −log p of every character that came, in nats.
export const costs = ({ logits, symbols, next }, temperature) =>
  logits.map((row, k) => -Math.log(probabilities(row, temperature)[symbols.indexOf(next[k])]));

const letter = (character) => /[A-Za-z]/.test(character);
const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

// Mean costs of a word's first letters and its later ones, and of the first characters after
// each reset and all the others.
export const means = ({ read, next, window }, cost) => {
  const where = (test) => mean(cost.filter((_, k) => test(k)));
  return {
    first: where((k) => letter(next[k]) && !letter(read[k])),
    later: where((k) => letter(next[k]) && letter(read[k])),
    reset: where((k) => k % window < 2),
    others: where((k) => k % window >= 2),
  };
};
