"""Lines of text out of bytes: the same lines wherever the bytes are cut."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from levante.client import ResponseTooLarge
from levante.client.textlines import LineDecoder

pytestmark = pytest.mark.parity("U19")


def lines(pieces: list[bytes], **options: object) -> list[str]:
    decoder = LineDecoder(**options)
    found = [line for piece in pieces for line in decoder.feed(piece)]
    return found + decoder.finish()


def cut(data: bytes, at: list[int]) -> list[bytes]:
    places = sorted({min(place, len(data)) for place in at})
    return [data[start:end] for start, end in zip([0, *places], [*places, len(data)], strict=True)]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", []),
        (b"a", ["a"]),
        (b"a\n", ["a"]),
        (b"a\r\nb\rc\nd", ["a", "b", "c", "d"]),
        (b"\n\r\n\r\r", ["", "", "", ""]),
        ("é\u2028x\x0b\ny".encode(), ["é\u2028x\x0b", "y"]),
    ],
)
def test_ends(data: bytes, expected: list[str]) -> None:
    assert lines([data]) == expected
    assert lines([data[at : at + 1] for at in range(len(data))]) == expected


@given(st.text(alphabet="aé€\r\n\u2028"), st.lists(st.integers(0, 40)))
def test_pieces_do_not_matter(text: str, at: list[int]) -> None:
    expected = re.split("\r\n|\r|\n", text)
    if not expected[-1]:
        expected.pop()
    assert lines(cut(text.encode(), at)) == expected


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32-le", "shift_jis", "utf-8-sig"])
def test_other_encodings_bytewise(encoding: str) -> None:
    data = "ア\r\nb\n".encode(encoding)
    assert lines([data[at : at + 1] for at in range(len(data))], encoding=encoding) == ["ア", "b"]


def test_errors_are_the_callers_choice() -> None:
    assert lines([b"\xff\n"], errors="replace") == ["\ufffd"]
    with pytest.raises(UnicodeDecodeError):
        lines([b"ok\n\xff\n"])
    with pytest.raises(UnicodeDecodeError):
        lines([b"\xc3"])
    with pytest.raises(LookupError):
        LineDecoder("no-such-coding")


@pytest.mark.parametrize("size", [9, 10])
def test_at_the_limit_and_below(size: int) -> None:
    line = "x" * size
    assert lines([f"{line}\n{line}".encode()], max_line_size=10) == [line, line]


@pytest.mark.parametrize("size", [11, 100])
@pytest.mark.parametrize("before", [b"", b"a\n"])
@pytest.mark.parametrize("end", [b"", b"\n", b"\nz"])
def test_beyond_the_limit(size: int, before: bytes, end: bytes) -> None:
    with pytest.raises(ResponseTooLarge) as caught:
        lines([before + b"x" * size + end], max_line_size=10)
    assert (caught.value.what, caught.value.maximum, caught.value.actual) == ("line", 10, None)


def test_a_line_without_end_is_refused_before_its_end_comes() -> None:
    decoder = LineDecoder(max_line_size=10)
    decoder.feed(b"x" * 6)
    with pytest.raises(ResponseTooLarge):
        decoder.feed(b"x" * 6)
