"""Rooms: membership, one encoding for all, and slow members that harm nobody."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

import levante.ws.rooms as module
from levante.ws import DeflateParams, Rooms, SlowConsumer, WebSocketConnection, WSMsgType
from levante.ws.backplanes import MemoryHub


async def test_members_come_and_go(loopback: Any) -> None:
    rooms = Rooms()
    one, _ = await loopback.pair()
    two, two_client = await loopback.pair()
    rooms.join(one, "a")
    rooms.join(one, "a")
    rooms.join(one, "b")
    rooms.join(SimpleNamespace(connection=two), "a")
    assert (rooms.count("a"), rooms.count("b"), rooms.count("c"), rooms.count()) == (2, 1, 0, 2)
    assert sorted(rooms.names()) == ["a", "b"]
    rooms.leave(one, "a")
    rooms.leave(one, "never there")
    assert (rooms.count("a"), rooms.count("b")) == (1, 1)
    two_client.abort()
    await two.wait_closed()
    assert (rooms.count("a"), rooms.names()) == (0, ["b"])
    rooms.join(two, "a")
    assert rooms.count("a") == 0
    rooms.leave(one)
    rooms.leave(one)
    assert not one._on_closed
    assert (rooms.count(), rooms.names()) == (0, [])


async def test_rooms_are_for_servers(loopback: Any) -> None:
    _, client = await loopback.pair()
    with pytest.raises(ValueError, match="got a client's WebSocket"):
        Rooms().join(client, "a")


@pytest.mark.parity("U20")
async def test_a_broadcast_reaches_all_members_and_is_encoded_once(
    loopback: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    rooms = Rooms()
    pairs = [await loopback.pair() for _ in range(4)]
    for server, _ in pairs[:3]:
        rooms.join(server, "a")
    encoded = []
    real = module.encode_frame
    monkeypatch.setattr(module, "encode_frame", lambda *args: encoded.append(args) or real(*args))
    assert await rooms.broadcast("a", "grüße") == 3
    assert await rooms.broadcast("a", b"bytes", exclude=[pairs[0][0]]) == 2
    assert await rooms.broadcast("empty", "nobody") == 0
    assert len(encoded) == 2
    for _, client in pairs[:3]:
        assert await client.receive_str() == "grüße"
    for _, client in pairs[1:3]:
        assert await client.receive_bytes() == b"bytes"


@pytest.mark.parity("U20")
async def test_a_broadcast_is_compressed_once_for_each_window(loopback: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """And not for members who could not read what their own connection has not compressed."""
    sharing = DeflateParams(server_no_context_takeover=True)
    small = DeflateParams(server_no_context_takeover=True, server_max_window_bits=10)
    rooms = Rooms()
    pairs = []
    for params in (sharing, sharing, small, DeflateParams(), None):
        pair = await loopback.pair({"deflate": params}, {"deflate": params})
        rooms.join(pair[0], "a")
        pairs.append(pair)
    made = []
    real = module._compressed
    monkeypatch.setattr(module, "_compressed", lambda payload, bits: made.append(bits) or real(payload, bits))
    text = "all the same " * 1000
    for number in range(2):
        for server, _ in pairs:
            await server.send_str(f"own {number} {text}")
        assert await rooms.broadcast("a", text) == 5
        assert await rooms.broadcast("a", "short") == 5
        for _, client in pairs:
            assert await client.receive_str() == f"own {number} {text}"
            assert await client.receive_str() == text
            assert await client.receive_str() == "short"
    assert sorted(made) == [10, 10, 15, 15]


async def test_a_broadcast_that_is_compressed_in_a_thread_is_not_overtaken(loopback: Any) -> None:
    rooms = Rooms()
    params = DeflateParams(server_no_context_takeover=True)
    server, client = await loopback.pair({"deflate": params}, {"deflate": params})
    rooms.join(server, "a")
    long = "grüße " * 100_000
    assert await asyncio.gather(*(rooms.broadcast("a", data) for data in (long, "next", long))) == [1, 1, 1]
    assert [await client.receive_str() for _ in range(3)] == [long, "next", long]


async def stuck(loopback: Any, rooms: Rooms) -> tuple[WebSocketConnection, Any]:
    """A member whose peer has stopped reading."""
    server, peer = await loopback.with_peer(writer_limit=1000, close_timeout=0.05)
    peer.writer.transport.pause_reading()
    while not server._outbox.paused:
        server._outbox.write(server._engine.send_binary(bytes(500_000)))
    rooms.join(server, "a")
    return server, peer


async def drained(peer: Any) -> list[bytes]:
    """What the peer of a stuck member finds when it reads again, up to the message b"last"."""
    peer.writer.transport.resume_reading()
    found = []
    while not found or found[-1] != b"last":
        payload = (await peer.frame())[1]
        if len(payload) != 500_000:
            found.append(payload)
    return found


@pytest.mark.hardening("W31", "X17")
async def test_a_stuck_member_is_disconnected_and_the_others_do_not_notice(
    loopback: Any, caplog: pytest.LogCaptureFixture
) -> None:
    rooms = Rooms(policy=SlowConsumer.DISCONNECT)
    fast, client = await loopback.pair()
    rooms.join(fast, "a")
    slow, _ = await stuck(loopback, rooms)
    started = asyncio.get_running_loop().time()
    for i in range(65):
        await rooms.broadcast("a", str(i))
        assert await client.receive_str() == str(i)
    assert asyncio.get_running_loop().time() - started < 2
    assert (rooms.count("a"), rooms.disconnected) == (1, 1)
    assert "does not read" in caplog.text
    await slow.wait_closed()
    assert slow.close_code == 1006


@pytest.mark.hardening("W31", "X17")
async def test_the_oldest_messages_of_a_stuck_member_are_dropped(loopback: Any) -> None:
    rooms = Rooms(policy=SlowConsumer.DROP_OLDEST)
    _, peer = await stuck(loopback, rooms)
    for i in range(100):
        await rooms.broadcast("a", str(i))
    await rooms.broadcast("a", b"last")
    assert rooms.dropped == 37
    assert await drained(peer) == [str(i).encode() for i in range(37, 100)] + [b"last"]


@pytest.mark.hardening("W31", "X17")
async def test_the_queue_of_a_member_is_bounded_in_bytes(loopback: Any) -> None:
    rooms = Rooms(policy=SlowConsumer.DROP_OLDEST, max_bytes=1_000)
    server, peer = await stuck(loopback, rooms)
    for i in range(10):
        await rooms.broadcast("a", bytes([i]) * 300)
    assert rooms._members[server].waiting_bytes <= 1_000
    await rooms.broadcast("a", b"x" * 5_000)
    await rooms.broadcast("a", b"last")
    assert rooms.dropped == 11
    assert await drained(peer) == [b"last"]


@pytest.mark.hardening("W31")
async def test_a_broadcaster_can_wait(loopback: Any) -> None:
    rooms = Rooms(policy=SlowConsumer.WAIT, max_messages=2)
    fast, client = await loopback.pair()
    _, peer = await stuck(loopback, rooms)
    rooms.join(fast, "a")
    await rooms.broadcast("a", "1")
    await rooms.broadcast("a", "2")
    waiting = asyncio.create_task(rooms.broadcast("a", b"last"))
    assert [(await client.receive()).data for _ in range(3)] == ["1", "2", b"last"]
    assert not waiting.done()
    assert await drained(peer) == [b"1", b"2", b"last"]
    assert await waiting == 2


@pytest.mark.hardening("W31")
async def test_broadcasters_that_wait_do_not_overtake_each_other(loopback: Any) -> None:
    rooms = Rooms(policy=SlowConsumer.WAIT, max_bytes=100)
    _, peer = await stuck(loopback, rooms)
    texts = ["x" * 90, "y" * 90, "z", "x" * 90, "z"]
    waiting = [asyncio.create_task(rooms.broadcast("a", text)) for text in [*texts, b"last"]]
    await asyncio.sleep(0)
    assert [task.done() for task in waiting] == [True] + [False] * 5
    assert await drained(peer) == [text.encode() for text in texts] + [b"last"]
    assert [await task for task in waiting] == [1] * 6


@pytest.mark.hardening("W31")
async def test_a_broadcaster_does_not_wait_for_ever(loopback: Any) -> None:
    rooms = Rooms(policy=SlowConsumer.WAIT, max_messages=1, wait_timeout=0.01)
    slow, _ = await stuck(loopback, rooms)
    await rooms.broadcast("a", "1")
    await rooms.broadcast("a", "2")
    assert rooms.disconnected == 1
    await slow.wait_closed()


async def test_a_broadcaster_that_waits_is_told_when_the_member_is_gone(loopback: Any) -> None:
    rooms = Rooms(policy=SlowConsumer.WAIT, max_messages=1)
    slow, _ = await stuck(loopback, rooms)
    await rooms.broadcast("a", "1")
    waiting = asyncio.create_task(rooms.broadcast("a", "2"))
    await asyncio.sleep(0)
    slow.abort()
    assert await waiting == 1
    assert rooms.count() == 0


async def test_a_broadcast_waits_behind_a_long_message(loopback: Any) -> None:
    rooms = Rooms()
    server, peer = await loopback.with_peer(fragment_size=100_000, writer_limit=1000)
    rooms.join(server, "a")
    sending = asyncio.create_task(server.send_bytes(bytes(5_000_000)))
    while not server._outbox.paused:
        await asyncio.sleep(0)
    await rooms.broadcast("a", "behind")
    size = 0
    while size < 5_000_000:
        size += len((await peer.frame())[1])
    assert await peer.frame() == (0x81, b"behind")
    await sending


@pytest.mark.parity("U20", "S56")
async def test_all_are_closed_at_once(loopback: Any) -> None:
    async with Rooms() as rooms:
        pairs = [await loopback.pair() for _ in range(3)]
        for server, _ in pairs:
            rooms.join(server, "a")
        reading = [asyncio.create_task(client.receive()) for _, client in pairs]
    assert [(await read).data for read in reading] == [1001] * 3
    assert all(server.close_code == 1001 for server, _ in pairs)
    assert rooms.count() == 0
    await rooms.close_all()


@pytest.mark.parity("U20", "S56")
async def test_members_that_do_not_close_in_time_are_dropped(loopback: Any) -> None:
    rooms = Rooms(drain_timeout=0.05)
    server, client = await loopback.pair()
    rooms.join(server, "a")
    silent = [await loopback.with_peer(close_timeout=60) for _ in range(3)]
    for connection, _ in silent:
        rooms.join(connection, "a")
    reading = asyncio.create_task(client.receive())
    started = asyncio.get_running_loop().time()
    await rooms.stop()
    assert asyncio.get_running_loop().time() - started < 2
    assert (await reading).data == 1001
    assert [connection.close_code for connection, _ in silent] == [1006] * 3
    for _, peer in silent:
        assert (await peer.frame())[1][:2] == (1001).to_bytes(2, "big")


@pytest.mark.parity("U20")
async def test_a_backplane_knows_how_many_members_rooms_have(loopback: Any) -> None:
    calls = []

    class Watcher:
        async def start(self, deliver: Any) -> None: ...
        async def stop(self) -> None: ...
        async def publish(self, room: str, data: str | bytes) -> None: ...
        def count_changed(self, room: str, count: int) -> None:
            calls.append((room, count))

        async def count_elsewhere(self, room: str) -> int:
            return 40

    rooms = Rooms(backplane=Watcher())
    (one, _), (two, _) = await loopback.pair(), await loopback.pair()
    for server in (one, two):
        rooms.join(server, "a")
    rooms.join(one, "b")
    assert calls == [("a", 1), ("a", 2), ("b", 1)]
    assert (await rooms.presence("a"), await rooms.presence("c")) == (42, 40)
    rooms.leave(one)
    assert sorted(calls[3:]) == [("a", 1), ("b", 0)]
    rooms.leave(two, "b")
    two.abort()
    await two.wait_closed()
    assert calls[5:] == [("a", 0)]


async def test_a_backplane_that_was_forgotten_is_no_secret() -> None:
    rooms = Rooms(backplane=MemoryHub().backplane())
    with pytest.raises(RuntimeError, match="async with rooms"):
        await rooms.broadcast("a", "hello")
    async with rooms:
        assert await rooms.broadcast("a", "hello") == 0
    assert await rooms.broadcast("a", "from a handler that ends after the stop") == 0


async def test_rooms_of_one_hub_hear_each_other(loopback: Any) -> None:
    hub = MemoryHub()
    async with Rooms(backplane=hub.backplane()) as here, Rooms(backplane=hub.backplane()) as there:
        near, near_client = await loopback.pair()
        far, far_client = await loopback.pair()
        here.join(near, "a")
        there.join(far, "a")
        assert [await each.presence("a") for each in (here, there)] == [2, 2]
        assert (here.count("a"), await here.presence("b")) == (1, 0)
        assert await here.broadcast("a", "hello") == 1
        assert await near_client.receive_str() == "hello"
        assert await far_client.receive_str() == "hello"
        reading = [asyncio.create_task(client.receive()) for client in (near_client, far_client)]
    assert [(await read).type for read in reading] == [WSMsgType.CLOSE] * 2
    assert await here.broadcast("a", "nobody") == 0
