"""The plain programs that `tools.bench` compares with: a loop over steps, a product for a gate.

Written as the equations are printed, with no thought of speed: every gate has its own U, W and
b, every step its own products, and the backward pass adds to every gradient at every step.
Parameters and gradients are dictionaries from names as ``U_i`` to arrays. Each network returns
its outputs and the function that takes their gradient to those of the parameters and inputs.
"""

from collections.abc import Callable

import numpy as np

Arrays = dict[str, np.ndarray]
Run = tuple[np.ndarray, Callable[[np.ndarray], tuple[Arrays, np.ndarray]]]


def sigmoid(a: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-a))


def split(params: object, gates: str) -> Arrays:
    """Cut stacked U, W, b into a block for each gate; peepholes and b_hn stay whole."""
    arrays: Arrays = {}
    for name, value in params._asdict().items():  # type: ignore[attr-defined]
        if name in ("U", "W", "b"):
            for gate, block in zip(gates, np.split(value, len(gates)), strict=True):
                arrays[f"{name}_{gate}"] = block.copy()
        elif value is not None:
            arrays[name] = value
    return arrays


def zeros(p: Arrays) -> Arrays:
    return {name: np.zeros_like(value) for name, value in p.items()}


def pre(p: Arrays, gate: str, x: np.ndarray, h: np.ndarray) -> np.ndarray:
    return x @ p[f"U_{gate}"].T + h @ p[f"W_{gate}"].T + p[f"b_{gate}"]


def pre_backward(
    p: Arrays, d: Arrays, gate: str, delta: np.ndarray, x: np.ndarray, h: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    d[f"U_{gate}"] += delta.T @ x
    d[f"W_{gate}"] += delta.T @ h
    d[f"b_{gate}"] += delta.sum(axis=0)
    return delta @ p[f"U_{gate}"], delta @ p[f"W_{gate}"]


def start(p: Arrays, xs: np.ndarray) -> np.ndarray:
    hidden_size = next(value for name, value in p.items() if name[0] == "W").shape[1]
    return np.zeros((xs.shape[1], hidden_size), xs.dtype)


def rnn(p: Arrays, xs: np.ndarray) -> Run:
    h = start(p, xs)
    hs = [h]
    for x in xs:
        h = np.tanh(pre(p, "a", x, h))
        hs.append(h)

    def backward(dys: np.ndarray) -> tuple[Arrays, np.ndarray]:
        d, dxs, dh = zeros(p), np.zeros_like(xs), np.zeros_like(h)
        for t in reversed(range(len(xs))):
            delta = (1 - hs[t + 1] ** 2) * (dys[t] + dh)
            dxs[t], dh = pre_backward(p, d, "a", delta, xs[t], hs[t])
        return d, dxs

    return np.array(hs[1:]), backward


def lstm(p: Arrays, xs: np.ndarray) -> Run:
    """LSTM, with peepholes where ``p`` has them."""
    peep = "p_i" in p
    h = c = start(p, xs)
    hs, cs, gates = [h], [c], []
    for x in xs:
        i, f, o = (pre(p, gate, x, h) for gate in "ifo")
        if peep:
            i = i + p["p_i"] * c
            f = f + p["p_f"] * c
        i, f = sigmoid(i), sigmoid(f)
        g = np.tanh(pre(p, "g", x, h))
        c = f * c + i * g
        if peep:
            o = o + p["p_o"] * c
        o = sigmoid(o)
        h = o * np.tanh(c)
        hs.append(h)
        cs.append(c)
        gates.append((i, f, g, o))

    def backward(dys: np.ndarray) -> tuple[Arrays, np.ndarray]:
        d, dxs, dh, dc = zeros(p), np.zeros_like(xs), np.zeros_like(h), np.zeros_like(c)
        for t in reversed(range(len(xs))):
            i, f, g, o = gates[t]
            tanh_c = np.tanh(cs[t + 1])
            dh = dh + dys[t]
            do = dh * tanh_c * o * (1 - o)
            dc = dc + dh * o * (1 - tanh_c**2)
            if peep:
                dc = dc + do * p["p_o"]
                d["p_o"] += (do * cs[t + 1]).sum(axis=0)
            di = dc * g * i * (1 - i)
            df = dc * cs[t] * f * (1 - f)
            dg = dc * i * (1 - g**2)
            dc = dc * f
            if peep:
                dc = dc + di * p["p_i"] + df * p["p_f"]
                d["p_i"] += (di * cs[t]).sum(axis=0)
                d["p_f"] += (df * cs[t]).sum(axis=0)
            dh = np.zeros_like(h)
            for gate, delta in zip("ifgo", (di, df, dg, do), strict=True):
                dx, dh_gate = pre_backward(p, d, gate, delta, xs[t], hs[t])
                dxs[t] += dx
                dh = dh + dh_gate
        return d, dxs

    return np.array(hs[1:]), backward


def gru(p: Arrays, xs: np.ndarray) -> Run:
    """GRU that resets after the product, as torch does."""
    h = start(p, xs)
    hs, gates = [h], []
    for x in xs:
        r = sigmoid(pre(p, "r", x, h))
        z = sigmoid(pre(p, "z", x, h))
        q = h @ p["W_n"].T + p["b_hn"]
        n = np.tanh(x @ p["U_n"].T + p["b_n"] + r * q)
        h = z * h + (1 - z) * n
        hs.append(h)
        gates.append((r, z, q, n))

    def backward(dys: np.ndarray) -> tuple[Arrays, np.ndarray]:
        d, dxs, dh = zeros(p), np.zeros_like(xs), np.zeros_like(h)
        for t in reversed(range(len(xs))):
            r, z, q, n = gates[t]
            x, h_prev = xs[t], hs[t]
            dh = dh + dys[t]
            dn = dh * (1 - z) * (1 - n**2)
            dz = dh * (h_prev - n) * z * (1 - z)
            dr = dn * q * r * (1 - r)
            dq = dn * r
            d["U_n"] += dn.T @ x
            d["b_n"] += dn.sum(axis=0)
            d["W_n"] += dq.T @ h_prev
            d["b_hn"] += dq.sum(axis=0)
            dx_r, dh_r = pre_backward(p, d, "r", dr, x, h_prev)
            dx_z, dh_z = pre_backward(p, d, "z", dz, x, h_prev)
            dxs[t] = dn @ p["U_n"] + dx_r + dx_z
            dh = dh * z + dq @ p["W_n"] + dh_r + dh_z
        return d, dxs

    return np.array(hs[1:]), backward
