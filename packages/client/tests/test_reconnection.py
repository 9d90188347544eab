"""A WebSocket that comes back: after drops, refused connections and 5xx; not after what will be the same again."""

import asyncio
import socket
import ssl

import pytest
from multidict import CIMultiDict

from levante.client import (
    Backoff,
    ClientConnectorCertificateError,
    ClientConnectorError,
    ClientPayloadError,
    ConnectionKey,
    InvalidURL,
    ServerDisconnectedError,
    ServerFingerprintMismatch,
    WSServerHandshakeError,
    reconnecting,
)
from levante.client.waits import asked_delay, is_temporary
from levante.http import RequestHead
from levante.ws import Role, WebSocketProtocol, accept_handshake

AT_ONCE = Backoff(first=0.0, last=0.0)


class Flaky:
    """A server that does the next of `deeds` with each connection: an answer to the opening (bytes), or the number of
    greetings after which it drops the connection (-1: closes it properly)."""

    def __init__(self, *deeds: bytes | int) -> None:
        self.deeds = list(deeds)

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        deed = self.deeds.pop(0)
        if isinstance(deed, bytes):
            writer.write(deed)
            return
        fields = [(name, value.strip()) for name, _, value in (line.partition(":") for line in head[1:-2])]
        accepted = accept_handshake(RequestHead.build("GET", "/", fields))
        lines = [f"{name}: {value}" for name, value in accepted.headers]
        engine = WebSocketProtocol(Role.SERVER)
        writer.write("\r\n".join(["HTTP/1.1 101 Switching Protocols", *lines, "", ""]).encode())
        for _ in range(max(deed, 1)):
            writer.write(engine.send_text("hello"))
        if deed < 0:
            writer.write(engine.close(1001))
            await reader.read()


def answer(status: int, *fields: str) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status} X", "Content-Length: 0", *fields, "", ""]).encode()


@pytest.mark.parity("U20")
async def test_it_comes_back_after_drops_closes_and_answers_of_5xx(serve, session, caplog) -> None:
    deeds = Flaky(1, answer(503), answer(502), 2, -1, answer(429), 3)
    server = await serve(talk=deeds)
    got, codes = [], []
    connections = reconnecting(session, f"{server.url}?token=secret", backoff=AT_ONCE)
    async for ws in connections:
        count = 0
        async for message in ws:
            count += message.data == "hello"
        got.append(count)
        codes.append(ws.close_code)
        if not deeds.deeds:
            break
    assert got == [1, 2, 1, 3]
    assert codes == [1006, 1006, 1001, 1006]
    assert (connections.connections, server.connections) == (4, 7)
    assert caplog.text.count("to be tried again") == 3
    assert "secret" not in caplog.text


@pytest.mark.parity("U20")
@pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 426])
async def test_a_refusal_is_raised(serve, session, status: int) -> None:
    server = await serve(talk=Flaky(1, answer(status)))
    opened = 0
    with pytest.raises(WSServerHandshakeError) as caught:
        async for ws in reconnecting(session, server.url, backoff=AT_ONCE):
            opened += 1
            await ws.receive_str()
    assert (caught.value.status, opened, server.connections) == (status, 1, 2)


async def test_the_choice_can_be_made_by_others(serve, session) -> None:
    server = await serve(talk=Flaky(answer(404), answer(404), 1))
    async for ws in reconnecting(session, server.url, backoff=AT_ONCE, retry=lambda error: True):
        assert await ws.receive_str() == "hello"
        break
    with pytest.raises(WSServerHandshakeError):
        await anext(reconnecting(session, (await serve(answer(503))).url, retry=lambda error: False))


async def test_a_server_that_is_not_there_yet_is_waited_for(serve, session) -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
        connections = reconnecting(session, f"ws://127.0.0.1:{port}/", backoff=Backoff(first=0.01, last=0.02))
        opening = asyncio.create_task(anext(connections))
        while connections._attempt is None or connections._attempt < 3:
            await asyncio.sleep(0.01)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await Flaky(1)(reader, writer)
        writer.close()

    async with await asyncio.start_server(talk, "127.0.0.1", port):
        async with connections:
            ws = await opening
            assert await ws.receive_str() == "hello"
        assert ws.closed


