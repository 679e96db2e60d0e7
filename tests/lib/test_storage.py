"""What is saved comes back bit for bit, and what does not fit is refused by name."""

import io
import zipfile
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from lib import optim, storage, tree
from lib.lstm import LSTM
from lib.rnn import RNN


class Odd(NamedTuple):
    file: np.ndarray
    args: tuple


leaf = arrays.arrays(
    st.sampled_from([np.float64, np.float32, np.int64, np.bool_]),
    arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3),
)
trees = st.recursive(
    leaf | st.none(),
    lambda inner: st.lists(inner, max_size=3).map(tuple) | st.builds(Odd, inner, st.tuples(inner)),
    max_leaves=6,
)


def same(a, b):
    assert type(a) is type(b)
    if isinstance(a, tuple):
        assert len(a) == len(b)
        for one, two in zip(a, b, strict=True):
            same(one, two)
    elif a is not None:
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(trees)
def test_comes_back_as_it_was(tmp_path_factory, value):
    path = tmp_path_factory.mktemp("saved") / "p.npz"
    storage.save(path, value)
    same(storage.load(path, value), value)


def test_training_resumes_from_a_saved_state(tmp_path):
    cell, adam = LSTM(2, 3), optim.Adam(0.1)
    params = cell.init(np.random.default_rng(0))
    grads = tree.tree_map(np.ones_like, params)
    params, state = adam.update(params, grads, adam.init(params))
    storage.save(tmp_path / "run.npz", (params, state))
    loaded = storage.load(tmp_path / "run.npz", (params, adam.init(params)))
    same(adam.update(loaded[0], grads, loaded[1]), adam.update(params, grads, state))


def test_other_programs_can_read_it(tmp_path):
    params = RNN(2, 3).init(np.random.default_rng(0))
    storage.save(tmp_path / "p.npz", params)
    with np.load(tmp_path / "p.npz", allow_pickle=False) as archive:
        assert archive.files == ["tree.U", "tree.W", "tree.b"]
        np.testing.assert_array_equal(archive["tree.W"], params.W)


@pytest.mark.parametrize(
    ("like", "message"),
    [
        (LSTM(2, 3), r"expected tree.U of shape \(12, 2\) and dtype float64, got \(3, 2\)"),
        (RNN(2, 4), r"expected tree.U of shape \(4, 2\)"),
    ],
)
def test_refuses_another_network(tmp_path, like, message):
    rng = np.random.default_rng(0)
    storage.save(tmp_path / "p.npz", RNN(2, 3).init(rng))
    with pytest.raises(ValueError, match=message):
        storage.load(tmp_path / "p.npz", like.init(rng))


def test_refuses_what_is_missing_left_over_or_of_another_dtype(tmp_path):
    path = tmp_path / "p.npz"
    storage.save(path, (np.ones(2), np.ones(3)))
    with pytest.raises(ValueError, match=r"expected 1 arrays, got tree.1 besides"):
        storage.load(path, (np.ones(2),))
    with pytest.raises(ValueError, match=r"expected an array tree.2 \(4,\), got none"):
        storage.load(path, (np.ones(2), np.ones(3), np.ones(4)))
    with pytest.raises(ValueError, match=r"tree.1 of shape \(3,\) and dtype float32"):
        storage.load(path, (np.ones(2), np.ones(3, np.float32)))


def npy(value):
    buffer = io.BytesIO()
    np.save(buffer, value, allow_pickle=True)
    return buffer.getvalue()


def zipped(name, content):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, content)
    return buffer.getvalue()


class Bomb:
    def __reduce__(self):
        return (exec, ("raise SystemExit('executed')",))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no archive",
        npy(np.ones(2)),
        zipped("tree.npy", npy(np.array([Bomb()], object))),
        zipped("tree.npy", npy(np.ones(4))[:-5]),
        zipped("tree.npy", npy(np.ones(4)))[:-30],
        zipped("tree.npy", npy(np.arange(4.0))).replace(npy(np.arange(4.0)), npy(np.ones(4))),
        npy(np.array([Bomb()], object)),
    ],
    ids=["empty", "text", "npy", "pickled", "short", "cut", "corrupt", "pickled npy"],
)
def test_refuses_files_that_are_none_of_ours(tmp_path, content):
    (tmp_path / "p.npz").write_bytes(content)
    with pytest.raises(ValueError, match=r"p\.npz: expected an \.npz file of plain arrays"):
        storage.load(tmp_path / "p.npz", np.ones(4))


def test_a_missing_file_and_a_missing_folder_are_reported(tmp_path):
    with pytest.raises(FileNotFoundError):
        storage.load(tmp_path / "none.npz", np.ones(2))
    with pytest.raises(FileNotFoundError):
        storage.save(tmp_path / "none" / "p.npz", np.ones(2))


@pytest.mark.parametrize(
    "value", [(np.array([object()]),), (1.0,), (np.array(["text"]),), [np.ones(2)]]
)
def test_refuses_leaves_that_are_no_numbers(tmp_path, value):
    with pytest.raises(ValueError, match="expected an array of numbers"):
        storage.save(tmp_path / "p.npz", value)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "p.npz"
    storage.save(path, np.ones(2))

    def full(file, **_):
        file.write(b"half")
        raise OSError("no space left")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OSError, match="no space left"):
        storage.save(path, np.zeros(2))
    assert [p.name for p in tmp_path.iterdir()] == ["p.npz"]
    np.testing.assert_array_equal(storage.load(path, np.zeros(2)), [1, 1])


def test_saving_twice_gives_the_same_bytes(tmp_path):
    params = RNN(2, 3).init(np.random.default_rng(0))
    for name in ("a.npz", "b.npz"):
        storage.save(tmp_path / name, params)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
