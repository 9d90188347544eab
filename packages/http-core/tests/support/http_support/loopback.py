"""A server on loopback that remembers its connections, and a raw client that reads until the end."""

import asyncio
import os
import socket
import struct
from typing import Any

from levante.http import AcceptedConnection, Exchange

# Seconds that a client waits for an answer before its test fails; code under a sanitizer takes several times as long.
PATIENCE = 10 * float(os.environ.get("LEVANTE_TEST_PATIENCE", "1"))

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
LAST = b"GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n"


class Loopback:
    """Serves on a free port of 127.0.0.1; it is the connections' owner, and counts what they tell."""

    def __init__(self, service: Any, options: dict[str, Any]) -> None:
        self.service = service
        self.options = options
        self.connections: set[AcceptedConnection] = set()
        self.requests = 0
        self.lost = 0
        self.port = 0
        self.made = asyncio.Event()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        ssl = self.options.pop("ssl", None)
        loop = asyncio.get_running_loop()
        factory: Any = lambda: AcceptedConnection(self.serve, owner=self, **self.options)  # noqa: E731
        self._server = await loop.create_server(factory, "127.0.0.1", 0, ssl=ssl)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for connection in list(self.connections):
            connection.abort()
            await connection.wait_closed()

    def connection_made(self, connection: AcceptedConnection) -> None:
        self.connections.add(connection)
        self.made.set()

    def connection_lost(self, connection: AcceptedConnection, exc: BaseException | None) -> None:
        self.connections.discard(connection)
        self.lost += 1

    def serve(self, exchange: Exchange) -> Any:
        self.requests += 1
        return self.service(exchange)

    @property
    def connection(self) -> AcceptedConnection:
        (only,) = self.connections
        return only

    async def open(self) -> "RawClient":
        return RawClient(*await asyncio.open_connection("127.0.0.1", self.port))

    async def ask(self, data: bytes, *, half_close: bool = False) -> bytes:
        """Send `data` on a connection of its own; everything that comes back until the server closes."""
        client = await self.open()
        client.send(data)
        if half_close:
            client.writer.write_eof()
        answer = await client.read_all()
        client.close()
        return answer


class RawClient:
    """One raw connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def read_all(self) -> bytes:
        return await asyncio.wait_for(self.reader.read(), PATIENCE)

    async def read_head(self) -> bytes:
        return await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), PATIENCE)

    async def read_response(self) -> tuple[int, bytes]:
        """A response with a Content-Length: (status, body)."""
        head = await self.read_head()
        length = 0
        for line in head.split(b"\r\n"):
            if line.lower().startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        return int(head.split(b" ")[1]), await asyncio.wait_for(self.reader.readexactly(length), PATIENCE)

    def close(self) -> None:
        self.writer.close()

    def reset(self) -> None:
        """Vanish: the server sees a reset, not an end."""
        endpoint = self.writer.get_extra_info("socket")
        endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


async def echo(exchange: Exchange) -> None:
    """Answers with method, target and body; an error with its status and message."""
    if exchange.error is not None:
        exchange.respond(exchange.error.status, None, (), exchange.error.message.encode())
        return
    body = await exchange.body.read()
    exchange.respond(200, None, (), b"%s %s %s" % (exchange.head.method.encode(), exchange.head.target.encode(), body))


class Gate:
    """A service that waits in the middle, and tells what befell it."""

    def __init__(self) -> None:
        self.entered = asyncio.Event()
        self.open = asyncio.Event()
        self.cancelled = asyncio.Event()
        self.exchange: Exchange | None = None

    async def __call__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.entered.set()
        try:
            await self.open.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        exchange.respond(200, None, (), b"through")