async def test_attempts_can_be_limited(session) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"ws://127.0.0.1:{closed.getsockname()[1]}/"
        connections = reconnecting(session, url, backoff=AT_ONCE, max_attempts=3)
        with pytest.raises(ClientConnectorError):
            await anext(connections)
        assert connections._attempt == 2
    with pytest.raises(ValueError, match="max_attempts=0"):
        reconnecting(session, url, max_attempts=0)


async def test_a_server_that_does_not_answer_is_given_up_in_time(serve, session) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    server = await serve(talk=talk)
    with pytest.raises(TimeoutError):
        await anext(reconnecting(session, server.url, open_timeout=0.05, backoff=AT_ONCE, max_attempts=2))
    assert server.connections == 2


async def test_leaving_the_block_closes_the_connection(serve, session) -> None:
    server = await serve(talk=Flaky(-1))
    async with reconnecting(session, server.url) as connections:
        async for ws in connections:
            assert await ws.receive_str() == "hello"
            break
        assert not ws.closed
    assert ws.closed


async def test_the_next_round_closes_the_connection_and_options_are_passed_on(serve, session) -> None:
    server = await serve(talk=Flaky(1, 1))
    seen = []
    async for ws in reconnecting(session, server.url, backoff=AT_ONCE, decode_text=False):
        seen.append(ws)
        assert await ws.receive_str() == b"hello"
        if len(seen) == 2:
            break
    assert seen[0].closed


async def test_waiting_grows_and_begins_anew_after_a_stable_connection(serve, session, monkeypatch) -> None:
    waits = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr("levante.client.reconnection.asyncio.sleep", sleep)
    monkeypatch.setattr("levante.client.reconnection.random.uniform", lambda low, high: high)
    server = await serve(talk=Flaky(1, answer(503), answer(503, "Retry-After: 7"), 1, 1, 1))
    backoff = Backoff(first=1, last=100, factor=2, stable=10)
    connections = reconnecting(session, server.url, backoff=backoff)
    for opened in range(4):
        ws = await anext(connections)
        await ws.receive_str()
        if opened == 2:
            connections._opened_at -= 10
    await connections.__aexit__(None, None, None)
    assert waits == [1, 2, 7, 8, 1]


def test_delays() -> None:
    backoff = Backoff(first=0.5, last=30, factor=2)
    assert [backoff.delay(attempt) for attempt in (0, 1, 2, 5, 6, 7, 10_000)] == [0.5, 1, 2, 16, 30, 30, 30]
    assert Backoff(first=3, last=3, factor=1).delay(50) == 3
    for wrong in ({"first": -1}, {"first": 50}, {"factor": 0.5}, {"stable": -1}):
        with pytest.raises(ValueError, match="expected 0 <= first <= last"):
            Backoff(**wrong)


def handshake_error(status: int, **headers: str) -> WSServerHandshakeError:
    fields = CIMultiDict({name.replace("_", "-"): value for name, value in headers.items()})
    return WSServerHandshakeError(None, (), status=status, headers=fields)  # type: ignore[arg-type]


def test_what_is_tried_again() -> None:
    key = ConnectionKey("host", 443, True, True, None, None, None)
    temporary = [TimeoutError(), OSError(), ServerDisconnectedError(), ClientConnectorError(key, OSError(1, "x"))]
    temporary += [handshake_error(status) for status in (408, 425, 429, 500, 503)]
    final = [handshake_error(status) for status in (200, 301, 400, 404)]
    final += [ClientConnectorCertificateError(key, ssl.SSLCertVerificationError()), InvalidURL("x"), ValueError()]
    final += [ServerFingerprintMismatch(b"", b"", "host", 1), ClientPayloadError()]
    assert [error for error in temporary if not is_temporary(error)] == []
    assert [error for error in final if is_temporary(error)] == []


@pytest.mark.parametrize(
    ("value", "seconds"), [("3", 3), ("999", 60), ("-1", 0), ("²", 0), ("9" * 5000, 60), ("Fri, 31 Dec 1999", 0)]
)
def test_what_an_answer_asks_for(value: str, seconds: float) -> None:
    assert asked_delay(handshake_error(503, Retry_After=value), at_most=60) == seconds
    assert asked_delay(TimeoutError(), at_most=60) == 0
