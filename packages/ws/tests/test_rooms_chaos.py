"""Rooms of a thousand members, some of whom stop reading, are cut off, or are gone without a word."""

import asyncio
import gc
import resource
import socket
import statistics
import time
import weakref
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from levante.ws import Role, Rooms, SlowConsumer, WebSocketConnection

MEMBERS = 1000
SLOW = 50
ROUNDS = 150
PAYLOAD = 1024
SMALL_BUFFER = 8192  # of the kernel, so that a peer that does not read is noticed after little
LAG = 0.05  # seconds; of this process's own time, which what else runs on the machine does not stretch
MIB = 1024 * 1024


@pytest.fixture(autouse=True)
def many_files() -> None:
    """Two sockets a member, which is more than some systems allow at first."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * MEMBERS + 500
    if resource.RLIM_INFINITY != most < wanted:
        pytest.skip(f"a process may have {most} files here; this takes {wanted}")
    if resource.getrlimit(resource.RLIMIT_NOFILE)[0] < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


class Peer(asyncio.Protocol):
    """A client as bare bytes: what came, by its length, its checksum and its end."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport
        self.length = 0
        self.checksum = 0
        self.tail = b""
        self.lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]  # uvloop's are none of asyncio's classes

    def data_received(self, data: bytes) -> None:
        self.length += len(data)
        self.checksum = zlib.crc32(data, self.checksum)
        self.tail = (self.tail + data)[-2 * PAYLOAD :]

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True


@asynccontextmanager
async def crowd(rooms: Rooms, count: int, **options: Any) -> AsyncIterator[list[Peer]]:
    """The peers of `count` members of the room "a"."""

    def accept() -> WebSocketConnection:
        connection = WebSocketConnection(Role.SERVER, **options)
        joining.append(connection)
        return connection

    joining: list[WebSocketConnection] = []
    loop = asyncio.get_running_loop()
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL_BUFFER)
        listening.bind(("127.0.0.1", 0))
        server = await loop.create_server(accept, sock=listening, backlog=count)
        peers = []
        for _ in range(count):
            client = socket.socket()
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
            client.setblocking(False)
            await loop.sock_connect(client, server.sockets[0].getsockname())
            peers.append((await loop.create_connection(Peer, sock=client))[1])
        await until(lambda: len(joining) == count and all(connection._transport for connection in joining))
        for connection in joining:
            rooms.join(connection, "a")
        joining.clear()
        try:
            yield peers
        finally:
            for peer in peers:
                peer.transport.abort()
            await until(lambda: not rooms.count() and all(peer.lost for peer in peers))
            server.close()
            await server.wait_closed()


async def until(question: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not question():
            await asyncio.sleep(0)


def frame(number: int) -> bytes:
    payload = b"%08d" % number + bytes(PAYLOAD - 8)
    return b"\x82\x7e" + len(payload).to_bytes(2, "big") + payload


def resident() -> int:
    """Bytes of memory in use; 0 where the system does not tell."""
    told = Path("/proc/self/statm")
    return int(told.read_text().split()[1]) * resource.getpagesize() if told.exists() else 0


async def flood(rooms: Rooms, peers: list[Peer]) -> tuple[float, int]:
    """ROUNDS broadcasts while the first SLOW peers do not read; the median lag, and by how much memory grew."""
    for peer in peers[:SLOW]:
        peer.transport.pause_reading()
    lags = []
    before = resident()
    for number in range(ROUNDS):
        started = time.process_time()
        await rooms.broadcast("a", frame(number)[4:])
        expected = len(frame(number)) * (number + 1)
        while not all(peer.length == expected for peer in peers[SLOW:]):
            await asyncio.sleep(0)
        lags.append(time.process_time() - started)
    return statistics.median(lags), resident() - before


def check(lag: float, grown: int, peers: list[Peer]) -> None:
    stream = b"".join(map(frame, range(ROUNDS)))
    assert {(peer.length, peer.checksum) for peer in peers[SLOW:]} == {(len(stream), zlib.crc32(stream))}
    assert lag < LAG
    assert grown < SLOW * MIB


@pytest.mark.hardening("X17", "W31")
async def test_fifty_of_a_thousand_stop_reading_and_are_disconnected() -> None:
    rooms = Rooms(policy=SlowConsumer.DISCONNECT)
    async with crowd(rooms, MEMBERS, writer_limit=SMALL_BUFFER, close_timeout=30) as peers:
        check(*await flood(rooms, peers), peers)
        assert (rooms.disconnected, rooms.dropped, rooms.count("a")) == (SLOW, 0, MEMBERS - SLOW)
        for peer in peers[:SLOW]:
            peer.transport.resume_reading()
        closing = b"\x88\x0a" + (1013).to_bytes(2, "big") + b"too slow"
        await until(lambda: all(peer.tail.endswith(closing) for peer in peers[:SLOW]))


@pytest.mark.hardening("X17", "W31")
async def test_fifty_of_a_thousand_stop_reading_and_lose_the_oldest() -> None:
    rooms = Rooms(policy=SlowConsumer.DROP_OLDEST)
    async with crowd(rooms, MEMBERS, writer_limit=SMALL_BUFFER) as peers:
        check(*await flood(rooms, peers), peers)
        assert (rooms.disconnected, rooms.count("a")) == (0, MEMBERS)
        assert rooms.dropped > 0
        for peer in peers[:SLOW]:
            peer.transport.resume_reading()
        last = frame(ROUNDS - 1)
        await until(lambda: all(peer.tail.endswith(last) for peer in peers[:SLOW]))
        lost = sum(ROUNDS - peer.length // len(last) for peer in peers[:SLOW])
        assert lost == rooms.dropped


async def test_a_thousand_members_are_cut_off_at_once() -> None:
    rooms = Rooms()
    async with crowd(rooms, MEMBERS) as peers:
        members = [weakref.ref(connection) for connection in rooms._members]
        await rooms.broadcast("a", "before")
        for peer in peers:
            peer.transport.abort()
        assert await rooms.broadcast("a", "meanwhile") == MEMBERS
        await until(lambda: rooms.count() == 0)
        assert await rooms.broadcast("a", "after") == 0
        assert rooms.names() == []
        assert rooms.disconnected == 0
    await asyncio.sleep(0)
    gc.collect()
    assert [reference for reference in members if reference() is not None] == []


@pytest.mark.hardening("W32")
async def test_members_that_are_gone_without_a_word_are_found_by_the_heartbeat(loopback: Any) -> None:
    """Half-open: their side of the connection is there and says nothing."""
    rooms = Rooms()
    alive, client = await loopback.pair(server={"heartbeat": 1.0})
    rooms.join(alive, "a")
    receiving = asyncio.create_task(client.receive())
    async with crowd(rooms, 200, heartbeat=0.2) as peers:
        await until(lambda: rooms.count("a") == 1)
        await until(lambda: all(peer.lost for peer in peers))
        assert {peer.tail for peer in peers} == {b"\x89\x00"}
        await rooms.broadcast("a", "still there")
        assert (await receiving).data == "still there"
        rooms.leave(alive)
