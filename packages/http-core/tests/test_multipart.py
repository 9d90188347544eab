"""multipart without I/O: every verdict whole, byte by byte, and at random cuts; and linear on hostile input."""

import itertools
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from levante.http import IncompleteMessage, LimitExceeded, MalformedContent, MultipartLimits
from levante.http.multipart import (
    MultipartDecoder,
    MultipartEncoder,
    MultipartEnd,
    MultipartEvent,
    PartData,
    PartEnd,
    PartHead,
    check_boundary,
    make_boundary,
)

Parts = list[tuple[dict[str, str], bytes]]


def run(
    body: bytes, cuts: list[int] | None = None, *, boundary: str = "b", limits: MultipartLimits | None = None
) -> Parts:
    """The parts of a body that is fed in pieces; asserts that the events come in a legal order."""
    decoder = MultipartDecoder(boundary, limits=limits)
    events: list[MultipartEvent] = []
    places = [0, *sorted(cuts or []), len(body)]
    for start, stop in itertools.pairwise(places):
        events += decoder.feed(body[start:stop])
    decoder.feed_eof()
    assert decoder.is_finished()
    parts: Parts = []
    is_open = False
    for event in events:
        if isinstance(event, PartHead):
            assert not is_open
            is_open = True
            parts.append((dict(event.headers), b""))
        elif isinstance(event, PartData):
            assert is_open
            assert event.data
            parts[-1] = (parts[-1][0], parts[-1][1] + event.data)
        elif isinstance(event, PartEnd):
            assert is_open
            is_open = False
    assert not is_open
    assert isinstance(events[-1], MultipartEnd)
    return parts


def both_ways(body: bytes, **options: object) -> Parts:
    whole = run(body, **options)  # type: ignore[arg-type]
    assert run(body, list(range(1, len(body))), **options) == whole  # type: ignore[arg-type]
    return whole


@pytest.mark.parity("W7")
@pytest.mark.hardening("M02", "M18")
@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"--b--\r\n", []),
        (b"--b--", []),
        (b"--b\r\n\r\nx\r\n--b--\r\n", [({}, b"x")]),
        (b"--b\r\nA: 1\r\nC:  2 \t\r\n\r\nx\r\n--b\r\n\r\n\r\n--b--", [({"A": "1", "C": "2"}, b"x"), ({}, b"")]),
        # an empty part may share its line end with the empty line
        (b"--b\r\nA: 1\r\n\r\n--b--", [({"A": "1"}, b"")]),
        (b"--b\r\n\r\n--b--", [({}, b"")]),
        # preamble, epilogue, padding
        (b"pre\r\n--b \t\r\n\r\nx\r\n--b-- epilogue --b", [({}, b"x")]),
        # what looks like a boundary but does not begin a line
        (b"--b\r\n\r\na--b\n--b\r--b\r\n-b\r\n--a\r\n--b--", [({}, b"a--b\n--b\r--b\r\n-b\r\n--a")]),
        (b"--b\r\n\r\n\r\n\r\r\n\n\r\n\r\n--b--", [({}, b"\r\n\r\r\n\n\r\n")]),
        # a lying length has no say
        (b"--b\r\nContent-Length: +5\r\n\r\nx\r\n--b--", [({"Content-Length": "+5"}, b"x")]),
        (b"--b\r\nA: \xc3\xa9\xff\r\n\r\n\r\n--b--", [({"A": "é\udcff"}, b"")]),
    ],
)
def test_bodies(body: bytes, expected: Parts) -> None:
    assert both_ways(body) == expected


@pytest.mark.parity("V12")
@pytest.mark.hardening("M03", "M10", "M20")
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no boundary at all",
        b"--c\r\n\r\nx\r\n--c--",
        b"--b",
        b"--b\r\n",
        b"--b\r\n\r\n",
        b"--b\r\n\r\nx",
        b"--b\r\n\r\nx\r\n--b",
        b"--b\r\n\r\nx\r\n--b-",
        b"--b\r\nA: 1\r\n",
        b"--bx\r\n\r\nx\r\n--bx--",
        b"--b\n\nx\n--b--",
        b"--b\r\rx\r\n--b--",
        b"--b -\r\n\r\n\r\n--b--",
        b"--b-x",
        b"--b" + b" " * 65 + b"\r\n\r\n\r\n--b--",
        b"--b\r\nno colon\r\n\r\nx\r\n--b--",
        b"--b\r\nA : 1\r\n\r\nx\r\n--b--",
        b"--b\r\n: 1\r\n\r\nx\r\n--b--",
        b"--b\r\nA: 1\r\n folded\r\n\r\nx\r\n--b--",
        b"--b\r\nA: 1\r2\r\n\r\nx\r\n--b--",
        b"--b\r\nA: 1\n2\r\n\r\nx\r\n--b--",
        b"--b\r\nA: \0\r\n\r\nx\r\n--b--",
        b"--b\r\nA: 1\r\n--b\r\n\r\n--b--",
    ],
)
def test_malformed_bodies(body: bytes) -> None:
    for cuts in (None, list(range(1, len(body)))):
        with pytest.raises((MalformedContent, IncompleteMessage)) as caught:
            run(body, cuts)
        assert caught.value.status == 400


