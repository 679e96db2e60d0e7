"""Measure the library: `python -m tools.bench [--quick] [--only lstm …]`.

One table. For every architecture and size, the time of one training step in float32, from
inputs and output gradients to all gradients, of four programs that take turns in one process:

ours    lib, by the cells' kernels
torch   the same layer of torch.nn, eager; its gradients are compared with ours first
scan    lib without kernels: `lib.bptt.scan`, the cells' equations step by step
floor   the matrix products alone, the input's for all steps at once, written to kept buffers

With ``--against FOLDER``, the library of another checkout takes its turns too, and the last
column is its time over ours.

BENCH_THREADS=1 in the environment measures with one thread in place of two.

Times are medians of several rounds, on a machine that should do nothing else. After the table:
geometric means, the way forward and the way back apart, and how memory grows with the number of
steps, with and without checkpoints.
"""

import argparse
import importlib
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

THREADS = int(os.environ.get("BENCH_THREADS", "2"))
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = str(THREADS)  # read once, when NumPy and torch load

import math  # noqa: E402
import statistics  # noqa: E402
import time  # noqa: E402
import tracemalloc  # noqa: E402
from typing import Any, NamedTuple  # noqa: E402

import numpy as np  # noqa: E402
import torch  # noqa: E402

from lib import tree  # noqa: E402
from lib.bidirectional import Bidirectional  # noqa: E402
from lib.bptt import SCAN, Checkpointed, Recurrent  # noqa: E402
from lib.cell import Kernel, Layer  # noqa: E402
from lib.deep import Stacked  # noqa: E402
from lib.gru import GRU  # noqa: E402
from lib.lstm import LSTM  # noqa: E402
from lib.peephole import PeepholeLSTM  # noqa: E402
from lib.rnn import RNN  # noqa: E402

SIZES = [
    (50, 32, 32, 64),
    (100, 64, 64, 128),
    (100, 64, 256, 256),
    (50, 128, 512, 512),
    (200, 1, 64, 64),
]
QUICK_SIZES = [SIZES[0], SIZES[2], SIZES[4]]
LARGE = SIZES[2:4]
SETTLE = 0.04  # seconds for which idle BLAS threads spin and would disturb the next program


class Row(NamedTuple):
    """Seconds a training step of one architecture at one size."""

    name: str
    size: tuple[int, int, int, int]
    ours: float
    torch: float | None
    scan: float
    floor: float
    before: float | None


class Scanned(Recurrent):
    """A layer that leaves its cell's kernel alone."""

    def _kernel(self, steps: int) -> Kernel:
        return SCAN


def layers(D: int, H: int, kind: type[Recurrent] = Recurrent) -> dict[str, Layer]:
    """Make the architectures measured; stacked and bidirectional ones are of LSTMs."""
    return {
        "rnn": kind(RNN(D, H)),
        "lstm": kind(LSTM(D, H)),
        "gru": kind(GRU(D, H, reset_after=True)),
        "peephole": kind(PeepholeLSTM(D, H)),
        "stacked": Stacked([kind(LSTM(D, H)), kind(LSTM(H, H))]),
        "bidirectional": Bidirectional(kind(LSTM(D, H)), kind(LSTM(D, H))),
    }


MODULES = ("tree", "bptt", "rnn", "lstm", "gru", "peephole", "deep", "bidirectional")


def library(folder: Path) -> dict[str, Any]:
    """Import the library of another checkout beside this one; return its names.

    Raises
    ------
    SystemExit
        Where there is none.
    """

    def loaded() -> list[str]:
        return [name for name in sys.modules if name.split(".")[0] == "lib"]

    if not (folder / "lib" / "bptt.py").is_file():
        raise SystemExit(f"--against: expected a checkout with a folder lib, got {folder}")
    ours = {name: sys.modules.pop(name) for name in loaded()}
    sys.path.insert(0, str(folder.resolve()))
    names: dict[str, Any] = {}
    for module in MODULES:
        names |= vars(importlib.import_module(f"lib.{module}"))
    sys.path.pop(0)
    for name in loaded():
        del sys.modules[name]
    sys.modules |= ours
    return names


def other_layer(names: dict[str, Any], name: str, D: int, H: int) -> Layer:
    """Make an architecture of another checkout's library."""
    cells = {"rnn": "RNN", "gru": "GRU", "peephole": "PeepholeLSTM"}
    options = {"reset_after": True} if name == "gru" else {}

    def run(size: int) -> Any:
        return names["Recurrent"](names[cells.get(name, "LSTM")](size, H, **options))

    if name == "stacked":
        return names["Stacked"]([run(D), run(H)])
    return names["Bidirectional"](run(D), run(D)) if name == "bidirectional" else run(D)


