"""Which connection a request gets: the accounts of a pool, without any I/O, and one function that decides.

The pool holds plain data: idle connections per key (oldest first), how many are leased per key, and who waits.
Whatever happens (a request comes, a connection returns, one dies, a waiter gives up) changes the data, then `decide`
says what follows: which connections to close, and which waiters get what (an idle connection, or the right to dial).
The connector carries that out. A right is accounted for before it is handed over, so nobody can take it in between;
a holder that fails to use it gives it back with `release`.

Fairness: first come, first served per key, and the keys take turns, so that one busy host cannot starve the others.
`limit` bounds all open connections, idle ones included: an idle connection to another host is closed when its place
is needed.
"""

from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, Protocol, TypeVar

from .origin import ConnectionKey

# Precedent: aiohttp. Enough to saturate a service, few enough for the peer's default accept limits.
POOL_LIMIT = 100
# Precedent: aiohttp. Below every common server's own keep-alive time, so that the server seldom closes first.
KEEPALIVE_TIMEOUT = 15.0


class Pooled(Protocol):
    """What the pool must know of a connection."""

    def is_reusable(self) -> bool:
        """Whether a request can be sent on it now."""
        ...


C = TypeVar("C", bound=Pooled)
W = TypeVar("W")


class Idle(NamedTuple, Generic[C]):
    """An idle connection and the time it became so."""

    connection: C
    since: float


class Grant(NamedTuple, Generic[C, W]):
    """`waiter` gets `connection`, or, when that is None, the right to dial one for `key`."""

    waiter: W
    key: ConnectionKey
    connection: C | None


@dataclass(slots=True)
class Decision(Generic[C, W]):
    """What to do now: close these, give those."""

    discard: list[C] = field(default_factory=list)
    grants: list[Grant[C, W]] = field(default_factory=list)


class Pool(Generic[C, W]):
    """The accounts. `limit` and `limit_per_host` are counts, 0 for none; `keepalive` is seconds."""

    __slots__ = (
        "_idle",
        "_idle_count",
        "_keepalive",
        "_leased",
        "_leased_count",
        "_limit",
        "_limit_per_host",
        "_waiting",
    )

    def __init__(self, *, limit: int, limit_per_host: int, keepalive: float) -> None:
        self._limit = limit
        self._limit_per_host = limit_per_host
        self._keepalive = keepalive
        self._idle: dict[ConnectionKey, deque[Idle[C]]] = {}
        self._idle_count = 0
        self._leased: dict[ConnectionKey, int] = {}
        self._leased_count = 0
        self._waiting: OrderedDict[ConnectionKey, deque[W]] = OrderedDict()

    def __repr__(self) -> str:
        waiting = sum(len(queue) for queue in self._waiting.values())
        return f"<Pool leased={self._leased_count} idle={self._idle_count} waiting={waiting}>"

    @property
    def idle_count(self) -> int:
        """How many connections wait for work."""
        return self._idle_count

    @property
    def leased_count(self) -> int:
        """How many connections are in use or being dialled."""
        return self._leased_count

    def take(self, key: ConnectionKey, now: float) -> C | None:
        """The hot path: an idle connection for `key`, leased, when nobody waits; else None. Leaves dead ones for
        `decide` to discard."""
        queue = self._idle.get(key)
        if queue is None or self._waiting:
            return None
        connection, since = queue[0]
        if now - since > self._keepalive or not connection.is_reusable():
            return None
        self._pop_oldest(key)
        self._lease(key)
        return connection

    def enqueue(self, key: ConnectionKey, waiter: W) -> None:
        """`waiter` wants a connection for `key`."""
        self._waiting.setdefault(key, deque()).append(waiter)

    def forget(self, key: ConnectionKey, waiter: W) -> bool:
        """`waiter` gives up; False when it was not waiting any more."""
        queue = self._waiting.get(key)
        if queue is None or waiter not in queue:
            return False
        queue.remove(waiter)
        if not queue:
            del self._waiting[key]
        return True

    def release(self, key: ConnectionKey, connection: C | None, now: float) -> None:
        """A lease ends; `connection` is given when it can serve again."""
        self._leased_count -= 1
        remaining = self._leased[key] - 1
        if remaining:
            self._leased[key] = remaining
        else:
            del self._leased[key]
        if connection is not None:
            self._idle.setdefault(key, deque()).append(Idle(connection, now))
            self._idle_count += 1

    def drain(self) -> tuple[list[C], list[W]]:
        """Empty the pool for good: the idle connections to close, and the waiters to turn away."""
        connections = [idle.connection for queue in self._idle.values() for idle in queue]
        waiters = [waiter for queue in self._waiting.values() for waiter in queue]
        self._idle.clear()
        self._waiting.clear()
        self._idle_count = 0
        return connections, waiters

    @property
    def waiting(self) -> bool:
        """Whether anybody waits for a connection."""
        return bool(self._waiting)

    def decide(self, now: float) -> Decision[C, W]:
        """Bring the accounts up to `now`, and say what to do: the one place where connections are discarded and
        waiters served."""
        decision: Decision[C, W] = Decision()
        self._discard_stale(now, decision)
        progress = True
        while progress:
            progress = False
            for key in list(self._waiting):
                if self._grant_one(key, decision):
                    progress = True
        return decision

    def _discard_stale(self, now: float, decision: Decision[C, W]) -> None:
        for key, queue in list(self._idle.items()):
            kept: deque[Idle[C]] = deque()
            for idle in queue:
                if now - idle.since <= self._keepalive and idle.connection.is_reusable():
                    kept.append(idle)
                else:
                    decision.discard.append(idle.connection)
                    self._idle_count -= 1
            if kept:
                self._idle[key] = kept
            else:
                del self._idle[key]

    def _grant_one(self, key: ConnectionKey, decision: Decision[C, W]) -> bool:
        connection: C | None = None
        if key in self._idle:
            connection = self._pop_oldest(key)
        elif not self._has_room(key) and not self._evict_for(key, decision):
            return False
        self._lease(key)
        queue = self._waiting[key]
        decision.grants.append(Grant(queue.popleft(), key, connection))
        if queue:
            self._waiting.move_to_end(key)
        else:
            del self._waiting[key]
        return True

    def _evict_for(self, key: ConnectionKey, decision: Decision[C, W]) -> bool:
        """Make room for `key` under the total limit by discarding the oldest idle connection to somewhere else."""
        at_host_limit = self._limit_per_host and self._leased.get(key, 0) >= self._limit_per_host
        if at_host_limit or not self._idle_count:
            return False
        oldest = min(self._idle, key=lambda other: self._idle[other][0].since)
        decision.discard.append(self._pop_oldest(oldest))
        return True

    def _pop_oldest(self, key: ConnectionKey) -> C:
        queue = self._idle[key]
        connection = queue.popleft().connection
        self._idle_count -= 1
        if not queue:
            del self._idle[key]
        return connection

    def _lease(self, key: ConnectionKey) -> None:
        self._leased[key] = self._leased.get(key, 0) + 1
        self._leased_count += 1

    def _has_room(self, key: ConnectionKey) -> bool:
        per_host = self._leased.get(key, 0) + len(self._idle.get(key, ()))
        if self._limit_per_host and per_host >= self._limit_per_host:
            return False
        return not self._limit or self._leased_count + self._idle_count < self._limit
