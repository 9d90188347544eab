"""The lenient switch of the client: what it forgives, what it never does, and that it changes nothing else."""

from collections.abc import Iterable
from types import ModuleType
from typing import Any

import pytest
from http_support import load_cases
from http_support.engine import bytewise, cut, receive, splits, whole
from http_support.plain import plain
from hypothesis import example, given, settings
from hypothesis import strategies as st

import levante.http
from levante.http import Connection, Limits, LineTooLong, RemoteProtocolError, Role
from levante.http.lenience import LenientHeadParser

CASES = load_cases("lenient_responses")
FIELDS = (b"x", b"server", b"content-type")
STRICT = load_cases("responses")
FORMS: list[ModuleType] = [levante.http.h1, plain("http.h1")] if levante.http.is_compiled() else [levante.http.h1]


def judge(pieces: Iterable[bytes], *, eof: bool, form: ModuleType = levante.http.h1) -> Any:
    """The verdict of a lenient client, as in the cases."""
    events = receive(pieces, eof=eof, h1=form, lenient=True)
    if not events or events[-1][0] == "error":
        return "error" if events else "nothing"
    head, events = head_of(pieces, form), [event for event in events if event[0] != "response"]
    body = events[0][1] if events[0][0] == "data" else b""
    return tuple(head.field(name) for name in FIELDS), body, events[-1]


def head_of(pieces: Iterable[bytes], form: ModuleType = levante.http.h1) -> Any:
    """The final head of an answer that is accepted."""
    connection = form.Connection(form.Role.CLIENT, lenient=True)
    connection.send_request("GET", "/", [("Host", "a")])
    connection.end()
    for piece in pieces:
        connection.receive_data(piece)
        while type(event := connection.next_event()).__name__ == "ResponseHead":
            if event.status >= 200:
                return event
    return None


@pytest.mark.parity("C37", "S61", "V4", "V5", "V10", "V15", "V16", "V33")
@pytest.mark.hardening("C28", "C45", "C46")
@pytest.mark.parametrize(("data", "eof", "verdict"), [pytest.param(*case[1:], id=case[0]) for case in CASES])
@pytest.mark.parametrize("form", FORMS, ids=lambda form: "plain" if form.__file__.endswith(".py") else "compiled")
def test_lenient_vector(form: ModuleType, data: bytes, eof: bool, verdict: object) -> None:
    """Each row, whole, in pieces, and byte by byte: one verdict, in both forms."""
    for pieces in splits(data):
        assert judge(pieces, eof=eof, form=form) == verdict


@pytest.mark.parity("C37")
@pytest.mark.hardening("C45", "C46")
@pytest.mark.parametrize(("data", "eof"), [pytest.param(*case[1:3], id=case[0]) for case in CASES])
def test_strict_is_the_default(data: bytes, eof: bool) -> None:
    for pieces in splits(data):
        assert receive(pieces, eof=eof)[-1][0] == "error"


@pytest.mark.parametrize(("method", "data", "eof"), [pytest.param(*case[2:5], id=case[1]) for case in STRICT])
def test_what_is_right_means_the_same(method: str, data: bytes, eof: bool) -> None:
    for pieces in splits(data):
        strict = receive(pieces, method=method, eof=eof)
        if strict and strict[-1][0] != "error":
            assert receive(pieces, method=method, eof=eof, lenient=True) == strict


TROUBLE = [b"\0", b"\r", b"\n", b"\r\n", b" ", b"\t", b"\n ", b" :", b":", b";", b"\xff", b"0", b"5", b"a", b"chunked"]
CORPUS = [data for *_, data, _, _ in STRICT if len(data) < 3000] + [data for _, data, *_ in CASES if len(data) < 3000]


@st.composite
def mangled(draw: st.DrawFn) -> bytes:
    data: bytes = draw(st.sampled_from(CORPUS))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(data)))
        data = data[:at] + draw(st.sampled_from(TROUBLE)) + data[at + draw(st.integers(0, 4)) :]
    return data or b"H"  # nothing at all would be the end of the stream