def translated(like: Any, params: Any) -> Any:
    """Put parameters into the types of another checkout's library."""
    if not isinstance(like, tuple):
        return params
    fields = getattr(like, "_fields", None)
    if fields is None:
        return tuple(translated(a, b) for a, b in zip(like, params, strict=True))
    return type(like)(*(translated(getattr(like, f), getattr(params, f)) for f in fields))


def example(layer: Layer, T: int, N: int) -> tuple[Any, np.ndarray, np.ndarray]:
    """Draw parameters, inputs and gradients of outputs in float32."""
    rng = np.random.default_rng(0)
    params = tree.tree_map(lambda leaf: leaf.astype(np.float32), layer.init(rng))
    xs = rng.normal(size=(T, N, layer.input_size)).astype(np.float32)
    return params, xs, rng.normal(size=(T, N, layer.output_size)).astype(np.float32)


def recurrent_parts(layer: Layer, params: Any) -> list[tuple[Recurrent, Any]]:
    """List the recurrent layers of an architecture with their parameters, inputs first."""
    if isinstance(layer, Recurrent):
        return [(layer, params)]
    pairs = (
        zip(layer.runs, params.layers, strict=True)
        if isinstance(layer, Stacked)
        else zip(layer.layers, params, strict=True)
    )
    return [pair for part, p in pairs for pair in recurrent_parts(part, p)]


def gradients(layer: Layer, dparams: Any) -> list[np.ndarray]:
    """List U, W and b of every recurrent layer."""
    return [a for _, d in recurrent_parts(layer, dparams) for a in (d.U, d.W, d.b)]


Step = Callable[[], list[np.ndarray]]
"""One training step; returns outputs, input gradient, and U, W and b of every layer."""


def our_step(layer: Layer, params: Any, xs: np.ndarray, dys: np.ndarray) -> Step:
    def step() -> list[np.ndarray]:
        ys, _, cache = layer.forward(params, xs)
        dparams, dxs, _ = layer.backward(params, cache, dys)
        return [ys, dxs, *gradients(layer, dparams)]

    return step


def plain_step(layer: Layer, params: Any, xs: np.ndarray, dys: np.ndarray) -> Step:
    """Make a step that returns outputs and input gradient alone, whatever types it gives."""

    def step() -> list[np.ndarray]:
        ys, _, cache = layer.forward(params, xs)
        _, dxs, _ = layer.backward(params, cache, dys)
        return [ys, dxs]

    return step


def torch_step(
    name: str, layer: Layer, params: Any, xs: np.ndarray, dys: np.ndarray
) -> Step | None:
    """Make torch.nn's step with the same parameters; ``None`` where it has no such layer."""
    kinds = {"rnn": torch.nn.RNN, "gru": torch.nn.GRU, "peephole": None}
    kind = kinds.get(name, torch.nn.LSTM)
    if kind is None:
        return None
    parts = recurrent_parts(layer, params)
    module = kind(
        xs.shape[-1],
        parts[0][0].output_size,
        num_layers=2 if name == "stacked" else 1,
        bidirectional=name == "bidirectional",
    )
    suffixes = {"stacked": ["_l0", "_l1"], "bidirectional": ["_l0", "_l0_reverse"]}
    suffixes_here = suffixes.get(name, ["_l0"])
    with torch.no_grad():
        for (_, p), suffix in zip(parts, suffixes_here, strict=True):
            b_hh = np.zeros_like(p.b)
            if name == "gru":
                b_hh[-len(p.b_hn) :] = p.b_hn
            for field, value in (
                ("weight_ih", p.U),
                ("weight_hh", p.W),
                ("bias_ih", p.b),
                ("bias_hh", b_hh),
            ):
                getattr(module, field + suffix).copy_(torch.from_numpy(value))
    x = torch.from_numpy(xs).requires_grad_()
    dy = torch.from_numpy(dys)

    def step() -> list[np.ndarray]:
        module.zero_grad()
        x.grad = None
        y, _ = module(x)
        y.backward(dy)
        weights = [
            getattr(module, field + suffix).grad
            for suffix in suffixes_here
            for field in ("weight_ih", "weight_hh", "bias_ih")
        ]
        return [tensor.detach().numpy() for tensor in (y, x.grad, *weights)]

    return step


