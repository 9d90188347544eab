"""A circuit breaker for each origin: when too large a share of the requests to a server fails, no more are sent for a
while, so that callers get their error at once and the server gets room to recover. Then a few are let through, and
what becomes of them decides.

    closed --share of failures in the window--> open --open_for seconds--> half open --a probe succeeds--> closed
                                                  ^                            |
                                                  +-------a probe fails--------+

The window slides by tenths, so that an origin costs the same memory at any rate. What was sent before the circuit
changed says nothing about the state after that. Requests that their caller cancelled say nothing at all.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from enum import Enum
from functools import partial

from yarl import URL

from levante.http.deadlines import DeadlineExceeded

from .errors import ClientConnectionError
from .middlewares import ClientHandlerType
from .request import ClientRequest
from .response import ClientResponse

# Seconds by which a timer may fire early: uvloop counts whole milliseconds, and rounds.
CLOCK_GRAIN = 0.005
# Precedent: resilience4j opens at half of the calls.
FAILURE_SHARE = 0.5
# Fewer calls than this are no measure of anything.
MINIMUM_CALLS = 10
# Seconds that count: long enough for a measure, short enough that an old trouble is forgotten.
WINDOW = 10.0
# Seconds without a request: a restart of a service takes about as long.
OPEN_FOR = 5.0
# Answers that say that the server is in trouble. 429 and 4xx are about the caller, 501 about the request.
FAILING_STATUSES = frozenset({500, 502, 503, 504})
# Origins whose circuits are kept; one that is forgotten begins closed.
MAX_ORIGINS = 1024
_SLICES = 10


class CircuitState(Enum):
    """Whether requests go through."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half open"


class CircuitOpenError(ClientConnectionError):
    """The request was not sent: too many before it failed. The circuit of `origin` lets the next one try in
    `retry_after` seconds."""

    def __init__(self, origin: URL, retry_after: float) -> None:
        super().__init__(origin, retry_after)
        self.origin = origin
        self.retry_after = retry_after

    def __str__(self) -> str:
        return f"nothing is sent to {self.origin}, which keeps failing: the next try is in {self.retry_after:.1f} s"


@dataclass(slots=True)
class _Slice:
    """A tenth of the window."""

    number: int
    calls: int = 0
    failures: int = 0


@dataclass(slots=True)
class _Circuit:
    """One origin. `period` counts the changes of state."""

    state: CircuitState = CircuitState.CLOSED
    period: int = 0
    opened_at: float = 0.0
    probing: int = 0
    slices: deque[_Slice] = field(default_factory=deque)

    def change(self, state: CircuitState) -> None:
        self.state = state
        self.period += 1
        self.probing = 0
        self.slices.clear()


@dataclass(slots=True)
class _Call:
    """A request on its way, and the period it began in. It is counted once."""

    circuit: _Circuit
    period: int
    counted: bool = False


