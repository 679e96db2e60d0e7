"""The one visual grammar of the book's diagrams: a small description in, an SVG out.

A :class:`Diagram` is a set of named nodes on a plane, edges between them, frames
and words. A node's kind says what it is, by shape as well as by colour:

=========  ==============================  ==========================================
kind       shape                           stands for
=========  ==============================  ==========================================
input      circle                          a vector from outside: x
state      rounded square                  what a network carries along: h, C, g
output     double circle                   o, or logits s
target     dashed circle                   a label y
loss       slanted square                  L
layer      rounded box, one line of text   a map with parameters or a nonlinearity: σ, tanh
op         small circle                    an operation without parameters: ⊙, +, 1−
block      wide box                        a whole network, a table of numbers
none       nothing                         words such as an ellipsis
=========  ==============================  ==========================================

An edge carries an arrowhead, perhaps a parameter's name, and a filled square where
it delays by one time step. Nodes and edges may belong to parts; ``save(lit=…)``
draws those parts in full and the rest muted, so that a cell is built up step by step
from one description.

Labels are a tiny mathematics: ``h^(t−1)``, ``c_i``, ``W^{fh}``; words of three
letters or more stand upright, shorter ones in italics. Texts are measured with the fonts
that they are shown in, which the book ships and each file carries; no id is used. So the
files are the same on every machine, look the same there, and can be inlined together.
"""

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from html import escape
from itertools import pairwise
from pathlib import Path

import letters

FOLDER = Path(__file__).resolve().parent
STYLESHEET = FOLDER.parent / "_static" / "diagrams.css"

Point = tuple[float, float]

RADIUS = 22.0
SIZES = {  # half width, half height
    "input": (RADIUS, RADIUS),
    "state": (RADIUS, RADIUS),
    "output": (RADIUS, RADIUS),
    "target": (RADIUS, RADIUS),
    "loss": (19.0, 19.0),
    "layer": (24.0, 15.0),
    "op": (12.0, 12.0),
    "block": (60.0, 24.0),
    "none": (14.0, 10.0),
}
ROUND = {"input", "output", "target", "op"}
CORNER = 11.0
HEAD = 9.0
SCRIPT = 12.5  # the size of letters that are raised or lowered

COLOURS = {
    # Fill and stroke of each kind; hues after Okabe and Ito, lightness apart as well.
    "light": {
        "ink": "#1c2430",
        "line": "#4a5568",
        "paper": "#ffffff",
        "input": ("#d9f0e3", "#00795a"),
        "state": ("#d6e8fa", "#0b5fa5"),
        "output": ("#fdeacb", "#a35c00"),
        "target": ("none", "#5b6675"),
        "loss": ("#f9dbe6", "#b0306a"),
        "layer": ("#fbf3c4", "#7d6a00"),
        "op": ("#ffffff", "#1c2430"),
        "block": ("#eef1f5", "#5b6675"),
        "accent": "#b3261e",
    },
    "dark": {
        "ink": "#e8ecf2",
        "line": "#b3bdcb",
        "paper": "#121212",
        "input": ("#0f3d30", "#4fd1a5"),
        "state": ("#12355a", "#6cb6ff"),
        "output": ("#4a2f06", "#ffb454"),
        "target": ("none", "#a9b4c2"),
        "loss": ("#4d1631", "#ff8fbb"),
        "layer": ("#423a08", "#e6cf4a"),
        "op": ("#1f1f1f", "#e8ecf2"),
        "block": ("#262b33", "#a9b4c2"),
        "accent": "#ff8a80",
    },
}


def rules(theme: str, scope: str = ".dgm") -> str:
    """Write the colour rules of a theme, each selector under ``scope``."""
    colours = COLOURS[theme]
    ink, line, paper, accent = (colours[k] for k in ("ink", "line", "paper", "accent"))
    out = [
        f"{scope} text{{fill:{ink}}}",
        f"{scope} .edge{{stroke:{line}}}",
        f"{scope} .casing{{stroke:{paper}}}",
        f"{scope} .head,{scope} .delay{{fill:{line}}}",
        f"{scope} .frame{{stroke:{line}}}",
        f"{scope} .level{{fill:{colours['state'][1]}}}",
        f"{scope} .back .edge{{stroke:{accent}}}",
        f"{scope} .back .head{{fill:{accent}}}",
        f"{scope} .back text{{fill:{accent}}}",
        f"{scope} text.halo{{fill:{paper};stroke:{paper}}}",
    ]
    for kind in ("input", "state", "output", "target", "loss", "layer", "op", "block"):
        fill, stroke = colours[kind]
        out.append(f"{scope} .{kind}{{fill:{fill};stroke:{stroke}}}")
    return "\n".join(out)