def floor_step(layer: Layer, params: Any, xs: np.ndarray) -> Callable[[], None]:
    """Make the step's matrix products and nothing else, into arrays kept between calls."""
    T, N, _ = xs.shape
    rng = np.random.default_rng(0)
    works = []
    for part, p in recurrent_parts(layer, params):
        (G, H), D = p.W.shape, part.input_size
        widths = {"x": D, "h": H, "a": G}
        arrays = {k: rng.normal(size=(T, N, w)).astype(xs.dtype) for k, w in widths.items()}
        works.append((p, arrays, {k: a.reshape(T * N, -1) for k, a in arrays.items()}))

    def step() -> None:
        for p, by_step, flat in works:
            dU, dW = np.empty_like(p.U), np.empty_like(p.W)
            UT, WT = np.ascontiguousarray(p.U.T), np.ascontiguousarray(p.W.T)
            recurrent, back = np.empty_like(by_step["a"][0]), np.empty_like(by_step["h"][0])
            projected, dxs = np.empty_like(flat["a"]), np.empty_like(flat["x"])
            np.matmul(flat["x"], UT, out=projected)
            for h in by_step["h"]:
                np.matmul(h, WT, out=recurrent)
            for delta in by_step["a"]:
                np.matmul(delta, p.W, out=back)
            np.matmul(flat["a"].T, flat["x"], out=dU)
            np.matmul(flat["a"].T, flat["h"], out=dW)
            np.matmul(flat["a"], p.U, out=dxs)

    return step


def agree(name: str, ours: Sequence[np.ndarray], theirs: Sequence[np.ndarray]) -> None:
    """Stop where two programs do not compute the same: a race between them says nothing.

    Raises
    ------
    SystemExit
        Naming the program and the largest relative difference.
    """
    worst = max(
        float(np.linalg.norm(a - b) / np.linalg.norm(b)) for a, b in zip(ours, theirs, strict=True)
    )
    if not worst < 1e-3:
        raise SystemExit(f"{name}: results differ from ours by {worst:.1e} of their norm")


