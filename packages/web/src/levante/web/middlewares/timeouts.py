"""A limit on the time of a handler. The handler's own requests know of it: it is the deadline of its context.

All deadlines of one limit are equally far away, so they expire in the order in which they were set: one timer, for the
oldest, is enough for all requests of a loop, and a request costs an entry in a dict. Only what a caller grants, which
is less, has a timer of its own.
"""

import asyncio
import math
from types import TracebackType
from typing import TYPE_CHECKING

from levante.http.clock import now
from levante.http.deadlines import Deadline, current_deadline, parse_remaining
from levante.http.errors import ExchangeTimeout
from levante.web.error_pages import log_timeout
from levante.web.exceptions import HTTPGatewayTimeout
from levante.web.request import Request

if TYPE_CHECKING:
    from levante.web.types import Handler, Middleware, StreamResponse

HANDLER_TIMEOUT = 60.0
"""Seconds that a handler may take unless told otherwise; beyond it nobody is waiting for the answer any more."""

_latest, _set, _reset = current_deadline.get, current_deadline.set, current_deadline.reset
"""Bound once: for a method of a context variable each look makes an object."""

EARLY = 0.002
"""Seconds by which event loops fire before the time that they were given, by the resolution of their clock."""


def handler_timeout(seconds: float = HANDLER_TIMEOUT, *, deadline_header: str | None = None) -> "Middleware":
    """A middleware that cancels a handler after `seconds`, and answers 504; 408 where it was the client that was slow:
    the body of the request has not arrived, though we were ready for it.

    What has begun by then is left alone: a response that is being streamed has the write timeout, a WebSocket its
    heartbeat. A handler that needs a shorter limit uses `asyncio.timeout`, which gives 504 as well.

    What is left of the time is the deadline of the context (`levante.http.deadlines`), which clients heed: they send
    nothing when it has passed. It holds until the response begins. With a `deadline_header` (such as
    `levante.http.deadlines.DEADLINE_HEADER`) the caller may say in milliseconds how long it will wait, and gets less
    than `seconds` then, never more; who asks for an answer within no time at all gets 504 before the handler runs.
    Without it nothing that a caller says counts.
    """
    if seconds <= 0:
        raise ValueError(f"a handler needs some time; got {seconds!r} seconds")
    line = _Line()

    async def limit(request: Request, handler: "Handler") -> "StreamResponse":
        allowed = seconds if deadline_header is None else min(seconds, _granted(request, deadline_header))
        if allowed <= 0:
            raise HTTPGatewayTimeout(text="504: the caller's deadline has passed")
        if allowed == seconds:
            with _HandlerDeadline(request, seconds, line):
                return await handler(request)
        own = _Line()
        try:
            with _HandlerDeadline(request, allowed, own):
                return await handler(request)
        finally:
            own.end()

    return limit


def _granted(request: Request, name: str) -> float:
    """The seconds that the caller gives us; no end of them where it says nothing that can be read."""
    field = request.headers.get(name)
    granted = None if field is None else parse_remaining(field)
    return math.inf if granted is None else granted


class _HandlerDeadline(Deadline):
    """The time of one request: `with` it around the handler. Cancelled by it, the handler ends as HTTPGatewayTimeout or
    ExchangeTimeout; cancelled by others as well, it ends as cancelled, as in `asyncio.timeout`.
    """

    __slots__ = ("_cancelling", "_has_expired", "_line", "_request", "_seconds", "_task", "_waits_for_client")

    def __init__(self, request: Request, seconds: float, line: "_Line") -> None:
        self._request = request
        self._seconds = seconds
        self._line = line
        self._has_expired = False

    def holds(self) -> bool:
        return not self._request.exchange.head_sent

    def expire(self) -> None:
        """The time has come: cancel the handler, unless its response has begun."""
        if self.holds():
            self._has_expired = True
            self._waits_for_client = _waits_for_client(self._request)
            self._task.cancel()

    # All in one place, where a call more for each request would be as expensive as the rest.

    def __enter__(self) -> None:
        loop = asyncio.get_running_loop()
        task = asyncio.current_task(loop)
        if task is None:
            raise RuntimeError("a handler with a limit on its time runs in a task; await it there")
        self._task = task
        self._cancelling = task.cancelling()
        self.when = when = now() + self._seconds
        line = self._line
        if line.loop is not loop:
            line.move_to(loop)
        line.running[self] = None
        if line.timer is None:
            line.expect(when)
        self.outer = _latest()
        self._token = _set(self)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _reset(self._token)
        if not self._has_expired:
            self._line.running.pop(self, None)  # it is not there if its response had begun when it expired
            return
        if self._task.uncancel() > self._cancelling or kind is not asyncio.CancelledError:
            return
        if self._waits_for_client:
            raise ExchangeTimeout("body") from error
        if error is not None:
            log_timeout(self._request, error)
        raise HTTPGatewayTimeout(text=f"504: the handler took more than {self._seconds:g} seconds") from error


class _Line:
    """Deadlines that are equally far away when they are set: the one that stands first expires first."""

    __slots__ = ("loop", "running", "timer")

    def __init__(self) -> None:
        self.loop: asyncio.AbstractEventLoop | None = None
        self.running: dict[_HandlerDeadline, None] = {}
        self.timer: asyncio.TimerHandle | None = None

    def move_to(self, loop: asyncio.AbstractEventLoop) -> None:
        """The application is served anew; the timer of the former loop is gone with it."""
        self.loop, self.timer, self.running = loop, None, {}

    def expect(self, when: float) -> None:
        """Look again at `when`."""
        if self.loop is not None:
            self.timer = self.loop.call_later(max(0.0, when - now()), self._check)

    def end(self) -> None:
        """Nothing is expected any more."""
        if self.timer is not None:
            self.timer.cancel()

    def _check(self) -> None:
        self.timer = None
        moment = now() + EARLY
        for deadline in list(self.running):
            if deadline.when > moment:
                self.expect(deadline.when)
                return
            del self.running[deadline]
            deadline.expire()


def _waits_for_client(request: Request) -> bool:
    """Whether the body is still to come, and nothing keeps the client from sending it."""
    exchange = request.exchange
    if exchange.body.is_eof() or exchange.continue_due:
        return False
    return exchange.transport is not None and exchange.transport.is_reading()
