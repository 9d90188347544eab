"""What the tests of the client share: scripted servers on loopback that see exactly what was sent and answer exactly
what a test says, and a session that is closed afterwards."""

import asyncio
import ipaddress
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import pytest
import trustme

from levante.client import ClientSession

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@dataclass
class Seen:
    """A request as it arrived."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes
    connection: int

    def values(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def value(self, name: str) -> str | None:
        return next(iter(self.values(name)), None)


Answer = bytes | Callable[[Seen], bytes]
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def read_request(reader: asyncio.StreamReader, connection: int = 0) -> Seen | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    first, *lines = head.split("\r\n")[:-2]
    method, target, _ = first.split(" ")
    headers = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]
    seen = Seen(method, target, headers, b"", connection)
    if (length := seen.value("Content-Length")) is not None:
        seen.body = await reader.readexactly(int(length))
    elif seen.value("Transfer-Encoding") == "chunked":
        while size := int(await reader.readline(), 16):
            seen.body += await reader.readexactly(size)
            await reader.readexactly(2)
        await reader.readline()
    return seen


@dataclass
class Server:
    """A scripted server: `url` to reach it, `seen` the requests so far, `connections` how many were accepted."""

    url: str = ""
    port: int = 0
    seen: list[Seen] = field(default_factory=list)
    connections: int = 0
    writers: set[asyncio.StreamWriter] = field(default_factory=set)

    @property
    def last(self) -> Seen:
        return self.seen[-1]


Serve = Callable[..., Awaitable[Server]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """`await serve(answer)`: bytes, or a function of the request, for each request on each connection; "close" after
    with `close=True`. `await serve(talk=coroutine)`: the whole conversation of a connection by hand."""
    running: list[tuple[asyncio.Server, Server, set[asyncio.Task[None]]]] = []

    async def start(
        answer: Answer = OK,
        *,
        talk: Talk | None = None,
        close: bool = False,
        tls: ssl.SSLContext | None = None,
        path: str | None = None,
    ) -> Server:
        server = Server()
        tasks: set[asyncio.Task[None]] = set()

        async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            server.connections += 1
            connection = server.connections
            if talk is not None:
                await talk(reader, writer)
                return
            while (request := await read_request(reader, connection)) is not None:
                server.seen.append(request)
                writer.write(answer if isinstance(answer, bytes) else answer(request))
                await writer.drain()
                if close:
                    return

        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            tasks.add(task)
            server.writers.add(writer)
            try:
                await converse(reader, writer)
            except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                pass
            finally:
                server.writers.discard(writer)
                writer.close()
                try:
                    await writer.wait_closed()
                except (OSError, asyncio.CancelledError):
                    pass

        if path is not None:
            listener = await asyncio.start_unix_server(accept, path)
        else:
            listener = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=tls)
            server.port = listener.sockets[0].getsockname()[1]
            server.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.port}/"
        running.append((listener, server, tasks))
        return server

    yield start
    for listener, _, tasks in running:
        listener.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await listener.wait_closed()


@dataclass
class Relay:
    """A proxy on loopback, for `serve(talk=relay.http)` and `serve(talk=relay.socks5)`: it notes what it was told and
    goes to that port of this machine, whatever host it was asked for. `answer` is what it says to CONNECT, or to every
    SOCKS request; only the usual one opens a tunnel."""

    answer: bytes = b"HTTP/1.1 200 Connection established\r\n\r\n"
    asked: list[Seen] = field(default_factory=list)
    hosts: list[str] = field(default_factory=list)

    async def http(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (seen := await read_request(reader)) is not None:
            self.asked.append(seen)
            if seen.method != "CONNECT":
                writer.write(OK)
                continue
            writer.write(self.answer)
            if not self.answer.startswith(b"HTTP/1.1 200"):
                return
            self.hosts.append(seen.target.rpartition(":")[0])
            await self._splice(reader, writer, int(seen.target.rpartition(":")[2]))

    async def socks5(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _, count = await reader.readexactly(2)
        await reader.readexactly(count)
        writer.write(b"\5\0")
        _, _, _, kind = await reader.readexactly(4)
        size = {1: 4, 4: 16}.get(kind) or (await reader.readexactly(1))[0]
        host = await reader.readexactly(size)
        self.hosts.append(host.decode() if kind == 3 else str(ipaddress.ip_address(host)))
        port = int.from_bytes(await reader.readexactly(2), "big")
        refused = self.hosts[-1] == "127.0.0.9"
        writer.write(b"\5" + (b"\5" if refused else b"\0") + b"\0\1" + bytes(6))
        if not refused:
            await self._splice(reader, writer, port)

    async def socks4(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readexactly(8)
        await reader.readuntil(b"\0")
        named = head[4:7] == b"\0\0\0"
        host = (await reader.readuntil(b"\0"))[:-1].decode() if named else str(ipaddress.ip_address(head[4:]))
        self.hosts.append(host)
        writer.write(b"\0\x5a" + bytes(6))
        await self._splice(reader, writer, int.from_bytes(head[2:4], "big"))

    async def _splice(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", port)
        try:
            await asyncio.gather(_pump(reader, back), _pump(there, writer))
        finally:
            back.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()


@pytest.fixture
def relay() -> Relay:
    return Relay()


@pytest.fixture
async def session() -> AsyncIterator[ClientSession]:
    async with ClientSession() as it:
        yield it


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="session")
def certificate(authority: trustme.CA) -> trustme.LeafCert:
    return authority.issue_cert("localhost", "127.0.0.1", "levante.test")


@pytest.fixture
def server_tls(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate.configure_cert(context)
    return context


@pytest.fixture
def client_tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@pytest.fixture
def response() -> Callable[..., bytes]:
    """`response(body, *fields, status="200 OK")`: a whole response with its Content-Length."""

    def build(body: bytes = b"", *fields: str, status: str = "200 OK") -> bytes:
        head = [f"HTTP/1.1 {status}", *fields, f"Content-Length: {len(body)}", "", ""]
        return "\r\n".join(head).encode() + body

    return build
