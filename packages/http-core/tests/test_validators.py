"""Entity tags, preconditions and ranges."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from levante.http import dates, validators
from levante.http.validators import ByteRange, ETag, Verdict, evaluate_preconditions, parse_etags, parse_range

MODIFIED = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)
TAG = ETag("abc")


@pytest.mark.parity("S22")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, None),
        ("*", (ETag("*"),)),
        (" * ", (ETag("*"),)),
        ('"a"', (ETag("a"),)),
        ('W/"a", "b","é"', (ETag("a", is_weak=True), ETag("b"), ETag("é"))),
        ('"a",, "b"', (ETag("a"), ETag("b"))),
        ('"a" "b"', (ETag("a"),)),
        ('"a", b, "c"', (ETag("a"),)),
        ('""', (ETag(""),)),
        ("a", ()),
        ('w/"a"', ()),
        ('"*"', ()),
    ],
)
def test_etags(text: str | None, expected: tuple[ETag, ...] | None) -> None:
    assert parse_etags(text) == expected


ETAGS = st.builds(ETag, st.text(st.characters(min_codepoint=0x21, max_codepoint=0xFF)), is_weak=st.booleans())


@given(st.lists(ETAGS, max_size=8))
def test_tags_that_are_written_are_read_back(tags: list[ETag]) -> None:
    sendable = []
    for tag in tags:
        try:
            str(tag)
        except ValueError:
            assert set(tag.value) & {'"', "\x7f"}
        else:
            if tag.value != "*":
                sendable.append(tag)
    assert parse_etags(", ".join(map(str, sendable))) == tuple(sendable)


def test_etags_are_capped() -> None:
    found = parse_etags(", ".join(['"x"'] * 1000))
    assert found is not None
    assert len(found) == 64


def test_etag_as_text() -> None:
    assert str(ETag("a")) == '"a"'
    assert str(ETag("a", is_weak=True)) == 'W/"a"'
    assert str(ETag("*")) == "*"
    for bad in ('a"b', "a b", "a\n", "\u0100"):
        with pytest.raises(ValueError, match="entity tag"):
            str(ETag(bad))


def test_comparison() -> None:
    weak = ETag("abc", is_weak=True)
    assert TAG.matches(ETag("abc"), weakly=False)
    assert not TAG.matches(weak, weakly=False)
    assert TAG.matches(weak, weakly=True)
    assert not TAG.matches(ETag("x"), weakly=True)


LATER = dates.format_date(MODIFIED + timedelta(days=1))
EARLIER = dates.format_date(MODIFIED - timedelta(days=1))
SAME = dates.format_date(MODIFIED)


@pytest.mark.parity("S22")
@pytest.mark.parametrize(
    ("method", "headers", "expected"),
    [
        ("GET", {}, Verdict.PROCEED),
        ("PUT", {"If-Match": '"abc"'}, Verdict.PROCEED),
        ("PUT", {"If-Match": 'W/"abc"'}, Verdict.FAILED),
        ("PUT", {"If-Match": "nonsense"}, Verdict.FAILED),
        ("PUT", {"If-Match": "*"}, Verdict.PROCEED),
        # If-Match makes If-Unmodified-Since void
        ("PUT", {"If-Match": '"abc"', "If-Unmodified-Since": EARLIER}, Verdict.PROCEED),
        ("PUT", {"If-Unmodified-Since": EARLIER}, Verdict.FAILED),
        ("PUT", {"If-Unmodified-Since": SAME}, Verdict.PROCEED),
        ("PUT", {"If-Unmodified-Since": "nonsense"}, Verdict.PROCEED),
        ("GET", {"If-None-Match": 'W/"abc"'}, Verdict.NOT_MODIFIED),
        ("HEAD", {"If-None-Match": "*"}, Verdict.NOT_MODIFIED),
        ("PUT", {"If-None-Match": "*"}, Verdict.FAILED),
        ("GET", {"If-None-Match": '"x"'}, Verdict.PROCEED),
        # If-None-Match makes If-Modified-Since void
        ("GET", {"If-None-Match": '"x"', "If-Modified-Since": LATER}, Verdict.PROCEED),
        ("GET", {"If-Modified-Since": SAME}, Verdict.NOT_MODIFIED),
        ("GET", {"If-Modified-Since": EARLIER}, Verdict.PROCEED),
        ("POST", {"If-Modified-Since": LATER}, Verdict.PROCEED),
        # failing comes before not-modified
        ("GET", {"If-Match": '"x"', "If-None-Match": '"abc"'}, Verdict.FAILED),
    ],
)
def test_preconditions_in_the_order_of_rfc_9110(method: str, headers: dict[str, str], expected: Verdict) -> None:
    assert evaluate_preconditions(method, CIMultiDict(headers), etag=TAG, last_modified=MODIFIED) is expected


def test_preconditions_without_a_representation() -> None:
    def verdict(method: str, **headers: str) -> Verdict:
        given_headers = CIMultiDict({name.replace("_", "-"): value for name, value in headers.items()})
        return evaluate_preconditions(method, given_headers, etag=None, last_modified=None, exists=False)

    assert verdict("PUT", If_Match="*") is Verdict.FAILED
    assert verdict("PUT", If_Match='"a"') is Verdict.FAILED
    assert verdict("PUT", If_None_Match="*") is Verdict.PROCEED
    assert verdict("GET", If_Modified_Since=LATER) is Verdict.PROCEED


@pytest.mark.parity("S37")
def test_if_range() -> None:
    def holds(value: str | None, etag: ETag | None = TAG) -> bool:
        return validators.range_still_holds(value, etag=etag, last_modified=MODIFIED)

    assert holds(None)
    assert holds('"abc"')
    assert not holds('W/"abc"')
    assert not holds('"abc"', ETag("abc", is_weak=True))
    assert not holds('"x"')
    assert not holds('"abc"', None)
    assert holds(SAME)
    assert holds(LATER)
    assert not holds(EARLIER)
    assert not holds("nonsense")
    assert not validators.range_still_holds(SAME, etag=None, last_modified=None)


def test_naive_last_modified_is_utc() -> None:
    assert validators.range_still_holds(SAME, etag=None, last_modified=MODIFIED.replace(tzinfo=None))


@pytest.mark.parity("S22")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, slice(None, None, 1)),
        ("bytes=0-499", slice(0, 500, 1)),
        ("bytes=500-", slice(500, None, 1)),
        ("bytes=-500", slice(-500, None, 1)),
        ("Bytes = 0-0 ", slice(0, 1, 1)),
    ],
)
def test_single_range(text: str | None, expected: slice) -> None:
    assert parse_range(text) == expected


@pytest.mark.parity("S22", "V19")
@pytest.mark.hardening("H90")
@pytest.mark.parametrize(
    "text",
    [
        "",
        "bytes",
        "bytes=",
        "bytes=-",
        "bytes=,",
        "bytes= , ,",
        "bytes=a-b",
        "bytes=5-4",
        "bytes=-0",
        "bytes=0-1,2-3",
        "bytes=1 - 2",
        "bytes=+1-2",
        "bytes=--2",
        "lines=0-1",
        "bytes=\u0660-\u0669",
        "bytes=0-" + "9" * 40,
        "bytes=" + ",".join(["0-"] * 10_000),
    ],
)
def test_malformed_range(text: str) -> None:
    with pytest.raises(ValueError, match="range"):
        parse_range(text)


@pytest.mark.hardening("H90")
def test_thousands_of_ranges_cost_nothing() -> None:
    text = "bytes=" + ",".join(f"{n}-{n + 5}" for n in range(100_000))
    start = time.process_time()
    with pytest.raises(ValueError, match="more than 16"):
        validators.parse_ranges(text)
    assert time.process_time() - start < 0.5  # CPU seconds; quadratic work would take minutes


@pytest.mark.parametrize(
    ("text", "size", "expected"),
    [
        ("bytes=0-1,4-5", 10, [(0, 2), (4, 6)]),
        ("bytes=4-5,0-1", 10, [(4, 6), (0, 2)]),  # the client's order, as nothing overlaps
        ("bytes=4-8,0-5", 10, [(0, 9)]),
        ("bytes=0-2,1-4,8-9", 10, [(0, 5), (8, 10)]),
        ("bytes=0-,20-30", 10, [(0, 10)]),
        ("bytes=-20", 10, [(0, 10)]),
        ("bytes=-0", 10, []),
        ("bytes=10-", 10, []),
        ("bytes=0-", 0, []),
        ("bytes= ,0-1,, 4-5,", 10, [(0, 2), (4, 6)]),  # empty elements are passed over
        ("bytes=0-4,5-9", 10, [(0, 5), (5, 10)]),
        ("bytes=9-,7-8,5-6,0-9", 10, [(0, 10)]),
        ("bytes=0-18446744073709551615", 10, [(0, 10)]),
        ("bytes=" + ",".join(f"{n}-{n}" for n in range(15, -1, -1)), 16, [(n, n + 1) for n in range(15, -1, -1)]),
        ("bytes=" + ",".join(["0-"] * 16), 10, [(0, 10)]),
    ],
)
def test_resolve(text: str, size: int, expected: list[tuple[int, int]]) -> None:
    assert validators.resolve_ranges(validators.parse_ranges(text), size) == expected


@given(
    st.lists(st.tuples(st.none() | st.integers(0, 30), st.none() | st.integers(0, 30)), max_size=8), st.integers(0, 25)
)
def test_resolved_ranges_cover_what_was_asked_once(asked: list[tuple[int | None, int | None]], size: int) -> None:
    ranges = [ByteRange(*item) for item in asked]
    resolved = validators.resolve_ranges(ranges, size)
    sent = [position for start, stop in resolved for position in range(start, stop)]
    assert len(sent) == len(set(sent))
    wanted = {position for item in ranges if (found := item.resolve(size)) for position in range(*found)}
    assert set(sent) == wanted
