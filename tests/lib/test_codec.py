"""Values cross as JSON bit for bit; text from a learner can make nothing but plain values."""

import json
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from lib import codec
from lib.bptt import Recurrent
from lib.codec import CodecError, Expression, decode, encode
from lib.rnn import RNN, RNNParams

thorough = settings(max_examples=200, deadline=None, derandomize=True)

numbers = arrays.arrays(
    arrays.boolean_dtypes()
    | arrays.integer_dtypes(endianness="?")
    | arrays.unsigned_integer_dtypes(endianness="?")
    | arrays.floating_dtypes(endianness="?", sizes=(16, 32, 64)),
    arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4),
)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63) + 1, 2**63 - 1) | st.floats() | st.text()
    | numbers,
    lambda inner: st.lists(inner, max_size=4)
    | st.lists(inner, max_size=4).map(tuple)
    | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)  # fmt: skip


def same(a, b):
    assert type(a) is type(b)
    if isinstance(a, (tuple, list)):
        assert len(a) == len(b)
        for one, two in zip(a, b, strict=True):
            same(one, two)
    elif isinstance(a, dict):
        assert list(a) == list(b)
        same(list(a.values()), list(b.values()))
    elif isinstance(a, np.ndarray):
        assert (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())
    elif isinstance(a, float):
        np.testing.assert_array_equal(a, b)
        assert np.signbit(a) == np.signbit(b) or np.isnan(a)
    else:
        assert a == b


def through(value, trusted=False, **settings):
    return decode(json.loads(json.dumps(encode(value, **settings), allow_nan=False)), trusted)


@thorough
@given(values)
def test_values_come_back_bit_for_bit(value):
    same(through(value), value)


@thorough
@given(values)
def test_rounded_values_are_legal_json_and_within_the_rounding(value):
    text = json.dumps(encode(value, decimals=3), allow_nan=False)
    back = decode(json.loads(text))
    if isinstance(value, float) and np.isfinite(value):
        assert back == pytest.approx(value, abs=5.1e-4, rel=1e-12)
    if isinstance(value, np.ndarray):
        assert (back.dtype, back.shape) == (value.dtype, value.shape)


def test_rounded_arrays_are_readable_text_without_negative_zero():
    got = encode(np.array([1.23456, -1e-9, np.inf, np.nan]), decimals=2)
    assert got["array"]["values"] == [1.23, 0.0, "inf", "nan"]
    assert str(got["array"]["values"][1]) == "0.0"


PARAMS = RNN(2, 3).init(np.random.default_rng(0))


def test_named_tuples_keep_their_type_only_where_the_text_is_trusted():
    trusted = through(PARAMS, trusted=True)
    assert type(trusted) is RNNParams
    same(trusted, PARAMS)
    plain = through(PARAMS)
    assert type(plain) is tuple
    same(plain, tuple(PARAMS))


def test_cells_and_expressions_cross_where_the_text_is_trusted():
    layer = Recurrent(RNN(2, 3, activation="relu"))
    assert through(layer, trusted=True) == layer
    doubled = through(Expression("lambda x: 2 * np.abs(x)"), trusted=True)
    np.testing.assert_array_equal(doubled(np.array([-1.0])), [2.0])
    assert repr(doubled) == "lambda x: 2 * np.abs(x)"


@pytest.mark.parametrize("value", [Recurrent(RNN(2, 3)), Expression("lambda: 1")])
def test_a_learners_text_makes_neither_objects_nor_functions(value):
    with pytest.raises(CodecError, match="not allowed"):
        through(value)


def test_an_expression_in_a_learners_text_is_not_evaluated():
    evil = {"list": [{"expression": "(_ for _ in ()).throw(SystemExit)"}]}
    with pytest.raises(CodecError):
        decode(evil)


def test_trusted_text_names_classes_of_lib_only():
    for name in ("os.system", "numpy.ndarray", "library.X", "subprocess.Popen"):
        with pytest.raises(CodecError, match="expected one of lib"):
            decode({"named": {"type": name, "items": []}}, trusted=True)


