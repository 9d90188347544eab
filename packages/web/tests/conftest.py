"""A client of the simplest kind: it writes bytes to a socket and takes the answer apart by itself."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any

import pytest
from multidict import CIMultiDict

from levante import web

PATIENCE = 10.0


@dataclass
class Answer:
    status: int
    reason: str
    headers: CIMultiDict[str]
    body: bytes
    head: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


class Peer:
    """One connection to a server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def head(self) -> Answer:
        head = await self.reader.readuntil(b"\r\n\r\n")
        status_line, *lines = head.decode("latin-1").split("\r\n")[:-2]
        _, status, reason = status_line.split(" ", 2)
        headers: CIMultiDict[str] = CIMultiDict()
        for line in lines:
            name, _, value = line.partition(":")
            headers.add(name, value.strip())
        return Answer(int(status), reason, headers, b"", head)

    async def answer(self, *, method: str = "GET") -> Answer:
        async with asyncio.timeout(PATIENCE):
            answer = await self.head()
            if method == "HEAD" or answer.status in (101, 204, 304) or answer.status < 200:
                return answer
            if "Content-Length" in answer.headers:
                answer.body = await self.reader.readexactly(int(answer.headers["Content-Length"]))
            elif answer.headers.get("Transfer-Encoding") == "chunked":
                answer.body = await self._chunks()
            else:
                answer.body = await self.reader.read()
            return answer

    async def _chunks(self) -> bytes:
        body = b""
        while size := int((await self.reader.readline()).split(b";")[0], 16):
            body += await self.reader.readexactly(size)
            await self.reader.readexactly(2)
        while await self.reader.readline() != b"\r\n":
            pass
        return body

    async def request(
        self, method: str, target: str, headers: Iterable[tuple[str, str]] = (), body: bytes = b"", version: str = "1.1"
    ) -> Answer:
        lines = [f"{method} {target} HTTP/{version}", "Host: localhost"]
        lines += [f"{name}: {value}" for name, value in headers]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        await self.send("\r\n".join([*lines, "", ""]).encode("utf-8") + body)
        return await self.answer(method=method)

    async def is_closed(self) -> bool:
        """Whether the server closes, now or soon."""
        async with asyncio.timeout(PATIENCE):
            try:
                return await self.reader.read(1) == b""
            except ConnectionResetError:
                return True

    def reset(self) -> None:
        """Be gone, as a client that crashed: not merely silent."""
        self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def close(self) -> None:
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except ConnectionError:
            pass


class Served:
    """A running server."""

    def __init__(self, runner: web.BaseRunner, site: web.TCPSite) -> None:
        self.runner = runner
        self.site = site
        self.port = site.port
        self.peers: list[Peer] = []

    @property
    def server(self) -> web.Server:
        assert self.runner.server is not None
        return self.runner.server

    async def connect(self) -> Peer:
        return self.peer(*await asyncio.open_connection("127.0.0.1", self.port))

    def peer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Peer:
        """A connection that was made otherwise."""
        peer = Peer(reader, writer)
        self.peers.append(peer)
        return peer

    async def request(self, method: str, target: str, *args: Any, **kwargs: Any) -> Answer:
        peer = await self.connect()
        answer = await peer.request(method, target, *args, **kwargs)
        await peer.close()
        return answer

    async def get(self, target: str, **headers: str) -> Answer:
        return await self.request("GET", target, [(name.replace("_", "-"), value) for name, value in headers.items()])

    async def close(self) -> None:
        for peer in self.peers:
            await peer.close()
        await self.runner.cleanup()


Serve = Callable[..., Awaitable[Served]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """`await serve(what, **runner arguments)`: an application, one handler for every path, or a `web.Server`."""
    running: list[Served] = []

    async def start(what: Any, **kwargs: Any) -> Served:
        kwargs.setdefault("shutdown_timeout", 2.0)
        runner: web.BaseRunner
        if isinstance(what, web.Server):
            runner = web.ServerRunner(what, shutdown_timeout=kwargs["shutdown_timeout"])
        else:
            app = what
            if not isinstance(what, web.Application):
                app = web.Application()
                app.router.add_route("*", "/{tail:.*}", what)
            runner = web.AppRunner(app, **kwargs)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        served = Served(runner, site)
        running.append(served)
        return served

    yield start
    for served in reversed(running):
        await served.close()


class NoTransport(asyncio.Transport):
    """A transport that keeps what is written to it."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 5), "sockname": ("127.0.0.1", 80)})
        self.writes: list[bytes] = []

    def write(self, data: Any) -> None:
        self.writes.append(bytes(data))

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return False

    def close(self) -> None:
        pass

    abort = close
    pause_reading = close
    resume_reading = close


@pytest.fixture
def transport() -> NoTransport:
    """A transport to nowhere."""
    return NoTransport()


@pytest.fixture
def make_request() -> Callable[..., Any]:
    """A request that came by no connection: `make_request(method, target, headers)`, where nothing is answered."""
    from levante.http.accept import AcceptedConnection

    def make(
        method: str = "GET",
        target: str = "/",
        headers: Iterable[tuple[str, str]] = (),
        *,
        kind: type[web.BaseRequest] = web.Request,
        **kwargs: Any,
    ) -> Any:
        caught: list[Any] = []

        async def service(exchange: Any) -> None:
            caught.append(exchange)
            exchange.respond(200, None, (), b"")

        connection = AcceptedConnection(service)
        connection.connection_made(NoTransport())
        names = {name.lower() for name, _ in headers}
        lines = [f"{method} {target} HTTP/1.1"] + ([] if "host" in names else ["Host: localhost"])
        lines += [f"{name}: {value}" for name, value in headers]
        connection.data_received("\r\n".join([*lines, "", ""]).encode("utf-8"))
        exchange = connection.current
        assert exchange is not None or caught
        return kind(exchange if exchange is not None else caught[0], **kwargs)

    return make
