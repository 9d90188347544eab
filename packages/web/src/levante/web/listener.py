"""Accepting connections, from one listening socket, by our own hand: event loops accept whatever comes, and when the
process has no file left they either log without end (asyncio) or accept and drop (libuv).

Here a full server pauses: connections wait in the system's queue, whichever process accepts next takes them, and
nothing is lost. The same when files, or memory for sockets, have run out: the accept is tried again when a connection
has gone, and a few times a second, for it may be somebody else who gives them back.
"""

import asyncio
import errno
import socket
from collections.abc import Callable, Sequence
from ssl import SSLContext
from typing import TYPE_CHECKING, Final, Protocol, cast

from levante.http.errors import RemoteProtocolError
from levante.http.forwarded import TrustedPeers

from .proxy_arrival import read_proxy_header

if TYPE_CHECKING:
    from levante.http.accept import AcceptedConnection

    from .server import Server

ACCEPT_BATCH: Final = 16
"""Connections accepted before anything else gets its turn; the next turn takes more. A small number lets processes
that share a socket share a burst.
"""

RETRY_INTERVAL: Final = 0.1
"""Seconds until an accept that failed for want of files is tried again."""

_NEXT_PLEASE: Final = frozenset(
    # This one is gone already, or a firewall forbids it; the next may be well (accept(2)).
    getattr(errno, name)
    for name in ("ECONNABORTED", "EPROTO", "EPERM", "ENETDOWN", "EHOSTDOWN", "ENETUNREACH", "EHOSTUNREACH", "ENONET")
    if hasattr(errno, name)
)


class Listening(Protocol):
    """What accepts connections until it is closed."""

    @property
    def sockets(self) -> tuple[socket.socket, ...]:
        """The listening sockets."""

    def close(self) -> None:
        """Stop to accept; connections that are open stay open."""


async def listen(
    server: "Server",
    sock: socket.socket,
    *,
    ssl_context: SSLContext | None,
    backlog: int,
    proxy_protocol: Sequence[str] = (),
) -> Listening:
    """Accept connections for `server` from a bound socket, which belongs to the result from now on. Those from the
    networks `proxy_protocol` begin with a header of the PROXY protocol, before TLS.
    """
    loop = asyncio.get_running_loop()
    sock.setblocking(False)
    sock.listen(backlog)
    listener = Listener(server, sock, loop=loop, ssl_context=ssl_context, proxy_protocol=proxy_protocol)
    try:
        listener.start()
    except NotImplementedError:  # Windows: its event loop accepts, and knows no readiness
        if proxy_protocol:
            sock.close()
            raise NotImplementedError(
                "the PROXY protocol needs an event loop with add_reader(); on Windows, use a SelectorEventLoop"
            ) from None
        factory = cast("Callable[[], asyncio.BaseProtocol]", server)
        patience = None if ssl_context is None else server.tls_handshake_timeout
        return cast(
            "Listening",
            await loop.create_server(
                factory, sock=sock, ssl=ssl_context, backlog=backlog, ssl_handshake_timeout=patience
            ),
        )
    return listener


class Listener:
    """Accepts from one listening socket while its server has room."""

    def __init__(
        self,
        server: "Server",
        sock: socket.socket,
        *,
        loop: asyncio.AbstractEventLoop,
        ssl_context: SSLContext | None = None,
        proxy_protocol: Sequence[str] = (),
    ) -> None:
        self._server = server
        self._proxies = TrustedPeers(proxy_protocol) if proxy_protocol else None
        self._sock = sock
        self._loop = loop
        self._ssl_context = ssl_context
        self._handshake_timeout = None if ssl_context is None else server.tls_handshake_timeout
        self._accepting = False
        self._closed = False
        self._retry: asyncio.TimerHandle | None = None

    @property
    def sockets(self) -> tuple[socket.socket, ...]:
        """The listening socket; none after `close`."""
        return () if self._closed else (self._sock,)

    @property
    def accepting(self) -> bool:
        """Whether it is not paused."""
        return self._accepting

    def start(self) -> None:
        """Begin, or go on."""
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        if not self._accepting and not self._closed:
            self._loop.add_reader(self._sock, self._accept)
            self._accepting = True

    def close(self) -> None:
        """Stop to accept; connections that are open stay open. Those that wait in the system's queue, and would be
        reset now, are taken in before.
        """
        if not self._closed:
            while self._accepting and self._accept():
                pass
            self._pause()
            self._closed = True
            if self._retry is not None:
                self._retry.cancel()
            self._sock.close()

    def _pause(self) -> None:
        if self._accepting:
            self._loop.remove_reader(self._sock)
            self._accepting = False

    def _accept(self) -> bool:
        """Take in a batch; whether there may be more."""
        limit = self._server.limit
        for _ in range(ACCEPT_BATCH):
            if limit.is_full():
                self._server.sampled.tell("full", "%d connections are open, others wait for one to end", limit.count)
                self._pause()
                limit.when_there_is_room(self.start)
                return False
            try:
                conn, address = self._sock.accept()
            except BlockingIOError:
                return False
            except OSError as exc:
                if exc.errno not in _NEXT_PLEASE:
                    self._cannot_accept(exc)
                    return False
            else:
                self._take(conn, address)
        return True

    def _cannot_accept(self, exc: OSError) -> None:
        """The system has nothing left to accept with: try again when that may have changed."""
        self._server.sampled.tell("accept", "cannot accept connections: %s; trying again", exc.strerror or exc)
        self._pause()
        self._retry = self._loop.call_later(RETRY_INTERVAL, self.start)
        self._server.limit.when_there_is_room(self.start)

    def _take(self, conn: socket.socket, address: object) -> None:
        server = self._server
        connection = server()
        is_proxy = self._proxies is not None and self._proxies.trusts(_host(address))
        if not server.limit.enter(connection, None if is_proxy else address):
            self._refuse(conn)
            return
        conn.setblocking(False)
        bringing = self._bring_in_proxied(connection, conn) if is_proxy else self._bring_in(connection, conn)
        server.arriving(connection, self._loop.create_task(bringing, name="levante-accept"))

    def _refuse(self, conn: socket.socket) -> None:
        conn.close()
        limit = self._server.limit.per_address
        self._server.sampled.tell("address", "more than %s connections from one address: refused", limit)

    async def _bring_in_proxied(self, connection: "AcceptedConnection", conn: socket.socket) -> None:
        server = self._server
        try:
            header = await read_proxy_header(conn)
        except RemoteProtocolError as exc:
            conn.close()
            server.sampled.tell("proxy", "a proxy was refused: %s", exc.message)
        except OSError as exc:
            conn.close()
            server.note_arrival_failure(exc)
        except BaseException:
            conn.close()
            raise
        else:
            if not server.limit.assign(connection, header.source):
                self._refuse(conn)
                return
            server.came_through(connection, header)
            await self._bring_in(connection, conn)

    async def _bring_in(self, connection: "AcceptedConnection", conn: socket.socket) -> None:
        protocol = cast("asyncio.BaseProtocol", connection)
        try:
            await self._loop.connect_accepted_socket(
                lambda: protocol, conn, ssl=self._ssl_context, ssl_handshake_timeout=self._handshake_timeout
            )
        except OSError as exc:  # no TLS, or not in time, or no memory for it
            self._server.note_arrival_failure(exc)
            await asyncio.sleep(0)  # in which the loop closes what it has begun to use; it may not have come so far
            conn.close()


def _host(address: object) -> str | None:
    """The host of an address as `accept` gives it; None for a Unix socket."""
    return str(address[0]) if isinstance(address, tuple) else None
