"""What a session may hold: plain JSON, whose path is named when it is not."""

import json
import math
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from levante.sessions.errors import SealRejected, SessionPayloadError
from levante.sessions.payload import MAX_DEPTH, check, check_loaded, check_text, dumps, loads

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(plain)
def test_round_trip(value):
    check(value)
    assert loads(dumps(value)) == value
    assert dumps(loads(dumps(value))) == dumps(value)


def test_text_is_compact_and_not_escaped():
    assert dumps({"a": [1, "ñ"]}) == '{"a":[1,"ñ"]}'


def nested(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return value


def cycle():
    value = {}
    value["self"] = value
    return value


@pytest.mark.hardening("S14")
@pytest.mark.parametrize(
    ("data", "where", "problem"),
    [
        ({"a": {1, 2}}, "session['a']", "set"),
        ({"a": [{"b": b"bytes"}]}, "session['a'][0]['b']", "bytes"),
        ({"a": object()}, "session['a']", "object"),
        ({"a": {1: "int key"}}, "session['a']", "key of type int"),
        ({"a": math.nan}, "session['a']", "finite"),
        ({"a": -math.inf}, "session['a']", "finite"),
        ({"a": "\ud800"}, "session['a']", "surrogate"),
        ({"a": nested(MAX_DEPTH)}, "session['a']", "deeper"),
        ({"a": nested(5000)}, "session['a']", "deeper"),
        (cycle(), "session['self']", "deeper"),
    ],
)
def test_what_json_cannot_carry_is_refused_by_path(data, where, problem):
    with pytest.raises(SessionPayloadError) as caught:
        check(data)
    assert where in caught.value.where
    assert problem in str(caught.value)
    assert "int key" not in str(caught.value)


def test_the_encoder_says_the_path_too():
    with pytest.raises(SessionPayloadError, match=r"session\['a'\]: a value of type complex"):
        dumps({"a": 1j})
    with pytest.raises(SessionPayloadError, match="deeper"):
        dumps(cycle())


def test_what_only_the_encoder_refuses_is_an_error_of_ours():
    with pytest.raises(SessionPayloadError, match="ValueError"):
        dumps({"a": 10**5000})  # json refuses to spell it


@pytest.mark.hardening("S14")
def test_tuples_are_allowed_and_become_lists():
    check({"a": (1, 2)})
    assert loads(dumps({"a": (1, 2)})) == {"a": [1, 2]}


@pytest.mark.hardening("S14")
@pytest.mark.parametrize("depth", [MAX_DEPTH, 1000])
def test_deep_data_is_refused_when_loaded(depth):
    data = {"a": nested(depth)}
    with pytest.raises(SealRejected, match="bad payload"):
        check_loaded(data, "[" * (depth + 2))


def test_wide_data_is_accepted_when_loaded():
    data = {str(n): [] for n in range(3 * MAX_DEPTH)}
    assert check_loaded(data, json.dumps(data)) is data


@pytest.mark.hardening("S14")
@pytest.mark.parametrize("data", [[], "text", 1, None, True])
def test_only_an_object_is_a_session(data):
    with pytest.raises(SealRejected):
        check_loaded(data, json.dumps(data))


@pytest.mark.hardening("S14")
def test_pickled_bytes_are_no_json():
    with pytest.raises(ValueError):  # JSON's own, of several kinds
        loads(pickle.dumps({"a": 1}).decode("latin-1"))


@pytest.mark.parametrize(
    "data", [{"a": (1, 2)}, {"a": [1, {"b": None}]}, {"a": "é"}, {"a": True, "b": 1.5, "c": -3}, {}], ids=str
)
def test_a_text_that_stands_for_its_data(data):
    check_text(data, dumps(data))
    check_text(data, repr(data))  # an encoder of one's own, which makes no JSON


@pytest.mark.parametrize(
    "data", [{1: 2}, {"a": {2: 3}}, {"a": "\ud800"}, {"a": {"b": {1, 2}}}, {None: 1}, {"a": float("nan")}], ids=ascii
)
def test_a_text_that_stands_for_something_else(data):
    with pytest.raises(SessionPayloadError):
        check_text(data, json.dumps(data, ensure_ascii=False, default=list))
