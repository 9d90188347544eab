"""The catalogues of malformed input: every row in both forms, whole, byte by byte, cut in two at every byte and at
random, between good requests, and over a real connection.
"""

import asyncio
import ssl
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
import trustme
from http_support import load_cases
from http_support.engine import GOOD, GOOD_EVENTS, bytewise, every_split, random_cuts, receive, serve, whole
from http_support.loopback import LAST, echo
from http_support.plain import plain

import levante.http
import levante.http.h1

FORMS = [
    pytest.param(levante.http.h1, id="compiled" if levante.http.is_compiled() else "plain"),
    *([pytest.param(plain("http.h1"), id="plain")] if levante.http.is_compiled() else []),
]
REQUESTS = load_cases("requests")
Start = Callable[..., Any]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.parity("S61", "V3", "V4", "V5", "V6", "V10", "V15", "V16", "V18", "V25", "V34", "V42", "V2"),
]


def _rows(cases: list[Any]) -> list[Any]:
    return [pytest.param(*rest, id=f"{row} {name}", marks=pytest.mark.hardening(row)) for row, name, *rest in cases]


def _check(events: list[tuple[object, ...]], verdict: object) -> None:
    if isinstance(verdict, int):
        assert events[-1][0] == "error", events
        assert events[-1][2] == verdict, events
    else:
        assert events == verdict


@pytest.mark.parametrize("h1", FORMS)
@pytest.mark.parametrize(("data", "verdict"), _rows(REQUESTS))
def test_request(data: bytes, verdict: object, h1: ModuleType) -> None:
    """One verdict, however it is cut."""
    for pieces in every_split(data):
        _check(serve(pieces, h1=h1), verdict)


@pytest.mark.hardening("H80")
@pytest.mark.parametrize("h1", FORMS)
@pytest.mark.parametrize(("data", "verdict"), _rows(REQUESTS))
def test_request_between_good_ones(data: bytes, verdict: object, h1: ModuleType) -> None:
    """A good request before is answered; one after is, if the row is accepted and the connection lives."""
    stream = GOOD + data + GOOD
    for pieces in (whole(stream), bytewise(stream), *(random_cuts(stream, seed) for seed in range(3))):
        events = serve(pieces, h1=h1)
        assert events[:2] == GOOD_EVENTS
        if isinstance(verdict, list) and verdict[-1] != ("close",):
            assert events[2:] == [*verdict, *GOOD_EVENTS]
        else:
            _check(events[2:], verdict)


@pytest.mark.parametrize("h1", FORMS)
@pytest.mark.parametrize(("data", "fields"), _rows(load_cases("requests", "FIELDS")))
def test_fields(data: bytes, fields: list[tuple[bytes, bytes]], h1: ModuleType) -> None:
    """What a head yields is what it says, to the byte."""
    for pieces in every_split(data):
        connection = h1.Connection(h1.Role.SERVER)
        head: Any = h1.NEED_DATA
        for piece in pieces:
            connection.receive_data(piece)
            head = connection.next_event()
        assert list(head.raw_headers) == fields
        assert (head.chunked, head.content_length) == (False, None)


@pytest.mark.parametrize("h1", FORMS)
@pytest.mark.parametrize(("data",), _rows(load_cases("requests", "CUT")))
def test_cut_request(data: bytes, h1: ModuleType) -> None:
    """What the peer leaves unfinished is an error, never a short success."""
    for pieces in every_split(data):
        events = serve(pieces, eof=True, h1=h1)
        assert events[-1][:2] == ("error", "IncompleteMessage")
        assert ("end", ()) not in events


@pytest.mark.parity("V33", "V48")
@pytest.mark.parametrize("h1", FORMS)
@pytest.mark.parametrize(("method", "data", "eof", "verdict"), _rows(load_cases("responses")))
def test_response(method: str, data: bytes, eof: bool, verdict: object, h1: ModuleType) -> None:
    """One verdict, however it is cut."""
    for pieces in every_split(data):
        events = receive(pieces, method=method, eof=eof, h1=h1)
        if verdict == "error":
            assert events[-1][0] == "error", events
        else:
            assert events == verdict


@pytest.mark.hardening("H80", "H82")
@pytest.mark.parametrize(("data", "status"), _rows([case for case in REQUESTS if isinstance(case[3], int)]))
async def test_refusal_on_a_connection(loopback: Start, data: bytes, status: int) -> None:
    """A good request is answered, then comes the refusal with Connection: close, the close, and nothing else; the
    next connection works.
    """
    server = await loopback(echo)
    good, _, refusal = (await server.ask(GOOD + data + GOOD)).partition(b"GET /good ")
    assert good.startswith(b"HTTP/1.1 200 ")
    head, _, body = refusal.partition(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    assert lines[0].startswith(b"http/1.1 %d " % status)
    assert b"connection: close" in lines
    assert b"content-length: %d" % len(body) in lines
    assert b"Traceback" not in body
    assert (await server.ask(LAST)).startswith(b"HTTP/1.1 200 ")


@pytest.mark.hardening("H91")
async def test_plain_http_on_a_tls_port(loopback: Start) -> None:
    """The handshake fails, no request is seen, and the next connection works."""
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    trust = ssl.create_default_context()
    authority.configure_trust(trust)
    server = await loopback(echo, ssl=context)
    try:
        answer = await server.ask(GOOD)
    except ConnectionResetError:
        answer = b""
    assert b"HTTP" not in answer
    assert server.requests == 0
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=trust, server_hostname="localhost")
    writer.write(LAST)
    assert (await asyncio.wait_for(reader.read(), 10)).startswith(b"HTTP/1.1 200 ")
    writer.close()
