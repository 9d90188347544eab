"""The server's side of one request and its response: the seam above which nobody knows which version of HTTP is spoken.

A driver makes an exchange and gives it to the service, which answers through it: `send_head`, `write`, `finish`, or all
in one by `respond`. The head waits in memory until the first byte of the body, so that a small response leaves in one
write.
"""

import asyncio
import functools
import logging
import time
from collections.abc import Mapping
from typing import Any, BinaryIO, Final

from .dates import format_date
from .errors import ExchangeTimeout, LocalProtocolError, PeerDisconnected, ProtocolError, RemoteProtocolError
from .h1 import Connection
from .hdrs import DATE, SERVER
from .heads import RequestHead
from .kernelcopy import send_file
from .limits import MAX_DRAINED_BODY, MAX_JOINED_BODY, SENDFILE_STEP
from .links import Link
from .outgoing import UNKNOWN_LENGTH
from .requestids import new_request_id
from .status import reason_phrase
from .streams import StreamReader
from .versions import HttpVersion11
from .writers import Headers

Buffer = bytes | bytearray | memoryview

# Constants of other modules, typed when compiled.
_UNKNOWN_LENGTH = UNKNOWN_LENGTH
_DRAINED_LIMIT = MAX_DRAINED_BODY
_JOINED_LIMIT = MAX_JOINED_BODY
_VERSION_11 = HttpVersion11

_CONTINUE: Final = b"100-continue"


class _DateLine:
    """The Date field as a whole line, and the time until which it is right."""

    __slots__ = ("line", "since", "until")

    def __init__(self) -> None:
        self.line = ""
        self.since = 0.0
        self.until = 0.0


_date = _DateLine()
_time = time.time


def date_line() -> str:
    """The Date field of now as a whole line; formatted once a second."""
    now = _time()
    if now >= _date.until or now < _date.since:
        _date.since = now // 1
        _date.until = _date.since + 1
        _date.line = f"Date: {format_date(now)}\r\n"
    return _date.line


class _AddedFields:
    """The fields that the latest two of these lines make."""

    __slots__ = ("date_line", "fields", "server_line")

    def __init__(self) -> None:
        self.date_line = ""
        self.server_line = ""
        self.fields: tuple[tuple[str, str], ...] = ()


_added = _AddedFields()


@functools.lru_cache(maxsize=8)
def server_line(server_header: str) -> str:
    """The Server field as a whole line, shared by all connections; nothing for an empty `server_header`."""
    return f"Server: {server_header}\r\n" if server_header else ""


