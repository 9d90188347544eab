"""Connections without sockets: two transports in one process, each handing what is written to it to the other's
protocol in the next turn of the loop. They keep to what asyncio promises of transports (flow control both ways, half
closing, closing after what was written, aborting), so that both engines run above them as they run above TCP.

`BaseMemoryConnector` is a connector whose connections are made so, and the seam for whoever answers requests without
a network."""

import abc
import asyncio
import itertools
import ssl
from collections import deque
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from levante.http import DialedConnection

from .connector import BaseConnector
from .origin import ConnectionKey
from .pool import POOL_LIMIT
from .tracing import Trace

# What peers are told that they talk to: a loopback address, with ports that count up as those of sockets do.
HOST = "127.0.0.1"
FIRST_PORT = 49_152
PORTS = 16_384

# asyncio's own marks for a transport that was told none.
_HIGH = 64 * 1024
_LOW = 16 * 1024

_ports = itertools.count()


class MemoryTransport(asyncio.Transport):
    """One end. `extra` answers `get_extra_info`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, extra: dict[str, Any]) -> None:
        # Any: as asyncio's get_extra_info, whose values are of any type
        super().__init__(extra)
        self._loop = loop
        self._peer: MemoryTransport = self
        self._protocol: Any = None  # protocols are known by their methods
        self._unsent: deque[bytes] = deque()
        self._size = 0
        self._high, self._low = _HIGH, _LOW
        self._writer_paused = False
        self._reading = True
        self._flushing = False
        self._eof_due = False  # when everything is sent
        self._eof_sent = False
        self._closing = False
        self._lost = False

    def join(self, peer: "MemoryTransport") -> None:
        """Send to `peer`; it has to be told the same of this end."""
        self._peer = peer

    def start(self, protocol: Any) -> None:  # Any: see above
        """Begin to work for `protocol`."""
        self._protocol = protocol
        protocol.connection_made(self)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        protocol: asyncio.BaseProtocol = self._protocol
        return protocol

    def is_closing(self) -> bool:
        return self._closing

    # Writing.

    def write(self, data: "bytes | bytearray | memoryview[Any]") -> None:
        if self._closing or not data:
            return
        if self._eof_due:
            raise RuntimeError("write() after write_eof()")
        piece = bytes(data)
        self._unsent.append(piece)
        self._size += len(piece)
        if self._size > self._high and not self._writer_paused:
            self._writer_paused = True
            self._protocol.pause_writing()
        self.go_on()

    def write_eof(self) -> None:
        if not self._closing and not self._eof_due:
            self._eof_due = True
            self.go_on()

    def can_write_eof(self) -> bool:
        return True

    def get_write_buffer_size(self) -> int:
        return self._size

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return self._low, self._high

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        if high is None:
            high = _HIGH if low is None else 4 * low
        self._high, self._low = high, high // 4 if low is None else low
        self._tell_writer()

    # Reading.

    def is_reading(self) -> bool:
        return self._reading and not self._closing

    def pause_reading(self) -> None:
        self._reading = False

    def resume_reading(self) -> None:
        if not self._reading and not self._closing:
            self._reading = True
            self._peer.go_on()

    # The end.

    def close(self) -> None:
        """Send what was written, then end both directions."""
        if not self._closing:
            self._closing = self._eof_due = True
            self.go_on()

    def abort(self) -> None:
        """Lose what was not sent, and have the other end reset."""
        if not self._lost:
            self.lose(None)
            self._peer.lose(ConnectionResetError("the other end of the connection was aborted"))

    def lose(self, error: Exception | None) -> None:
        """The connection is gone."""
        if not self._lost:
            self._closing = self._lost = True
            self._drop()
            self._loop.call_soon(self._protocol.connection_lost, error)

    # For the other end.

    def go_on(self) -> None:
        """Send what is there: it can be taken."""
        if not self._flushing and not self._lost:
            self._flushing = True
            self._loop.call_soon(self._flush)

    def is_lost(self) -> bool:
        """Whether connection_lost() has been called, or will be."""
        return self._lost

    def take(self, data: bytes) -> None:
        """Bytes came."""
        try:
            self._protocol.data_received(data)
        except Exception as error:  # noqa: BLE001 - the boundary, as in asyncio's transports: reported, and the end
            context = {"message": "data_received() failed", "exception": error, "transport": self}
            self._loop.call_exception_handler(context)
            self.abort()

    def take_eof(self) -> None:
        """The other end sends nothing more."""
        if not self._closing and not self._protocol.eof_received():
            self.close()

    # Beneath.

    def _flush(self) -> None:
        self._flushing = False
        peer = self._peer
        while self._unsent and not self._lost:
            if peer.is_closing():
                self._drop()
                if peer.is_lost():
                    self.lose(ConnectionResetError("the other end of the connection is closed"))
            elif peer.is_reading():
                data = self._unsent.popleft()
                self._size -= len(data)
                peer.take(data)
                self._tell_writer()
            else:
                return
        if self._eof_due and not self._eof_sent and not self._lost:
            self._eof_sent = True
            peer.take_eof()
        if self._closing:
            self.lose(None)

    def _tell_writer(self) -> None:
        if self._writer_paused and self._size <= self._low and not self._lost:
            self._writer_paused = False
            self._protocol.resume_writing()
        elif not self._writer_paused and self._size > self._high and not self._lost:
            self._writer_paused = True
            self._protocol.pause_writing()

    def _drop(self) -> None:
        self._unsent.clear()
        self._size = 0


def connect(client: Any, server: Any, *, host: str = HOST, port: int = 80, secure: bool = False) -> None:
    """Make a connection between two protocols (Any: known by their methods). `secure` claims TLS to the server."""
    loop = asyncio.get_running_loop()
    here, there = (HOST, FIRST_PORT + next(_ports) % PORTS), (host, port)
    claims = {"sslcontext": _claimed_context()} if secure else {}
    near = MemoryTransport(loop, {"sockname": here, "peername": there})
    far = MemoryTransport(loop, {"sockname": there, "peername": here, **claims})
    near.join(far)
    far.join(near)
    far.start(server)
    near.start(client)


@lru_cache(1)
def _claimed_context() -> ssl.SSLContext:
    return ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)


class BaseMemoryConnector(BaseConnector):
    """Connections to whatever host and port, without sockets; a subclass says who accepts them. There is no TLS: https
    is claimed to the server (`get_extra_info("sslcontext")`), and `ssl`, `server_hostname` and proxies mean nothing.
    Limits and keep-alive are those of every connector."""

    @abc.abstractmethod
    async def accept(self, client: DialedConnection, key: ConnectionKey) -> Any:
        """The protocol at the other end of `client`, which was dialled for `key` (Any: known by its methods)."""

    async def _dial(self, key: ConnectionKey, trace: Trace | None) -> DialedConnection:  # noqa: ARG002 - the seam
        connection: DialedConnection = self._protocol(key)
        connect(connection, await self.accept(connection, key), port=key.port or 0, secure=key.is_ssl)
        return connection


class MemoryConnector(BaseMemoryConnector):
    """Connections to protocols that `factory()` makes, such as a `levante.web.Server`."""

    def __init__(
        self,
        factory: Callable[[], Any],  # Any: protocols are known by their methods
        *,
        keepalive_timeout: float | None = None,
        force_close: bool = False,
        limit: int = POOL_LIMIT,
        limit_per_host: int = 0,
    ) -> None:
        super().__init__(
            keepalive_timeout=keepalive_timeout, force_close=force_close, limit=limit, limit_per_host=limit_per_host
        )  # fmt: skip
        self._factory = factory

    async def accept(self, client: DialedConnection, key: ConnectionKey) -> Any:  # noqa: ARG002 - the seam
        """A protocol of the factory."""
        return self._factory()
