"""The exchange of a request that came by an ASGI server, with the surface of `levante.http.Exchange`, so that nothing
above it can tell. The differences are those of ASGI: connections cannot be taken over, the server chooses framing and
adds Date and Server, and a client that is half closed counts as gone.
"""

import asyncio
import os
from collections.abc import Mapping
from typing import Any, BinaryIO, Final, Protocol

from levante.http import (
    EMPTY_PAYLOAD,
    LocalProtocolError,
    PeerDisconnected,
    ProtocolError,
    RemoteProtocolError,
    RequestHead,
    StreamReader,
)
from levante.http.exchange import Buffer
from levante.http.writers import Headers, field_block, last_chunk, status_line

from .link import AsgiLink
from .types import Fields, Scope, as_bytes

FILE_STEP: Final = 256 * 1024
"""Bytes of a file that are read at once where the server does not send it by itself."""

HOP_BY_HOP: Final = frozenset({b"connection", b"keep-alive", b"proxy-connection", b"te", b"upgrade"})
"""What means nothing, or is forbidden, beyond HTTP/1.1 (RFC 9113 section 8.2.2)."""

UNKNOWN: Final = -1


class Ending(Protocol):
    """What there is after an upgrade, and its end."""

    ended: asyncio.Future[None]


class AsgiExchange:
    """One request and the means to answer it, as `Exchange`."""

    kind = "http.response"
    socket: "Ending | None" = None

    def __init__(self, link: AsgiLink, scope: Scope, head: RequestHead) -> None:
        self.connection = link
        self.head = head
        self.body: StreamReader = EMPTY_PAYLOAD
        self.error: ProtocolError | None = None
        self.keep_alive = head.keep_alive
        self.head_sent = False
        self.finished = False
        self.bytes_sent = 0
        self.status: int | None = None
        self.continue_due = False  # the server sends 100 when the body is asked for
        self.running: asyncio.Task[None] | None = None
        self.extensions: Mapping[str, Any] = scope.get("extensions") or {}  # Any: each extension has its own shape
        self._cancel_on_disconnect = False
        self._remaining = UNKNOWN
        self._drops_body = False
        self._has_trailers = False
        self._gone: asyncio.Future[None] | None = None
        link.current = self
        if head.has_body:
            self.carry_body(at_once=head.expect is None)

    def carry_body(self, *, at_once: bool) -> None:
        """The request has a body: receive it, now or when it is first read."""
        link = self.connection
        self.body = body = StreamReader(link, link.limits.read_bufsize)
        if at_once:
            link.carry(body, self.head.content_length)
        else:
            body.on_first_wait = lambda: link.carry(body, self.head.content_length)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.head.method} {self.head.target!r}>"

    def added_fields(self) -> tuple[tuple[str, str], ...]:
        """Nothing: the server adds Date and Server, and nobody here knows how it calls itself."""
        return ()

    def leave_out_server(self) -> None:
        """That is the ASGI server's own choice (uvicorn: `server_header=False`)."""

    # Questions.

    @property
    def transport(self) -> asyncio.Transport | None:
        """A stand-in for the transport; None when the client is gone."""
        return None if self.connection.lost else self.connection.transport

    @property
    def task(self) -> "asyncio.Task[Any] | None":
        """The task that the service runs in."""
        return self.running

    def get_extra_info(self, name: str, default: Any = None) -> Any:  # as asyncio's, whose values are of any type
        """`peername`, `sockname`, and `asgi_scope`."""
        return self.connection.get_extra_info(name, default)

    @property
    def cancel_on_disconnect(self) -> bool:
        """Whether the service is cancelled when the client goes away."""
        return self._cancel_on_disconnect

    @cancel_on_disconnect.setter
    def cancel_on_disconnect(self, enabled: bool) -> None:
        self._cancel_on_disconnect = enabled
        if enabled:
            self.connection.watch()

    def is_disconnected(self) -> bool:
        """Whether the client is gone; known from soon after the first time that it is asked."""
        self.connection.watch()
        return self.connection.lost

    async def disconnected(self) -> None:
        """Return when the client is gone."""
        if self.is_disconnected():
            return
        if self._gone is None:
            self._gone = asyncio.get_running_loop().create_future()
        await asyncio.shield(self._gone)

    def note_gone(self) -> None:
        """The link's word that the client is gone."""
        if self._gone is not None and not self._gone.done():
            self._gone.set_result(None)
        if self._cancel_on_disconnect and self.running is not None:
            self.running.cancel()

    # Answering.

    def send_informational(self, status: int, headers: Headers = ()) -> None:
        """Send an interim response, if it is early hints and the server has a message for them."""
        if self.head_sent:
            raise LocalProtocolError("an interim response after the head of the final one")
        field_block(headers)
        if status == 103 and "http.response.early_hint" in self.extensions:
            links = [value for name, value in field_pairs(headers) if name == b"link"]
            self.connection.post({"type": "http.response.early_hint", "links": links})

    def send_head(self, status: int, reason: str | None, headers: Headers, *, length: int | None) -> None:
        """Begin the response with its head. Raises as `Exchange.send_head`. The reason is checked and lost, for ASGI
        has no place for it.
        """
        self._check_connected()
        if self.head_sent:
            raise LocalProtocolError("a second head in one response")
        if status < 200:
            raise LocalProtocolError(f"final status {status}; expected 200 or more")
        status_line(status, reason)
        start = {
            "type": f"{self.kind}.start",
            "status": status,
            "headers": self._framed(status, headers, length),
        }
        if self._has_trailers:
            start["trailers"] = True
        self.status = status
        self.head_sent = True
        self.connection.post(start)

    def _framed(self, status: int, headers: Headers, length: int | None) -> Fields:
        """The fields as the server wants them, and what they say about the body."""
        block = field_block(headers)
        if block.chunked and block.length >= 0:
            raise LocalProtocolError("Content-Length together with Transfer-Encoding; expected one framing")
        fields = [pair for pair in field_pairs(headers) if pair[0] != b"transfer-encoding"]
        names = {name for name, _ in fields}
        self._drops_body = self.head.method == "HEAD"
        if status in (204, 304) or (self.head.method == "CONNECT" and status < 300):
            fields = [pair for pair in fields if pair[0] != b"content-length"]
            self._remaining = 0
        else:
            if length is not None and block.length not in (UNKNOWN, length) and not self._drops_body:
                raise LocalProtocolError(f"Content-Length {block.length} for a body of {length} bytes")
            if block.length < 0 and length is not None and not block.chunked:
                fields.append((b"content-length", str(length).encode()))
            self._remaining = block.length if block.length >= 0 or block.chunked or length is None else length
        if self.head.version.major > 1:
            fields = [pair for pair in fields if pair[0] not in HOP_BY_HOP]
        elif not self.keep_alive and b"connection" not in names:
            fields.append((b"connection", b"close"))
        self._has_trailers = b"trailer" in names and "http.response.trailers" in self.extensions
        return fields

    async def write(self, data: Buffer) -> None:
        """Write a piece of the body; waits while the server does not take it. Raises as `Exchange.write`."""
        self._check_open()
        self.connection.watch()
        self._post_body(bytes(data), more=True)
        await self.connection.flush()

    def respond(self, status: int, reason: str | None, headers: Headers, body: bytes) -> None:
        """Head, whole body and end; sent with the next `drain`."""
        if body and status in (204, 304):
            raise LocalProtocolError(f"{len(body)} bytes of body with status {status}, which has none")
        self.send_head(status, reason, headers, length=None if status in (204, 304) else len(body))
        self._post_body(body, more=False)
        self._end(None)

    async def finish(self, trailers: Mapping[str, str] | None = None) -> None:
        """End the response. LocalProtocolError if the body is shorter than its Content-Length. Trailers leave if they
        were announced, and the server has a message for them.
        """
        self._check_open()
        if trailers:
            last_chunk(trailers)  # what must not be there is refused, whoever gets it
        if self._remaining > 0 and not self._drops_body:
            raise LocalProtocolError(f"body ends {self._remaining} bytes before its Content-Length")
        self._post_body(b"", more=False)
        self._end(trailers)
        await self.connection.flush()

    def flush_head(self) -> None:
        """Nothing: the head leaves with the next write or drain."""

    async def drain(self) -> None:
        """Send what waits."""
        await self.connection.flush()

    async def sendfile(self, file: BinaryIO, offset: int, count: int) -> None:
        """Write `count` bytes of `file` from `offset` on as body; by the server where it takes whole files."""
        if self._drops_body:
            return
        self._check_open()
        loop = asyncio.get_running_loop()
        path = await loop.run_in_executor(None, _whole_path, file, offset, count)
        if path is not None and "http.response.pathsend" in self.extensions and self._remaining == count:
            self._remaining = 0
            self.bytes_sent += count
            self.connection.post({"type": "http.response.pathsend", "path": path})
            self._end(None)
            await self.connection.flush()
            return
        while count > 0:
            data = await loop.run_in_executor(None, _read_at, file, offset, min(count, FILE_STEP))
            if not data:
                raise LocalProtocolError(f"the file ended {count} bytes before what was to be sent of it")
            await self.write(data)
            offset += len(data)
            count -= len(data)

    def reset(self) -> None:
        """Give the response up without finishing, as the client can tell."""
        self.finished = True
        self.connection.abort()

    def upgrade(self, protocol: asyncio.BaseProtocol, *, status: int = 101, headers: Headers) -> asyncio.Transport:
        """Refused: ASGI hands no connection over but to WebSockets."""
        field_block(headers)  # a field that cannot be sent is the first error here, as it is there
        raise LocalProtocolError(f"an ASGI server does not hand its connection over (to {protocol!r}, with {status})")

    # Beneath.

    def _check_connected(self) -> None:
        if self.connection.lost:
            raise self.connection.disconnected_error()

    def _check_open(self) -> None:
        self._check_connected()
        if not self.head_sent or self.finished:
            state = "finished" if self.finished else "without a head"
            raise LocalProtocolError(f"body data for a response that is {state}")

    def _post_body(self, data: bytes, *, more: bool) -> None:
        if self._remaining >= 0 and not self._drops_body:
            if len(data) > self._remaining:
                raise LocalProtocolError(f"{len(data)} bytes of body where Content-Length leaves {self._remaining}")
            self._remaining -= len(data)
        if self._drops_body:
            data = b""
        self.bytes_sent += len(data)
        if data or not more:
            self.connection.post({"type": f"{self.kind}.body", "body": data, "more_body": more})

    def _end(self, trailers: Mapping[str, str] | None) -> None:
        if self._has_trailers:
            fields = as_bytes(list((trailers or {}).items()))
            self.connection.post({"type": "http.response.trailers", "headers": fields, "more_trailers": False})
        self.finished = True


