"""Error flow against definitions; the cures against central differences and special cases."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib import gradient_check, initializers, tree
from lib.activations import ACTIVATIONS
from lib.bptt import Recurrent, scan
from lib.lstm import LSTM
from lib.rnn import RNN, RNNParams, RNNState
from lib.time_scales import (
    LeakyParams,
    LeakyRNN,
    LeakyState,
    SkipParams,
    SkipRNN,
    SkipState,
    slow_updates,
    time_scales,
)
from lib.vanishing_gradients import (
    clip_by_norm,
    clip_by_value,
    error_flow,
    error_paths,
    flow_regulariser,
    jacobian_bound,
    jacobian_product,
    loss_cliff,
    matrix_power,
    product_variance,
    random_step,
    state_gradients,
    step_jacobian,
)
from tests.lib import cell_checks as checks

SKIPS = [
    SkipRNN(3, 4),
    SkipRNN(3, 4, delay=3, activation="sigmoid"),
    SkipRNN(3, 4, delay=3, remove_short=True),
    SkipRNN(3, 4, delay=1, remove_short=True),
    SkipRNN(3, 4, delay=(1, 3, 2, 3)),
    SkipRNN(3, 4, delay=(4, 1, 2, 2), remove_short=True),
]
LEAKS = [
    LeakyRNN(3, 4),
    LeakyRNN(3, 4, alpha=0.0),
    LeakyRNN(3, 4, alpha=(0.1, 0.5, 0.9, 0.99), activation="sigmoid"),
    LeakyRNN(3, 4, alpha=(0.1, 0.5, 0.9, 0.99), learned=True),
]
CELLS = SKIPS + LEAKS


def states_of(cell, params, xs, h0):
    """Run an Elman cell step by step and return its states (T, N, H)."""
    return scan(cell, params, xs, RNNState(h0))[0]


def linear(rng, size, radius):
    """Draw a matrix of the given spectral radius."""
    W = rng.standard_normal((size, size))
    return W * radius / np.abs(np.linalg.eigvals(W)).max()


@pytest.mark.equations("vanishing-gradients-jacobian")
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_step_jacobian_is_the_derivative_row_new_column_old(activation):
    rng = np.random.default_rng(0)
    cell = RNN(3, 4, activation)
    ex = checks.example(cell, T=1, N=2)
    jacobian = step_jacobian(cell.step(ex.params, ex.xs[0], ex.state)[0].h, ex.params.W, activation)
    for n in range(2):
        for j in range(4):
            moved = np.zeros((2, 4))
            moved[n, j] = 1e-6
            up = cell.step(ex.params, ex.xs[0], RNNState(ex.state.h + moved))[0].h[n]
            down = cell.step(ex.params, ex.xs[0], RNNState(ex.state.h - moved))[0].h[n]
            np.testing.assert_allclose(jacobian[n, :, j], (up - down) / 2e-6, atol=1e-8)
    h = rng.uniform(-1, 1, (1, 4))
    np.testing.assert_allclose(
        step_jacobian(h, ex.params.W)[0], np.diag(1 - h[0] ** 2) @ ex.params.W, atol=1e-15
    )


@pytest.mark.equations("vanishing-gradients-jacobian-product", "vanishing-gradients-error-flow")
@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "relu"])
def test_product_of_jacobians_carries_errors_as_the_backward_pass_does(activation):
    cell = RNN(3, 4, activation)
    ex = checks.example(cell, T=6, N=2)
    hs = states_of(cell, ex.params, ex.xs, ex.state.h)
    total = jacobian_product(hs, ex.params.W, activation)
    run = state_gradients(cell, ex.params, ex.xs, dstate=ex.dstate, state=ex.state)
    want = np.einsum("nij,ni->nj", total, ex.dstate.h)
    np.testing.assert_allclose(run.gradients[0].h, want, atol=1e-12)
    np.testing.assert_array_equal([s.h for s in run.states[1:]], hs)
    norms = error_flow(cell, ex.params, ex.xs, ex.dstate, ex.state)
    assert norms.shape == (7, 2)
    np.testing.assert_allclose(norms[0], np.linalg.norm(ex.dstate.h, axis=1))
    np.testing.assert_allclose(norms[6], np.linalg.norm(want, axis=1))
    middle = np.einsum("nij,ni->nj", jacobian_product(hs[4:], ex.params.W, activation), ex.dstate.h)
    np.testing.assert_allclose(norms[2], np.linalg.norm(middle, axis=1))


@pytest.mark.equations("vanishing-gradients-error-flow")
@pytest.mark.parametrize("cell", [RNN(3, 4), LSTM(3, 4), SKIPS[4], LEAKS[3]])
def test_state_gradients_are_total_gradients_of_every_state(cell):
    ex = checks.example(cell, T=4, N=2)
    run = state_gradients(cell, ex.params, ex.xs, ex.dys, ex.dstate, ex.state)
    assert len(run.states) == len(run.gradients) == 5
    for t in range(5):
        rest = ex._replace(xs=ex.xs[t:], dys=ex.dys[t:], state=run.states[t])
        want = checks.gradients(cell, rest)[2][2] if t < 4 else ex.dstate
        if t > 0:
            want = want._replace(h=want.h + ex.dys[t - 1])
        checks.assert_same(run.gradients[t], want)


@pytest.mark.equations(
    "vanishing-gradients-eigen",
    "vanishing-gradients-linear-forward",
    "vanishing-gradients-linear-backward",
)
@checks.quick
@given(st.integers(1, 5), st.integers(0, 8), st.integers(0, 10**6))
def test_eigenvalues_give_the_power_and_its_transpose_the_backward(size, steps, seed):
    rng = np.random.default_rng(seed)
    W, h0, dh = linear(rng, size, 1.1), rng.normal(size=(2, size)), rng.normal(size=(2, size))
    np.testing.assert_allclose(matrix_power(W, steps), np.linalg.matrix_power(W, steps), atol=1e-8)
    if steps:
        cell = RNN(1, size, "identity")
        params = RNNParams(np.zeros((size, 1)), W, np.zeros(size))
        xs = np.zeros((steps, 2, 1))
        _, last, cache = Recurrent(cell).forward(params, xs, RNNState(h0))
        np.testing.assert_allclose(h0 @ matrix_power(W, steps).T, last.h, atol=1e-8)
        dys = np.zeros((steps, 2, size))
        _, _, first = Recurrent(cell).backward(params, cache, dys, RNNState(dh))
        np.testing.assert_allclose(dh @ matrix_power(W, steps), first.h, atol=1e-8)


@pytest.mark.equations("vanishing-gradients-linear-backward")
def test_printed_untransposed_power_is_wrong_unless_symmetric():
    rng = np.random.default_rng(3)
    W, dh = linear(rng, 3, 0.9), rng.normal(size=(1, 3))
    right, printed = dh @ matrix_power(W, 4), dh @ matrix_power(W, 4).T
    assert np.abs(right - printed).max() > 0.01
    S = (W + W.T) / 2
    np.testing.assert_allclose(dh @ matrix_power(S, 4), dh @ matrix_power(S, 4).T, atol=1e-12)


def test_matrix_without_eigenvectors_is_refused():
    with pytest.raises(ValueError, match="W: expected a matrix with a full set"):
        matrix_power(np.array([[1.0, 1.0], [0.0, 1.0]]), 3)


@pytest.mark.equations("vanishing-gradients-paths")
@checks.quick
@given(st.integers(1, 4), st.integers(1, 5), st.integers(0, 10**6))
def test_sum_over_paths_is_the_matrix_product(n, q, seed):
    rng = np.random.default_rng(seed)
    W, slopes = rng.normal(size=(n, n)), rng.uniform(0.1, 1, (q, n))
    total = np.eye(n)
    for slope in slopes:
        total = np.diag(slope) @ W.T @ total
    for u in range(n):
        for v in range(n):
            terms = error_paths(W, slopes, u, v)
            assert terms.shape == (n ** (q - 1),)
            np.testing.assert_allclose(terms.sum(), total[v, u], atol=1e-10)


@pytest.mark.equations("vanishing-gradients-paths")
def test_paths_are_how_errors_travel_in_an_elman_net():
    cell = RNN(3, 3, "sigmoid")
    ex = checks.example(cell, T=4, N=1)
    hs = states_of(cell, ex.params, ex.xs, ex.state.h)[:, 0]
    slopes = (hs * (1 - hs))[::-1]
    u, v = 0, 2
    delta = np.zeros((1, 3))
    delta[0, u] = 1.0  # an error of 1 at the last step's pre-activation of unit u
    for t in (2, 1, 0):
        delta = slopes[3 - t] * (delta @ ex.params.W)
    got = error_paths(ex.params.W, slopes[1:], u, v)
    np.testing.assert_allclose(got.sum(), delta[0, v], atol=1e-14)
    assert np.abs(error_paths(4 * np.tanh(ex.params.W), slopes[1:], u, v)).max() < 1


@pytest.mark.equations("vanishing-gradients-bound")
@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "relu", "identity"])
def test_no_error_outgrows_the_singular_value_bound(activation):
    cell = RNN(3, 4, activation)
    for seed in range(20):
        ex = checks.example(cell, T=5, N=2, seed=seed, scale=0.5)
        bound = jacobian_bound(ex.params.W, activation)
        norms = error_flow(cell, ex.params, ex.xs, ex.dstate, ex.state)
        assert (norms <= norms[0] * bound ** np.arange(6)[:, None] * (1 + 1e-12)).all()
    scaled = ex.params.W * 0.9 / bound
    assert jacobian_bound(scaled, activation) == pytest.approx(0.9)


@pytest.mark.equations("vanishing-gradients-bound")
def test_bound_is_reached_where_slopes_are_steepest():
    W = np.random.default_rng(0).normal(size=(4, 4))
    for activation, at in (("tanh", 0.0), ("sigmoid", 0.5), ("relu", 1.0)):
        J = step_jacobian(np.full((1, 4), at), W, activation)[0]
        assert np.linalg.norm(J, 2) == pytest.approx(jacobian_bound(W, activation), rel=1e-12)


@pytest.mark.equations("vanishing-gradients-product-variance")
def test_variance_of_a_product_of_independent_weights():
    rng = np.random.default_rng(0)
    for variance, count in ((0.5, 3), (1.3, 2), (2.0, 1)):
        w = rng.uniform(-1, 1, (400_000, count)) * np.sqrt(3 * variance)
        assert w.prod(axis=1).var() == pytest.approx(product_variance(variance, count), rel=0.02)
    assert product_variance(1e300, 2) == np.inf
    assert product_variance(1e-300, 2) == 0


@pytest.mark.equations("vanishing-gradients-orthogonal-init", "vanishing-gradients-identity-init")
def test_orthogonal_and_identity_weights_keep_a_linear_error_for_1000_steps():
    rng = np.random.default_rng(0)
    Q = initializers.orthogonal(rng, 5, gain=1.0)
    np.testing.assert_allclose(Q.T @ Q, np.eye(5), atol=1e-14)
    assert (initializers.identity(3, 0.5) == 0.5 * np.eye(3)).all()
    assert initializers.identity(3, dtype=np.float32).dtype == np.float32
    np.testing.assert_allclose(
        np.linalg.svd(initializers.orthogonal(rng, 5, gain=1.2))[1], np.full(5, 1.2)
    )
    cell = RNN(1, 5, "identity")
    for W, kept in ((Q, 1.0), (initializers.identity(5), 1.0), (0.99 * Q, 0.99**1000)):
        params = RNNParams(np.zeros((5, 1)), W, np.zeros(5))
        dstate = RNNState(rng.normal(size=(2, 5)))
        norms = error_flow(cell, params, np.zeros((1000, 2, 1)), dstate)
        np.testing.assert_allclose(norms[-1] / norms[0], kept, rtol=1e-9)


def test_orthogonal_matrices_are_drawn_without_a_preferred_sign():
    rng = np.random.default_rng(0)
    diagonal = np.array([np.diag(initializers.orthogonal(rng, 3)) for _ in range(2000)])
    assert np.abs(diagonal.mean(axis=0)).max() < 0.06


@pytest.mark.equations("vanishing-gradients-cliff")
def test_loss_cliff_gradient_and_wall():
    rng = np.random.default_rng(0)
    point = (rng.uniform(1, 6, (3, 2)), rng.uniform(-3, 0, (3, 2)))
    found = loss_cliff(*point)
    difference = gradient_check.check(
        lambda at: float(loss_cliff(*at).loss.sum()), point, (found.dw, found.db)
    )
    assert difference.relative < 1e-6, difference
    h = 0.5
    for _ in range(50):
        h = 1 / (1 + np.exp(-(point[0][1, 0] * h + point[1][1, 0])))
    assert found.loss[1, 0] == pytest.approx((h - 0.7) ** 2, rel=1e-12)
    line = loss_cliff(np.full(4001, 6.0), np.linspace(-4, -2, 4001))
    assert np.abs(line.db).max() > 100 * np.median(np.abs(line.db))


@pytest.mark.equations(
    "vanishing-gradients-skip",
    "vanishing-gradients-removed",
    "vanishing-gradients-skip-backward",
    "vanishing-gradients-leaky",
    "vanishing-gradients-leaky-learned",
    "vanishing-gradients-leaky-backward",
)
@pytest.mark.parametrize("cell", CELLS)
def test_cells_against_central_differences(cell):
    ex = checks.example(cell, T=6, N=3)
    checks.assert_central_differences(cell, ex)
    checks.assert_central_differences(cell, ex, np.array([6, 1, 3]))


@pytest.mark.parametrize("cell", CELLS)
def test_cells_keep_the_contract(cell):
    ex = checks.example(cell, T=6, N=3)
    checks.assert_steps_equal_scan(cell, ex)
    checks.assert_inputs_unchanged(cell, ex, np.array([6, 1, 3]))
    checks.assert_float32_kept(cell, ex)
    checks.assert_saturated_is_quiet(cell)
    checks.assert_bad_params_named(cell)


@pytest.mark.parametrize("cell", [SkipRNN(3, 4, 3), LeakyRNN(3, 4, 0.5)])
def test_cells_name_bad_input(cell):
    checks.assert_bad_input_named(cell)


@checks.quick
@given(checks.sizes, st.integers(1, 4), st.booleans(), st.integers(0, 10**6))
def test_cells_of_any_size(sizes, delay, removed, seed):
    T, N, D, H = sizes
    for cell in (SkipRNN(D, H, delay, removed), LeakyRNN(D, H, 0.6, learned=removed)):
        ex = checks.example(cell, T, N, seed)
        checks.assert_central_differences(cell, ex)
        checks.assert_steps_equal_scan(cell, ex)


@pytest.mark.parametrize("cell", [SKIPS[1], SKIPS[4], LEAKS[3]])
def test_padding_changes_nothing(cell):
    ex = checks.example(cell, T=5, N=3)
    lengths = np.array([5, 2, 3])
    ys, last, (_, dxs, dstate) = checks.gradients(cell, ex, lengths)
    for n, length in enumerate(lengths):
        alone = checks.Example(
            ex.params,
            ex.xs[:length, n : n + 1],
            tree.tree_map(lambda s, n=n: s[n : n + 1], ex.state),
            ex.dys[:length, n : n + 1],
            tree.tree_map(lambda s, n=n: s[n : n + 1], ex.dstate),
        )
        want_ys, want_last, (_, want_dxs, want_dstate) = checks.gradients(cell, alone)
        np.testing.assert_allclose(ys[:length, n : n + 1], want_ys, atol=1e-14)
        assert (ys[length:, n] == 0).all()
        assert (dxs[length:, n] == 0).all()
        np.testing.assert_allclose(dxs[:length, n : n + 1], want_dxs, atol=1e-14)
        checks.assert_same(tree.tree_map(lambda s, n=n: s[n : n + 1], last), want_last)
        checks.assert_same(tree.tree_map(lambda s, n=n: s[n : n + 1], dstate), want_dstate)


@pytest.mark.equations("vanishing-gradients-skip", "vanishing-gradients-removed")
def test_skip_reads_the_states_it_says():
    """Written out from the equation, with a list of all states and no ring."""
    delays = (1, 4, 2, 3)
    cell = SkipRNN(3, 4, delay=delays)
    ex = checks.example(cell, T=8, N=2)
    hs = [*reversed(ex.state.past), ex.state.h]  # h^(−3), …, h^(0)
    for x in ex.xs:
        far = np.stack([hs[-d][:, i] for i, d in enumerate(delays)], axis=1)
        U, W, R, b = ex.params
        hs.append(np.tanh(b + x @ U.T + hs[-1] @ W.T + far @ R.T))
    ys, last, _ = Recurrent(cell).forward(ex.params, ex.xs, ex.state)
    np.testing.assert_allclose(ys, hs[4:], atol=1e-14)
    checks.assert_same(last, SkipState(hs[-1], tuple(hs[-2:-5:-1])))


@pytest.mark.equations("vanishing-gradients-skip", "vanishing-gradients-removed")
def test_skip_cells_that_are_elman_cells():
    plain = RNN(3, 4)
    ex = checks.example(plain)
    U, W, b = ex.params
    ys, _, (dparams, dxs, _) = checks.gradients(plain, ex)
    for cell, params in (
        (SkipRNN(3, 4, 1, remove_short=True), SkipParams(U, None, W, b)),
        (SkipRNN(3, 4, 3), SkipParams(U, W, np.zeros((4, 4)), b)),
    ):
        zero = cell.initial_state(2)
        start = zero._replace(h=ex.state.h)
        same = checks.Example(params, ex.xs, start, ex.dys, zero._replace(h=ex.dstate.h))
        got_ys, _, (got, got_dxs, _) = checks.gradients(cell, same)
        np.testing.assert_allclose(got_ys, ys, atol=1e-15)
        np.testing.assert_allclose(got_dxs, dxs, atol=1e-14)
        np.testing.assert_allclose(got.R if got.W is None else got.W, dparams.W, atol=1e-14)


@pytest.mark.equations("vanishing-gradients-removed")
def test_errors_decay_with_distance_over_delay():
    """Removed connections at delay d: an error crosses q·d steps by q products."""
    rng = np.random.default_rng(0)
    R = 0.5 * initializers.orthogonal(rng, 3)
    for d in (1, 2, 5):
        cell = SkipRNN(1, 3, d, remove_short=True, activation="identity")
        params = SkipParams(np.zeros((3, 1)), None, R, np.zeros(3))
        zero = cell.initial_state(1)
        dstate = zero._replace(h=rng.normal(size=(1, 3)))
        norms = error_flow(cell, params, np.zeros((20, 1, 1)), dstate)
        np.testing.assert_allclose(norms[20] / norms[0], 0.5 ** (20 / d), rtol=1e-12)


@pytest.mark.equations("vanishing-gradients-leaky")
def test_leaky_unit_of_the_notes_is_a_running_average():
    cell = LeakyRNN(2, 2, alpha=0.75, activation="identity")
    params = LeakyParams(np.eye(2), np.zeros((2, 2)), np.zeros(2), None)
    xs = np.random.default_rng(0).normal(size=(6, 1, 2))
    ys = Recurrent(cell).forward(params, xs)[0]
    want = sum(0.25 * 0.75 ** (5 - t) * xs[t] for t in range(6))
    np.testing.assert_allclose(ys[-1], want, atol=1e-15)


@pytest.mark.equations("vanishing-gradients-leaky", "vanishing-gradients-leaky-learned")
def test_leaky_special_cases():
    plain = RNN(3, 4)
    ex = checks.example(plain)
    leaky = checks.Example(
        LeakyParams(*ex.params, None),
        ex.xs,
        LeakyState(ex.state.h),
        ex.dys,
        LeakyState(ex.dstate.h),
    )
    ys, _, (_, dxs, _) = checks.gradients(plain, ex)
    got_ys, _, (_, got_dxs, _) = checks.gradients(LeakyRNN(3, 4, 0.0), leaky)
    np.testing.assert_allclose(got_ys, ys, atol=1e-15)
    np.testing.assert_allclose(got_dxs, dxs, atol=1e-14)
    alpha = (0.1, 0.4, 0.8, 0.95)
    learned = LeakyRNN(3, 4, alpha, learned=True)
    start = learned.init(np.random.default_rng(0))
    np.testing.assert_allclose(learned.alphas(start), alpha, atol=1e-15)
    same = leaky._replace(params=leaky.params._replace(leak=start.leak))
    checks.assert_same(
        checks.gradients(learned, same)[1], checks.gradients(LeakyRNN(3, 4, alpha), leaky)[1]
    )


@pytest.mark.equations("vanishing-gradients-time-scales")
def test_time_scales():
    alphas = time_scales(5, 1, 16)
    np.testing.assert_allclose(1 / (1 - np.array(alphas)), [1, 2, 4, 8, 16])
    assert LeakyRNN(3, 5, alphas).alpha == alphas
    assert time_scales(1, 4, 4) == (0.75,)
    for bad in ((0, 1, 2), (3, 0.5, 2), (3, 4, 2), (3, 1, np.inf)):
        with pytest.raises(ValueError, match="expected"):
            time_scales(*bad)


@pytest.mark.equations("vanishing-gradients-slow-updates")
def test_slow_units_learn_at_their_own_steps():
    cell = RNN(3, 4)
    grads = cell.init(np.random.default_rng(0))
    counts = np.zeros(4)
    for step in range(12):
        due = slow_updates(grads, step, (1, 2, 3, 4))
        assert type(due) is RNNParams
        for got, full in zip(due, grads, strict=True):
            for i, period in enumerate((1, 2, 3, 4)):
                np.testing.assert_array_equal(
                    got[i], full[i] if step % period == 0 else 0 * full[i]
                )
        counts += due.b != 0
    np.testing.assert_array_equal(counts, [12, 6, 4, 3])
    with pytest.raises(ValueError, match=r"U: expected 3 rows, got shape \(4, 3\)"):
        slow_updates(grads, 0, (1, 2, 3))
    with pytest.raises(ValueError, match="periods: expected"):
        slow_updates(grads, 0, (1, 2, 3, 0))


@pytest.mark.equations("vanishing-gradients-clip-value")
def test_clip_by_value_clips_negatives_too():
    grads = RNNParams(np.array([[-9.0, 0.5]]), np.array([[3.0]]), np.array([-0.2]))
    clipped = clip_by_value(grads, 1.0)
    checks.assert_same(clipped, RNNParams(np.array([[-1, 0.5]]), np.ones((1, 1)), np.array([-0.2])))
    assert type(clipped) is RNNParams
    assert grads.U[0, 0] == -9
    with pytest.raises(ValueError, match="threshold: expected"):
        clip_by_value(grads, -1.0)


@pytest.mark.equations("vanishing-gradients-clip-norm")
def test_clip_by_norm_takes_all_arrays_together():
    grads = RNNParams(np.array([[3.0, 0.0]]), np.array([[-4.0]]), np.array([0.0]))
    clipped, norm = clip_by_norm(grads, 1.0)
    assert norm == 5
    checks.assert_same(clipped, tree.scale(grads, 0.2))
    checks.assert_same(clip_by_norm(grads, 5.0)[0], grads)
    with pytest.raises(ValueError, match="threshold: expected"):
        clip_by_norm(grads, 0.0)


@pytest.mark.equations("vanishing-gradients-clip-norm")
def test_mean_of_clipped_gradients_is_not_the_clipped_mean():
    a, b = (np.array([10.0, 0.0]),), (np.array([0.0, 1.0]),)
    mean = (clip_by_norm(a, 1.0)[0][0] + clip_by_norm(b, 1.0)[0][0]) / 2
    whole = clip_by_norm(tree.scale(tree.add(a, b), 0.5), 1.0)[0][0]
    cosine = mean @ whole / np.linalg.norm(mean) / np.linalg.norm(whole)
    assert cosine < 0.8


@pytest.mark.equations("vanishing-gradients-random-step")
def test_random_step_only_where_the_gradient_exploded():
    rng = np.random.default_rng(0)
    cell = RNN(3, 4)
    grads = tree.tree_map(lambda g: g.astype(np.float32), cell.init(rng))
    assert random_step(rng, grads, 1e3) is grads
    drawn = []
    for bad in (1e9, np.inf, np.nan):
        spoilt = grads._replace(b=np.full_like(grads.b, bad))
        step = random_step(rng, spoilt, 0.25)
        assert type(step) is RNNParams
        assert step.U.dtype == np.float32
        assert tree.norm(step) == pytest.approx(0.25, rel=1e-5)
        drawn.append(tree.to_vector(step))
    assert np.abs(drawn[0] - drawn[1]).max() > 0.01
    huge = (np.full(3, 1e200),)
    assert tree.norm(random_step(rng, huge, 2.0)) == pytest.approx(2)
    with pytest.raises(ValueError, match="threshold: expected"):
        random_step(rng, grads, 0.0)


def regulariser_example(activation, T=4, N=3, H=4, seed=0):
    rng = np.random.default_rng(seed)
    cell = RNN(2, H, activation)
    ex = checks.example(cell, T, N, seed)
    run = state_gradients(cell, ex.params, rng.normal(size=(T, N, 2)), ex.dys, ex.dstate, ex.state)
    hs, dhs = (np.stack([s.h for s in states[1:]]) for states in run)
    return ex.params.W, hs, dhs


@pytest.mark.equations(
    "vanishing-gradients-regulariser", "vanishing-gradients-regulariser-backward"
)
@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "relu", "identity"])
def test_regulariser_and_its_gradient_with_states_and_errors_held(activation):
    W, hs, dhs = regulariser_example(activation)
    omega, dW = flow_regulariser(W, hs, dhs, activation)
    total = 0.0
    for h, g in zip(hs, dhs, strict=True):
        carried = np.einsum("nij,ni->nj", step_jacobian(h, W, activation), g)
        ratio = np.linalg.norm(carried, axis=1) / np.linalg.norm(g, axis=1)
        total += ((ratio - 1) ** 2).mean()
    assert omega == pytest.approx(total, rel=1e-12)
    found = gradient_check.check(lambda at: flow_regulariser(at, hs, dhs, activation)[0], W, dW)
    assert found.relative < 1e-6, found


@pytest.mark.equations("vanishing-gradients-regulariser")
def test_regulariser_is_zero_where_norms_are_kept_and_ignores_scale_and_padding():
    W, hs, dhs = regulariser_example("identity")
    Q = initializers.orthogonal(np.random.default_rng(0), 4)
    assert flow_regulariser(Q, hs, dhs, "identity")[0] < 1e-28
    W, hs, dhs = regulariser_example("tanh")
    omega, dW = flow_regulariser(W, hs, dhs)
    small_omega, small_dW = flow_regulariser(W, hs, 1e-150 * dhs)
    assert small_omega == pytest.approx(omega, rel=1e-12)
    np.testing.assert_allclose(small_dW, dW, atol=1e-12)
    padded = [np.concatenate([a, np.zeros((3, *a.shape[1:]))]) for a in (hs, dhs)]
    padded_omega, padded_dW = flow_regulariser(W, *padded)
    # the order of a sum depends on how many numbers there are
    assert padded_omega == pytest.approx(omega, rel=1e-15)
    np.testing.assert_allclose(padded_dW, dW, atol=1e-15)
    omega, dW = flow_regulariser(np.zeros((4, 4)), hs, dhs)
    assert omega == pytest.approx(len(hs))
    assert (dW == 0).all()


@pytest.mark.equations("vanishing-gradients-regulariser-backward")
def test_a_step_against_the_regularisers_gradient_lowers_it():
    W, hs, dhs = regulariser_example("tanh")
    omega, dW = flow_regulariser(W, hs, dhs)
    assert flow_regulariser(W - 1e-3 * dW, hs, dhs)[0] < omega


def test_thousand_steps_without_a_warning():
    cell = RNN(3, 4)
    ex = checks.example(cell, T=1000, N=2)
    with warnings.catch_warnings(), np.errstate(over="raise", invalid="raise", divide="raise"):
        warnings.simplefilter("error")
        norms = error_flow(cell, ex.params, ex.xs, ex.dstate)
        run = state_gradients(cell, ex.params, ex.xs, dstate=ex.dstate)
        hs, dhs = (np.stack([s.h for s in states[1:]]) for states in run)
        omega, dW = flow_regulariser(ex.params.W, hs, dhs)
        assert np.isfinite(norms).all()
        assert np.isfinite(omega)
        assert np.isfinite(dW).all()
        assert np.isfinite(jacobian_product(hs, ex.params.W)).all()
        assert np.isfinite(loss_cliff(np.array([1e4, -1e4]), np.zeros(2), 1000).loss).all()


W3 = np.random.default_rng(0).normal(size=(3, 3))
H3 = np.full((2, 3), 0.5)


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: step_jacobian(H3[0], W3), "h"),
        (lambda: step_jacobian(H3, W3[:2]), "W"),
        (lambda: step_jacobian(H3, W3.astype(int)), "W"),
        (lambda: step_jacobian(H3, W3, "cube"), "activation"),
        (lambda: jacobian_product(H3, W3), "hs"),
        (lambda: jacobian_product(H3[None, :, :2], W3), "h"),
        (lambda: jacobian_bound(W3[:2]), "W"),
        (lambda: jacobian_bound(W3, "cube"), "activation"),
        (lambda: matrix_power(np.full((2, 2), np.nan), 2), "W"),
        (lambda: matrix_power(W3 * np.inf, 2), "W"),
        (lambda: jacobian_bound(W3 * np.inf), "W"),
        (lambda: random_step(np.random.default_rng(0), (np.ones(2, int),), 0.1), "grads.0"),
        (lambda: matrix_power(W3, -1), "steps"),
        (lambda: matrix_power(W3, 1.5), "steps"),
        (lambda: error_paths(W3[:2], H3, 0, 0), "W"),
        (lambda: error_paths(W3, H3[:, :2], 0, 0), "slopes"),
        (lambda: error_paths(W3, H3, 3, 0), "u"),
        (lambda: error_paths(W3, H3, 0, -1), "v"),
        (lambda: error_paths(W3, np.ones((20, 3)), 0, 0), "slopes"),
        (lambda: product_variance(-1.0, 3), "variance"),
        (lambda: product_variance(1.0, 0), "count"),
        (lambda: loss_cliff(np.ones(3), np.ones(2)), "b"),
        (lambda: loss_cliff([1.0], np.ones(1)), "w"),
        (lambda: loss_cliff(np.ones(2), np.ones(2), 0), "steps"),
        (lambda: flow_regulariser(W3, H3, H3), "hs"),
        (lambda: flow_regulariser(W3, H3[None], H3), "dhs"),
        (lambda: flow_regulariser(W3[:2], H3[None], H3[None]), "W"),
        (lambda: flow_regulariser(W3, H3[None], H3[None], "cube"), "activation"),
        (lambda: SkipRNN(3, 4, 0), "delay"),
        (lambda: SkipRNN(3, 4, (1, 2)), "delay"),
        (lambda: SkipRNN(3, 2, (1, 0)), "delay"),
        (lambda: SkipRNN(3, 4, 1.5), "delay"),
        (lambda: SkipRNN(3, 4, activation="cube"), "activation"),
        (lambda: LeakyRNN(3, 4, 1.0), "alpha"),
        (lambda: LeakyRNN(3, 4, -0.1), "alpha"),
        (lambda: LeakyRNN(3, 4, (0.5, 0.5)), "alpha"),
        (lambda: LeakyRNN(3, 4, 0.0, learned=True), "alpha"),
        (lambda: LeakyRNN(3, 4, activation="cube"), "activation"),
    ],
)
def test_bad_input_is_named(call, name):
    with pytest.raises(ValueError, match=rf"^{name}: expected"):
        call()


def test_bad_input_of_error_flow_is_named():
    cell = RNN(3, 4)
    ex = checks.example(cell)
    with pytest.raises(ValueError, match=r"^xs: expected"):
        error_flow(cell, ex.params, ex.xs[0], ex.dstate)
    with pytest.raises(ValueError, match=r"^dstate\.h: expected"):
        error_flow(cell, ex.params, ex.xs, RNNState(ex.dstate.h[:, :3]))
    with pytest.raises(ValueError, match=r"^state: expected"):
        error_flow(cell, ex.params, ex.xs, ex.dstate, ex.state.h)
    with pytest.raises(ValueError, match=r"^dys: expected"):
        state_gradients(cell, ex.params, ex.xs, ex.dys[1:])


@pytest.mark.parametrize("learned", [False, True])
def test_parameters_must_say_what_the_options_say(learned):
    for cell, other, field in (
        (SkipRNN(3, 4, 2, learned), SkipRNN(3, 4, 2, not learned), "W"),
        (LeakyRNN(3, 4, 0.5, learned), LeakyRNN(3, 4, 0.5, not learned), "leak"),
    ):
        ex = checks.example(cell)
        wrong = other.init(np.random.default_rng(0))
        with pytest.raises(ValueError, match=rf"^params\.{field}: expected"):
            cell.step(wrong, ex.xs[0], ex.state)


def test_analysis_does_not_write_into_its_arguments():
    W, hs, dhs = regulariser_example("tanh")
    W3, hs3, dhs3 = W.copy(), hs.copy(), dhs.copy()
    for array in (W, hs, dhs):
        array.setflags(write=False)
    step_jacobian(hs[0], W)
    jacobian_product(hs, W)
    matrix_power(W, 3)
    error_paths(W, hs[:, 0], 0, 1)
    flow_regulariser(W, hs, dhs)
    loss_cliff(W, W)
    slow_updates((W,), 1, (1, 2, 3, 4))
    random_step(np.random.default_rng(0), (W,), 0.1)
    for a, b in ((W, W3), (hs, hs3), (dhs, dhs3)):
        np.testing.assert_array_equal(a, b)
