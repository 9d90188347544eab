"""Urlencoded forms."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from levante.http import LimitExceeded, MalformedContent
from levante.http.forms import encode_urlencoded, parse_urlencoded


@pytest.mark.parity("S24")
@pytest.mark.hardening("M23")
@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", []),
        (b"a=1&b=2", [("a", "1"), ("b", "2")]),
        (b"a=1&a=2&a=", [("a", "1"), ("a", "2"), ("a", "")]),
        (b"a=1;b=2", [("a", "1;b=2")]),
        (b"a&&=x&", [("a", ""), ("", "x")]),
        (b"a=b=c", [("a", "b=c")]),
        (b"a+b=c%20d%2B", [("a b", "c d+")]),
        (b"a=%zz%4%", [("a", "%zz%4%")]),
        (b"a=%C3%A9\r\n", [("a", "é")]),
        (b"a=%FF%00", [("a", "\ufffd\0")]),
        (b"a=%ED%A0%80", [("a", "\ufffd\ufffd\ufffd")]),
        ("é=ü", [("é", "ü")]),
        ("a=\ud800", [("a", "\ufffd\ufffd\ufffd")]),
    ],
)
def test_parse(data: bytes | str, expected: list[tuple[str, str]]) -> None:
    assert parse_urlencoded(data) == expected


def test_other_charsets() -> None:
    assert parse_urlencoded(b"a=%E9", charset="latin-1") == [("a", "é")]
    for unknown in ("no-such", "zip", "base64", "\0", "x" * 1000):
        with pytest.raises(MalformedContent) as caught:
            parse_urlencoded(b"a=1", charset=unknown)
        assert caught.value.status == 415


@pytest.mark.hardening("M22")
def test_field_limit() -> None:
    assert len(parse_urlencoded(b"&".join([b"a=1"] * 1000))) == 1000
    assert len(parse_urlencoded(b"&&" + b"&".join([b"a=1"] * 999) + b"&&")) == 999
    for count in (1001, 100_000):
        with pytest.raises(LimitExceeded) as caught:
            parse_urlencoded(b"&".join([b"a=1"] * count))
        assert caught.value.status == 413
    for stray in (2000, 2001, 100_000):
        with pytest.raises(LimitExceeded):
            parse_urlencoded(b"&" * stray + b"a=1&b=2")
    assert parse_urlencoded(b"&" * 1998 + b"a=1&b=2") == [("a", "1"), ("b", "2")]
    assert parse_urlencoded(b"a=1&b=2", max_fields=2)
    with pytest.raises(LimitExceeded):
        parse_urlencoded(b"a=1&b=2", max_fields=1)


def test_parse_is_linear() -> None:
    start = time.process_time()
    parse_urlencoded(b"a=" + b"%41+%" * 300_000)
    assert time.process_time() - start < 5  # CPU seconds; quadratic work would take minutes


def test_encode() -> None:
    assert encode_urlencoded({"a b": "~*é&="}) == "a+b=%7E*%C3%A9%26%3D"
    assert encode_urlencoded([("a", "1"), ("a", "")]) == "a=1&a="
    assert encode_urlencoded({"a": "é"}, charset="latin-1") == "a=%E9"
    with pytest.raises(TypeError, match="int"):
        encode_urlencoded({"a": 1})  # type: ignore[dict-item]


@given(st.lists(st.tuples(st.text(), st.text()), max_size=10))
def test_round_trip(fields: list[tuple[str, str]]) -> None:
    fields = [(a.encode("utf-8", "replace").decode(), b.encode("utf-8", "replace").decode()) for a, b in fields]
    encoded = encode_urlencoded(fields)
    assert encoded.isascii()
    assert parse_urlencoded(encoded) == fields


@given(st.binary(max_size=200))
def test_any_bytes_parse(data: bytes) -> None:
    parse_urlencoded(data)
