"""Common slips, as edits of the solutions; the visible checks name each of them.

They are taken from what is public: forks of the CS231n assignment and of Karpathy's
min-char-rnn, questions on Stack Overflow, forum threads of d2l and PyTorch. Each is given for
every function in which it can be made: chapter, function, then pairs of what stands in the
solution (as :func:`authoring.sources.body` writes it) and what the slip makes of it.
A chapter's own words, in its ``checks.py``, go before those here.
"""

import re
from collections.abc import Iterator
from typing import Any

Edit = tuple[str, str]

LIVE = "live = (t < lengths)[:, None]"
ALL_LIVE = (LIVE, "live = np.full((len(lengths), 1), True)")
LATE_LIVE = (LIVE, "live = (t <= lengths)[:, None]")
LSTM_READ = "a_i, a_f, a_g, a_o = np.split("


def lstm_order(order: str) -> Edit:
    return (LSTM_READ, ", ".join(f"a_{k}" for k in order) + " = np.split(")


def gates_order(order: str) -> Edit:
    return ("i, f, g, o = np.split(", ", ".join(order) + " = np.split(")


MULTIPLIED = (
    ("np.where(live, h_new, h)", "live * h_new + ~live * h"),
    ("np.where(live, c_new, c)", "live * c_new + ~live * c"),
    ("np.where(live, h_new, 0.0)", "live * h_new"),
)