class CircuitBreaker:
    """The circuits of a session's origins; may be shared by sessions.

    One opens when of at least `minimum_calls` in the last `window` seconds the share `failure_share` failed: with a
    connection error or a timeout, or with an answer whose status is one of `statuses`. It stays open for `open_for`
    seconds, then lets `probes` requests at a time through. With `slow` a request that has had no answer for so many
    seconds has failed already, though it goes on; without it, a server that hangs is noticed when timeouts pass.
    ValueError for numbers that make no sense.
    """

    def __init__(
        self,
        *,
        failure_share: float = FAILURE_SHARE,
        minimum_calls: int = MINIMUM_CALLS,
        window: float = WINDOW,
        open_for: float = OPEN_FOR,
        probes: int = 1,
        statuses: Collection[int] = FAILING_STATUSES,
        slow: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if not (0 < failure_share <= 1 and minimum_calls >= 1 and probes >= 1):
            raise ValueError(
                "expected 0 < failure_share <= 1, minimum_calls >= 1 and probes >= 1; "
                f"got {failure_share!r}, {minimum_calls!r} and {probes!r}"
            )
        if not (window > 0 and open_for > 0 and (slow is None or slow > 0)):
            raise ValueError(f"window, open_for and slow are seconds above 0; got {window!r}, {open_for!r}, {slow!r}")
        self._failure_share = failure_share
        self._minimum_calls = minimum_calls
        self._window = window
        self._open_for = open_for
        self._probes = probes
        self._statuses = frozenset(statuses)
        self._slow = slow
        self._clock = clock
        self._circuits: dict[URL, _Circuit] = {}

    def state(self, url: URL) -> CircuitState:
        """That of the origin of `url`."""
        circuit = self._circuits.get(url.origin())
        if circuit is None:
            return CircuitState.CLOSED
        if circuit.state is CircuitState.OPEN and self._clock() >= circuit.opened_at + self._open_for:
            return CircuitState.HALF_OPEN
        return circuit.state

    def retry_after(self, url: URL) -> float:
        """The seconds until the circuit of the origin of `url` lets a request through, 0.0 when it would now."""
        circuit = self._circuits.get(url.origin())
        if circuit is None or circuit.state is not CircuitState.OPEN:
            return 0.0
        return max(0.0, circuit.opened_at + self._open_for - self._clock())

    async def send(self, request: ClientRequest, handler: ClientHandlerType, *, ends: float | None) -> ClientResponse:
        """Send `request` by `handler` if its circuit lets it through: CircuitOpenError if not. A cancellation at the
        loop's time `ends` or later is the timeout of the request."""
        call = self._begin(request.url.origin())
        loop = asyncio.get_running_loop()
        timer = None if self._slow is None else loop.call_later(self._slow, partial(self._count, call, failed=True))
        try:
            response = await handler(request)
        except (ClientConnectionError, TimeoutError) as error:
            if isinstance(error, DeadlineExceeded):
                self._forget(call)
            else:
                self._count(call, failed=True)
            raise
        except asyncio.CancelledError:
            if ends is not None and loop.time() >= ends - CLOCK_GRAIN:
                self._count(call, failed=True)
            raise
        else:
            self._count(call, failed=response.status in self._statuses)
            return response
        finally:
            self._forget(call)
            if timer is not None:
                timer.cancel()

    def _begin(self, origin: URL) -> _Call:
        circuit = self._circuits.pop(origin, None) or _Circuit()
        if len(self._circuits) >= MAX_ORIGINS:
            del self._circuits[next(iter(self._circuits))]
        self._circuits[origin] = circuit
        if circuit.state is CircuitState.OPEN:
            left = circuit.opened_at + self._open_for - self._clock()
            if left > 0:
                raise CircuitOpenError(origin, left)
            circuit.change(CircuitState.HALF_OPEN)
        if circuit.state is CircuitState.HALF_OPEN:
            if circuit.probing >= self._probes:
                raise CircuitOpenError(origin, 0.0)
            circuit.probing += 1
        return _Call(circuit, circuit.period)

    def _count(self, call: _Call, *, failed: bool) -> None:
        circuit = call.circuit
        if call.counted:
            return
        call.counted = True
        if call.period != circuit.period:
            return
        if circuit.state is CircuitState.HALF_OPEN:
            self._open(circuit) if failed else circuit.change(CircuitState.CLOSED)
        elif self._is_too_much(circuit, failed=failed):
            self._open(circuit)

    def _forget(self, call: _Call) -> None:
        """A call that ends uncounted says nothing, but a probe makes room for the next."""
        circuit = call.circuit
        if not call.counted and call.period == circuit.period and circuit.state is CircuitState.HALF_OPEN:
            circuit.probing -= 1
        call.counted = True

    def _open(self, circuit: _Circuit) -> None:
        circuit.change(CircuitState.OPEN)
        circuit.opened_at = self._clock()

    def _is_too_much(self, circuit: _Circuit, *, failed: bool) -> bool:
        number = int(self._clock() / self._window * _SLICES)
        slices = circuit.slices
        if not slices or slices[-1].number != number:
            slices.append(_Slice(number))
            while slices[0].number <= number - _SLICES:
                slices.popleft()
        slices[-1].calls += 1
        slices[-1].failures += failed
        calls = sum(part.calls for part in slices)
        return calls >= self._minimum_calls and sum(part.failures for part in slices) >= self._failure_share * calls