@dataclass
class Unknown:
    x: int


@pytest.mark.parametrize(
    "value",
    [
        np.array([object()]),
        np.array(["a"]),
        np.array([1j]),
        np.array(["2020-01-01"], "M8[D]"),
        1j,
        b"bytes",
        {1, 2},
        {1: 2},
        object(),
        lambda: 1,
        int,
        2**63,
        [[object()]],
    ],
)
def test_other_values_are_refused(value):
    with pytest.raises(CodecError):
        encode(value)


def test_depth_is_limited_both_ways():
    value, text = 1, 1
    for _ in range(codec.MAX_DEPTH - 1):
        value, text = [value], {"list": [text]}
    assert through(value) == value
    with pytest.raises(CodecError, match="nested deeper"):
        encode([value])
    with pytest.raises(CodecError, match="nested deeper"):
        decode({"list": [text]})


def array(dtype="<f8", shape=(1,), **rest):
    return {"array": {"dtype": dtype, "shape": list(shape), **(rest or {"values": [0.0]})}}


@pytest.mark.parametrize(
    "text",
    [
        array("O"),
        array("f8,("),
        array("f8,f8"),
        array("(2,2)f8"),
        array("<U3", values=["abc"]),
        array("M8[s]"),
        array("V8"),
        array("f3"),
        array(None),
        array(shape=(2,)),
        array(shape=(-1,)),
        array(shape=(True,)),
        array(shape=(1.0,)),
        array(shape=(1,) * 9),
        array(shape=(10**6, 10**6), base64=""),
        array(shape=(codec.MAX_ITEMS + 1,), base64=""),
        array(values=[None]),
        array(values=["ten"]),
        array(values=7),
        array("|u1", values=[300]),
        array("<i8", values=[10**30]),
        array(base64="AAAA"),
        array(base64="?"),
        array(base64="é"),
        array(base64=5),
        array("|b1", base64="Ag=="),
        {"array": []},
        {"array": {"dtype": "<f8"}},
        {"float": []},
        {"float": "one"},
        {"tuple": 5},
        {"dict": []},
        {"named": {}},
        {"float": 1.0, "list": []},
        {},
        {"pickle": "gASVBAAAAAAAAAB9lC4="},
        [],
        1.5,
        2**63,
    ],
    ids=str,
)
def test_malformed_text_is_refused(text):
    for trusted in (False, True):
        with pytest.raises(CodecError):
            decode(text, trusted)


def test_an_array_of_too_many_numbers_is_refused_whole_as_it_is():
    side = 1001
    assert side < codec.MAX_ITEMS < side**2
    with pytest.raises(CodecError, match="more than 1000000 numbers"):
        through(np.zeros((side, side), np.uint8))


def plain(value):
    if isinstance(value, (tuple, list)):
        return all(map(plain, value))
    if isinstance(value, dict):
        return all(isinstance(k, str) and plain(v) for k, v in value.items())
    if isinstance(value, np.ndarray):
        return value.dtype.kind in "biuf"
    return value is None or type(value) in (bool, int, float, str)


KINDS = ["array", "float", "tuple", "list", "dict", "named", "object", "expression"]
FIELDS = ["dtype", "shape", "values", "base64", "type", "fields", "items"]
keys = st.sampled_from(KINDS + FIELDS)
words = st.sampled_from(["<f8", "|b1", "f8,(", "AAAAAAAAAAA=", "lib.rnn.RNN", "os.system", "1"])
hostile = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=12,
)
wrapped = st.builds(lambda kind, body: {kind: body}, keys, hostile)
array_like = st.fixed_dictionaries(
    {"dtype": words | st.text(max_size=6), "shape": hostile},
    optional={"values": hostile, "base64": hostile},
).map(lambda body: {"array": body})


@settings(max_examples=500, deadline=None, derandomize=True)
@given(hostile | wrapped | array_like)
def test_whatever_a_learner_sends_gives_plain_values_or_a_codec_error(text):
    try:
        got = decode(text)
    except CodecError:
        return
    assert plain(got)
