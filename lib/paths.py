"""Chapter 8: the graph of a network unfolded in time, and the shortest ways through it."""

from collections import deque
from collections.abc import Hashable, Iterable
from itertools import pairwise
from typing import Any

from lib import validate
from lib.bidirectional import Bidirectional
from lib.bptt import Recurrent
from lib.cell import Cell, Layer
from lib.deep import MLP, Stacked
from lib.deep_transition import DeepTransition

Edges = list[tuple[Hashable, Hashable]]


def unfolded_edges(network: Layer | Cell, steps: int) -> Edges:
    """List the edges of a network's graph, unfolded over ``steps``.

    Nodes are ``("x", t)`` for the inputs and ``("h", layer, t, k)`` for the k-th
    non-linear map of a layer at step t, all counted from 0; an edge is one such map. A
    layer's state at t is its node with the largest k.

    Parameters
    ----------
    network : Cell, Recurrent, or Stacked of them
        A deep transition has its depth, any other cell counts as one map.
    steps : int

    Raises
    ------
    ValueError
        Where ``network`` has a part that is not a recurrent layer in one direction.

    Equations: deep-path-length.
    """
    layers = network.layers if isinstance(network, Stacked) else (network,)
    edges: Edges = []
    top: dict[tuple[int, int], Hashable] = {}
    for t in range(validate.positive("steps", steps)):
        top[-1, t] = ("x", t)
        for layer, part in enumerate(layers):
            cell = part.cell if isinstance(part, Recurrent) else part
            if isinstance(cell, (Bidirectional, Stacked, MLP)) or not isinstance(cell, Cell):
                raise ValueError(
                    f"network: expected cells, each in one direction, got {type(cell).__name__}"
                )
            depth, skip = (
                (cell.depth, cell.skip) if isinstance(cell, DeepTransition) else (1, False)
            )
            nodes = [("h", layer, t, k) for k in range(depth)]
            edges.append((top[layer - 1, t], nodes[0]))
            edges += pairwise(nodes)
            if t > 0:
                edges.append((top[layer, t - 1], nodes[0]))
                if skip:
                    edges.append((top[layer, t - 1], nodes[-1]))
            top[layer, t] = nodes[-1]
    return edges


def shortest_path(edges: Iterable[tuple[Hashable, Hashable]], start: Any, goal: Any) -> int:
    """Count the edges of the shortest path in a graph, breadth first.

    Raises
    ------
    ValueError
        Where no path leads from ``start`` to ``goal``.

    Equations: deep-path-length.

    Examples
    --------
    >>> edges = unfolded_edges(DeepTransition(2, 3, depth=4), steps=2)
    >>> shortest_path(edges, ("h", 0, 0, 3), ("h", 0, 1, 3))
    4
    """
    after: dict[Hashable, list[Hashable]] = {}
    for a, b in edges:
        after.setdefault(a, []).append(b)
    distance = {start: 0}
    queue = deque([start])
    while queue:
        node = queue.popleft()
        if node == goal:
            return distance[node]
        for successor in after.get(node, []):
            if successor not in distance:
                distance[successor] = distance[node] + 1
                queue.append(successor)
    raise ValueError(f"goal: expected a node that {start} leads to, got {goal}")
