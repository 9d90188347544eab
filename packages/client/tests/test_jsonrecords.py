"""Streams of JSON values, one a line or between record separators: the same wherever the bytes are cut."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from levante.client import ClientPayloadError, ResponseTooLarge
from levante.client.jsonrecords import JSONFormat, RecordSplitter

pytestmark = pytest.mark.parity("U19")


def split(data: bytes, form: JSONFormat, *, step: int = 10_000, **options: int) -> list[str]:
    splitter = RecordSplitter(form, **options)
    found = [text for at in range(0, len(data), step) for text in splitter.feed(data[at : at + step])]
    return found + splitter.finish()


@pytest.mark.parametrize("step", [1, 2, 10_000])
@pytest.mark.parametrize(
    ("form", "data", "expected"),
    [
        ("lines", b"", []),
        ("lines", b'{"a": 1}\n{"b": 2}', ['{"a": 1}', '{"b": 2}']),
        ("lines", b"1\r\n\r\n\n 2 \n", ["1", "2"]),
        ("lines", '"é"\n'.encode(), ['"é"']),
        ("seq", b"", []),
        ("seq", b"\x1e{}\n\x1e[1]\n", ["{}", "[1]"]),
        ("seq", b"\x1e\x1e\x1e12\n", ["12"]),
        ("seq", b'\x1e{"a":\n1}\n\x1e"x"', ['{"a":\n1}', '"x"']),
        ("seq", b"\n\x1etrue\n", ["true"]),
    ],
)
def test_records(form: JSONFormat, data: bytes, expected: list[str], step: int) -> None:
    assert split(data, form, step=step) == expected


@pytest.mark.parametrize("data", [b"\x1e12", b"\x1etrue\x1e1\n", b"\x1e1\n\x1enul"])
def test_a_scalar_that_nothing_follows_may_be_cut(data: bytes) -> None:
    with pytest.raises(ClientPayloadError, match="cut short"):
        split(data, "seq")


def test_a_sequence_begins_with_a_separator() -> None:
    with pytest.raises(ClientPayloadError, match="begins with"):
        split(b"{}\n\x1e{}\n", "seq")
    with pytest.raises(ValueError, match="form='xml'"):
        RecordSplitter("xml")


@pytest.mark.parametrize("form", ["lines", "seq"])
@pytest.mark.parametrize("size", [10, 11, 100])
@pytest.mark.parametrize("step", [1, 10_000])
def test_the_size_of_a_record_is_bounded(form: JSONFormat, size: int, step: int) -> None:
    separator = b"\n" if form == "lines" else b"\x1e"
    data = separator + b'"' + b"x" * (size - 2) + b'"' + separator + b"{}"
    if size <= 10:
        assert len(split(data, form, step=step, max_size=10)) == 2
    else:
        with pytest.raises(ResponseTooLarge) as caught:
            split(data, form, step=step, max_size=10)
        assert (caught.value.what, caught.value.maximum) == ("record", 10)


def test_text_that_is_no_utf8() -> None:
    with pytest.raises(UnicodeDecodeError):
        split(b"\xff\n", "lines")


@given(st.lists(st.recursive(st.none() | st.integers() | st.text(), st.lists)), st.integers(1, 9))
def test_values_come_back(values: list[object], step: int) -> None:
    lines = "".join(json.dumps(value) + "\n" for value in values).encode()
    assert [json.loads(text) for text in split(lines, "lines", step=step)] == values
    sequence = "".join(f"\x1e{json.dumps(value, indent=1)}\n" for value in values).encode()
    assert [json.loads(text) for text in split(sequence, "seq", step=step)] == values
