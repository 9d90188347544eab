"""What networks do to exchanges, over real sockets: a cut after every byte, drips, resets, half-closed connections, and
clients that vanish by the hundred.
"""

import asyncio
import contextlib
import gc
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest
from chaos import ChaosProxy, Cut, How
from http_support.loopback import POST, Loopback, RawClient

from levante.http import (
    AcceptedConnection,
    DialedConnection,
    Exchange,
    IncompleteMessage,
    PeerDisconnected,
    RemoteProtocolError,
    ServerTimeouts,
    StreamReader,
)

Start = Callable[..., Any]

BODY = b"0123456789" * 4
HOWS = get_args(How)
TYPED = (PeerDisconnected, RemoteProtocolError)  # IncompleteMessage is one of the latter
SOON = ServerTimeouts(head=2, body_idle=2, write=2, keepalive=2, lingering=0.2)


class Witness:
    """A service that answers with the body that came, and keeps what became of each request."""

    def __init__(self, *, chunked: bool) -> None:
        self.bodies: list[bytes] = []
        self.errors: list[BaseException] = []
        self.chunked = chunked

    async def __call__(self, exchange: Exchange) -> None:
        try:
            if exchange.error is not None:
                raise exchange.error
            body = await exchange.body.read()
            self.bodies.append(body)
            exchange.send_head(200, None, (), length=None if self.chunked else len(body))
            for start in range(0, len(body), 15):
                await exchange.write(body[start : start + 15])
            await exchange.finish()
        except Exception as error:
            self.errors.append(error)
            raise


async def ask(port: int, *, chunked: bool) -> tuple[int, bytes]:
    """One exchange through our own client side: (status, body)."""
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(lambda: DialedConnection(read_timeout=3), "127.0.0.1", port)
    try:
        exchange = connection.begin()
        exchange.send_head("POST", "/", (("Host", "a"),), length=None if chunked else len(BODY))
        for start in range(0, len(BODY), 15):
            await exchange.write(BODY[start : start + 15])
        await exchange.finish()
        head = await exchange.response()
        return head.status, await exchange.body.read()
    finally:
        connection.abort()
        await connection.wait_closed()


async def gone(server: Loopback) -> None:
    """Wait until the server has lost its connections."""
    async with asyncio.timeout(5):
        for connection in list(server.connections):
            await connection.wait_closed()


@pytest.mark.hardening("X15")
@pytest.mark.parametrize("chunked", [False, True])
class TestCuts:
    """Whole, or a typed error: never a short success, never a wait beyond the timeouts."""

    @pytest.mark.parametrize("how", HOWS)
    async def test_of_the_answer(self, loopback: Start, chunked: bool, how: How) -> None:
        server = await loopback(Witness(chunked=chunked), timeouts=SOON)
        async with ChaosProxy(server.port) as proxy:
            assert await ask(proxy.port, chunked=False) == (200, BODY)
            whole = proxy.passed["answer"]
        for after in range(whole):
            async with ChaosProxy(server.port, cut=Cut("answer", after, how)) as proxy:
                with pytest.raises(TYPED):
                    await ask(proxy.port, chunked=False)
            await gone(server)

    @pytest.mark.hardening("H75", "H76")
    @pytest.mark.parametrize("how", HOWS)
    async def test_of_the_request(self, loopback: Start, chunked: bool, how: How) -> None:
        witness = Witness(chunked=chunked)
        server = await loopback(witness, timeouts=SOON)
        async with ChaosProxy(server.port) as proxy:
            assert await ask(proxy.port, chunked=chunked) == (200, BODY)
            whole = proxy.passed["request"]
        witness.bodies.clear()
        for after in range(whole):
            async with ChaosProxy(server.port, cut=Cut("request", after, how)) as proxy:
                with contextlib.suppress(*TYPED):
                    status, _ = await ask(proxy.port, chunked=chunked)
                    assert status >= 400
            await gone(server)
        assert witness.bodies == []
        assert all(isinstance(error, TYPED) for error in witness.errors)

    async def test_drips_come_through(self, loopback: Start, chunked: bool) -> None:
        server = await loopback(Witness(chunked=chunked), timeouts=SOON)
        async with ChaosProxy(server.port, piece=1) as proxy:
            assert await ask(proxy.port, chunked=chunked) == (200, BODY)

    async def test_a_half_that_closes_behind_the_request(self, loopback: Start, chunked: bool) -> None:
        server = await loopback(Witness(chunked=chunked), timeouts=SOON)
        async with ChaosProxy(server.port) as proxy:
            await ask(proxy.port, chunked=chunked)
            whole = proxy.passed["request"]
        async with ChaosProxy(server.port, cut=Cut("request", whole, "half")) as proxy:
            assert await ask(proxy.port, chunked=chunked) == (200, BODY)


class Downloads:
    """A service whose answer is a file that never ends in time; uploads are read to their end."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.outcomes: Counter[str] = Counter()
        self.running = 0

    async def __call__(self, exchange: Exchange) -> None:
        self.running += 1
        try:
            if exchange.head.has_body:
                await exchange.body.read()
            with self.path.open("rb") as file:
                size = self.path.stat().st_size
                exchange.send_head(200, None, (), length=size)
                await exchange.sendfile(file, 0, size)
            await exchange.finish()
            self.outcomes["whole"] += 1
        except (PeerDisconnected, IncompleteMessage):
            self.outcomes["told"] += 1
            raise
        except asyncio.CancelledError:
            self.outcomes["cancelled"] += 1
            raise
        finally:
            self.running -= 1


async def vanish_in_the_head(client: RawClient) -> None:
    client.send(b"GET / HTTP/1.1\r\nHo")


async def vanish_in_the_upload(client: RawClient) -> None:
    client.send(POST % 100_000 + b"x" * 1000)


async def vanish_in_the_download(client: RawClient) -> None:
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    await client.reader.readexactly(1)


def held() -> Counter[str]:
    """What must not grow: open files, and objects of ours."""
    gc.collect()
    kinds = (AcceptedConnection, Exchange, StreamReader)
    counts = Counter(type(thing).__name__ for thing in gc.get_objects() if isinstance(thing, kinds))
    folder = Path("/proc/self/fd")
    if folder.is_dir():
        counts["files"] = sum(1 for _ in folder.iterdir())
    counts["tasks"] = len(asyncio.all_tasks())
    return counts


@pytest.mark.parity("S57", "V45")
@pytest.mark.hardening("X14")
@pytest.mark.parametrize("cancel", [False, True])
@pytest.mark.parametrize("where", [vanish_in_the_head, vanish_in_the_upload, vanish_in_the_download])
async def test_clients_that_vanish_leave_nothing(loopback: Start, tmp_path: Path, where: Any, cancel: bool) -> None:
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(30_000_000)
    service = Downloads(path)
    server = await loopback(service, cancel_on_disconnect=cancel)
    before: Counter[str] = Counter()
    for number in range(1050):
        if number == 50:  # by then, what is kept on purpose (threads, caches) is there
            before = held()
        client = await server.open()
        await where(client)
        if number % 2:
            client.reset()
        else:
            client.close()
        await server.made.wait()
        async with asyncio.timeout(5):
            while server.connections or service.running:
                await asyncio.sleep(0)
        server.made.clear()
    async with asyncio.timeout(5):
        while not held() <= before:
            await asyncio.sleep(0.01)
    assert service.outcomes["whole"] == 0
    if where is not vanish_in_the_head:
        assert service.outcomes.total() == 1050