@settings(max_examples=800, deadline=None)
@given(mangled(), st.booleans(), st.sampled_from(["GET", "HEAD"]), st.lists(st.integers(0, 3000), max_size=4))
@example(b"\n\r\nHTTP/1.1 200 OK\n\n", True, "GET", [2])
@pytest.mark.parity("V48", "C37")
def test_both_switches_and_both_forms(data: bytes, eof: bool, method: str, points: list[int]) -> None:
    """Whatever the bytes: strictly accepted is leniently the same, cuts do not matter, the forms agree."""
    strict = receive(whole(data), eof=eof, method=method)
    lenient = receive(whole(data), eof=eof, method=method, lenient=True)
    if strict and strict[-1][0] != "error":
        assert lenient == strict
    for form in FORMS:
        for pieces in (whole(data), bytewise(data), cut(data, (min(point, len(data)) for point in points))):
            events = receive(pieces, eof=eof, method=method, h1=form, lenient=True)
            assert [event[:3] for event in events] == [event[:3] for event in lenient]
    if lenient and lenient[-1] == ("keep",) and lenient != strict:
        # The connection lives on only where all that was forgiven is a field that came twice.
        assert strict[-1][0] == "error"
        assert "repeated header" in strict[-1][3]


class TestHeads:
    def test_views_show_what_was_meant(self) -> None:
        head = head_of([b"HTTP/1.1 200OK\nX : a\n\tb\nServer: c\nServer: d\nContent-Length: 0\n\n"])
        assert head.reason == "OK"
        assert head.raw == b"HTTP/1.1 200 OK\r\nX: a b\r\nServer: c\r\nServer: d\r\nContent-Length: 0\r\n\r\n"
        assert head.headers["server"] == "c"
        assert head.headers.getall("Server") == ["c", "d"]
        assert head.raw_headers[0] == (b"X", b"a b")

    def test_bytes_behind_the_head_are_left(self) -> None:
        parser = LenientHeadParser(Limits())
        data = b"junkHTTP/1.1 200 OK\nX: y\n\nrest"
        assert parser.parse(data, 4, len(data)) is not None
        assert data[parser.end :] == b"rest"
        parser.reset()
        assert parser.parse(b"HTTP/1.1 200 OK\r\n\r\n", 0, 19) is not None
        assert parser.end == 19

    @pytest.mark.parametrize("tail", [b"", b"X: a\n ", b"X: a\n"])
    def test_limits_hold_for_incomplete_lines(self, tail: bytes) -> None:
        parser = LenientHeadParser(Limits())
        data = b"HTTP/1.1 200 OK\n" + tail
        assert parser.parse(data, 0, len(data)) is None
        data += b"v" * 9000
        with pytest.raises(LineTooLong):
            parser.parse(data, 0, len(data))

    def test_what_is_no_status_line_is_refused_at_once(self) -> None:
        parser = LenientHeadParser(Limits())
        with pytest.raises(RemoteProtocolError, match=r"HTTP/1\.1"):
            parser.parse(b"<", 0, 1)

    def test_what_is_no_status_line_is_refused_as_such_however_long_it_is(self) -> None:
        parser = LenientHeadParser(Limits())
        data = b"H" + b"T" * 9000
        with pytest.raises(RemoteProtocolError) as caught:
            parser.parse(data, 0, len(data))
        assert type(caught.value) is RemoteProtocolError

    def test_a_line_at_a_time_takes_linear_time(self) -> None:
        parser = LenientHeadParser(Limits())
        data = b"HTTP/1.1 200 OK\n" + b"".join(b"X-%d: %s\n" % (i, b"v" * 500) for i in range(120))
        connection = Connection(Role.CLIENT, lenient=True)
        connection.send_request("GET", "/", [("Host", "a")])
        connection.end()
        for piece in bytewise(data + b"\n"):
            connection.receive_data(piece)
        assert connection.next_event().reason == "OK"  # type: ignore[union-attr]
        assert parser.kind == 0


def test_requests_are_never_forgiven() -> None:
    with pytest.raises(ValueError, match="only responses"):
        Connection(Role.SERVER, lenient=True)