def take_turns(programs: dict[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """Time programs in turns: the median over the rounds of seconds a call.

    Before each turn there is a pause, in which the other program's threads fall asleep, and an
    untimed call, which wakes one's own. A turn lasts 20 ms at least.
    """
    seconds: dict[str, list[float]] = {name: [] for name in programs}
    for _ in range(rounds):
        for name, program in programs.items():
            time.sleep(SETTLE)
            program()
            calls, begin = 0, time.perf_counter()
            while calls == 0 or time.perf_counter() - begin < 0.02:
                program()
                calls += 1
            seconds[name].append((time.perf_counter() - begin) / calls)
    return {name: statistics.median(values) for name, values in seconds.items()}


def measure(
    name: str, size: tuple[int, int, int, int], rounds: int, before: dict[str, Any] | None
) -> Row:
    """Check that the programs agree, then time them."""
    T, N, D, H = size
    layer = layers(D, H)[name]
    params, xs, dys = example(layer, T, N)
    ours = our_step(layer, params, xs, dys)
    others = {
        "torch": torch_step(name, layer, params, xs, dys),
        "scan": our_step(layers(D, H, Scanned)[name], params, xs, dys),
    }
    if before is not None:
        old = other_layer(before, name, D, H)
        theirs = translated(old.init(np.random.default_rng(0)), params)
        others["before"] = plain_step(old, theirs, xs, dys)
    programs: dict[str, Callable[[], Any]] = {"ours": ours}
    for other, program in others.items():
        if program is not None:
            given = program()
            agree(f"{name} {other}", ours()[: len(given)], given)
            programs[other] = program
    programs["floor"] = floor_step(layer, params, xs)
    seconds = take_turns(programs, rounds)
    return Row(name, size, *map(seconds.get, ("ours", "torch", "scan", "floor", "before")))  # type: ignore[arg-type]


def geometric_mean(values: Sequence[float]) -> float:
    return math.exp(statistics.fmean(map(math.log, values))) if values else math.nan


def print_table(
    names: Sequence[str],
    sizes: Sequence[tuple[int, int, int, int]],
    rounds: int,
    before: dict[str, Any] | None,
) -> None:
    """Print times and ratios, row by row as they are measured, then the geometric means."""
    print(
        f"One training step, float32, {THREADS} threads, medians of {rounds} rounds; "
        f"milliseconds.\nLoad of the machine at the start: {os.getloadavg()[0]:.1f} "
        "(much above 0, and the numbers mean little).\n"
        "torch/ours and scan/ours: above 1, ours is the faster; ours/floor: 1 is the limit.\n\n"
        f"{'':14}{'T':>4} {'N':>4} {'D':>4} {'H':>4} {'ours':>9} {'torch':>9} {'scan':>9} "
        f"{'floor':>9} {'torch/ours':>11} {'scan/ours':>11} {'ours/floor':>11}"
        + (f" {'before/ours':>12}" if before else "")
    )
    rows = []
    for name in names:
        for size in sizes:
            row = measure(name, size, rounds, before)
            rows.append(row)
            against = f"{row.torch / row.ours:11.2f}" if row.torch else f"{'-':>11}"
            theirs = f"{row.torch * 1e3:9.2f}" if row.torch else f"{'-':>9}"
            print(
                f"{name:14}{' '.join(f'{n:4}' for n in size)} {row.ours * 1e3:9.2f} {theirs} "
                f"{row.scan * 1e3:9.2f} {row.floor * 1e3:9.2f} {against} "
                f"{row.scan / row.ours:11.2f} {row.ours / row.floor:11.2f}"
                + (f" {row.before / row.ours:12.2f}" if row.before else ""),
                flush=True,
            )
    large = [row for row in rows if row.size in LARGE]
    print("\nGeometric means")
    for label, values, aim in (
        ("torch/ours", [row.torch / row.ours for row in rows if row.torch], "at least 1"),
        ("scan/ours", [row.scan / row.ours for row in rows], "none: what the kernels buy"),
        ("ours/floor, large sizes", [row.ours / row.floor for row in large], "at most 2"),
        ("before/ours", [r.before / r.ours for r in rows if r.before], "no row below 0.91"),
    ):
        if values:
            print(f"  {label:26}{geometric_mean(values):6.2f}   aim: {aim}")


def print_ways(names: Sequence[str], sizes: Sequence[tuple[int, int, int, int]]) -> None:
    """Print how a step's time is shared between the way forward and the way back."""
    print(
        "\nMilliseconds a step forward and back.\n\n"
        f"{'':14}{'T':>4} {'N':>4} {'D':>4} {'H':>4} {'forward':>9} {'back':>9}"
    )
    for name in names:
        for T, N, D, H in sizes:
            layer = layers(D, H)[name]
            params, xs, dys = example(layer, T, N)
            cache = layer.forward(params, xs)[2]
            seconds = take_turns(
                {
                    "forward": lambda layer=layer, params=params, xs=xs: layer.forward(params, xs),
                    "back": lambda layer=layer, params=params, cache=cache, dys=dys: layer.backward(
                        params, cache, dys
                    ),
                },
                3,
            )
            print(
                f"{name:14}{' '.join(f'{n:4}' for n in (T, N, D, H))} "
                f"{seconds['forward'] * 1e3:9.2f} {seconds['back'] * 1e3:9.2f}",
                flush=True,
            )


def working_memory(layer: Layer, T: int, N: int = 4, D: int = 16, H: int = 32) -> int:
    """Count the most bytes held during a step beside inputs, outputs and their gradients."""
    rng = np.random.default_rng(0)
    params = layer.init(rng)
    xs, dys = rng.normal(size=(T, N, D)), rng.normal(size=(T, N, H))
    tracemalloc.start()
    try:
        ys, _, cache = layer.forward(params, xs)
        _, dxs, _ = layer.backward(params, cache, dys)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    return peak - ys.nbytes - dxs.nbytes


def print_memory(lengths: Sequence[int] = (256, 1024, 4096)) -> None:
    """Print how the memory of an LSTM's step grows with T, with and without checkpoints."""
    layer = Recurrent(LSTM(16, 32))
    full = [working_memory(layer, T) for T in lengths]
    checkpointed = [working_memory(Checkpointed(layer), T) for T in lengths]
    print(
        "\nMemory of a training step of an LSTM (N 4, D 16, H 32, float64) beside inputs, outputs\n"
        "and their gradients; MB.\n\n"
        f"{'':14}" + " ".join(f"{f'T {T}':>9}" for T in lengths) + "   exponent of T"
    )
    for label, sizes in (("full", full), ("checkpoints", checkpointed)):
        exponent = np.polyfit(np.log(lengths), np.log(sizes), 1)[0]
        print(f"{label:14}" + " ".join(f"{s / 1e6:9.2f}" for s in sizes) + f"{exponent:16.2f}")


def main() -> None:
    names = list(layers(1, 1))
    parser = argparse.ArgumentParser(description="Measure the library's speed and memory.")
    parser.add_argument("--quick", action="store_true", help="three sizes, three rounds")
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="NAME")
    parser.add_argument("--rounds", type=int, help="rounds of each measurement (7; quick: 3)")
    parser.add_argument("--against", type=Path, metavar="FOLDER", help="another checkout")
    arguments = parser.parse_args()
    before = library(arguments.against) if arguments.against else None
    torch.set_num_threads(THREADS)
    torch.manual_seed(0)
    sizes = QUICK_SIZES if arguments.quick else SIZES
    print_table(arguments.only, sizes, arguments.rounds or (3 if arguments.quick else 7), before)
    cells = [name for name in arguments.only if name not in ("stacked", "bidirectional")]
    print_ways(cells, sizes)
    print_memory()


if __name__ == "__main__":
    main()
