"""How long a request may take: the settings, and the deadline of one request.

`ClientTimeout.total` spans pool wait, connecting, every redirect and the reading of the body. While a task works on
the request the deadline cancels that task and turns the cancellation into TimeoutError, unless somebody else
cancelled it as well; once the response is out of our hands it sets the error on the body instead. Deadlines further
away than `ceil_threshold` are rounded up to whole seconds and share one loop timer per second, so that arming and
disarming one costs a set operation.
"""

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType

# Precedent: aiohttp. Long enough for a slow download, short enough that a forgotten request does not hang for ever.
TOTAL_TIMEOUT = 300.0
# Precedent: aiohttp. Three SYN retransmissions (1 + 2 + 4 s) fit with ample room.
SOCK_CONNECT_TIMEOUT = 30.0
# Above this many seconds nobody needs sub-second precision, and timers can be shared.
CEIL_THRESHOLD = 5.0
# Precedent: aiohttp; RFC 6455 section 7.1.1 says "a reasonable period".
WS_CLOSE_TIMEOUT = 10.0


@dataclass(frozen=True, slots=True)
class ClientTimeout:
    """Limits in seconds; None means no limit. ValueError for zero, negative and non-finite numbers (None is the way to
    say "off").

    `total`: the whole request. `connect`: waiting for the pool plus connecting. `sock_connect`: TCP plus TLS of one
    connection. `sock_read`: between two reads. A `total` below one of the others is raised to it.
    """

    total: float | None = TOTAL_TIMEOUT
    connect: float | None = None
    sock_connect: float | None = None
    sock_read: float | None = None
    ceil_threshold: float = CEIL_THRESHOLD

    def __post_init__(self) -> None:
        for name in ("total", "connect", "sock_connect", "sock_read"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise ValueError(f"timeout {name}={value!r}: expected seconds above 0, or None for no limit")
        if self.total is not None:
            largest = max(self.total, self.connect or 0, self.sock_connect or 0, self.sock_read or 0)
            object.__setattr__(self, "total", largest)


def as_client_timeout(given: "ClientTimeout | float") -> ClientTimeout:
    """`given` itself, or a total timeout of so many seconds. TypeError for anything else, ValueError as
    ClientTimeout."""
    if isinstance(given, ClientTimeout):
        return given
    if isinstance(given, bool) or not isinstance(given, (int, float)):
        raise TypeError(f"timeout must be a ClientTimeout or a number of seconds for its total, got {given!r}")
    return ClientTimeout(total=given)


@dataclass(frozen=True, slots=True)
class ClientWSTimeout:
    """`ws_receive`: seconds that one receive() waits; `ws_close`: seconds that close() waits for the peer. None
    means no limit."""

    ws_receive: float | None = None
    ws_close: float | None = WS_CLOSE_TIMEOUT


DEFAULT_TIMEOUT = ClientTimeout(sock_connect=SOCK_CONNECT_TIMEOUT)
DEFAULT_WS_TIMEOUT = ClientWSTimeout()


class DeadlineWheel:
    """The deadlines of one session. Distant ones share a loop timer per second; `close` disarms all."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._buckets: dict[float, tuple[asyncio.TimerHandle, set[Deadline]]] = {}

    def start(self, timeout: ClientTimeout, *, since: float | None = None) -> "Deadline | None":
        """Arm the total timeout of one request, which began at `since` (loop time; by default it begins now); None
        when it has none."""
        if timeout.total is None:
            return None
        when = (self._loop.time() if since is None else since) + timeout.total
        deadline = Deadline()
        if timeout.total <= timeout.ceil_threshold:
            deadline.handle = self._loop.call_at(when, deadline.expire)
            return deadline
        when = math.ceil(when)
        bucket = self._buckets.get(when)
        if bucket is None:
            bucket = (self._loop.call_at(when, self._expire, when), set())
            self._buckets[when] = bucket
        bucket[1].add(deadline)
        deadline.bucket = bucket[1]
        return deadline

    def _expire(self, when: float) -> None:
        _, deadlines = self._buckets.pop(when)
        for deadline in list(deadlines):
            deadline.expire()

    def close(self) -> None:
        """Forget every shared timer: requests that still run lose their deadline. It is for whoever closes their
        connections as well."""
        for handle, _ in self._buckets.values():
            handle.cancel()
        self._buckets.clear()


class Deadline:
    """The total timeout of one request: `with deadline:` around awaits, `hand_over(callback)` for the time after
    them."""

    __slots__ = ("__weakref__", "bucket", "callback", "cancelling", "expired", "handle", "task")

    def __init__(self) -> None:
        self.handle: asyncio.TimerHandle | None = None
        self.bucket: set[Deadline] | None = None
        self.expired = False
        self.task: asyncio.Task[object] | None = None
        self.cancelling = 0
        self.callback: Callable[[], None] | None = None

    def __enter__(self) -> "Deadline":
        if self.expired:
            raise TimeoutError("the total timeout of the request has passed")
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a request with a timeout must run inside a task")
        self.task = task
        self.cancelling = task.cancelling()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        task, self.task = self.task, None
        if self.expired and task is not None and task.uncancel() <= self.cancelling and kind is asyncio.CancelledError:
            raise TimeoutError("the total timeout of the request has passed") from error

    def hand_over(self, callback: Callable[[], None]) -> None:
        """Call `callback` at the deadline; at once when it has passed already."""
        self.callback = callback
        if self.expired:
            callback()

    def expire(self) -> None:
        """The time has come."""
        self.cancel()
        self.expired = True
        if self.task is not None:
            self.task.cancel()
        elif self.callback is not None:
            self.callback()

    def cancel(self) -> None:
        """Disarm."""
        if self.bucket is not None:
            self.bucket.discard(self)
            self.bucket = None
        elif self.handle is not None:
            self.handle.cancel()
            self.handle = None
