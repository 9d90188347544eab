"""A limit on the time of a handler. The handler's own requests know of it: it is the deadline of its context.

All deadlines of one limit are equally far away, so they expire in the order in which they were set: one timer, for the
oldest, is enough for all requests of a loop, and a request costs an entry in a dict. Only what a caller grants, which
is less, has timers of its own.
"""

import asyncio
import math
from types import TracebackType
from typing import TYPE_CHECKING

from levante.http.deadlines import parse_remaining, within
from levante.http.errors import ExchangeTimeout
from levante.web.exceptions import HTTPGatewayTimeout
from levante.web.request import Request

if TYPE_CHECKING:
    from levante.web.types import Handler, Middleware, StreamResponse

HANDLER_TIMEOUT = 60.0
"""Seconds that a handler may take unless told otherwise; beyond it nobody is waiting for the answer any more."""


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
    line = _Line(seconds)

    async def limit(request: Request, handler: "Handler") -> "StreamResponse":
        allowed = seconds if deadline_header is None else min(seconds, _granted(request, deadline_header))
        if allowed <= 0:
            raise HTTPGatewayTimeout(text="504: the caller's deadline has passed")
        deadline = _Deadline(request, allowed)
        with within(allowed, holds=deadline.holds), deadline:
            if allowed == seconds:
                line.join(deadline)
            else:
                deadline.expires_by_itself()
            return await handler(request)

    return limit


def _granted(request: Request, name: str) -> float:
    """The seconds that the caller gives us; no end of them where it says nothing that can be read."""
    field = request.headers.get(name)
    granted = None if field is None else parse_remaining(field)
    return math.inf if granted is None else granted


class _Deadline:
    """The time of one request: `with` it around the handler. Cancelled by it, the handler ends as HTTPGatewayTimeout or
    ExchangeTimeout; cancelled by others as well, it ends as cancelled, as in `asyncio.timeout`.
    """

    __slots__ = ("_cancelling", "_request", "_seconds", "_task", "_timer", "_waits_for_client", "has_expired", "line")

    def __init__(self, request: Request, seconds: float) -> None:
        self.has_expired = False
        self.line: dict[_Deadline, float] | None = None
        self._request = request
        self._seconds = seconds
        self._timer: asyncio.TimerHandle | None = None
        self._waits_for_client = False

    def holds(self) -> bool:
        """Whether there is something left to be in time for."""
        return not self._request.exchange.head_sent

    def expires_by_itself(self) -> None:
        """Have a timer of its own."""
        self._timer = asyncio.get_running_loop().call_later(self._seconds, self.expire)

    def expire(self) -> None:
        """The time has come: cancel the handler, unless its response has begun."""
        if self.holds():
            self.has_expired = True
            self._waits_for_client = _waits_for_client(self._request)
            self._task.cancel()

    def __enter__(self) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a handler with a limit on its time runs in a task; await it there")
        self._task = task
        self._cancelling = task.cancelling()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.line is not None:
            self.line.pop(self, None)
        if self._timer is not None:
            self._timer.cancel()
        if not self.has_expired or self._task.uncancel() > self._cancelling or kind is not asyncio.CancelledError:
            return
        if self._waits_for_client:
            raise ExchangeTimeout("body") from error
        raise HTTPGatewayTimeout(text=f"504: the handler took more than {self._seconds:g} seconds") from error


class _Line:
    """The deadlines of one limit, with their times in the event loop: the one that stands first expires first."""

    __slots__ = ("_loop", "_running", "_seconds", "_timer")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._running: dict[_Deadline, float] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None

    def join(self, deadline: _Deadline) -> None:
        """Have `deadline` expire, the time of the limit from now on."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:  # the application is served anew; the timer of the former loop is gone with it
            self._loop, self._timer, self._running = loop, None, {}
        when = loop.time() + self._seconds
        deadline.line = self._running
        self._running[deadline] = when
        if self._timer is None:
            self._timer = loop.call_at(when, self._check, loop)

    def _check(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        now = loop.time()
        for deadline, when in list(self._running.items()):
            if when > now:
                self._timer = loop.call_at(when, self._check, loop)
                return
            del self._running[deadline]
            deadline.expire()


def _waits_for_client(request: Request) -> bool:
    """Whether the body is still to come, and nothing keeps the client from sending it."""
    exchange = request.exchange
    if exchange.body.is_eof() or exchange.continue_due:
        return False
    return exchange.transport is not None and exchange.transport.is_reading()
