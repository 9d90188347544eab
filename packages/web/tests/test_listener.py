import asyncio
import errno
import os
import socket
import ssl
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from processes import free_port
from servers import Connection, Program, cpu_seconds
from slowdown import Slowdown

from levante import web
from levante.web import listener as listeners
from levante.web.listener import Listener, listen

FILES = 64

PROGRAM = f"""
import logging, resource, sys
from levante import web

resource.setrlimit(resource.RLIMIT_NOFILE, ({FILES}, {FILES}))

async def hello(request):
    return web.Response(text="hello")

app = web.Application()
app.router.add_get("/", hello)
logging.basicConfig(level=logging.INFO)
web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), max_connections=1000, access_log=None, backlog=200)
"""


async def hello(request: web.BaseRequest) -> web.Response:
    return web.Response(text="hello")


@pytest.fixture
def program(tmp_path: Path) -> Iterator[tuple[Program, int]]:
    port = free_port()
    started = Program([sys.executable, "-c", PROGRAM, str(port)], cwd=tmp_path)
    started.wait_for("Running on")
    yield started, port
    started.close()


@pytest.mark.hardening("X7")
def test_without_files_left_it_waits_and_goes_on(program: tuple[Program, int]) -> None:
    server, port = program
    good = Connection(port)
    assert good.get()[0] == 200
    others = [socket.create_connection(("127.0.0.1", port), timeout=30) for _ in range(2 * FILES)]
    server.wait_for("cannot accept connections: Too many open files")
    used, began = cpu_seconds(server.process.pid), time.monotonic()
    while time.monotonic() - began < 3.0:
        assert good.get()[0] == 200  # what is open goes on
        time.sleep(0.1)
    passed = time.monotonic() - began
    assert (cpu_seconds(server.process.pid) - used) / passed < 0.05
    assert 2 <= len(server.found("cannot accept")) <= passed + 3
    others[-1].sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    with Slowdown() as machine:
        for sock in others[:-1]:
            sock.close()
        began = time.monotonic()
        assert others[-1].recv(4096).startswith(b"HTTP/1.1 200")  # it waited, and was not dropped
        took = time.monotonic() - began
    assert took < machine.allows(0.2)
    others[-1].close()
    good.close()


@pytest.mark.hardening("X7")
async def test_after_a_failure_it_tries_again_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    listener, sock = make_listener(web.Server(hello))
    refused = [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM]
    sock.errors = list(refused)
    listener.start()
    began = time.monotonic()
    client = await connect(sock)
    await asyncio.wait_for(sock.accepted.wait(), 10)
    assert sock.errors == []
    assert time.monotonic() - began >= len(refused) * listeners.RETRY_INTERVAL - 0.05
    assert listeners.RETRY_INTERVAL <= 0.2
    client.close()
    listener.close()


@pytest.mark.hardening("X7")
async def test_room_is_used_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listeners, "RETRY_INTERVAL", 1000.0)
    server = web.Server(hello)
    listener, sock = make_listener(server)
    listener.start()
    first = await connect(sock)
    await asyncio.wait_for(sock.accepted.wait(), 10)
    sock.accepted.clear()
    sock.errors = [errno.EMFILE]
    second = await connect(sock)
    async with asyncio.timeout(10):
        while listener.accepting:
            await asyncio.sleep(0.01)
    first.close()
    await asyncio.wait_for(sock.accepted.wait(), 10)
    second.close()
    listener.close()


@pytest.mark.hardening("X8")
async def test_a_connection_that_is_gone_already_is_passed_over() -> None:
    listener, sock = make_listener(web.Server(hello))
    sock.errors = [errno.ECONNABORTED, errno.EPROTO, errno.EPERM]
    listener.start()
    client = await connect(sock)
    await asyncio.wait_for(sock.accepted.wait(), 10)
    assert listener.accepting
    client.close()
    listener.close()


@pytest.mark.hardening("X1")
async def test_who_waits_in_the_queue_at_the_end_is_taken_in() -> None:
    server = web.Server(hello)
    listener, sock = make_listener(server)
    listener.start()
    waiting = [socket.create_connection(sock.sock.getsockname()) for _ in range(listeners.ACCEPT_BATCH + 1)]
    for each in waiting:
        each.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    listener.close()  # before the loop has turned once
    assert server.limit.count == len(waiting)
    await server.take_last_requests()
    server.pre_shutdown()
    for each in waiting:
        with each:
            answer = await asyncio.to_thread(each.recv, 4096)
            assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
            assert b"\r\nConnection: close\r\n" in answer
    await server.shutdown()


