"""Classes of bytes and the walks over them."""

import pytest

from levante.http import is_token
from levante.http.octets import (
    BLANK,
    CLASSES,
    DIGIT,
    TARGET,
    TOKEN,
    VALUE,
    ascii_text,
    find,
    is_authority,
    line_text,
    number,
    piece,
    same,
    span,
    span_back,
    tokens,
)


def test_classes_follow_the_grammar() -> None:
    def members(kind: int) -> bytes:
        return bytes(octet for octet in range(256) if CLASSES[octet] & kind)

    assert members(TOKEN) == b"!#$%&'*+-.0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ^_`abcdefghijklmnopqrstuvwxyz|~"
    assert members(VALUE) == bytes([9, *range(0x20, 0x7F), *range(0x80, 0x100)])
    assert members(TARGET) == bytes(set(range(0x21, 0x7F)) - {0x23})
    assert members(BLANK) == b"\t "
    assert members(DIGIT) == b"0123456789"


def test_span_stays_inside() -> None:
    assert span(b"abc", 0, 2, TOKEN) == 2
    assert span(b"ab c", 0, 4, TOKEN) == 2
    assert span(b"abc", 3, 3, TOKEN) == 3
    assert span_back(b"  \t", 1, 3, BLANK) == 1
    assert span_back(b"a \t", 0, 3, BLANK) == 1


def test_same_and_number() -> None:
    assert same(b"xHoSt", 1, 5, b"host")
    assert not same(b"host", 0, 4, b"hos")
    assert not same(b"hosu", 0, 4, b"host")
    assert number(b"x0123", 1, 5) == 123


@pytest.mark.parametrize("text", [b"a", b"a:1", b"a:", b"1.2.3.4:65535", b"[::1]", b"[::ffff:1.2.3.4]:1"])
def test_authorities(text: bytes) -> None:
    assert is_authority(b"x" + text, 1, len(text) + 1)
    assert is_authority(text, 0, len(text), True) is (b":" in text.rpartition(b"]")[2] and not text.endswith(b":"))


@pytest.mark.parity("V2")
@pytest.mark.parametrize(
    "text",
    [b"", b":1", b"a:x", b"a:65536", b"a:000001", b"[]", b"[::1", b"[::1]a", b"[::g]", b"[:::]", b"a%20", b"a,b"],
)
def test_no_authorities(text: bytes) -> None:
    assert not is_authority(text, 0, len(text))


def test_tokens() -> None:
    assert tokens(b" A,,b ,\tc") == [b"a", b"b", b"c"]
    assert is_token(b"a-b")
    assert not is_token(b"")
    assert not is_token(b"a b")


@pytest.mark.parametrize("length", range(12))
def test_span_stops_at_the_first_stranger_wherever_it_stands(length: int) -> None:
    data = b"a" * length + b" " + b"b" * 8
    assert span(data, 0, len(data), TOKEN) == length
    assert span(data, 0, len(data), TOKEN | BLANK) == len(data)
    assert span(data, 0, length, TOKEN) == length
    mixed = b"1 " * length
    assert span(mixed, 0, len(mixed), DIGIT | BLANK) == len(mixed)


def test_find() -> None:
    data = b"abcabc" + b"-" * 9 + b"d"
    assert [find(data, start, 5, ord("c")) for start in range(6)] == [2, 2, 2, 5, 5, 5]
    assert [find(data, start, len(data), ord("d")) for start in range(len(data))] == [15] * 16
    assert find(data, 0, 15, ord("d")) == 15


def test_pieces_are_what_slices_are() -> None:
    data = b"r\xc3\xa9\xffsum"
    assert piece(data, 0, len(data)) is data
    for start in range(len(data) + 1):
        for end in range(start, len(data) + 1):
            assert piece(data, start, end) == data[start:end]
            assert line_text(data, start, end) == data[start:end].decode("utf-8", "surrogateescape")
    assert ascii_text(data, 4, 7) == "sum"
    with pytest.raises(UnicodeDecodeError):
        ascii_text(data, 0, 2)
