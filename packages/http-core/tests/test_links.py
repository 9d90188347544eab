"""Peers that do not read, or not enough, over real sockets."""

import asyncio
import contextlib
import errno
import gc
import os
import socket
import ssl
import sys
import weakref
from collections.abc import Callable
from typing import Any

import pytest
import trustme
from http_support.loopback import GET, LAST, Gate

from levante.http import (
    AcceptedConnection,
    DialedConnection,
    Exchange,
    PeerDisconnected,
    ServerTimeouts,
)

Start = Callable[..., Any]


class TestSlowReaders:
    async def test_stalled_reader(self, loopback: Start) -> None:
        gate = Gate()

        async def service(exchange: Exchange) -> None:
            exchange.send_head(200, None, (), length=None)
            with pytest.raises(PeerDisconnected):
                while True:
                    await exchange.write(b"x" * 1_000_000)
            gate.cancelled.set()

        server = await loopback(service, timeouts=ServerTimeouts(write=0.1))
        client = await server.open()
        client.writer.transport.pause_reading()
        client.send(GET)
        await asyncio.wait_for(gate.cancelled.wait(), 5)
        client.writer.transport.abort()

    async def test_stalled_reader_of_a_finished_response(self, loopback: Start) -> None:
        async def service(exchange: Exchange) -> None:
            exchange.respond(200, None, (), b"x" * 20_000_000)

        server = await loopback(service, timeouts=ServerTimeouts(write=0.1))
        client = await server.open()
        client.writer.transport.pause_reading()
        client.send(LAST)
        await server.made.wait()
        await asyncio.wait_for(server.connection.wait_closed(), 5)
        client.writer.transport.abort()

    @pytest.mark.hardening("X10")
    async def test_drips_are_no_progress(self, loopback: Start) -> None:
        """A peer that takes a little now and then does not hold a response for ever."""

        async def service(exchange: Exchange) -> None:
            exchange.respond(200, None, (), b"x" * 20_000_000)

        server = await loopback(service, timeouts=ServerTimeouts(write=0.15, min_write_rate=20_000_000.0))
        client = await server.open()
        client.send(LAST)
        await server.made.wait()
        connection = server.connection
        closed = asyncio.ensure_future(connection.wait_closed())
        client.writer.transport.pause_reading()
        endpoint = client.writer.get_extra_info("socket")
        async with asyncio.timeout(5):
            while not closed.done():
                await asyncio.sleep(0.01)
                with contextlib.suppress(BlockingIOError, ConnectionError):
                    os.read(endpoint.fileno(), 20_000)  # 2 MB a second
        await closed
        client.writer.transport.abort()

    @pytest.mark.hardening("X10")
    @pytest.mark.skipif(sys.platform != "linux", reason="other kernels do not tell what they hold")
    async def test_progress_that_only_the_kernel_sees(self, loopback: Start) -> None:
        """The kernel takes more only when a third of its megabytes is free; the peer reads on meanwhile."""
        size = 8_000_000
        speed = 2_000_000  # bytes a second: a third of the kernel's buffer takes longer than the timeout

        async def service(exchange: Exchange) -> None:
            exchange.respond(200, None, (), b"x" * size)

        server = await loopback(service, timeouts=ServerTimeouts(write=0.15))
        client = await server.open()
        client.writer.transport.pause_reading()
        client.send(LAST)
        endpoint = client.writer.get_extra_info("socket")
        await server.made.wait()
        taken = 0
        while taken < size:
            await asyncio.sleep(0.01)
            with contextlib.suppress(BlockingIOError):
                data = os.read(endpoint.fileno(), speed // 100)
                assert data, f"the server closed after {taken} bytes"
                taken += len(data)
        client.writer.transport.abort()


async def test_waiting_for_the_end_in_vain_leaves_nothing(loopback: Start) -> None:
    server = await loopback(Gate())
    client = await server.open()
    await server.made.wait()
    connection = server.connection
    waiting = [asyncio.ensure_future(connection.wait_closed()) for _ in range(3)]
    await asyncio.sleep(0)
    futures = [task._fut_waiter for task in waiting[:2]]  # type: ignore[attr-defined]
    for task in waiting[:2]:
        task.cancel()
    await asyncio.wait(waiting[:2])
    waiting[:2] = []
    del task
    references = [weakref.ref(future) for future in futures]
    futures.clear()
    gc.collect()
    assert [reference() for reference in references] == [None, None]
    client.close()
    await waiting[0]


class SocketWithoutMemory:
    """No option can be set on it."""

    family = socket.AF_INET

    def setsockopt(self, *_: object) -> None:
        raise OSError(errno.ENOBUFS, "No buffer space available")


@pytest.mark.hardening("X8")
async def test_a_connection_does_without_keepalive() -> None:
    async def service(exchange: Exchange) -> None:
        exchange.respond(200, None, (), b"fine")

    class Transport(asyncio.Transport):
        written = b""

        def write(self, data: Any) -> None:
            self.written += bytes(data)

        def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None: ...

        def is_closing(self) -> bool:
            return False

        def close(self) -> None: ...

    transport = Transport({"socket": SocketWithoutMemory()})
    connection = AcceptedConnection(service, tcp_keepalive=True)
    connection.connection_made(transport)
    connection.data_received(GET)
    async with asyncio.timeout(5):
        while not transport.written:
            await asyncio.sleep(0)
    assert transport.written.endswith(b"fine")
    connection.connection_lost(None)


async def test_aborting_what_closed_by_itself_does_nothing() -> None:
    """A transport that closed while it still had something to send is at its end when that is sent."""
    there, here = socket.socketpair()
    with there:
        there.setblocking(False)
        connection = DialedConnection()
        loop = asyncio.get_running_loop()
        await loop.create_connection(lambda: connection, sock=here)
        assert connection.transport is not None
        connection.transport.write(bytes(4 * 1024 * 1024))
        connection.close()
        while await loop.sock_recv(there, 65_536):
            pass
        await asyncio.wait_for(connection.wait_closed(), 5)
        connection.abort()


async def test_closing_again_and_again_while_a_tls_peer_does_not_answer() -> None:
    """Until the peer has said goodbye as well, asyncio's TLS transport stays; closed twice, it is of no use."""
    authority = trustme.CA()
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("localhost").configure_cert(server)
    authority.configure_trust(client)
    accepted = asyncio.Event()

    async def never_reads(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.pause_reading()  # type: ignore[attr-defined]  # it is one of both directions
        await accepted.wait()
        writer.transport.abort()

    async with await asyncio.start_server(never_reads, "127.0.0.1", 0, ssl=server) as listener:
        connection = DialedConnection()
        port = listener.sockets[0].getsockname()[1]
        await asyncio.get_running_loop().create_connection(
            lambda: connection, "127.0.0.1", port, ssl=client, server_hostname="localhost"
        )
        for _ in range(3):
            connection.close()
        assert connection.get_extra_info("peername") is not None
        accepted.set()
        async with asyncio.timeout(5):
            await connection.wait_closed()
