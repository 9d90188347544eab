"""Files that the kernel sends: no byte of them passes through Python, on either event loop."""

import asyncio
import contextlib
import errno
import io
import os
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from levante.http import exchange as exchange_module
from levante.http.errors import LocalProtocolError, PeerDisconnected
from levante.http.exchange import Exchange
from levante.http.kernelcopy import send_file
from levante.http.limits import SENDFILE_STEP, Limits, ServerTimeouts

Start = Callable[..., Any]
LAST = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
MIB = 1024 * 1024


class Kernel:
    """os.sendfile, with a count of what it has sent; `first` is what the first calls raise. `full` is set when the
    socket takes no more, `look` is called before each try.
    """

    def __init__(self, *first: BaseException, look: Callable[[], object] = lambda: None) -> None:
        self.bytes = 0
        self.full = asyncio.Event()
        self._first = list(first)
        self._look = look
        self._real = os.sendfile

    def __call__(self, target: int, source: int, offset: int, count: int) -> int:
        self._look()
        if self._first:
            raise self._first.pop(0)
        try:
            sent = self._real(target, source, offset, count)
        except BlockingIOError:
            self.full.set()
            raise
        self.bytes += sent
        return sent


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "file"
    file.write_bytes(os.urandom(MIB))
    return file


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many bytes of files each read into Python gave."""
    found: list[int] = []
    real = exchange_module._read_at

    def read(file: Any, offset: int, count: int) -> bytes:
        data = real(file, offset, count)
        found.append(len(data))
        return data

    monkeypatch.setattr(exchange_module, "_read_at", read)
    return found


def sending(path: Path, *, size: int = MIB) -> Any:
    async def service(exchange: Exchange) -> None:
        with path.open("rb") as file:
            exchange.send_head(200, None, (), length=size)
            await exchange.sendfile(file, 0, size)
            await exchange.finish()

    return service


@pytest.mark.parity("S39")
async def test_no_byte_passes_through_python(
    loopback: Start, path: Path, reads: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel = Kernel()
    monkeypatch.setattr(os, "sendfile", kernel)
    server = await loopback(sending(path))
    for _ in range(3):
        assert (await server.ask(LAST)).partition(b"\r\n\r\n")[2] == path.read_bytes()
    assert (kernel.bytes, reads) == (3 * MIB, [])


async def test_on_a_connection_that_is_kept(loopback: Start, path: Path) -> None:
    server = await loopback(sending(path))
    client = await server.open()
    for _ in range(3):
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        await client.reader.readuntil(b"\r\n\r\n")
        assert await client.reader.readexactly(MIB) == path.read_bytes()
    client.close()
    assert server.requests == 3


async def test_behind_what_the_transport_still_holds(
    loopback: Start, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More than the kernel takes is written first, by a service that does not wait for it."""
    held: list[int] = []
    monkeypatch.setattr(
        os, "sendfile", Kernel(look=lambda: held.append(server.connection.transport.get_write_buffer_size()))
    )

    async def service(exchange: Exchange) -> None:
        with path.open("rb") as file:
            exchange.send_head(200, None, (), length=9 * MIB)
            exchange.flush_head()
            writing = asyncio.create_task(exchange.write(b"x" * (8 * MIB)))
            await asyncio.sleep(0)
            await exchange.sendfile(file, 0, MIB)
            await writing
            await exchange.finish()

    server = await loopback(service, limits=Limits(write_high=64 * MIB, write_low=32 * MIB))
    body = (await server.ask(LAST)).partition(b"\r\n\r\n")[2]
    assert body == b"x" * (8 * MIB) + path.read_bytes()
    assert set(held) == {0}


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOSYS])
async def test_what_the_kernel_cannot_send_is_read(
    loopback: Start, path: Path, reads: list[int], monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr(os, "sendfile", Kernel(*[OSError(number, "no")] * 4))
    server = await loopback(sending(path))
    assert (await server.ask(LAST)).partition(b"\r\n\r\n")[2] == path.read_bytes()
    assert sum(reads) == MIB


async def test_a_file_of_memory_is_read(loopback: Start, reads: list[int]) -> None:
    async def service(exchange: Exchange) -> None:
        exchange.send_head(200, None, (), length=5)
        await exchange.sendfile(io.BytesIO(b"hello"), 0, 5)
        await exchange.finish()

    assert (await (await loopback(service)).ask(LAST)).endswith(b"\r\n\r\nhello")
    assert sum(reads) == 5


async def test_a_signal_does_not_end_it(loopback: Start, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sendfile", Kernel(InterruptedError()))
    server = await loopback(sending(path))
    assert (await server.ask(LAST)).partition(b"\r\n\r\n")[2] == path.read_bytes()


async def test_without_sendfile_in_the_system(
    loopback: Start, path: Path, reads: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "sendfile")
    server = await loopback(sending(path))
    assert (await server.ask(LAST)).partition(b"\r\n\r\n")[2] == path.read_bytes()
    assert sum(reads) == MIB


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


class Outcome:
    def __init__(self, path: Path, size: int) -> None:
        self._path, self._size = path, size
        self.error: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()
        self.task: asyncio.Task[Any] | None = None

    async def __call__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        with self._path.open("rb") as file:
            exchange.send_head(200, None, (), length=self._size)
            try:
                await exchange.sendfile(file, 0, self._size)
            except BaseException as error:
                self.lost = exchange.connection.lost
                self.error.set_result(error)
                raise


@pytest.fixture
def big(tmp_path: Path) -> Path:
    """More than the buffers of two sockets hold."""
    file = tmp_path / "big"
    with file.open("wb") as out:
        out.truncate(64 * MIB)
    return file


@pytest.mark.parametrize("how", ["the peer resets", "the server aborts"])
async def test_the_connection_is_lost_meanwhile(
    loopback: Start, big: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel = Kernel()
    monkeypatch.setattr(os, "sendfile", kernel)
    outcome = Outcome(big, 64 * MIB)
    server = await loopback(outcome)
    before = descriptors()
    client = await server.open()
    client.send(LAST)
    await client.reader.readexactly(1)
    client.writer.transport.pause_reading()
    async with asyncio.timeout(10):
        await kernel.full.wait()
    if how == "the peer resets":
        sock = client.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        client.writer.transport.abort()
    else:
        outcome.exchange.connection.abort()
    async with asyncio.timeout(10):
        assert isinstance(await outcome.error, PeerDisconnected)
        assert outcome.lost  # so that nobody takes it for a failure of the service
        while outcome.exchange.running is not None:
            await asyncio.sleep(0)
    client.close()
    await server.stop()
    async with asyncio.timeout(10):
        while descriptors() > before:
            await asyncio.sleep(0.01)


async def test_a_peer_that_does_not_read(loopback: Start, big: Path) -> None:
    outcome = Outcome(big, 64 * MIB)
    server = await loopback(outcome, timeouts=ServerTimeouts(write=0.2))
    client = await server.open()
    client.send(LAST)
    client.writer.transport.pause_reading()
    async with asyncio.timeout(10):
        assert isinstance(await outcome.error, PeerDisconnected)
    client.close()


@pytest.mark.hardening("X10")
@pytest.mark.skipif(sys.platform != "linux", reason="other kernels do not tell what they hold")
async def test_progress_that_only_the_kernel_sees(loopback: Start, big: Path) -> None:
    """The kernel takes more only when a third of its megabytes is free; the peer reads on meanwhile."""
    server = await loopback(sending(big, size=8 * MIB), timeouts=ServerTimeouts(write=0.15))
    client = await server.open()
    client.writer.transport.pause_reading()
    client.send(LAST)
    endpoint = client.writer.get_extra_info("socket")
    taken = 0
    while taken < 8 * MIB:
        await asyncio.sleep(0.01)
        with contextlib.suppress(BlockingIOError):
            data = os.read(endpoint.fileno(), 20_000)  # 2 MB a second
            assert data, f"the server closed after {taken} bytes"
            taken += len(data)
    client.writer.transport.abort()


async def test_a_file_that_became_shorter(loopback: Start, path: Path) -> None:
    outcome = Outcome(path, 2 * MIB)
    server = await loopback(outcome)
    with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
        client = await server.open()
        client.send(LAST)
        await client.reader.readexactly(2 * MIB)
    client.close()
    assert isinstance(await outcome.error, LocalProtocolError)


class NoLink:
    transport = None

    def disconnected_error(self) -> PeerDisconnected:
        return PeerDisconnected("gone")


async def test_no_connection(path: Path) -> None:
    with path.open("rb") as file, pytest.raises(PeerDisconnected):
        await send_file(NoLink(), file, 0, 1)  # type: ignore[arg-type]


@pytest.mark.parametrize("cold", ["first", "last", "neither", "unknown", "no preadv"])
async def test_the_loop_does_not_wait_for_a_disk(
    loopback: Start, path: Path, monkeypatch: pytest.MonkeyPatch, cold: str
) -> None:
    """What is not in the kernel's memory is read by a thread first; asked is about the ends of each step."""
    asked: list[int] = []
    read_by: list[tuple[int, int]] = []
    loop_thread = threading.get_ident()
    pread = os.pread

    def preadv(_: int, __: Any, offset: int, ___: int) -> int:
        asked.append(offset)
        if cold == "unknown":
            raise OSError(errno.EOPNOTSUPP, "no such question")
        if (cold == "first") is (offset % SENDFILE_STEP == 0) and cold != "neither":
            raise BlockingIOError
        return 1

    def read(descriptor: int, count: int, offset: int) -> bytes:
        assert threading.get_ident() != loop_thread
        read_by.append((offset, count))
        return pread(descriptor, count, offset)

    monkeypatch.setattr(os, "preadv", preadv)
    if cold == "no preadv":
        monkeypatch.delattr(os, "preadv")
    monkeypatch.setattr(os, "pread", read)
    server = await loopback(sending(path))
    assert (await server.ask(LAST)).endswith(path.read_bytes())
    steps = [(offset, SENDFILE_STEP) for offset in range(0, MIB, SENDFILE_STEP)]
    assert read_by == (steps if cold in {"first", "last"} else [])
    if cold == "neither":
        assert asked == [end for offset, count in steps for end in (offset, offset + count - 1)]
