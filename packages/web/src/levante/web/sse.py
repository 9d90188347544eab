"""Server-sent events (the EventSource of HTML): a response that stays open and has an event written to it now and then.
It ends by itself when the client goes away and when the server shuts down; browsers connect again after a moment, and
say by Last-Event-ID which event they had last.

`async with sse_response(request) as stream:` interrupts its block at such an end, wherever that waits, and goes on
behind it: so a handler that waits for news of its own neither outlives its client nor holds up the shutdown.
"""

import asyncio
import re
import socket
from collections.abc import Generator
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Generic, Self, TypedDict, TypeVar, Unpack, overload

from levante.http.errors import PeerDisconnected

from .compression import EVENT_STREAM
from .exceptions import HTTPMethodNotAllowed
from .jsoncodec import CODEC
from .stream_response import StreamResponse

if TYPE_CHECKING:
    from levante.http.exchange import Exchange

    from .types import BaseRequest, JSONBytesEncoder, JSONEncoder, LooseHeaders

PING_INTERVAL: Final = 15.0
"""Seconds between two comments that keep proxies from closing a silent stream; nginx does so after 60."""

SEND_TIMEOUT: Final = 120.0
"""Seconds that a client may leave what was sent to it unread, or its machine leave it unacknowledged."""

METHODS = frozenset({"GET", "HEAD"})

_CLOSED = (OSError, ValueError)
"""What asking a socket raises that is closed meanwhile; ValueError is uvloop's way to say so."""

_LINE_END = re.compile(r"\r\n|\r|\n")


