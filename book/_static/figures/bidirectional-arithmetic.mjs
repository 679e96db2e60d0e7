// What the output at a place of an image can have seen: a grid of 0 and 1.

const grid = (rows, columns, seen) =>
  Array.from({ length: rows }, (_, i) => Array.from({ length: columns }, (_, j) => (seen(i, j) ? 1 : 0)));

export const field = (network, [i, j], rows, columns, layers = 1) => {
  const rules = {
    // One reading order, row after row.
    order: (a, b) => a < i || (a === i && b <= j),
    // Rows and columns, both ways; a second layer sees the rows and columns of those.
    directions: (a, b) => layers > 1 || a === i || b === j,
    // From the top left corner alone, and from all four.
    corner: (a, b) => a <= i && b <= j,
    corners: () => true,
    // Convolutions of 3 × 3 on top of each other.
    convolutions: (a, b) => Math.max(Math.abs(a - i), Math.abs(b - j)) <= layers,
  };
  return grid(rows, columns, rules[network]);
};

export const count = (seen) => seen.flat().reduce((sum, value) => sum + value, 0);