SLIPS: dict[str, list[tuple[Any, ...]]] = {
    "The mask was multiplied in, and 0 · NaN is NaN; choose with np.where.": [
        ("rnn", "rnn_forward", ("np.where(live, new, h)", "live * new + ~live * h"),
         ("np.where(live, new, 0.0)", "live * new")),
        ("gru", "gru_forward", ("np.where(live, new, h)", "live * new + ~live * h"),
         ("np.where(live, new, 0.0)", "live * new")),
        ("lstm", "lstm_forward", *MULTIPLIED),
        ("peephole", "peephole_forward", *MULTIPLIED),
    ],
    "There is no mask at all: steps beyond a length count as if they were real.": [
        ("rnn", "output_loss", ("(picked * mask)", "picked")),
        ("rnn", "perplexity", ("-(log_probs * mask).sum() / mask.sum()", "-log_probs.mean()")),
    ],
    "The state starts from zeros; it starts from h0.": [
        ("rnn", "rnn_forward", ("h = h0", "h = np.zeros_like(h0)")),
        ("lstm", "lstm_forward", ("h, c = (h0, c0)", "h, c = (np.zeros_like(h0), c0)")),
        ("gru", "gru_forward", ("h = h0", "h = np.zeros_like(h0)")),
        ("peephole", "peephole_forward", ("h, c = (h0, c0)", "h, c = (np.zeros_like(h0), c0)")),
        ("vanishing_gradients", "leaky_forward", ("(h0, [])", "(np.zeros_like(h0), [])")),
    ],
    "The cell state starts from zeros; it starts from c0.": [
        ("lstm", "lstm_forward", ("h, c = (h0, c0)", "h, c = (h0, np.zeros_like(c0))")),
        ("peephole", "peephole_forward", ("h, c = (h0, c0)", "h, c = (h0, np.zeros_like(c0))")),
    ],
    "Both states start from zeros; they start from h0 and c0.": [
        ("lstm", "lstm_forward", ("(h0, c0)", "(np.zeros_like(h0), np.zeros_like(c0))")),
        ("peephole", "peephole_forward", ("(h0, c0)", "(np.zeros_like(h0), np.zeros_like(c0))")),
    ],
    "dh is not carried: each step got the gradient of its own output only, nothing of the later steps.": [
        ("bptt", "rnn_backward", ("(dhs[t] + dh)", "dhs[t]")),
        ("bptt", "rnn_backward_padded", ("(dhs[t] + dh)", "dhs[t]")),
        ("bptt", "truncated_backward", ("(dhs[t] + dh)", "dhs[t]")),
        ("lstm", "lstm_backward", ("dh, dc = (delta @ W, f * dc)", "dh, dc = (0 * dh, f * dc)")),
        ("gru", "gru_backward", ("np.where(live, back, dh)", "np.where(live, 0 * back, dh)")),
        ("peephole", "peephole_backward", ("(live, delta @ W, dh)", "(live, 0.0, dh)")),
        ("vanishing_gradients", "leaky_backward", ("dh = alpha * dh + delta @ W", "dh = 0 * dh")),
        ("encoder_decoder", "decoder_backward", ("(dhs[t] + dh)", "dhs[t]")),
        ("encoder_decoder", "encoder_backward", ("dh = delta @ W", "dh = np.zeros_like(dC)")),
    ],
    "The cell state's gradient is not carried: what arrives from the later step is left out.": [
        ("lstm", "lstm_backward", ("(delta @ W, f * dc)", "(delta @ W, 0 * dc)")),
        ("lstm", "truncated_backward", ("dc = dc + o *", "dc = o *")),
        ("peephole", "peephole_cell_backward", ("dc = dc_next + o", "dc = o")),
        ("lstm", "state_backward", ("dc = dc_next + o", "dc = o")),
        ("peephole", "coupled_backward", ("dc = dc_next + o", "dc = o")),
    ],
    "dhs is left out: each step's own output sends a gradient too, which is added to what comes from the later step.": [
        ("bptt", "rnn_backward_padded", ("(dhs[t] + dh)", "dh")),
        ("lstm", "lstm_backward", ("dh = dh + dhs[t]", "dh = dh")),
        ("gru", "gru_backward", ("dhs[t] + dh", "dh")),
        ("peephole", "peephole_backward", ("dh + dhs[t]", "dh")),
    ],
    "The slopes are multiplied in twice, or where they do not belong; each activation has its slope once.": [
        ("lstm", "gates_backward",
         ("di * i * (1 - i)", "di * (i * (1 - i)) ** 2"), ("df * f * (1 - f)", "df * (f * (1 - f)) ** 2"),
         ("dg * (1 - g ** 2)", "dg * (1 - g ** 2) ** 2"), ("do * o * (1 - o)", "do * (o * (1 - o)) ** 2")),
        ("lstm", "lstm_backward",
         ("dc * i * (1 - i)", "dc * (i * (1 - i)) ** 2"), ("dc * f * (1 - f)", "dc * (f * (1 - f)) ** 2"),
         ("dc * (1 - g ** 2)", "dc * (1 - g ** 2) ** 2"), ("dh * o * (1 - o)", "dh * (o * (1 - o)) ** 2")),
        ("lstm", "state_backward",
         ("g * dc,", "g * dc * i * (1 - i),"), ("c_prev * dc,", "c_prev * dc * f * (1 - f),"),
         ("i * dc,", "i * dc * (1 - g ** 2),"), ("tanh_c * dh,", "tanh_c * dh * o * (1 - o),")),
        ("bptt", "rnn_step_backward", ("(1 - h ** 2) * dh", "(1 - h ** 2) ** 2 * dh")),
    ],
    "The candidate is a sigmoid; it is a tanh, between −1 and 1.": [
        ("gru", "gru_step", ("n = np.tanh(", "n = sigmoid(")),
        ("gru", "gru_step_after", ("n = np.tanh(", "n = sigmoid(")),
        ("gru", "gru_forward", ("n = np.tanh(", "n = sigmoid(")),
    ],
    "The tanh of the cell state is missing: h = o ⊙ tanh C.": [
        ("lstm", "lstm_state", ("np.tanh(c)", "c")),
        ("lstm", "lstm_forward", ("np.tanh(c_new)", "c_new")),
        ("peephole", "peephole_step", ("np.tanh(c)", "c")),
        ("peephole", "peephole_forward", ("np.tanh(c_new)", "c_new")),
        ("peephole", "coupled_step", ("np.tanh(c)", "c")),
    ],
    "The input and the forget gate are exchanged: f goes with the old cell state, i with the candidate.": [
        ("lstm", "lstm_state", ("f * c_prev + i * g", "i * c_prev + f * g")),
        ("lstm", "lstm_forward", lstm_order("figo")),
        ("peephole", "peephole_forward", lstm_order("figo")),
    ],
    "The update gate is turned round: z keeps the old state, 1 − z takes the candidate.": [
        ("gru", "gru_step", ("z * h + (1 - z) * n", "z * n + (1 - z) * h")),
        ("gru", "gru_step_after", ("z * h + (1 - z) * n", "z * n + (1 - z) * h")),
        ("gru", "gru_forward", ("z * h + (1 - z) * n", "z * n + (1 - z) * h")),
    ],
    "Reset and update gate are exchanged, and the update gate is turned round: the blocks are r, z, n, and z keeps the old state.": [
        ("gru", "gru_step", ("r = sigmoid(a[:, :H] + h @ W[:H].T)", "r = sigmoid(a[:, H:2 * H] + h @ W[H:2 * H].T)"),
         ("z = sigmoid(a[:, H:2 * H] + h @ W[H:2 * H].T)\n", "z = sigmoid(a[:, :H] + h @ W[:H].T)\n"),
         ("z * h + (1 - z) * n", "z * n + (1 - z) * h")),
        ("gru", "gru_step_after", ("r, z = (sigmoid(ar + hr), sigmoid(az + hz))", "z, r = (sigmoid(ar + hr), sigmoid(az + hz))"),
         ("z * h + (1 - z) * n", "z * n + (1 - z) * h")),
        ("gru", "gru_forward", ("r, z = (rz[:, :H], rz[:, H:])", "z, r = (rz[:, :H], rz[:, H:])"),
         ("z * h + (1 - z) * n", "z * n + (1 - z) * h")),
    ],
    "A matrix is used transposed: the row form of W h is h @ W.T, and that of Wᵀ δ is δ @ W.": [
        ("vanishing_gradients", "linear_error", ("W.T @ error", "W @ error")),
    ],
    "dW was built with the state of its own step; W multiplied the state of the step before.": [
        ("bptt", "rnn_backward", ("hs[t - 1] if t > 0 else h0", "hs[t]")),
        ("bptt", "rnn_backward_padded", ("hs[t - 1] if t > 0 else h0", "hs[t]")),
        ("bptt", "truncated_backward", ("hs[t - 1] if t > 0 else h0", "hs[t]")),
        ("gru", "gru_backward", ("hs[t - 1] if t > 0 else h0", "hs[t]")),
        ("vanishing_gradients", "skip_backward", ("states[t + d - 1]\n", "states[t + d]\n")),
        ("encoder_decoder", "encoder_backward", ("hs[t - 1] if t > 0 else np.zeros_like(dC)", "hs[t]")),
    ],
    "The mean is taken over time too, T · N; it is a sum over time and a mean over the N examples.": [
        ("rnn", "output_loss", ("/ hs.shape[1]", "/ mask.size")),
        ("bptt", "output_backward", ("/ os.shape[1]", "/ mask.size")),
        ("bptt", "teacher_forced_backward", ("/ xs.shape[1]", "/ (xs.shape[0] * xs.shape[1])")),
        ("bidirectional", "output_backward", ("0.0) / N", "0.0) / (T * N)")),
        ("encoder_decoder", "sequence_loss", (".sum() / N", ".sum() / (T * N)"),
         ("0.0) / N", "0.0) / (T * N)")),
    ],
    "The division by N is missing: the loss is a mean over the batch.": [
        ("rnn", "output_loss", (" / hs.shape[1]", "")),
        ("bptt", "output_backward", (" / os.shape[1]", "")),
        ("bptt", "teacher_forced_backward", (" / xs.shape[1]", "")),
        ("bidirectional", "output_backward", ("0.0) / N", "0.0)")),
        ("encoder_decoder", "sequence_loss", (".sum() / N", ".sum()"), ("0.0) / N", "0.0)")),
    ],
    "The targets are not subtracted: the gradient of the logits is output minus target.": [
        ("bptt", "output_backward", ("(os - np.eye(K)[targets])", "os")),
        ("bptt", "teacher_forced_backward", ("(os - ys)", "os")),
        ("bidirectional", "output_backward", ("os - np.eye(K)[targets]", "os")),
    ],
    "The sign is wrong: it is output minus target.": [
        ("bptt", "output_backward", ("os - np.eye(K)[targets]", "np.eye(K)[targets] - os")),
        ("bptt", "teacher_forced_backward", ("os - ys", "ys - os")),
        ("bidirectional", "output_backward", ("os - np.eye(K)[targets]", "np.eye(K)[targets] - os")),
    ],
    "The softmax runs over the wrong axis.": [
        ("rnn", "output_loss", ("s.max(axis=-1", "s.max(axis=1"), ("np.exp(s).sum(axis=-1", "np.exp(s).sum(axis=1")),
        ("rnn", "output_to_hidden_forward", ("s.max(axis=-1", "s.max(axis=0"), ("e.sum(axis=-1", "e.sum(axis=0")),
        ("attention", "masked_softmax", ("weights.sum(axis=2", "weights.sum(axis=1")),
        ("attention", "attend_backward", ("sum(axis=2", "sum(axis=0")),
        ("attention", "pool", ("weights.sum(axis=1", "weights.sum(axis=0")),
    ],
    "The exponentials overflowed: subtract each row's own largest score first.": [
        ("rnn", "output_loss", ("s = s - s.max(axis=-1, keepdims=True)", "s = s")),
        ("rnn", "output_to_hidden_forward", ("np.exp(s - s.max(axis=-1, keepdims=True))", "np.exp(s)")),
        ("rnn", "sample", ("np.exp(s - s.max(axis=1, keepdims=True))", "np.exp(s)")),
        ("attention", "masked_softmax", ("e - e.max(axis=2, keepdims=True)", "e")),
        ("attention", "attend", ("e - e.max(axis=2, keepdims=True)", "e")),
        ("attention", "self_attention", ("e - e.max(axis=2, keepdims=True)", "e")),
    ],
    "What is kept is not divided by 1 − p.": [
        ("deep", "dropout_masks", ("keep / (1 - rate)", "keep")),
        ("deep", "dropout_masks", ("keep / (1 - rate)", "keep / rate")),
    ],
    "The whole padded array is reversed; each sequence turns round its own last step.": [
        ("bidirectional", "reverse_padded", ("np.where(t < lengths, lengths - 1 - t, t)", "T - 1 - t")),
        ("bidirectional", "bidirectional_forward",
         ("np.where(t < lengths, lengths - 1 - t, t)", "len(xs) - 1 - t")),
    ],
    "The division by the root of the width is missing.": [
        ("attention", "scores", ("queries / np.sqrt(keys.shape[2])", "queries")),
        ("attention", "self_attention", (" / np.sqrt(len(W_key))", "")),
        ("attention", "self_attention_backward", ("de / np.sqrt(q.shape[2])", "de")),
    ],
    "Each array is clipped by its own norm; one norm is that of all arrays together.": [
        ("vanishing_gradients", "clip_by_norm",
         ("tuple((factor * g for g in grads))", "tuple(g * v / max(np.sqrt((g**2).sum()), v) for g in grads)")),
    ],
    "The logits were multiplied by the temperature; they are divided by it.": [("rnn", "sample", ("logits / temperature", "logits * temperature"))],
    "Logarithms of base 2 were taken; these are natural.": [("rnn", "perplexity", ("np.exp(", "2 ** ("))],
    "The slope is multiplied in before the gradient of the later steps is added; it belongs to the sum.": [
        ("bptt", "rnn_backward", ("(1 - hs[t] ** 2) * (dhs[t] + dh)", "(1 - hs[t] ** 2) * dhs[t] + dh")),
        ("bptt", "rnn_backward_padded", ("(1 - hs[t] ** 2) * (dhs[t] + dh)", "(1 - hs[t] ** 2) * dhs[t] + dh")),
        ("bptt", "truncated_backward", ("(1 - hs[t] ** 2) * (dhs[t] + dh)", "(1 - hs[t] ** 2) * dhs[t] + dh")),
        ("encoder_decoder", "decoder_backward", ("(1 - hs[t] ** 2) * (dhs[t] + dh)", "(1 - hs[t] ** 2) * dhs[t] + dh")),
    ],
    "The slope was taken at the state of the step before; it is that of the step's own output.": [
        ("bptt", "rnn_step_backward", ("(1 - h ** 2)", "(1 - h_prev ** 2)")),
        ("bptt", "rnn_backward", ("1 - hs[t] ** 2", "1 - (hs[t - 1] if t else h0) ** 2")),
        ("bptt", "rnn_backward_padded", ("1 - hs[t] ** 2", "1 - (hs[t - 1] if t else h0) ** 2")),
        ("bptt", "truncated_backward", ("1 - hs[t] ** 2", "1 - (hs[t - 1] if t else h0) ** 2")),
    ],
    "The input gate has nothing to let in: C = f ⊙ C' + i ⊙ g.": [
        ("lstm", "lstm_state", ("+ i * g", "+ i")),
        ("lstm", "lstm_forward", ("sigmoid(a_i) * np.tanh(a_g)", "sigmoid(a_i)")),
    ],
    "The input gate is missing: C = f ⊙ C' + i ⊙ g.": [
        ("lstm", "lstm_state", ("+ i * g", "+ g")),
        ("lstm", "lstm_forward", ("sigmoid(a_i) * np.tanh(a_g)", "np.tanh(a_g)")),
    ],
    "The output gate let out something else; h = o ⊙ tanh C, with the new C.": [
        ("lstm", "lstm_state", ("o * np.tanh(c)", "o * g")),
        ("lstm", "lstm_state", ("o * np.tanh(c)", "o * np.tanh(c_prev)")),
        ("lstm", "lstm_forward", ("np.tanh(c_new)", "np.tanh(c)")),
        ("peephole", "peephole_forward", ("np.tanh(c_new)", "np.tanh(c)")),
    ],
    "The reset gate was put on the input's part; it is on that of the old state.": [
        ("gru", "gru_step", ("a[:, 2 * H:] + r * h @ W[2 * H:].T", "r * a[:, 2 * H:] + h @ W[2 * H:].T")),
        ("gru", "gru_forward", ("a[:, 2 * H:] + r * h @ W[2 * H:].T", "r * a[:, 2 * H:] + h @ W[2 * H:].T")),
        ("gru", "gru_step_after", ("an + r * (hn + b_hn)", "r * an + hn + b_hn")),
    ],
    "The division by the number of real symbols is missing.": [("rnn", "perplexity", (" / mask.sum()", ""))],
    "A step does not see itself: the causal mask is t ≤ i.": [("attention", "self_attention", ("t <= t[:", "t < t[:"))],
}  # fmt: skip


