// The two places of the reset gate, for two units: before the matrix product and after it.

export const times = (W, v) => W.map((row) => row.reduce((sum, w, k) => sum + w * v[k], 0));
export const scaled = (r, v) => v.map((value, k) => r[k] * value);
export const before = (W, r, h) => times(W, scaled(r, h));
export const after = (W, r, h) => scaled(r, times(W, h));