def unreadable(link: AsgiLink, scope: Scope, error: ProtocolError) -> AsgiExchange:
    """The exchange of what is no request, although the server took it for one."""
    exchange = AsgiExchange(link, scope, RequestHead.build("UNKNOWN", "/"))
    exchange.error = RemoteProtocolError(error.message)
    exchange.keep_alive = False
    return exchange


async def settle_body(exchange: AsgiExchange) -> None:
    """Find out whether a request of HTTP/2 has a body that its head does not tell of."""
    head = exchange.head
    if head.version.major < 2 or head.has_body or head.content_length is not None:
        return
    message = await exchange.connection.receive()
    if message["type"] != "http.request":
        raise PeerDisconnected("the client left before its request was complete")
    if message.get("body") or message.get("more_body"):
        head.chunked = True
        exchange.carry_body(at_once=True)
        exchange.connection.take_body(message)


def field_pairs(headers: Headers) -> Fields:
    return as_bytes(list(headers.items() if isinstance(headers, Mapping) else headers))


def _whole_path(file: BinaryIO, offset: int, count: int) -> str | None:
    """The path of a file all of which is meant."""
    name = getattr(file, "name", None)
    if offset or not isinstance(name, str) or os.fstat(file.fileno()).st_size != count:
        return None
    return os.path.abspath(name)  # noqa: PTH100  # as it is written: a link must not lead elsewhere meanwhile


def _read_at(file: BinaryIO, offset: int, count: int) -> bytes:
    file.seek(offset)
    return file.read(count)