SLOPE = r"\(1 - ([\w\[\], +]+) \*\* 2\)"
EVERYWHERE: dict[str, tuple[tuple[str, str], ...]] = {
    "There is no mask at all: steps beyond a length count as if they were real.": (
        (re.escape(LIVE), ALL_LIVE[1]),
    ),
    "One step too many: the mask is t <= lengths; counted from 0, the real steps are t < lengths.": (
        (re.escape(LIVE), LATE_LIVE[1]),
    ),
    "The slope of a tanh is missing: the gradient is multiplied by 1 − y², with y its output.": (
        (SLOPE, r"np.ones_like(\1)"),
    ),
    "The slope was taken as 1 − tanh²(y), but the cached y is already the output of the tanh: 1 − y².": (
        (SLOPE, r"(1 - np.tanh(\1) ** 2)"),
    ),
    "The slope was taken as 1 − y; that of a tanh with output y is 1 − y².": (
        (SLOPE, r"(1 - \1)"),
    ),
    "The slopes are multiplied in twice, or where they do not belong; each activation has its slope once.": (
        (SLOPE, r"((1 - \1 ** 2) ** 2)"),
    ),
    "The parameters' gradients are overwritten at each step, = for +=; the steps add up.": (
        (r"\b(d\w+) \+=", r"\1 ="),
    ),
    "The bias's gradient is a mean over the batch; the examples add up.": (
        (r"\b(delta|error)\.sum\(axis=0\)", r"\1.mean(axis=0)"),
    ),
    "The loop runs forward through time; going back, it starts at the last step.": (
        (r"reversed\((range\(.*\))\):", r"\1:"),
    ),
    "A matrix is used transposed: the row form of W h is h @ W.T, and that of Wᵀ δ is δ @ W.": (
        (r"\bdelta @ W\b(?!\[)", "delta @ W.T"),
        (r"(h|h_prev) @ W\.T", r"\1 @ W"),
    ),
    "The candidate is a sigmoid; it is a tanh, between −1 and 1.": (
        (r"np\.tanh\((a_g[^)]*)\)", r"sigmoid(\1)"),
    ),
    "The bias is missing.": (
        (r" \+ b\b(?!\[)", ""),
    ),
    "Gates swapped: the blocks were read i, g, f, o; they are stacked i, f, g, o.": (
        (re.escape(LSTM_READ), lstm_order("igfo")[1]), (r"i, f, g, o = np\.split\(", gates_order("igfo")[1]),
    ),
    "Gates swapped: the blocks were read i, f, o, g; they are stacked i, f, g, o.": (
        (re.escape(LSTM_READ), lstm_order("ifog")[1]), (r"i, f, g, o = np\.split\(", gates_order("ifog")[1]),
    ),
    "Gates swapped: the blocks were read i, o, f, g; they are stacked i, f, g, o.": (
        (re.escape(LSTM_READ), lstm_order("iofg")[1]), (r"i, f, g, o = np\.split\(", gates_order("iofg")[1]),
    ),
    "A ReLU stands where a tanh belongs.": ((r"np\.tanh\(", "np.maximum(0, "),),
    "A sigmoid stands where a tanh belongs.": (
        (r"np\.tanh\(", "(lambda a: 1 / (1 + np.exp(-a)))("),
    ),
    "A tanh is missing.": ((r"np\.tanh\(", "("),),
    "A tanh stands where a sigmoid belongs: gates lie between 0 and 1.": (
        (r"\bsigmoid\(", "np.tanh("),
    ),
    "A sigmoid is missing: gates lie between 0 and 1.": ((r"\bsigmoid\(", "("),),
    "The output gate is missing on the way from h to the cell state.": (
        (r"\bo \* (\(1 - tanh_cs?(\[t\])? \*\* 2\))", r"\1"),
    ),
    "One too many: what counts is t < lengths, not t <= lengths.": ((r"\) < (lengths|\w+_counts)", r") <= \1"),),
    "The slope of a sigmoid is missing: the gradient is multiplied by y (1 − y), with y its output.": (
        (r"\b(\w+) \* \(1 - \1\)", "1.0"),
    ),
}  # fmt: skip
"""Slips that fit wherever a regular expression does, at all places or one, and what they make."""


def slips(slug: str, name: str, source: str) -> Iterator[tuple[str, str]]:
    """Yield messages and what the slips make of a function's source."""
    for message, places in SLIPS.items():
        for chapter, function, *edits in places:
            if (chapter, function) == (slug, name):
                made = source
                for old, new in edits:
                    if old not in made:
                        raise ValueError(f"{slug}.{name}: expected {old!r} in the solution")
                    made = made.replace(old, new)
                yield message, made
    for message, patterns in EVERYWHERE.items():
        made = source
        for old, new in patterns:
            made = re.sub(old, new, made)
        if made != source:
            yield message, made
        for old, new in patterns:
            found = list(re.finditer(old, source))
            for one in found if len(found) > 1 else ():
                yield message, source[: one.start()] + one.expand(new) + source[one.end() :]