class EventSourceResponse(StreamResponse):
    """A stream of events; make it by `sse_response`.

    Every `ping_interval` seconds (None: never) a comment is sent. A client that takes nothing for `send_timeout`
    seconds (None: however long) is dropped. Streams end when the server begins to shut down, unless
    `end_at_shutdown=False`: for those that end by themselves soon, as an answer that is being generated. Other methods
    than GET and HEAD are answered 405, unless `allow_all_methods`. `sep` ends lines: CRLF, CR or LF.

    A stream leaves its place among the server's `max_in_flight` requests. Compress it by `enable_compression()`; every
    event is brought out at once.
    """

    __slots__ = (
        "_allow_all_methods",
        "_block",
        "_cancelling",
        "_end_at_shutdown",
        "_interrupted",
        "_keeper",
        "_over",
        "_ping_interval",
        "_send_timeout",
        "_sep",
        "_stop",
        "_user_timeout",
    )

    def __init__(
        self,
        *,
        status: int = 200,
        reason: str | None = None,
        headers: "LooseHeaders | None" = None,
        sep: str = "\r\n",
        allow_all_methods: bool = False,
        ping_interval: float | None = PING_INTERVAL,
        send_timeout: float | None = SEND_TIMEOUT,
        end_at_shutdown: bool = True,
    ) -> None:
        super().__init__(status=status, reason=reason, headers=headers)
        if sep not in ("\r\n", "\r", "\n"):
            raise ValueError(f"sep is CRLF, CR or LF; got {sep!r}")
        self.headers["Content-Type"] = EVENT_STREAM
        self.headers.setdefault("Cache-Control", "no-cache")
        self.headers.setdefault("X-Accel-Buffering", "no")  # nginx would keep events back
        self._sep = sep
        self._allow_all_methods = allow_all_methods
        self.ping_interval = ping_interval
        self._send_timeout = send_timeout
        self._end_at_shutdown = end_at_shutdown
        self._stop: asyncio.Future[bool] | None = None  # its result: whether the block is to be interrupted
        self._keeper: asyncio.Task[None] | None = None
        self._over = False
        self._block: asyncio.Task[Any] | None = None
        self._cancelling = 0
        self._interrupted = False
        self._user_timeout: int | None = None  # of the connection, before this stream

    @property
    def ping_interval(self) -> float | None:
        """Seconds between two pings; a change holds after the next one. TypeError for what is no number, ValueError
        for one that is not above 0.
        """
        return self._ping_interval

    @ping_interval.setter
    def ping_interval(self, value: float | None) -> None:
        given: object = value  # of untyped callers
        if value is not None and (not isinstance(given, int | float) or isinstance(given, bool)):
            raise TypeError(f"ping_interval is a number of seconds, or None; got {value!r}")
        if value is not None and value <= 0:
            raise ValueError(f"ping_interval is above 0, or None; got {value!r}")
        self._ping_interval = value

    @property
    def last_event_id(self) -> str | None:
        """The id of the last event that the client had before, None when it connects for the first time. RuntimeError
        before `prepare`.
        """
        if self._request is None:
            raise RuntimeError("the stream is not open; call `await stream.prepare(request)` first")
        return self._request.headers.get("Last-Event-ID")

    def is_connected(self) -> bool:
        """Whether the stream is open, and the client still there as far as is known."""
        exchange = self._exchange
        return exchange is not None and not self._over and not exchange.finished and not exchange.is_disconnected()

    # Sending.

    async def send(self, data: str, id: str | None = None, event: str | None = None, retry: int | None = None) -> None:  # noqa: A002  # as in aiohttp-sse
        """Send an event: `data`, of which the client joins the lines by LF; `id` for its Last-Event-ID; `event`, a type
        other than `message`; `retry`, the milliseconds after which the client connects again.

        Raises ValueError for line breaks in `id` or `event` and NUL in `id`, TypeError for a `retry` that is no int,
        RuntimeError before `prepare`, PeerDisconnected when the stream has ended.
        """
        lines = []
        if id is not None:
            lines.append("id: " + _checked_line("id", id, forbidden="\r\n\0"))
        if event is not None:
            lines.append("event: " + _checked_line("event", event, forbidden="\r\n"))
        lines += [f"data: {line}" for line in _LINE_END.split(data)]
        if retry is not None:
            lines.append(f"retry: {_checked_retry(retry)}")
        await self._write_lines(lines)

    async def send_json(
        self,
        data: Any,  # Any: what the encoder takes
        id: str | None = None,  # noqa: A002  # as in send()
        event: str | None = None,
        retry: int | None = None,
        *,
        dumps: "JSONEncoder | JSONBytesEncoder | None" = None,
    ) -> None:
        """`send` with `data` as JSON, by `dumps` or the application's encoder."""
        encoded = (CODEC.get().dumps if dumps is None else dumps)(data)
        await self.send(encoded if isinstance(encoded, str) else encoded.decode(), id, event, retry)

    async def send_comment(self, text: str) -> None:
        """Send lines that clients ignore. Raises as `send`."""
        await self._write_lines([f": {line}" for line in _LINE_END.split(text)])

    async def _write_lines(self, lines: list[str]) -> None:
        if self._keeper is None or self._exchange is None:
            raise RuntimeError("the stream is not open; call `await stream.prepare(request)` first")
        if self._over or self._finished:
            raise PeerDisconnected(
                "the stream has ended: the client went away, the server shuts down, or it was stopped"
            )
        sep = self._sep
        try:
            async with asyncio.timeout(self._send_timeout):
                await super().write((sep.join(lines) + sep + sep).encode())
        except TimeoutError as exc:
            self._exchange.reset()
            raise PeerDisconnected(f"the client took nothing for {self._send_timeout} seconds") from exc

    # The life.

    async def _start(self, request: "BaseRequest") -> None:
        if not self._allow_all_methods and request.method not in METHODS:
            raise HTTPMethodNotAllowed(request.method, METHODS)
        await super()._start(request)
        exchange = request.exchange
        await exchange.drain()  # the head, which would wait for the first event
        self._user_timeout = _limit_silence(exchange, self._send_timeout)
        self._stop = asyncio.get_running_loop().create_future()
        self._keeper = asyncio.create_task(self._keep(request, self._stop))
        server = request.server
        if server is not None:
            server.leave_place(exchange)
            if self._end_at_shutdown:
                server.stream_opened(self)
                self._keeper.add_done_callback(lambda _: server.stream_ended(self))
        if request.method == "HEAD":
            self.interrupt()

    async def _keep(self, request: "BaseRequest", stop: "asyncio.Future[bool]") -> None:
        """Ping until the end, whatever that is, and end the response."""
        gone = asyncio.ensure_future(request.disconnected())
        try:
            while not stop.done() and not gone.done():
                await asyncio.wait((stop, gone), timeout=self._ping_interval, return_when=asyncio.FIRST_COMPLETED)
                if not stop.done() and not gone.done():
                    await self.send_comment("ping")
        except PeerDisconnected:
            pass  # the end, like any other
        finally:
            gone.cancel()
            self._over = True
        await self._end()
        if self._block is not None and (not stop.done() or stop.result()):
            self._interrupted = True
            self._block.cancel()

    async def _end(self) -> None:
        exchange = self._exchange
        if exchange is None or self._finished:
            return
        try:
            async with asyncio.timeout(self._send_timeout):
                await super().write_eof()
            _set_user_timeout(exchange, self._user_timeout)  # another response may follow on the connection
        except ConnectionError:
            self._finished = True
        except TimeoutError:
            exchange.reset()
            self._finished = True

    def stop_streaming(self) -> None:
        """End the stream; `wait` returns when that is done. Nothing happens when it has ended, or not begun."""
        if self._stop is not None and not self._stop.done():
            self._stop.set_result(False)

    def interrupt(self) -> None:
        """End the stream, and interrupt the block of `async with`: what the server does when it shuts down."""
        if self._stop is not None and not self._stop.done():
            self._stop.set_result(True)

    async def wait(self) -> None:
        """Return when the stream has ended. RuntimeError before `prepare`."""
        if self._keeper is None:
            raise RuntimeError("the stream is not open; call `await stream.prepare(request)` first")
        await asyncio.wait((self._keeper,))

    async def write_eof(self, _: bytes = b"") -> None:
        """End the stream."""
        self.stop_streaming()
        if self._keeper is None:
            await super().write_eof()
        else:
            await self.wait()

    async def __aenter__(self) -> Self:
        if self._keeper is None:
            raise RuntimeError("the stream is not open; use `async with sse_response(request)`")
        task = asyncio.current_task()
        if not self._keeper.done():
            self._block = task
            self._cancelling = 0 if task is None else task.cancelling()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, _: TracebackType | None
    ) -> bool:
        task, self._block = self._block, None
        if self._interrupted and task is not None:
            if kind is not asyncio.CancelledError:
                with suppress(asyncio.CancelledError):
                    await asyncio.sleep(0)  # it is on its way, and meant for the block
            left = task.uncancel()
            return left <= self._cancelling and isinstance(exc, asyncio.CancelledError | PeerDisconnected)
        is_end = isinstance(exc, PeerDisconnected) and not self.is_connected()
        if exc is None or is_end:
            await self.write_eof()
        return is_end


