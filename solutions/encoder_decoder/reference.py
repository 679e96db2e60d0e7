"""Chapter 9's functions written a second time, for the hidden tests."""

import itertools
import math

import numpy as np


def encode(sources, lengths, E, U, W, b):
    T, N = sources.shape
    hs, C = np.zeros((T, N, len(W))), np.zeros((N, len(W)))
    for n in range(N):
        for t in range(lengths[n]):
            before = hs[t - 1, n] if t else 0 * b
            one_hot = (np.arange(len(E)) == sources[t, n]).astype(float)
            hs[t, n] = np.tanh(U @ (E.T @ one_hot) + W @ before + b)
        C[n] = hs[lengths[n] - 1, n]
    return hs, C


def decode(targets, C, mode, E, U, W, b, R, P, p):
    T, N = targets.shape
    hs = np.zeros((T, N, len(W)))
    for n in range(N):
        state = {"every_step": 0 * p}.get(mode, np.tanh(p + P @ C[n]))
        symbol = E.shape[0] - 1
        for t in range(T):
            a = U @ E[symbol] + W @ state + b
            if mode in ("every_step", "both"):
                a = a + R @ C[n]
            state = hs[t, n] = np.tanh(a)
            symbol = targets[t, n]
    return hs


def sequence_loss(logits, stop, targets, lengths):
    N = logits.shape[1]
    loss, dlogits, dstop = 0.0, np.zeros(logits.shape), np.zeros(stop.shape)
    for n in range(N):
        for t in range(lengths[n]):
            s, y, z = logits[t, n], targets[t, n], float(stop[t, n])
            top = float(s.max())
            total = math.fsum(math.exp(float(v) - top) for v in s)
            loss -= (float(s[y]) - top - math.log(total)) / N
            for k in range(len(s)):
                dlogits[t, n, k] = (math.exp(float(s[k]) - top) / total - (k == y)) / N
            signed = z if t + 1 == lengths[n] else -z
            small = math.exp(-abs(z))
            loss += (max(-signed, 0.0) + math.log1p(small)) / N
            sigmoid = 1 / (1 + small) if z >= 0 else small / (1 + small)
            dstop[t, n] = (sigmoid - (t + 1 == lengths[n])) / N
    return loss, dlogits, dstop


def every_step_backward(deltas, C, R):
    dC, dR = np.zeros(C.shape), np.zeros(R.shape)
    for step in deltas:
        for n, delta in enumerate(step):
            dC[n] += R.T @ delta
            dR += np.outer(delta, C[n])
    return dC, dR


def bridge_backward(dh0, h0, C, P):
    dC, dP, dp = np.zeros(C.shape), np.zeros(P.shape), np.zeros(len(P))
    for n in range(len(C)):
        for j in range(len(P)):
            error = dh0[n, j] - dh0[n, j] * h0[n, j] * h0[n, j]
            dp[j] += error
            dP[j] += error * C[n]
            dC[n] += error * P[j]
    return dC, dP, dp


def decoder_backward(dhs, hs, h0, lengths, mode, W, R, P):
    dC = np.zeros((len(h0), P.shape[1]))
    for n, length in enumerate(lengths):
        for source in range(length):
            error = dhs[source, n]
            for t in range(source, -1, -1):
                delta = np.diag(1 - hs[t, n] ** 2) @ error
                if mode in ("every_step", "both"):
                    dC[n] += R.T @ delta
                error = W.T @ delta
            if mode in ("initial_state", "both"):
                dC[n] += P.T @ (np.diag(1 - h0[n] ** 2) @ error)
    return dC


def encoder_backward(dC, hs, sources, lengths, E, U, W):
    dE, dU, dW, db = np.zeros(E.shape), np.zeros(U.shape), np.zeros(W.shape), np.zeros(len(U))
    for n, length in enumerate(lengths):
        error = dC[n]
        for t in range(length - 1, -1, -1):
            delta = np.diag(1 - hs[t, n] ** 2) @ error
            dU += np.outer(delta, E[sources[t, n]])
            db += delta
            dE[sources[t, n]] += U.T @ delta
            if t:
                dW += np.outer(delta, hs[t - 1, n])
            error = W.T @ delta
    return dE, dU, dW, db


def greedy_decode(h0, drive, E, U, W, V, c, end, max_length):
    tokens, lengths = np.full((max_length, len(h0)), end), np.zeros(len(h0), int)
    for n in range(len(h0)):
        state, symbol = h0[n], E.shape[0] - 1
        while lengths[n] < max_length:
            state = np.tanh(U @ E[symbol] + W @ state + drive[n])
            scores = V @ state + c
            symbol = int(np.argsort(scores)[-1])
            tokens[lengths[n], n] = symbol
            lengths[n] += 1
            if symbol == end:
                break
    return tokens, lengths


class Prefixes:
    """State and log-likelihood of every beginning, found by what was written: none can be mixed up."""

    def __init__(self, h0, drive, E, U, W, V, c):
        self.parts = drive, E, U, W, V, c
        self.known = {(): (h0, 0.0)}

    def ahead(self, symbols):
        """The state after one more step, and the log-probabilities there."""
        drive, E, U, W, V, c = self.parts
        before = symbols[-1] if symbols else len(c)
        state = np.tanh(drive + W @ self.known[symbols][0] + U @ E[before])
        scores = c + V @ state
        for k, log_o in enumerate(scores - np.logaddexp.reduce(scores)):
            self.known[*symbols, k] = state, self.known[symbols][1] + log_o

    def total(self, symbols):
        return self.known[symbols][1]


def exhaustive(end, width, max_length, alpha, **net):
    """Every sequence that ends within the limit: what a beam wide enough must find."""
    others = [k for k in range(len(net["c"])) if k != end]
    prefixes, best = Prefixes(**net), (-np.inf, ())
    for size in range(max_length):
        for begin in itertools.product(others, repeat=size):
            prefixes.ahead(begin)
            score = prefixes.total((*begin, end)) / (size + 1) ** alpha
            best = max(best, (score, (*begin, end)))
    return np.array(best[1]), float(prefixes.total(best[1]))


def beam_search(end, width, max_length, alpha, refilled="", competing=False, **net):
    """Search; or search wrongly, to draw cases that tell the two apart.

    `refilled`: ended beginnings leave no gap in the beam; those that count as finished stand
    among the `width` likeliest ("top"), before the last that stays ("passed"), or anywhere.
    `competing`: what is left at the end competes with the finished.
    """
    prefixes, beam, finished = Prefixes(**net), [()], []
    for _ in range(max_length):
        for begin in beam:
            prefixes.ahead(begin)
        longer = [(*begin, k) for begin in beam for k in range(len(net["c"]))]
        longer.sort(key=prefixes.total, reverse=True)
        beam = [symbols for symbols in longer[: None if refilled else width] if symbols[-1] != end]
        beam = beam[:width]
        last = {"passed": longer.index(beam[-1]) if beam else 0, "all": len(longer)}
        seen = longer[: last.get(refilled, width)]
        finished += [symbols for symbols in seen if symbols[-1] == end]
        if not beam:
            break
    best = max(
        finished + beam * competing or beam,
        key=lambda symbols: prefixes.total(symbols) / (len(symbols) ** alpha if finished else 1),
    )
    return np.array(best), float(prefixes.total(best))
