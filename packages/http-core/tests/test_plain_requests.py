"""Requests as HTTP/1.0, and servers that speak nothing newer."""

import pytest
from http_support.engine import bytewise

from levante.http import (
    Connection,
    EndOfMessage,
    HttpVersion,
    HttpVersion10,
    HttpVersion11,
    LocalProtocolError,
    RemoteProtocolError,
    RequestHead,
    ResponseHead,
    Role,
)
from levante.http.outgoing import UNKNOWN_LENGTH

HOST = [("Host", "a")]
KEPT = [*HOST, ("Connection", "Keep-Alive")]


def asked(headers: list[tuple[str, str]], version: HttpVersion = HttpVersion10) -> Connection:
    client = Connection(Role.CLIENT)
    client.send_request("GET", "/", headers, 0, version)
    client.end()
    return client


def test_the_wire() -> None:
    client = Connection(Role.CLIENT)
    head = client.send_request("POST", "/x", HOST, 2, HttpVersion10)
    assert head == b"POST /x HTTP/1.0\r\nHost: a\r\nContent-Length: 2\r\n\r\n"
    assert client.send_data(b"ok") + client.end() == b"ok"
    assert not client.keep_alive


def test_equal_versions_are_the_same() -> None:
    client = Connection(Role.CLIENT)
    assert b" HTTP/1.0\r\n" in client.send_request("GET", "/", HOST, 0, HttpVersion(1, 0))


@pytest.mark.parametrize("version", [HttpVersion(2, 0), HttpVersion(1, 2), HttpVersion(0, 9)])
def test_other_versions_are_refused(version: HttpVersion) -> None:
    with pytest.raises(LocalProtocolError, match="expected HttpVersion10 or HttpVersion11"):
        Connection(Role.CLIENT).send_request("GET", "/", HOST, 0, version)


@pytest.mark.parametrize(
    ("headers", "length", "match"),
    [
        (HOST, UNKNOWN_LENGTH, "unknown length"),
        ([*HOST, ("Transfer-Encoding", "chunked")], 5, "knows no chunks"),
        ([*HOST, ("Expect", "100-continue")], 5, "interim"),
        ([], 0, "Host"),
    ],
)
def test_what_it_cannot_have(headers: list[tuple[str, str]], length: int, match: str) -> None:
    with pytest.raises(LocalProtocolError, match=match):
        Connection(Role.CLIENT).send_request("PUT", "/", headers, length, HttpVersion10)


def test_a_given_length_is_a_known_one() -> None:
    client = Connection(Role.CLIENT)
    client.send_request("PUT", "/", [*HOST, ("Content-Length", "2")], UNKNOWN_LENGTH, HttpVersion10)
    assert client.send_data(b"ok") == b"ok"


@pytest.mark.parametrize(
    ("version", "asks", "answer", "kept"),
    [
        (HttpVersion10, True, b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n", True),
        (HttpVersion10, True, b"HTTP/1.0 200 OK\r\n", False),
        (HttpVersion10, True, b"HTTP/1.1 200 OK\r\nConnection: close\r\n", False),
        (HttpVersion10, True, b"HTTP/1.1 200 OK\r\n", True),
        (HttpVersion10, False, b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n", False),
        (HttpVersion11, False, b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n", True),
        (HttpVersion11, False, b"HTTP/1.0 200 OK\r\n", False),
    ],
)
def test_who_keeps_the_connection(version: HttpVersion, asks: bool, answer: bytes, kept: bool) -> None:
    for pieces in ([answer + b"Content-Length: 0\r\n\r\n"], bytewise(answer + b"Content-Length: 0\r\n\r\n")):
        client = asked(KEPT if asks else HOST, version)
        for piece in pieces:
            client.receive_data(piece)
        assert isinstance(client.next_event(), ResponseHead)
        assert isinstance(client.next_event(), EndOfMessage)
        assert client.keep_alive is kept


def test_no_upgrade_from_http_10() -> None:
    client = asked([*HOST, ("Connection", "upgrade"), ("Upgrade", "x")])
    client.receive_data(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n")
    with pytest.raises(RemoteProtocolError, match="asked for no upgrade"):
        client.next_event()


def test_our_server_answers_without_chunks() -> None:
    client, server = Connection(Role.CLIENT), Connection(Role.SERVER)
    server.receive_data(client.send_request("GET", "/", KEPT, 0, HttpVersion10) + client.end())
    head = server.next_event()
    assert isinstance(head, RequestHead)
    assert (head.version, head.keep_alive) == (HttpVersion10, True)
    server.next_event()
    client.receive_data(server.send_response(200, None, ()) + server.send_data(b"until close") + server.end())
    client.receive_data(None)
    events = [client.next_event() for _ in range(3)]
    assert events[1] == (b"until close", ())
    assert not client.keep_alive
