"""Server-sent events, as the WHATWG standard says; its own examples among them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from levante.client import ResponseTooLarge, ServerSentEvent
from levante.client.eventstream import EventParser
from levante.client.textlines import LineDecoder

pytestmark = pytest.mark.parity("U19")


def parse(pieces: list[bytes], **options: object) -> tuple[list[ServerSentEvent], EventParser]:
    parser = EventParser(**options)
    decoder = LineDecoder("utf-8-sig", errors="replace")
    lines = [line for piece in pieces for line in decoder.feed(piece)] + decoder.finish()
    return [event for event in map(parser.feed, lines) if event is not None], parser


def datas(data: bytes) -> list[str]:
    whole = [event.data for event in parse([data])[0]]
    single = [event.data for event in parse([data[at : at + 1] for at in range(len(data))])[0]]
    assert whole == single
    return whole


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"data: YHOO\ndata: +2\ndata: 10\n\n", ["YHOO\n+2\n10"]),
        (b"data\n\ndata\ndata\n\ndata:", ["", "\n"]),
        (b"data:test\n\ndata: test\n\n", ["test", "test"]),
        (b"data:  two\n\n", [" two"]),
        (b"data: a\r\n\r\ndata: b\r\rdata: c\n\n", ["a", "b", "c"]),
        (b"\xef\xbb\xbfdata: bom\n\n", ["bom"]),
        (b"data: a\xef\xbb\xbf\n\n", ["a\ufeff"]),
        (b"\xef\xbb\xbf\xef\xbb\xbfdata: second bom\n\n", []),
        (b": comment\n\ndata: a\n: inside\ndata: b\n\n", ["a\nb"]),
        (b"unknown: x\nData: upper\n data: blank\n\n", []),
        (b"event: lonely\n\ndata: x\n\n", ["x"]),
        (b"data: cut off", []),
        (b"data: cut off\n", []),
        (b"data: \xff\n\n", ["\ufffd"]),
        (b"data: a:b\n\n", ["a:b"]),
    ],
)
def test_data(data: bytes, expected: list[str]) -> None:
    assert datas(data) == expected


def test_the_type_holds_for_one_event() -> None:
    events, _ = parse([b"event: add\ndata: 1\n\nevent:\ndata: 2\n\ndata: 3\n\nevent: lost\n\ndata: 4\n\n"])
    assert [event.event for event in events] == ["add", "message", "message", "message"]


def test_the_id_stays_and_counts_from_its_event_on() -> None:
    events, parser = parse(
        [b"data: 0\n\nid: 1\ndata: a\n\ndata: b\n\nid\ndata: c\n\nid: 2\n\nid: x\0y\n\nid: 9\ndata: cut"]
    )
    assert [event.id for event in events] == ["", "1", "1", ""]
    assert parser.last_event_id == "2"
    events, parser = parse([b"data: a\n\n"], last_event_id="7")
    assert events[0].id == parser.last_event_id == "7"
    parser.feed("id: 8")
    parser.restart()
    parser.feed("")
    assert parser.last_event_id == "7"


@pytest.mark.parametrize(
    ("value", "retry"),
    [
        ("1500", 1500),
        ("0", 0),
        ("", None),
        ("-1", None),
        ("1.5", None),
        ("٣", None),
        ("9" * 5000, None),
        (" 5", 5),
        ("  5", None),
    ],
)
def test_retry(value: str, retry: int | None) -> None:
    events, parser = parse([f"retry:{value}\ndata: x\n\n".encode()])
    assert events == [ServerSentEvent("x", retry=retry)]
    assert parser.retry == retry


def test_json() -> None:
    assert ServerSentEvent('{"a": 1}').json() == {"a": 1}
    with pytest.raises(ValueError, match="Expecting"):
        ServerSentEvent("{").json()


@pytest.mark.parametrize("size", [10, 11, 100])
def test_the_size_of_an_event_is_bounded(size: int) -> None:
    data = b"data:" + b"x" * (size - 1) + b"\n\n"
    if size <= 10:
        assert len(parse([data * 3], max_event_size=10)[0]) == 3
    else:
        with pytest.raises(ResponseTooLarge) as caught:
            parse([data], max_event_size=10)
        assert (caught.value.what, caught.value.maximum) == ("event", 10)


def test_empty_data_lines_count_as_well() -> None:
    with pytest.raises(ResponseTooLarge):
        parse([b"data\n" * 11], max_event_size=10)


@given(
    st.lists(st.tuples(st.text(alphabet="ab: é"), st.text(alphabet="ab")), max_size=5),
    st.sampled_from(["\r\n", "\r", "\n"]),
)
def test_what_a_server_writes_comes_back(sent: list[tuple[str, str]], sep: str) -> None:
    text = "".join(f"id: {key}{sep}data: {data}{sep}{sep}" for data, key in sent)
    data = text.encode()
    expected = [ServerSentEvent(data, id=key) for data, key in sent]
    assert parse([data])[0] == expected
    assert parse([data[at : at + 3] for at in range(0, len(data), 3)])[0] == expected
