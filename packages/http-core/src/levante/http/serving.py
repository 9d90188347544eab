"""The task side of an accepted connection: a task for each exchange, and what becomes of the connection after it.

A task starts eagerly where Python can: a handler that never waits has answered before `_serve` returns, and nothing was
scheduled. What the service leaves undone (it raised, returned too early, was cancelled) is made good once, here. Then
the connection goes on to the next request, swallows the rest of a body, lingers or closes.
"""

import asyncio
import logging
import sys
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Final, Protocol

from .errors import PayloadAccessError
from .exchange import Exchange, server_line
from .limits import MAX_DRAINED_BODY, Limits, ServerTimeouts
from .lingering import IDLE, UPGRADED, LingeringLink
from .streams import EMPTY_PAYLOAD

if TYPE_CHECKING:
    from .accept import AcceptedConnection

Service = Callable[[Exchange], Coroutine[Any, Any, None]]

# Constants of other modules, typed when compiled.
_IDLE = IDLE
_UPGRADED = UPGRADED
_DRAINED_LIMIT = MAX_DRAINED_BODY
_EMPTY = EMPTY_PAYLOAD

# An eager task runs at once, up to where it first waits: a handler that never waits never visits the event loop.
_EAGER: Final = {"eager_start": True} if sys.version_info >= (3, 12) else {}
_Task: Any = asyncio.Task  # Any: eager_start is not known to every version

# Requests that a connection serves if there is no limit: more than it ever can.
_ENDLESS: Final = sys.maxsize


class ConnectionOwner(Protocol):
    """Whoever keeps the accepted connections: a server. It may refuse a connection in `connection_made`, by its
    `close_when_idle` or `abort`.
    """

    def connection_made(self, connection: "AcceptedConnection") -> None:
        """A connection has been accepted."""

    def connection_lost(self, connection: "AcceptedConnection", exc: BaseException | None) -> None:
        """A connection is gone, whatever protocol it spoke in the end."""


class ServingLink(LingeringLink):
    """A link that gives its exchanges to a service, one after another; `current` is the one that runs."""

    __slots__ = (
        "_busy",
        "_keepalive_timeout",
        "_logger",
        "_owner",
        "_requests_left",
        "_retiring",
        "_server_line",
        "_service",
        "_task_options",
        "current",
    )

    def __init__(
        self,
        service: Service,
        owner: ConnectionOwner | None,
        limits: Limits,
        timeouts: ServerTimeouts,
        *,
        server_header: str,
        logger: logging.Logger,
    ) -> None:
        super().__init__(limits, timeouts)
        self._service = service
        self._task_options: dict[str, Any] = {}
        self._owner: Any = owner  # Any: it is handed this link as what it is, an AcceptedConnection
        self._server_line = server_line(server_header)
        self._logger = logger
        self._keepalive_timeout = timeouts.keepalive or 0.0  # seconds, 0 for none
        self._requests_left = limits.max_requests or _ENDLESS
        self._busy = False  # _advance() is at work further up the stack
        self._retiring = False  # close_when_idle() has been called
        self.current: Exchange | None = None

    # For the owner.

    def is_idle(self) -> bool:
        """Whether nothing is being answered and nothing of a further request has come."""
        return self._activity == _IDLE and self._h1.buffered() == 0

    def buffered(self) -> int:
        """How many bytes of further requests have been received and not been looked at."""
        return self._h1.buffered()

    def close_when_idle(self) -> None:
        """Finish what is running with `Connection: close`, then close; an idle connection closes at once."""
        self._retiring = True
        self._linger_briefly()
        exchange = self.current
        if exchange is not None:
            exchange.keep_alive = False
        elif self.is_idle():
            self._close_transport()

    # Beneath.

    def _opened(self, transport: asyncio.BaseTransport, *, tcp_keepalive: bool = False) -> None:
        super()._opened(transport, tcp_keepalive=tcp_keepalive)
        self._task_options = _options.of(asyncio.get_running_loop())

    def _serve(self, exchange: Exchange) -> None:
        """Start the task of `exchange`, which is the current one from now on."""
        self._requests_left -= 1
        if self._retiring or self._requests_left <= 0:
            exchange.keep_alive = False
        task = _Task(self._service(exchange), **self._task_options)
        if task.done():
            self._served(task)
        else:
            exchange.running = task
            task.add_done_callback(self._task_done)

    def _task_done(self, task: "asyncio.Task[None]") -> None:
        """For asyncio to call."""
        self._served(task)

    def _served(self, task: "asyncio.Task[None]") -> None:
        """The service is done with the current exchange."""
        exchange = self.current
        if exchange is None:
            return
        self.current = None
        error = _outcome(task)
        if error is not None and isinstance(error, asyncio.CancelledError) and task.cancelling():
            if not exchange.finished or exchange.head_pending():
                exchange.reset()
        elif error is not None or not exchange.finished:
            exchange.answer_failure(error, self._logger)
        exchange.running = None  # the two would keep each other alive
        if self._activity == _UPGRADED or self.lost:
            return
        if exchange.body is not _EMPTY and not exchange.body.is_eof() and exchange.body.exception() is None:
            exchange.body.set_exception(
                PayloadAccessError("the body of a request that has been answered; read it before")
            )
        self._activity = _IDLE
        if self._closing:
            return
        self._settle(exchange)
        if not self._busy:
            self._advance()

    def _settle(self, exchange: Exchange) -> None:
        """Decide what becomes of the connection after `exchange`."""
        h1 = self._h1
        if h1.is_our_turn_over() and h1.keep_alive and exchange.keep_alive:
            if h1.is_peer_done():
                self._next_cycle()
            elif h1.remaining_body() <= _DRAINED_LIMIT and not self._eof:
                self._drain_body()
            else:
                self._linger()
        elif h1.is_peer_done() and h1.buffered() == 0:
            self._close_transport()
        else:
            self._linger()

    def _next_cycle(self) -> None:
        self._activity = _IDLE
        self._h1.start_next_cycle()
        if self._retiring and self._h1.buffered() == 0:
            self._close_transport()
            return
        if self._paused:
            self.resume_reading()
        self._read_within(self._keepalive_timeout)

    def _advance(self) -> None:
        """Walk over what has been received as far as it goes."""
        raise NotImplementedError


class _Options:
    """The keyword arguments of a task, made once for all connections of a loop: handing a dict over is cheaper than
    making one, and one for each connection would cost memory.
    """

    def __init__(self) -> None:
        self._latest: dict[str, Any] = {}

    def of(self, loop: asyncio.AbstractEventLoop) -> dict[str, Any]:
        """Those for tasks of `loop`."""
        options = self._latest
        if options.get("loop") is not loop:
            options = self._latest = {"loop": loop, "name": "levante-request", **_EAGER}
        return options


_options = _Options()


def _outcome(task: "asyncio.Task[None]") -> BaseException | None:
    """What `task` raised: also a CancelledError, whoever asked for it."""
    try:
        return task.exception()
    except asyncio.CancelledError as error:
        return error
