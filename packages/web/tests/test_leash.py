import asyncio
import socket
from collections.abc import Iterator

import pytest

from levante.web import leash as leashes
from levante.web.leash import ALIVE, READY, RETIRE, Leash


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    """The supervisor's, the worker's."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


@pytest.mark.parity("U10")
async def test_signs_of_life(ends: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leashes, "BEAT", 0.01)
    supervisor, worker = ends
    supervisor.setblocking(False)
    leash = Leash(worker, lambda: None)
    leash.attach()
    leash.ready()
    told = b""
    async with asyncio.timeout(10):
        while len(told) < 4:
            told += await asyncio.get_running_loop().sock_recv(supervisor, 100)
    assert told.startswith(READY + 3 * ALIVE)
    leash.detach()


@pytest.mark.parity("U10")
async def test_being_told_to_retire_and_left_alone(ends: tuple[socket.socket, socket.socket]) -> None:
    supervisor, worker = ends
    ended = asyncio.Event()
    leash = Leash(worker, ended.set)
    leash.attach()
    supervisor.send(RETIRE)
    async with asyncio.timeout(10):
        await leash.told_to_retire()
        assert not ended.is_set()
        supervisor.close()
        await ended.wait()
    leash.ready()  # nobody hears it, and nothing fails
    leash.detach()


async def test_a_supervisor_that_does_not_read(ends: tuple[socket.socket, socket.socket]) -> None:
    _, worker = ends
    leash = Leash(worker, lambda: None)
    leash.attach()
    with pytest.raises(BlockingIOError):
        while True:
            worker.send(bytes(4096))
    leash.ready()
    leash.detach()


async def test_a_supervisor_that_died_with_unread_words(ends: tuple[socket.socket, socket.socket]) -> None:
    supervisor, worker = ends
    ended = asyncio.Event()
    leash = Leash(worker, ended.set)
    worker.send(READY)
    supervisor.close()  # the system may tell that as a reset
    leash.attach()
    async with asyncio.timeout(10):
        await ended.wait()
    leash.detach()