S = TypeVar("S", bound=EventSourceResponse)


class Opening(Generic[S]):
    """A stream that is opened by `await` or by `async with`."""

    def __init__(self, stream: S, request: "BaseRequest") -> None:
        self._stream = stream
        self._request = request

    async def _open(self) -> S:
        await self._stream.prepare(self._request)
        return self._stream

    def __await__(self) -> Generator[Any, None, S]:
        return self._open().__await__()

    async def __aenter__(self) -> S:
        await self._stream.prepare(self._request)
        await self._stream.__aenter__()
        return self._stream

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        return await self._stream.__aexit__(kind, exc, traceback)


class StreamOptions(TypedDict, total=False):
    """The options of EventSourceResponse."""

    status: int
    reason: str | None
    headers: "LooseHeaders | None"
    sep: str
    allow_all_methods: bool
    ping_interval: float | None
    send_timeout: float | None
    end_at_shutdown: bool


@overload
def sse_response(request: "BaseRequest", **options: "Unpack[StreamOptions]") -> Opening[EventSourceResponse]: ...
@overload
def sse_response(request: "BaseRequest", *, response_cls: type[S], **options: Any) -> Opening[S]: ...
def sse_response(
    request: "BaseRequest",
    *,
    response_cls: type[EventSourceResponse] = EventSourceResponse,
    **options: Any,  # Any: those of the subclass
) -> Opening[Any]:
    """Open a stream of events: `async with sse_response(request) as stream:`, or `stream = await sse_response(request)`
    and `return stream` at the end. `options` are those of `EventSourceResponse`.

    Raises HTTPMethodNotAllowed for other methods than GET. A block of `async with` is interrupted when the client goes
    away or the server shuts down; without it `send` raises PeerDisconnected then, and `wait` returns.
    """
    if not issubclass(response_cls, EventSourceResponse):
        raise TypeError(f"response_cls is a subclass of EventSourceResponse; got {response_cls!r}")
    return Opening(response_cls(**options), request)


def _checked_line(name: str, value: str, *, forbidden: str) -> str:
    if any(character in value for character in forbidden):
        raise ValueError(f"{name} is one line without {forbidden!r}; got {value!r}")
    return value


def _checked_retry(value: int) -> int:
    given: object = value  # of untyped callers
    if not isinstance(given, int) or isinstance(given, bool):
        raise TypeError(f"retry is a number of milliseconds, an int; got {value!r}")
    if value < 0:
        raise ValueError(f"retry is a number of milliseconds, at least 0; got {value!r}")
    return value


def _limit_silence(exchange: "Exchange", seconds: float | None) -> int | None:
    """Have the kernel give up a connection whose other end acknowledges nothing for so long (Linux can). Gives the
    milliseconds that held before, None where nothing was changed."""
    sock = exchange.get_extra_info("socket")
    option = getattr(socket, "TCP_USER_TIMEOUT", None)
    if seconds is None or option is None or sock is None or sock.family not in (socket.AF_INET, socket.AF_INET6):
        return None
    try:
        before: int = sock.getsockopt(socket.IPPROTO_TCP, option)
    except _CLOSED:
        return None
    _set_user_timeout(exchange, int(seconds * 1000))
    return before


def _set_user_timeout(exchange: "Exchange", milliseconds: int | None) -> None:
    if milliseconds is not None:
        with suppress(*_CLOSED):
            exchange.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)