@pytest.mark.parity("W7")
@pytest.mark.hardening("M01")
@pytest.mark.parametrize("boundary", ["", "x" * 71, "a ", "a\r\nb", "a\0b", "é", 'a"b', "a;b"])
def test_bad_boundaries(boundary: str) -> None:
    with pytest.raises(ValueError, match="boundary"):
        check_boundary(boundary)
    with pytest.raises(MalformedContent) as caught:
        MultipartDecoder(boundary)
    assert caught.value.status == 400
    with pytest.raises(ValueError, match="boundary"):
        MultipartEncoder(boundary)


@pytest.mark.parametrize("boundary", ["x" * 70, "a b", ":", "0'()+_,-./:=?z"])
def test_good_boundaries(boundary: str) -> None:
    line = boundary.encode()
    body = b"--" + line + b"\r\n\r\nx\r\n--" + line + b"--"
    assert both_ways(body, boundary=boundary) == [({}, b"x")]


def test_made_boundaries_are_good_and_fresh() -> None:
    assert check_boundary(make_boundary()) != make_boundary()


@pytest.mark.hardening("M04")
@pytest.mark.parametrize("filler", [b"x", b"\r", b"\n", b"\r\n", b"\r\n--", b"--b", b"\r\n--\r\n-"])
def test_preamble_and_epilogue_are_skipped_in_linear_time(filler: bytes) -> None:
    if filler == b"--b":
        filler = b"-b"
    filling = filler * (10_000_000 // len(filler))
    start = time.process_time()
    decoder = MultipartDecoder("b")
    for _ in range(2):
        for at in range(0, len(filling), 65536):
            assert not decoder.feed(filling[at : at + 65536])
        if not decoder.is_finished():
            assert [type(event) for event in decoder.feed(b"\r\n--b--")] == [MultipartEnd]
    decoder.feed_eof()
    assert time.process_time() - start < 5  # CPU seconds; quadratic work would take minutes


@pytest.mark.hardening("M05")
@pytest.mark.parametrize("filler", [b"\r", b"\n", b"\r\n", b"\r\n--" + b"b" * 69, b"\r\n-", b"\r\r\n--"])
def test_hostile_data_is_linear(filler: bytes) -> None:
    boundary = "b" * 70
    data = filler * (10_000_000 // len(filler))
    decoder = MultipartDecoder(boundary)
    decoder.feed(b"--" + boundary.encode() + b"\r\n\r\n")
    start = time.process_time()
    size = 0
    for at in range(0, len(data), 65536):
        size += sum(len(event.data) for event in decoder.feed(data[at : at + 65536]) if isinstance(event, PartData))
    assert time.process_time() - start < 5  # CPU seconds; quadratic work would take minutes
    events = decoder.feed(b"\r\n--" + boundary.encode() + b"--")
    size += sum(len(event.data) for event in events if isinstance(event, PartData))
    assert size == len(data)


@pytest.mark.hardening("M05")
def test_hostile_data_byte_by_byte_is_linear() -> None:
    decoder = MultipartDecoder("b" * 70)
    decoder.feed(b"--" + b"b" * 70 + b"\r\n\r\n")
    start = time.process_time()
    for _ in range(100_000):
        decoder.feed(b"\r")
    assert time.process_time() - start < 10  # CPU seconds; quadratic work would take minutes
    # no more than a boundary is held back
    assert sum(len(event.data) for event in decoder.feed(b"x") if isinstance(event, PartData)) <= 80


@pytest.mark.hardening("M06")
def test_parts_are_counted() -> None:
    part = b"--b\r\n\r\nx\r\n"
    assert len(run(part * 1000 + b"--b--")) == 1000
    for count in (1001, 100_000):
        with pytest.raises(LimitExceeded) as caught:
            run(part * count + b"--b--")
        assert caught.value.status == 413
        assert caught.value.limit == "max_parts"


@pytest.mark.parity("V29")
@pytest.mark.hardening("M09")
def test_part_headers_are_bounded() -> None:
    def body(*lines: bytes) -> bytes:
        return b"--b\r\n" + b"".join(line + b"\r\n" for line in lines) + b"\r\n\r\n--b--"

    assert both_ways(body(*[b"A: 1"] * 16))
    assert both_ways(body(b"A:" + b"x" * 4094))
    for bad in (
        body(*[b"A: 1"] * 17),
        body(*[b"A: 1"] * 10_000),
        body(b"A:" + b"x" * 4095),
        body(b"A:" + b"x" * 10**6),
    ):
        for step in (len(bad), 1000):
            with pytest.raises(LimitExceeded) as caught:
                run(bad, list(range(step, len(bad), step)))
            assert caught.value.status == 413


@pytest.mark.hardening("M09")
@pytest.mark.parametrize("filler", [b"x", b"A: 1\r\n", b"A:" + b"x" * 3000 + b"\r\n"])
def test_an_endless_head_ends_at_the_limit(filler: bytes) -> None:
    decoder = MultipartDecoder("b")
    decoder.feed(b"--b\r\n")
    fed = 0
    with pytest.raises(LimitExceeded):
        while fed < 10**6:
            decoder.feed(filler)
            fed += len(filler)
    assert fed < 80_000


@pytest.mark.hardening("M09")
def test_a_line_is_refused_at_its_first_byte_too_many() -> None:
    line = b"A:" + b"x" * 4094
    for last, verdict in ((b"\r", None), (b"\r\n", None), (b"x", None), (b"\rx", LimitExceeded)):
        decoder = MultipartDecoder("b")
        decoder.feed(b"--b\r\n" + line[:1000])
        if verdict is None:
            assert not decoder.feed(line[1000:] + last)
        else:
            with pytest.raises(verdict):
                decoder.feed(line[1000:] + last)


CONTENT = st.lists(
    st.sampled_from([b"\r\n", b"\r", b"\n", b"--", b"-", b"b", b"--b", b"\r\n--", b"\r\n-b", b"x"]), max_size=20
).map(b"".join)


@given(st.lists(CONTENT, max_size=4), st.lists(st.integers(0, 300), max_size=12))
def test_what_is_written_is_read_back_at_any_cut(contents: list[bytes], cuts: list[int]) -> None:
    contents = [content for content in contents if b"\r\n--b" not in b"\r\n" + content]
    encoder = MultipartEncoder("b")
    pieces = [encoder.part_head([("N", str(n))]) + data + encoder.part_end() for n, data in enumerate(contents)]
    body = b"".join(pieces) + encoder.end()
    expected = [({"N": str(number)}, data) for number, data in enumerate(contents)]
    assert run(body, [cut for cut in cuts if cut < len(body)]) == expected


@given(
    st.lists(st.sampled_from([b"\r\n", b"\r", b"\n", b"--b", b"--", b"A: 1", b":", b" ", b"x", b"\0"]), max_size=25),
    st.lists(st.integers(0, 100), max_size=8),
)
def test_the_verdict_does_not_depend_on_the_cuts(pieces: list[bytes], cuts: list[int]) -> None:
    body = b"".join(pieces)

    def verdict(places: list[int]) -> object:
        try:
            return run(body, places)
        except (MalformedContent, IncompleteMessage):
            return "refused"

    whole = verdict([])
    assert verdict([cut for cut in cuts if cut < len(body)]) == whole
    assert verdict(list(range(1, len(body)))) == whole


def test_data_is_handed_on_as_it_came() -> None:
    """A file part costs no copy, whatever its size."""
    decoder = MultipartDecoder("b")
    decoder.feed(b"--b\r\n\r\n")
    piece = b"x" * 65536
    (event,) = decoder.feed(piece)
    assert isinstance(event, PartData)
    assert event.data is piece


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_whatever_holds_bytes_can_be_fed(kind: type) -> None:
    decoder = MultipartDecoder("b")
    for piece in (b"--b\r\n\r\n", b"abc", b"de\r", b"\n--b--"):
        events = decoder.feed(kind(piece))
        assert all(type(event.data) is bytes for event in events if isinstance(event, PartData))
    assert decoder.is_finished()


@pytest.mark.hardening("M03", "M10")
def test_what_came_before_a_failure_is_given_and_a_failure_stays() -> None:
    decoder = MultipartDecoder("b")
    assert decoder.failure is None
    events = decoder.feed(b"--b\r\n\r\nx\r\n--b\r\nno colon\r\n\r\ny\r\n--b--")
    assert repr(events) == "[PartHead(<CIMultiDictProxy()>), PartData('x'), PartEnd()]"
    assert isinstance(decoder.failure, MalformedContent)
    for late in (lambda: decoder.feed(b"\r\n--b--"), decoder.feed_eof):
        with pytest.raises(MalformedContent, match="no colon"):
            late()
    assert not decoder.is_finished()


def test_events_show_themselves() -> None:
    decoder = MultipartDecoder("b")
    events = decoder.feed(b"--b\r\nA: 1\r\n\r\n" + b"x" * 100 + b"\r\n--b--")
    assert repr(events[0]) == "PartHead(<CIMultiDictProxy('A': '1')>)"
    assert repr(events[1:]) == f"[PartData('{'x' * 60}'...), PartEnd(), MultipartEnd()]"


def test_encoder() -> None:
    encoder = MultipartEncoder("b c")
    assert encoder.content_type("mixed") == 'multipart/mixed; boundary="b c"'
    assert MultipartEncoder("b").content_type("form-data") == "multipart/form-data; boundary=b"
    assert encoder.part_head([("A", "é")]) == b"--b c\r\nA: \xc3\xa9\r\n\r\n"
    with pytest.raises(ValueError, match="subtype"):
        encoder.content_type("a b")


@pytest.mark.parity("V37", "V27")
@pytest.mark.hardening("M21")
@pytest.mark.parametrize(
    "header", [("A\r\n", "b"), ("", "b"), ("A b", "c"), ("A", "b\r\nX: y"), ("A", "\0"), ("A", "\n")]
)
def test_encoder_refuses_control_characters(header: tuple[str, str]) -> None:
    with pytest.raises(ValueError, match=r"token|control"):
        MultipartEncoder("b").part_head([header])