def variables(theme: str) -> str:
    """Name a theme's colours for other style sheets: ``--state`` and ``--state-fill``."""
    named = {}
    for name, colour in COLOURS[theme].items():
        if isinstance(colour, str):
            named[name] = colour
        else:
            named[f"{name}-fill"], named[name] = colour
    return "".join(f"--{name}:{colour};" for name, colour in named.items())


SHAPES = """\
.dgm text{font-family:"Drawing Serif",serif;text-rendering:geometricPrecision}
.dgm text{font-size:19px;text-anchor:middle}
.dgm .words,.dgm .frame-label{font-family:"Drawing Sans",sans-serif}
.dgm .words,.dgm .frame-label{font-size:14px}
.dgm .i{font-style:italic}
.dgm .s{font-size:12.5px}
.dgm .label{font-size:17px}
.dgm .small{font-size:16px}
.dgm .halo{stroke-width:5px;stroke-linejoin:round;user-select:none}
.dgm .edge,.dgm .casing,.dgm .frame{fill:none}
.dgm .edge{stroke-width:1.6px}
.dgm .casing{stroke-width:7px}
.dgm .thick .edge{stroke-width:3px}
.dgm .dashed .edge{stroke-dasharray:5 4}
.dgm .frame{stroke-width:1.2px;stroke-dasharray:2 4}
.dgm .shape{stroke-width:1.8px}
.dgm .target{stroke-dasharray:4 3}
.dgm .state{stroke-width:2.2px}
.dgm .mute{opacity:.22}"""


def stylesheet() -> str:
    """The rules for diagrams inlined in the book's pages, following its light switch."""
    dark = rules("dark", 'html[data-theme="dark"] .dgm')
    faces = "\n".join(letters.rule(face, f"letters/{face}.woff2") for face in letters.FACES)
    return (
        "/* Written by book/figures/diagram.py: change it there. */\n"
        f"{faces}\n:root{{{variables('light')}}}\n{SHAPES}\n{rules('light')}\n"
        f"@media screen{{\n"
        f'html[data-theme="dark"]{{{variables("dark")}}}\n{dark}\n}}\n'
    )


def own_style(texts: Iterable[tuple[str, str]]) -> str:
    """The rules and letters that a file with these (face, text) carries, for use by itself."""
    faces, dark = letters.carry(texts), rules("dark")
    return f"{faces}\n{SHAPES}\n{rules('light')}\n@media (prefers-color-scheme:dark){{\n{dark}\n}}"


