// The unfolded graph of a deep recurrent network, and its shortest paths.
//
// A node is [k, t]: map or layer k at step t, both from 0; k = -1 is the input.

// Edges of a network of kind "stack", "transition" or "skip" with `depth` layers or maps.
export const edges = (kind, depth, steps) => {
  const found = [];
  for (let t = 0; t < steps; t++) {
    for (let k = 0; k < depth; k++) {
      found.push([[k - 1, t], [k, t]]);
      if (t > 0 && kind === "stack") found.push([[k, t - 1], [k, t]]);
    }
    if (t > 0 && kind !== "stack") found.push([[depth - 1, t - 1], [0, t]]);
    if (t > 0 && kind === "skip" && depth > 1) found.push([[depth - 1, t - 1], [depth - 1, t]]);
  }
  return found;
};

// The nodes of a shortest path from one node to another, breadth first; undefined without one.
export const shortest = (all, start, goal) => {
  const before = new Map([[String(start), undefined]]);
  const queue = [start];
  for (const node of queue) {
    if (String(node) === String(goal)) {
      const path = [];
      for (let at = node; at !== undefined; at = before.get(String(at))) path.unshift(at);
      return path;
    }
    for (const [a, b] of all) {
      if (String(a) === String(node) && !before.has(String(b))) {
        before.set(String(b), node);
        queue.push(b);
      }
    }
  }
  return undefined;
};

// Dropout masks of a stack on a path that goes on to the output above its last node: one on
// each edge that goes up, and one in front of the output.
export const masks = (path, depth) => {
  const [[from]] = path;
  return depth - 1 - from + 1;
};