@pytest.mark.hardening("X8")
async def test_a_connection_for_which_there_is_no_memory_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    server = web.Server(hello)
    listener, sock = make_listener(server)

    class NoMemory:
        """The loop, but for this."""

        def __getattr__(self, name: str) -> Any:
            return getattr(asyncio.get_running_loop(), name)

        async def connect_accepted_socket(self, *_: Any, **__: Any) -> None:
            raise OSError(errno.ENOBUFS, "No buffer space available")

    loop: Any = NoMemory()
    monkeypatch.setattr(listener, "_loop", loop)
    listener.start()
    reader, writer = await asyncio.open_connection(*sock.sock.getsockname())
    assert await asyncio.wait_for(reader.read(), 10) == b""
    assert server.limit.count == 0
    writer.close()
    listener.close()


async def test_a_closed_listener_stays_closed() -> None:
    listener, sock = make_listener(web.Server(hello))
    sock.errors = [errno.EMFILE]
    listener.start()
    client = await connect(sock)
    async with asyncio.timeout(10):
        while listener.accepting:
            await asyncio.sleep(0.01)
    listener.close()
    listener.close()
    listener.start()
    assert not listener.accepting
    assert listener.sockets == ()
    client.close()


async def test_no_delay_and_keepalive_are_set(serve: Any) -> None:
    async def options(request: web.Request) -> web.Response:
        sock = request.get_extra_info("socket")
        wanted = [(socket.IPPROTO_TCP, socket.TCP_NODELAY), (socket.SOL_SOCKET, socket.SO_KEEPALIVE)]
        return web.json_response([sock.getsockopt(*option) for option in wanted])

    assert (await (await serve(options)).get("/")).body == b"[1, 1]"


@pytest.fixture
def tls() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    authority = trustme.CA()
    context, trusting = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), ssl.create_default_context()
    authority.issue_cert("localhost").configure_cert(context)
    authority.configure_trust(trusting)
    return context, trusting


@pytest.mark.hardening("X12")
async def test_a_handshake_that_does_not_come_frees_its_place(
    tls: tuple[ssl.SSLContext, ssl.SSLContext], caplog: pytest.LogCaptureFixture
) -> None:
    server = web.Server(hello, max_connections=1, tls_handshake_timeout=0.3)
    runner = web.ServerRunner(server, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls[0])
    await site.start()
    silent = await asyncio.open_connection("127.0.0.1", site.port)
    async with asyncio.timeout(10):
        while server.limit.count == 0:
            await asyncio.sleep(0.01)
        reader, writer = await asyncio.open_connection("127.0.0.1", site.port, ssl=tls[1], server_hostname="localhost")
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (await reader.readline()).endswith(b"200 OK\r\n")
        nonsense = await asyncio.open_connection("127.0.0.1", site.port)
        nonsense[1].write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        writer.close()
        try:
            assert await nonsense[0].read() is not None
        except ConnectionResetError:
            pass
        while server.limit.count > 0:
            await asyncio.sleep(0.01)
    for _, writer in (silent, nonsense):
        writer.close()
    assert not [record for record in caplog.records if record.name == "levante.server" and record.levelname == "ERROR"]
    await runner.cleanup()


async def test_shutdown_does_not_wait_for_handshakes_for_ever(tls: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    server = web.Server(hello)
    runner = web.ServerRunner(server, shutdown_timeout=0.5)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls[0])
    await site.start()
    _, writer = await asyncio.open_connection("127.0.0.1", site.port)
    async with asyncio.timeout(10):
        while server.limit.count == 0:
            await asyncio.sleep(0.01)
        await runner.cleanup()
    assert server.limit.count == 0
    writer.close()


async def test_a_loop_that_accepts_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(self: Listener) -> None:
        raise NotImplementedError

    monkeypatch.setattr(Listener, "start", start)
    sock = socket.create_server(("127.0.0.1", 0))
    listening = await listen(web.Server(hello), sock, ssl_context=None, backlog=5)
    reader, writer = await asyncio.open_connection(*sock.getsockname())
    writer.write(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert (await reader.read()).endswith(b"hello")
    writer.close()
    listening.close()


class Faulty:
    """A listening socket whose `accept` fails as the system's does."""

    def __init__(self) -> None:
        self.sock = socket.create_server(("127.0.0.1", 0))
        self.sock.setblocking(False)
        self.errors: list[int] = []
        self.accepted = asyncio.Event()

    def accept(self) -> tuple[socket.socket, Any]:
        if self.errors:
            number = self.errors.pop(0)
            raise OSError(number, os.strerror(number))
        accepted = self.sock.accept()
        self.accepted.set()
        return accepted

    def fileno(self) -> int:
        return self.sock.fileno()

    def close(self) -> None:
        self.sock.close()


def make_listener(server: web.Server) -> tuple[Listener, Faulty]:
    faulty = Faulty()
    sock: Any = faulty
    return Listener(server, sock, loop=asyncio.get_running_loop()), faulty


async def connect(sock: Faulty) -> asyncio.StreamWriter:
    return (await asyncio.open_connection(*sock.sock.getsockname()))[1]
