"""Draws of chapter 9's arguments, for hidden tests and visible checks."""

import numpy as np

from grading.hidden import at_end

from . import reference


def encode(rng, T, K, D, M, lengths, scale=1.0):
    return {
        "sources": rng.integers(K, size=(T, len(lengths))),
        "lengths": np.array(lengths),
        "E": rng.normal(size=(K, D)),
        "U": scale * rng.normal(size=(M, D)),
        "W": scale * rng.normal(size=(M, M)),
        "b": rng.normal(size=M),
    }


def decode(rng, mode, T, N, K, D, M, H):
    return {
        "targets": rng.integers(K, size=(T, N)),
        "C": rng.normal(size=(N, M)),
        "mode": mode,
        "E": rng.normal(size=(K + 1, D)),
        "U": rng.normal(size=(H, D)),
        "W": rng.normal(size=(H, H)),
        "b": rng.normal(size=H),
        "R": rng.normal(size=(H, M)),
        "P": rng.normal(size=(H, M)),
        "p": rng.normal(size=H),
    }


def sequence_loss(rng, T, K, lengths, scale=2.0):
    N = len(lengths)
    return {
        "logits": scale * rng.normal(size=(T, N, K)),
        "stop": scale * rng.normal(size=(T, N)),
        "targets": rng.integers(K, size=(T, N)),
        "lengths": np.array(lengths),
    }


def every_step_backward(rng, T, N, H, M, scale=1.0):
    return {
        "deltas": rng.normal(size=(T, N, H)),
        "C": scale * rng.normal(size=(N, M)),
        "R": rng.normal(size=(H, M)),
    }


def bridge_backward(rng, N, H, M, real=True):
    C, P, p = rng.normal(size=(N, M)), rng.normal(size=(H, M)), rng.normal(size=H)
    h0 = np.tanh(C @ P.T + p) if real else at_end(rng.normal(scale=2.0, size=(N, H)))
    return {"dh0": rng.normal(size=(N, H)), "h0": h0, "C": C, "P": P}


def decoder_backward(rng, mode, T, H, M, lengths, real=True):
    N = len(lengths)
    bound = np.tanh if real else at_end
    return {
        "dhs": rng.normal(size=(T, N, H)),
        "hs": bound(rng.normal(scale=1.5, size=(T, N, H))),
        "h0": bound(rng.normal(scale=1.5, size=(N, H))),
        "lengths": np.array(lengths),
        "mode": mode,
        "W": 0.7 * rng.normal(size=(H, H)),
        "R": rng.normal(size=(H, M)),
        "P": rng.normal(size=(H, M)),
    }


def encoder_backward(rng, T, K, D, M, lengths, real=False):
    N = len(lengths)
    hs = rng.normal(scale=1.5, size=(T, N, M))
    return {
        "dC": rng.normal(size=(N, M)),
        "hs": np.tanh(hs) if real else at_end(hs),
        "sources": rng.integers(K, size=(T, N)),
        "lengths": np.array(lengths),
        "E": rng.normal(size=(K, D)),
        "U": rng.normal(size=(M, D)),
        "W": 0.7 * rng.normal(size=(M, M)),
    }


def greedy_decode(rng, N, K, D, H, max_length, end, wanted=lambda lengths: True):
    """Draw until the rows end as wanted, so that the case shows what it is meant to show."""
    for _ in range(2000):
        one = {
            "h0": rng.normal(size=(N, H)),
            "drive": rng.normal(size=(N, H)),
            "E": rng.normal(size=(K + 1, D)),
            "U": 2 * rng.normal(size=(H, D)),
            "W": 1.5 * rng.normal(size=(H, H)),
            "V": rng.normal(size=(K, H)),
            "c": rng.normal(size=K),
            "end": end,
            "max_length": max_length,
        }
        if wanted(reference.greedy_decode(**one)[1]):
            return one
    raise RuntimeError("no case drawn that ends as wanted")


def spread(lengths):
    return len(set(lengths.tolist())) >= 3


def network(rng, K, D, H, sure=1.0):
    return {
        "h0": rng.normal(size=H),
        "drive": rng.normal(size=H),
        "E": rng.normal(size=(K + 1, D)),
        "U": 2 * rng.normal(size=(H, D)),
        "W": 1.5 * rng.normal(size=(H, H)),
        "V": sure * rng.normal(size=(K, H)),
        "c": rng.normal(size=K),
    }


def beam_search(width, max_length, alpha, net, end=0):
    return {**net, "end": end, "width": width, "max_length": max_length, "alpha": alpha}


def drawn(rng, wanted, width, max_length, alpha, K, D, H, end=0, sure=1.0):
    """Draw a network on which the search shows what the part is about."""
    for _ in range(3000):
        one = beam_search(width, max_length, alpha, network(rng, K, D, H, sure), end)
        if wanted(one):
            return one
    raise RuntimeError("no case drawn that shows what it should")


def answer(one, **other):
    return tuple(reference.beam_search(**{**one, **other})[0].tolist())


def ends(one):
    return answer(one)[-1] == one["end"]


def beats_greedy(one):
    return ends(one) and len(answer(one)) >= 3 and answer(one) != answer(one, width=1)


def normalised(one):
    others = {answer(one, alpha=a) for a in (0.0, 0.5, 1.0) if a != one["alpha"]}
    return ends(one) and answer(one) not in others


def leaves_gaps(one):
    wrong = {answer(one, refilled=how) for how in ("top", "passed", "all")}
    return ends(one) and answer(one) not in wrong


def leaves_out(one):
    return ends(one) and answer(one) != answer(one, competing=True)