def number(value: float) -> str:
    """Write a coordinate with at most two decimals and no trailing zeros."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


# --- Labels -----------------------------------------------------------------------


def pieces(label: str) -> list[tuple[int, str]]:
    """Cut a label into (level, text): level 0 the base, 1 above, −1 below."""
    out: list[tuple[int, str]] = []
    k = 0
    while k < len(label):
        if label[k] in "^_":
            level = 1 if label[k] == "^" else -1
            k += 1
            if label[k] in "{(":
                close = label.index({"{": "}", "(": ")"}[label[k]], k)
                group = label[k + 1 : close] if label[k] == "{" else label[k : close + 1]
                k = close + 1
            else:
                group = label[k]
                k += 1
            out.append((level, group))
        else:
            start = k
            while k < len(label) and label[k] not in "^_":
                k += 1
            out.append((0, label[start:k]))
    return out


def runs(label: str) -> list[tuple[int, str, str]]:
    """Cut a label into (level, face, text): words upright, shorter symbols in italics."""
    return [
        (level, "italic" if run[0].isalpha() and len(run) < 3 else "serif", run)
        for level, text in pieces(label)
        for run in re.findall(r"[^\W\d_]+|[\W\d_]+", text)
    ]


def faces(label: str, words: bool = False) -> list[tuple[str, str]]:
    """Return (face, text) of what is written."""
    if words:
        return [("sans", label.replace("\n", ""))]
    return [(face, text) for _, face, text in runs(label)]


def width(label: str, size: float = 19.0, words: bool = False) -> float:
    """Return how wide a label is in its fonts."""
    if words:
        return letters.width(label, "sans", size)
    return sum(
        letters.width(text, face, SCRIPT if level else size) for level, face, text in runs(label)
    )


def spans(label: str) -> str:
    """Turn a label into tspans: scripts raised or lowered."""
    out = []
    shift = 0.0
    for level, face, text in runs(label):
        target = {1: -7.0, 0: 0.0, -1: 5.0}[level]
        dy = f' dy="{number(target - shift)}"' if target != shift else ""
        shift = target
        classes = [*(["s"] if level else []), *(["i"] if face == "italic" else [])]
        classed = f' class="{" ".join(classes)}"' if classes else ""
        out.append(f"<tspan{classed}{dy}>{escape(text, quote=False)}</tspan>")
    return "".join(out)


def haloed(kind: str, at: Point, inside: str, anchor: str = "") -> str:
    """Draw a text twice: what keeps lines away from it, and itself.

    As one element with ``paint-order: stroke`` each tspan would cover the one before.
    """
    style = f' style="text-anchor:{anchor}"' if anchor else ""
    place = f'{style} x="{number(at[0])}" y="{number(at[1])}"'
    return (
        f'<text class="{kind} halo" aria-hidden="true"{place}>{inside}</text>'
        f'<text class="{kind}"{place}>{inside}</text>'
    )


# --- Geometry ---------------------------------------------------------------------


@dataclass(frozen=True)
class Node:
    """A node: where it is, what it is and what it is called."""

    kind: str
    at: Point
    label: str
    half: Point
    parts: frozenset[str]
    words: bool = False
    level: float | None = None

    def border(self, towards: Point, gap: float = 0.0) -> Point:
        """Return the point of the border, plus a gap, on the way to another point."""
        dx, dy = towards[0] - self.at[0], towards[1] - self.at[1]
        distance = math.hypot(dx, dy) or 1.0
        if self.kind in ROUND:
            reach = self.half[0]
        elif self.kind == "loss":
            reach = self.half[0] * 1.2 * distance / (abs(dx) + abs(dy))
        else:
            reach = min(
                self.half[0] / abs(dx) * distance if dx else math.inf,
                self.half[1] / abs(dy) * distance if dy else math.inf,
            )
        reach += gap + (3.0 if self.kind == "output" else 0.0)
        return self.at[0] + dx / distance * reach, self.at[1] + dy / distance * reach


@dataclass
class Edge:
    """An edge: a line through points, with what stands on it."""

    points: list[Point]
    label: str
    label_at: Point | None
    head: bool
    delay: bool
    delay_at: Point | None
    style: str
    casing: bool
    bend: float
    parts: frozenset[str]
    words: bool


def towards(a: Point, b: Point, length: float) -> Point:
    """Return the point ``length`` away from ``a`` on the way to ``b``."""
    distance = math.hypot(b[0] - a[0], b[1] - a[1]) or 1.0
    return a[0] + (b[0] - a[0]) / distance * length, a[1] + (b[1] - a[1]) / distance * length


def halfway(points: Sequence[Point]) -> tuple[Point, Point]:
    """Return the middle of a line through points, and its direction there."""
    lengths = [math.dist(a, b) for a, b in pairwise(points)]
    rest = sum(lengths) / 2
    for (a, b), length in zip(pairwise(points), lengths, strict=True):
        if rest <= length:
            middle = towards(a, b, rest)
            return middle, ((b[0] - a[0]) / (length or 1), (b[1] - a[1]) / (length or 1))
        rest -= length
    return points[-1], (1.0, 0.0)


@dataclass
class Diagram:
    """A drawing under construction.

    Parameters
    ----------
    title : str
        A few words: the SVG's title.
    description : str
        What the drawing shows, for those who cannot see it: the SVG's description and the
        default alternative text.
    """

    title: str
    description: str
    nodes: dict[str, Node] = field(default_factory=dict)
    edges: list[Edge] = field(default_factory=list)
    frames: list[tuple[float, float, float, float, str, frozenset[str]]] = field(
        default_factory=list
    )
    texts: list[tuple[Point, str, str, bool, frozenset[str]]] = field(default_factory=list)

    def node(
        self,
        name: str,
        kind: str,
        at: Point,
        label: str = "",
        *,
        size: Point | None = None,
        part: str = "",
        words: bool = False,
        level: float | None = None,
    ) -> str:
        """Place a node and return its name.

        ``part`` holds part names between blanks; ``level``, from 0 to 1, fills a state from
        below; with ``words`` the label is plain text, its lines set one below another.
        """
        if name in self.nodes:
            raise ValueError(f"name: expected a new name, got {name!r} twice")
        if kind not in SIZES:
            raise ValueError(f"kind: expected one of {', '.join(SIZES)}, got {kind!r}")
        half = (size[0] / 2, size[1] / 2) if size else SIZES[kind]
        self.nodes[name] = Node(kind, at, label, half, frozenset(part.split()), words, level)
        return name

    def _point(self, end: str | Point) -> Point:
        return self.nodes[end].at if isinstance(end, str) else end

    def edge(
        self,
        start: str | Point,
        end: str | Point,
        label: str = "",
        *,
        via: Iterable[Point] = (),
        side: float = 1.0,
        label_at: Point | None = None,
        head: bool = True,
        delay: bool = False,
        delay_at: Point | None = None,
        style: str = "",
        casing: bool = False,
        bend: float = 0.0,
        part: str = "",
        words: bool = False,
    ) -> None:
        """Draw an edge from node (or point) to node (or point).

        ``via`` are corners, rounded when drawn. ``bend`` bows a straight edge by so many
        units to its right. The label stands at ``label_at``, or beside the middle: to the
        right of the direction of travel for ``side`` 1, to the left for −1. ``delay`` puts the
        one-step delay at ``delay_at`` or in the middle. ``casing`` clears what lies below.
        """
        corners = list(via)
        a, b = self._point(start), self._point(end)
        first = corners[0] if corners else b
        last = corners[-1] if corners else a
        if bend:
            nx, ny = b[1] - a[1], a[0] - b[0]
            length = math.hypot(nx, ny)
            control = (
                (a[0] + b[0]) / 2 - nx / length * bend,
                (a[1] + b[1]) / 2 - ny / length * bend,
            )
            first = last = control
            corners = [control]
        source = self.nodes[start].border(first, 1.0) if isinstance(start, str) else start
        target = self.nodes[end].border(last, 3.0 if head else 1.0) if isinstance(end, str) else end
        points = [source, *corners, target]
        if label and label_at is None:
            (mx, my), (dx, dy) = halfway(points)
            if bend:
                mx, my = (
                    (points[0][0] + 2 * points[1][0] + points[2][0]) / 4,
                    (points[0][1] + 2 * points[1][1] + points[2][1]) / 4,
                )
            reach = 13.0 + abs(dy) * (width(label, 17.0, words) / 2 - 5.0)
            label_at = (mx - dy * side * reach, my + dx * side * reach)
        self.edges.append(
            Edge(
                points,
                label,
                label_at,
                head,
                delay,
                delay_at,
                style,
                casing,
                bend,
                frozenset(part.split()),
                words,
            )
        )

    def loop(self, name: str, label: str = "W", side: str = "right", part: str = "") -> None:
        """Draw a state's edge to itself, delayed by one step."""
        node = self.nodes[name]
        sign = 1 if side == "right" else -1
        (x, y), (w, _) = node.at, node.half
        out = x + sign * (w + 32)
        self.edge(
            (x + sign * (w + 1), y - 11),
            (x + sign * (w + 3), y + 11),
            label,
            via=[(out, y - 11), (out, y + 11)],
            label_at=(out + sign * (12 + width(label, 17.0) / 2), y),
            delay=True,
            delay_at=(out, y),
            part=part,
        )

    def frame(self, corner: Point, opposite: Point, label: str = "", *, part: str = "") -> None:
        """Draw a dotted frame with a label at its top left."""
        (x0, y0), (x1, y1) = corner, opposite
        self.frames.append((x0, y0, x1 - x0, y1 - y0, label, frozenset(part.split())))

    def text(
        self, at: Point, text: str, *, anchor: str = "middle", math: bool = False, part: str = ""
    ) -> None:
        """Write words, or a formula, at a point."""
        self.texts.append((at, text, anchor, math, frozenset(part.split())))

    # --- Drawing ---

    def _bounds(self) -> tuple[float, float, float, float]:
        xs: list[float] = []
        ys: list[float] = []

        def add(x: float, y: float, w: float = 0.0, h: float = 0.0) -> None:
            xs.extend((x - w, x + w))
            ys.extend((y - h, y + h))

        for node in self.nodes.values():
            reach = 4.0 if node.kind in ("output", "loss") else 1.0
            add(*node.at, node.half[0] + reach, node.half[1] + reach)
        for edge in self.edges:
            for point in edge.points:
                add(*point)
            if edge.label_at:
                add(*edge.label_at, width(edge.label, 17.0, edge.words) / 2, 11.0)
        for x, y, w, h, label, _ in self.frames:
            add(x + w / 2, y + h / 2, w / 2, h / 2)
            if label:
                add(x, y - 14)
                add(x + width(label, 14.0, True), y)
        for (x, y), text, anchor, is_math, _ in self.texts:
            w = width(text, 17.0 if is_math else 14.0, not is_math)
            left = {"middle": x - w / 2, "start": x, "end": x - w}[anchor]
            add(left + w / 2, y, w / 2, 12.0)
        margin = 8.0
        x0, y0 = math.floor(min(xs) - margin), math.floor(min(ys) - margin)
        return x0, y0, math.ceil(max(xs) + margin) - x0, math.ceil(max(ys) + margin) - y0

    def _written(self) -> Iterator[tuple[str, str]]:
        """Yield (face, text) of all that is written."""
        for node in self.nodes.values():
            yield from faces(node.label, node.words)
        for edge in self.edges:
            yield from faces(edge.label, edge.words)
        for *_, label, _ in self.frames:
            yield from faces(label, words=True)
        for _, text, _, is_math, _ in self.texts:
            yield from faces(text, not is_math)

    @staticmethod
    def _path(edge: Edge) -> tuple[str, str]:
        """Return the line's path and the arrowhead's."""
        points = list(edge.points)
        before, tip = points[-2], points[-1]
        if edge.head:
            points[-1] = towards(tip, before, HEAD * 0.8)
        path = [f"M{number(points[0][0])} {number(points[0][1])}"]
        if edge.bend:
            (cx, cy), (ex, ey) = points[1], points[2]
            path.append(f"Q{number(cx)} {number(cy)} {number(ex)} {number(ey)}")
        else:
            for k in range(1, len(points) - 1):
                corner = points[k]
                room = min(math.dist(points[k - 1], corner), math.dist(corner, points[k + 1])) / 2
                radius = min(CORNER, room)
                sx, sy = towards(corner, points[k - 1], radius)
                ex, ey = towards(corner, points[k + 1], radius)
                path.append(
                    f"L{number(sx)} {number(sy)}"
                    f"Q{number(corner[0])} {number(corner[1])} {number(ex)} {number(ey)}"
                )
            path.append(f"L{number(points[-1][0])} {number(points[-1][1])}")
        head = ""
        if edge.head:
            bx, by = towards(tip, before, HEAD)
            nx, ny = (by - tip[1]) / HEAD * 4.0, (tip[0] - bx) / HEAD * 4.0
            head = (
                f"M{number(tip[0])} {number(tip[1])}L{number(bx + nx)} {number(by + ny)}"
                f"L{number(bx - nx)} {number(by - ny)}Z"
            )
        return "".join(path), head

    @staticmethod
    def _shape(node: Node) -> str:
        (x, y), (w, h) = node.at, node.half
        kind = node.kind
        if kind == "none":
            return ""
        classed = f'class="shape {kind}"'
        if kind in ROUND:
            circle = f'<circle {classed} cx="{number(x)}" cy="{number(y)}" r="{number(w)}"/>'
            if kind == "output":
                outer = f'<circle {classed} cx="{number(x)}" cy="{number(y)}" r="{number(w + 3)}"/>'
                return outer + circle
            return circle
        if kind == "loss":
            r = w * 1.2
            return (
                f'<path {classed} stroke-linejoin="round" d="M{number(x)} {number(y - r)}'
                f"L{number(x + r)} {number(y)}L{number(x)} {number(y + r)}"
                f'L{number(x - r)} {number(y)}Z"/>'
            )
        radius = {"state": 9.0, "layer": 7.0, "block": 8.0}[kind]

        def box(classes: str, w: float, top: float, bottom: float, radius: float) -> str:
            return (
                f'<rect class="{classes}" x="{number(x - w)}" y="{number(top)}" '
                f'width="{number(2 * w)}" height="{number(bottom - top)}" rx="{number(radius)}"/>'
            )

        shape = box(f"shape {kind}", w, y - h, y + h, radius)
        if node.level:
            inside = h - 3.5
            top = y + inside - 2 * inside * node.level
            shape += box("level", w - 3.5, top, y + inside, min(5.0, inside * node.level))
        return shape

    def svg(self, lit: Iterable[str] | None = None) -> str:
        """Draw; with ``lit``, everything that is in none of these parts is muted.

        Raises
        ------
        ValueError
            Where a part to be lit does not exist.
        """
        wanted = None if lit is None else frozenset(lit)
        known = frozenset[str]().union(
            *(n.parts for n in self.nodes.values()),
            *(e.parts for e in self.edges),
            *(f[-1] for f in self.frames),
            *(t[-1] for t in self.texts),
        )
        if wanted is not None and not wanted <= known:
            raise ValueError(f"lit: expected parts among {sorted(known)}, got {sorted(wanted)}")

        def group(parts: frozenset[str], inner: str, extra: str = "") -> str:
            mute = "mute" if wanted is not None and not parts & wanted else ""
            classes = f"{extra} {mute}".strip()
            return f'<g class="{classes}">{inner}</g>' if classes else f"<g>{inner}</g>"

        x0, y0, w, h = self._bounds()
        out = [
            f'<svg xmlns="http://www.w3.org/2000/svg" class="dgm" role="img" '
            f'viewBox="{number(x0)} {number(y0)} {number(w)} {number(h)}" '
            f'width="{number(w)}" height="{number(h)}">',
            f"<title>{escape(self.title)}</title>",
            f"<desc>{escape(self.description)}</desc>",
            f"<style>\n{own_style(self._written())}\n</style>",
        ]
        for x, y, fw, fh, label, parts in self.frames:
            inner = (
                f'<rect class="frame" x="{number(x)}" y="{number(y)}" width="{number(fw)}" '
                f'height="{number(fh)}" rx="12"/>'
            )
            if label:
                inner += (
                    f'<text class="frame-label" style="text-anchor:start" x="{number(x + 4)}" '
                    f'y="{number(y - 6)}">{escape(label)}</text>'
                )
            out.append(group(parts, inner))
        labels = []
        for edge in self.edges:
            path, head = self._path(edge)
            inner = f'<path class="casing" d="{path}"/>' if edge.casing else ""
            inner += f'<path class="edge" d="{path}"/>'
            if head:
                inner += f'<path class="head" d="{head}"/>'
            if edge.delay:
                x, y = edge.delay_at or halfway(edge.points)[0]
                inner += (
                    f'<rect class="delay" x="{number(x - 5.5)}" y="{number(y - 5.5)}" '
                    f'width="11" height="11"/>'
                )
            out.append(group(edge.parts, inner, edge.style))
            if edge.label and edge.label_at:
                x, y = edge.label_at
                inside = escape(edge.label) if edge.words else spans(edge.label)
                kind = "words" if edge.words else "label"
                labels.append(group(edge.parts, haloed(kind, (x, y + 5), inside), edge.style))
        out += labels
        for node in self.nodes.values():
            inner = self._shape(node)
            if node.label:
                x, y = node.at
                small = ' class="small"' if node.kind in ("op", "layer") else ""
                if node.words:
                    lines = node.label.split("\n")
                    for k, line in enumerate(lines):
                        at = y + 5 + 17 * (k - (len(lines) - 1) / 2)
                        inner += (
                            f'<text class="words" x="{number(x)}" y="{number(at)}">'
                            f"{escape(line)}</text>"
                        )
                else:
                    inner += (
                        f'<text{small} x="{number(x)}" y="{number(y + 6)}">'
                        f"{spans(node.label)}</text>"
                    )
            out.append(group(node.parts, inner))
        for (x, y), text, anchor, is_math, parts in self.texts:
            kind = "label" if is_math else "words"
            inside = spans(text) if is_math else escape(text)
            out.append(group(parts, haloed(kind, (x, y + 5), inside, anchor)))
        out.append("</svg>\n")
        return "\n".join(out)