class Exchange:
    """One request and the means to answer it.

    `head` is the request's head, `body` its body (EMPTY_PAYLOAD when there is none). `error` is set if the peer sent
    something that is no request: `head` is then synthetic, and the connection closes after the answer. `keep_alive` may
    be set to False before the head is sent; `cancel_on_disconnect` may be set at any time. `status`, `head_sent`,
    `finished` and `bytes_sent` (heads included) tell how far the answer is.
    """

    __slots__ = (
        "__weakref__",
        "_gone",
        "_h1",
        "_head_bytes",
        "_server_line",
        "body",
        "bytes_sent",
        "cancel_on_disconnect",
        "connection",
        "continue_due",
        "error",
        "finished",
        "head",
        "head_sent",
        "keep_alive",
        "running",
        "status",
    )

    def __init__(
        self, connection: Link, h1: Connection, head: RequestHead, body: StreamReader, server_line: str
    ) -> None:
        self.begin(connection, h1, head, body, server_line)

    def begin(self, connection: Link, h1: Connection, head: RequestHead, body: StreamReader, server_line: str) -> None:
        """Set everything. The driver makes exchanges past __init__, which costs a call through Python."""
        self.connection = connection
        self.head = head
        self.body = body
        self.error: ProtocolError | None = None
        self.keep_alive = head.keep_alive
        self.cancel_on_disconnect = False
        self.head_sent = False
        self.finished = False
        self.bytes_sent = 0
        self.status: int | None = None
        self._h1 = h1
        self._server_line = server_line
        expect = head.expect
        self.continue_due = expect is not None and expect.lower() == _CONTINUE and head.version is _VERSION_11
        self._head_bytes = b""  # made, and not written yet
        self.running: asyncio.Task[None] | None = None
        self._gone: asyncio.Future[None] | None = None

    def __repr__(self) -> str:
        state = "finished" if self.finished else "head sent" if self.head_sent else "open"
        return f"<Exchange {self.head.method} {self.head.target!r} {state}>"

    # Questions.

    @property
    def transport(self) -> asyncio.Transport | None:
        """The transport beneath; None when the connection is gone."""
        return None if self.connection.is_lost() else self.connection.transport

    @property
    def task(self) -> "asyncio.Task[Any] | None":
        """The task that the service runs in."""
        return asyncio.current_task() if self.running is None else self.running

    def get_extra_info(self, name: str, default: Any = None) -> Any:  # as asyncio's, whose values are of any type
        """Return what the transport knows under `name`: peername, sockname, socket, ssl_object, ..."""
        return self.connection.get_extra_info(name, default)

    def is_disconnected(self) -> bool:
        """Whether the connection is gone, or the peer has finished sending.

        The latter nearly always means that it is gone too, but a peer may close its half and wait: keep answering it
        until that fails.
        """
        return self.connection.has_eof()

    async def disconnected(self) -> None:
        """Return when `is_disconnected()` becomes true."""
        if self.connection.has_eof():
            return
        if self._gone is None:
            self._gone = asyncio.get_running_loop().create_future()
        await asyncio.shield(self._gone)

    def head_pending(self) -> bool:
        """Whether the head has been made and not been written."""
        return bool(self._head_bytes)

    def note_gone(self) -> None:
        """The driver's word that the peer is gone, or has finished sending."""
        if self._gone is not None and not self._gone.done():
            self._gone.set_result(None)

    # Answering.

    def added_fields(self) -> tuple[tuple[str, str], ...]:
        """Date and Server, as they are added to a head that lacks them: for whoever shows a head before it is sent. The
        same tuple for a second.
        """
        line = date_line()
        if _added.date_line is not line or _added.server_line is not self._server_line:
            _added.date_line = line
            _added.server_line = self._server_line
            fields = ((DATE, line), (SERVER, self._server_line)) if self._server_line else ((DATE, line),)
            _added.fields = tuple((name, text[len(name) + 2 : -2]) for name, text in fields)
        return _added.fields

    def leave_out_server(self) -> None:
        """Add no Server to the head of this response."""
        self._server_line = ""

    def send_continue(self) -> None:
        """Tell the peer to send its body, if it waits for that (RFC 9110 10.1.1): once, and only while none of it has
        come.
        """
        due, self.continue_due = self.continue_due, False
        if due and not self.head_sent and self.body.total_bytes == 0 and not self.body.is_eof():
            self.send_informational(100)
            self.connection.resume_reading()  # from now on the peer can be late

    def send_informational(self, status: int, headers: Headers = ()) -> None:
        """Send an interim response; HTTP/1.0 peers do not get any."""
        self._check_open()
        data = self._h1.send_informational(status, headers)
        if self.head.version is _VERSION_11:
            self._write(data)

    def send_head(self, status: int, reason: str | None, headers: Headers, *, length: int | None) -> None:
        """Begin the response with its head; it is written together with the first piece of the body.

        `length` is that of the body; None if unknown: then chunked, or until close for HTTP/1.0. Date, Server,
        Connection and the framing are added where `headers` lacks them. LocalProtocolError for control characters, two
        framings or a Content-Length unlike `length`, before anything is written; PeerDisconnected when the connection
        is gone.
        """
        self._make_head(status, reason, headers, _UNKNOWN_LENGTH if length is None else length)

    async def write(self, data: Buffer) -> None:
        """Write a piece of the body; waits while more is unsent than the high-water mark allows.

        PeerDisconnected when the connection is gone; LocalProtocolError beyond Content-Length, where no body may be,
        and once the answer is finished.
        """
        self._check_open()
        self._send(self._h1.send_data(data if type(data) is bytes else bytes(data)))
        if self.connection.write_paused:
            await self.connection.wait_writable()
        elif self.connection.has_failed():
            await self.connection.wait_closed()
            raise self.connection.disconnected_error()

    def respond(self, status: int, reason: str | None, headers: Headers, body: bytes) -> None:
        """Send head and whole body and finish, in one write. Raises as `send_head` and `write` do, before anything is
        written.
        """
        if self._h1.remaining_body() > _DRAINED_LIMIT:
            self.keep_alive = False  # nobody is going to read it
        if body and (status == 204 or status == 304):
            raise LocalProtocolError(f"{len(body)} bytes of body with status {status}, which has none")
        self._make_head(status, reason, headers, _UNKNOWN_LENGTH if status == 204 or status == 304 else len(body))
        data = self._h1.send_data(body if type(body) is bytes else bytes(body))
        tail = self._h1.end(None)
        if len(data) > _JOINED_LIMIT:
            self._send(b"")
            self._send(data + tail if tail else data)
        else:
            self._send(data + tail if tail else data)
        self.finished = True

    async def finish(self, trailers: Mapping[str, str] | None = None) -> None:
        """End the response; `trailers` need a chunked body. LocalProtocolError if the body is shorter than its
        Content-Length, or finished already.
        """
        self._check_open()
        self._send(self._h1.end(trailers))
        self.finished = True

    def flush_head(self) -> None:
        """Write the head now, if it waits for the first byte of the body. PeerDisconnected when the connection is
        gone.
        """
        if self._head_bytes:
            self._send(b"")

    async def drain(self) -> None:
        """Write what is still held back, and wait while more is unsent than the high-water mark allows."""
        self.flush_head()
        await self.connection.wait_writable()

    async def sendfile(self, file: BinaryIO, offset: int, count: int) -> None:
        """Write `count` bytes of `file` from `offset` on as body; by the kernel where transport and loop can."""
        self._check_open()
        h1 = self._h1
        if h1.drops_body():
            return
        if h1.takes_plain_bytes(count):
            self._send(b"")
            sent = await self._sendfile_native(file, offset, count)
            h1.note_sent(sent)
            self.bytes_sent += sent
            offset += sent
            count -= sent
        loop = asyncio.get_running_loop()
        while count > 0:
            data = await loop.run_in_executor(None, _read_at, file, offset, min(count, SENDFILE_STEP))
            if not data:
                raise LocalProtocolError(f"the file ended {count} bytes before what was to be sent of it")
            await self.write(data)
            offset += len(data)
            count -= len(data)

    async def _sendfile_native(self, file: BinaryIO, offset: int, count: int) -> int:
        """Have the kernel send as far as it can; how much that was."""
        sent = 0
        if self.connection.transport is None or self.connection.is_secure():
            return 0
        while sent < count:
            try:
                step = await send_file(self.connection, file, offset + sent, min(count - sent, SENDFILE_STEP))
            except (NotImplementedError, asyncio.SendfileNotAvailableError):
                break
            except (ConnectionError, RuntimeError) as error:
                raise PeerDisconnected("the connection was lost while a file was sent") from error
            if step == 0:
                break
            sent += step
        return sent

    def reset(self) -> None:
        """Drop the connection without finishing: the peer must be able to tell that the response is not whole."""
        self.finished = True
        self.keep_alive = False
        self.connection.abort()

    def upgrade(self, protocol: asyncio.BaseProtocol, *, status: int = 101, headers: Headers) -> asyncio.Transport:
        """Answer with `status` and hand the connection, with every byte that came behind the request, over to
        `protocol`.

        LocalProtocolError before the request's body has been received: its bytes are not the next protocol's.
        """
        self._check_open()
        data = self._h1.switch(status, None, headers, date_line(), self._server_line)
        self.status = status
        self.head_sent = True
        self.finished = True
        self.keep_alive = False
        self._write(data)
        return self.connection.hand_over(protocol)

    def answer_failure(self, error: BaseException | None, log: logging.Logger) -> None:
        """Say what a service failed to say: it raised `error`, or returned too early. For the driver.

        What the peer did wrong is answered with its status; the rest is logged, and is a 500, both with an id that is
        made for it. If the head has been sent, the connection is dropped instead.
        """
        lost = self.connection.lost
        status, request_id = 500, ""
        if isinstance(error, ExchangeTimeout):
            status = 408
        elif isinstance(error, RemoteProtocolError):
            status = error.status
        elif not (lost and (error is None or isinstance(error, PeerDisconnected))):
            what = "raised" if error is not None else "returned before it had finished"
            request_id = new_request_id()
            log.error("the service %s: %r (request id %s)", what, self, request_id, exc_info=error)
        if self.head_sent or lost:
            self.reset()
            return
        text = f"{status} {reason_phrase(status)}\n"
        if request_id:
            text += f"\nRequest id: {request_id}\n"
        self.keep_alive = False
        try:
            self.respond(status, None, (("Content-Type", "text/plain; charset=utf-8"),), text.encode())
        except (LocalProtocolError, PeerDisconnected):
            self.reset()

    # Beneath.

    def _check_open(self) -> None:
        """Refuse what comes too late: the connection may be answering the next request by now."""
        if self.connection.lost or (self.finished and self.connection.is_closing()):
            raise self.connection.disconnected_error()
        if self.finished:
            raise LocalProtocolError(f"{self!r} has been answered; nothing can be sent for it any more")

    def _make_head(self, status: int, reason: str | None, headers: Headers, length: int) -> None:
        self._check_open()
        if self.continue_due and self._h1.remaining_body():
            self.keep_alive = False  # nobody knows whether the peer will send the body that it announced
        if status >= 300 and self._h1.remaining_body() > _DRAINED_LIMIT:
            self.keep_alive = False  # a refusal; a success may be sent while its body is still being read
        self._head_bytes = self._h1.send_response(
            status, reason, headers, length, self.keep_alive, date_line(), self._server_line
        )
        self.keep_alive = self._h1.keep_alive
        self.status = status
        self.head_sent = True

    def _send(self, data: bytes) -> None:
        """Write `data`, behind the head if that is still held back."""
        head = self._head_bytes
        if head:
            self._head_bytes = b""
            if self._h1.remaining_body() > _DRAINED_LIMIT and self._h1.is_last_word():
                head = self._h1.announce_close(head)  # the answer is over, and nobody has read the body
                self.keep_alive = False
            self._write(head + data if data else head)
        elif data:
            self._write(data)
        elif self.connection.lost:
            raise self.connection.disconnected_error()

    def _write(self, data: bytes) -> None:
        connection = self.connection
        if connection.lost or connection.transport is None:
            raise connection.disconnected_error()
        self.bytes_sent += len(data)
        connection.transport.write(data)


def _read_at(file: BinaryIO, offset: int, count: int) -> bytes:
    file.seek(offset)
    return file.read(count)
