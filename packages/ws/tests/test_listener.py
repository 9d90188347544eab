"""The listener form: callbacks in place of receive(), over real sockets."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest

from levante.ws import Role, WebSocketConnection, WebSocketListener, WSMsgType

Make = Callable[..., bytes]


class Recorder(WebSocketListener):
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []
        self.closed = asyncio.Event()

    def on_open(self, ws: WebSocketConnection) -> None:
        self.told.append(("open",))

    def on_text(self, ws: WebSocketConnection, data: str) -> None:
        self.told.append(("text", data))

    def on_binary(self, ws: WebSocketConnection, data: memoryview) -> None:
        assert isinstance(data, memoryview)
        self.told.append(("binary", bytes(data)))

    def on_ping(self, ws: WebSocketConnection, data: bytes) -> None:
        self.told.append(("ping", data))

    def on_pong(self, ws: WebSocketConnection, data: bytes) -> None:
        self.told.append(("pong", data))

    def on_pause_writing(self, ws: WebSocketConnection) -> None:
        self.told.append(("pause",))

    def on_resume_writing(self, ws: WebSocketConnection) -> None:
        self.told.append(("resume",))

    def on_close(self, ws: WebSocketConnection, code: int, reason: str) -> None:
        self.told.append(("close", code, reason))
        self.closed.set()


class Echo(Recorder):
    def on_text(self, ws: WebSocketConnection, data: str) -> None:
        assert ws.write_str(data)

    def on_binary(self, ws: WebSocketConnection, data: memoryview) -> None:
        assert ws.write_bytes(data)


@pytest.mark.parity("U20", "W5")
async def test_every_kind_of_message_goes_to_its_method(loopback: Any, masked: Make) -> None:
    listener = Recorder()
    server, peer = await loopback.with_peer(listener=listener)
    peer.send(
        masked(1, b"whole")
        + masked(2, b"\x00\xff")
        + masked(1, b"in ", fin=0)
        + masked(9, b"p")
        + masked(0, b"parts")
        + masked(2, b"a", fin=0)
        + masked(0, b"b")
        + masked(10, b"q")
        + masked(8, b"\x0b\xb9bye")
    )
    assert await peer.frame() == (0x8A, b"p")
    assert await peer.frame() == (0x88, b"\x0b\xb9")
    assert await peer.at_eof()
    await peer.close()
    await listener.closed.wait()
    assert listener.told == [
        ("open",),
        ("text", "whole"),
        ("binary", b"\x00\xff"),
        ("ping", b"p"),
        ("text", "in parts"),
        ("binary", b"ab"),
        ("pong", b"q"),
        ("close", 3001, "bye"),
    ]
    assert (server.closed, server.close_code, server.close_reason) == (True, 3001, "bye")


async def test_what_comes_in_one_read_is_answered_in_order_without_a_task(loopback: Any, masked: Make) -> None:
    listener = Echo()
    _, peer = await loopback.with_peer(listener=listener)
    before = asyncio.all_tasks()
    peer.send(masked(1, b"one") + masked(2, b"two") + masked(1, bytes(30_000)))
    assert [await peer.frame() for _ in range(2)] == [(0x81, b"one"), (0x82, b"two")]
    assert len((await peer.frame())[1]) == 30_000
    assert asyncio.all_tasks() == before


async def test_a_client_listens_too(loopback: Any) -> None:
    listener = Recorder()
    server, client = await loopback.pair(server={"listener": Echo()}, client={"listener": listener})
    assert client.write_str("grüße")
    assert client.write_bytes(bytearray(b"\x01"))
    with pytest.raises(TypeError, match="expected str"):
        client.write_str(b"x")
    with pytest.raises(TypeError, match="expected bytes"):
        client.write_bytes("x")
    while len(listener.told) < 3:
        await asyncio.sleep(0)
    client.close_soon(code=3000, message=b"done")
    client.close_soon()
    await listener.closed.wait()
    await server.wait_closed()
    assert listener.told == [("open",), ("text", "grüße"), ("binary", b"\x01"), ("close", 3000, "")]
    assert server.close_reason == "done"


async def test_nobody_receives_beside_a_listener(loopback: Any) -> None:
    server, _ = await loopback.with_peer(listener=Recorder())
    with pytest.raises(RuntimeError, match="go to a listener"):
        await server.receive()
    with pytest.raises(ValueError, match="got close code 1006"):
        server.close_soon(code=1006)


@pytest.mark.parametrize("method", ["on_open", "on_text", "on_binary", "on_ping"])
async def test_a_listener_that_fails_ends_its_connection_with_1011(
    loopback: Any, masked: Make, method: str, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("planted")

    listener = Recorder()
    setattr(listener, method, fail)
    server, peer = await loopback.with_peer(listener=listener)
    peer.send(masked(1, b"x") + masked(2, b"y") + masked(9, b"z"))
    with caplog.at_level(logging.ERROR, "levante.ws"):
        while (frame := await peer.frame())[0] != 0x88:
            assert frame == (0x8A, b"z")
        assert frame[1] == b"\x03\xf3"
        peer.send(masked(8, b"\x03\xf3"))
        assert await peer.at_eof()
        await peer.close()
        await listener.closed.wait()
    assert isinstance(server.exception(), RuntimeError)
    assert "listener failed" in caplog.text
    assert listener.told[-1] == ("close", 1011, "")


async def test_a_failing_on_close_is_logged(loopback: Any, caplog: pytest.LogCaptureFixture) -> None:
    class Bad(WebSocketListener):
        def on_close(self, ws: WebSocketConnection, code: int, reason: str) -> None:
            raise RuntimeError("planted")

    server, peer = await loopback.with_peer(listener=Bad())
    await peer.close()
    await server.wait_closed()
    assert "on_close" in caplog.text


@pytest.mark.hardening("W16")
async def test_an_error_of_the_peer_is_answered_at_once(loopback: Any, masked: Make) -> None:
    listener = Recorder()
    server, peer = await loopback.with_peer(listener=listener)
    peer.send(masked(1, b"fine") + masked(1, b"\xff"))
    assert (await peer.frame())[1][:2] == b"\x03\xef"
    assert await peer.at_eof()
    await peer.close()
    await listener.closed.wait()
    assert listener.told == [("open",), ("text", "fine"), ("close", 1007, "")]
    assert server.exception() is not None


@pytest.mark.parity("S41")
@pytest.mark.parametrize("role", list(Role))
async def test_a_lost_peer_is_1006(loopback: Any, role: Role) -> None:
    listener = Recorder()
    await loopback.with_peer(role, listener=listener, heartbeat=0.02)
    await listener.closed.wait()
    assert listener.told == [("open",), ("close", 1006, "")]


@pytest.mark.parity("W5")
async def test_a_listener_holds_back_its_peer(loopback: Any, masked: Make) -> None:
    class Slow(Recorder):
        def on_text(self, ws: WebSocketConnection, data: str) -> None:
            super().on_text(ws, data)
            ws.pause_reading()

    listener = Slow()
    server, peer = await loopback.with_peer(listener=listener)
    peer.send(masked(1, b"1") + masked(1, b"2"))
    while not server._stalled:
        await asyncio.sleep(0)
    peer.send(masked(1, b"3"))
    while not server._reading_paused:
        await asyncio.sleep(0)
    await peer.close()
    for count in (2, 3, 4):
        assert len(listener.told) == count
        server.resume_reading()
        await asyncio.sleep(0)
        while len(listener.told) == count and not listener.closed.is_set():
            await asyncio.sleep(0)
    await listener.closed.wait()
    assert listener.told == [("open",), ("text", "1"), ("text", "2"), ("text", "3"), ("close", 1006, "")]


@pytest.mark.parity("W5", "U20")
async def test_a_peer_that_does_not_read_is_told_of(loopback: Any) -> None:
    listener = Recorder()
    server, peer = await loopback.with_peer(listener=listener, writer_limit=1000)
    sent = 1
    while server.write_bytes(bytes(100_000)):
        sent += 1
    assert listener.told[-1] == ("pause",)
    for _ in range(sent):
        assert len((await peer.frame())[1]) == 100_000
    await server.drain()
    assert listener.told[-1] == ("resume",)


@pytest.mark.parity("W3", "W5")
async def test_long_messages_are_written_in_turn_from_callbacks(loopback: Any) -> None:
    listener = Recorder()
    server, client = await loopback.pair(server={"fragment_size": 1000}, client={"listener": listener})
    assert not server.write_bytes(bytes(2500))
    assert not server.write_str("after it")
    while len(listener.told) < 3:
        await asyncio.sleep(0)
    assert listener.told[1:] == [("binary", bytes(2500)), ("text", "after it")]
    assert not client.closed


async def test_a_short_message_waits_for_the_long_one_before_it(loopback: Any) -> None:
    server, client = await loopback.pair(server={"fragment_size": 1000})
    await asyncio.gather(server.send_bytes(bytes(5000)), server.send_str("after it"))
    assert [(await client.receive()).type for _ in range(2)] == [WSMsgType.BINARY, WSMsgType.TEXT]
