"""Which connection a request gets: the accounts of a pool, without any I/O, and one function that decides.

The pool holds plain data: idle connections per key (oldest first), how many are leased per key, and who waits.
Whatever happens (a request comes, a connection returns, one dies, a waiter gives up) changes the data, then `decide`
says what follows: which connections to close, and which waiters get what (an idle connection, or the right to dial).
The connector carries that out. A right is accounted for before it is handed over, so nobody can take it in between;
a holder that fails to use it gives it back with `release`.

Fairness: first come, first served per key, and the keys take turns, so that one busy host cannot starve the others.
`limit` bounds all open connections, idle ones included: an idle connection to another host is closed when its place
is needed.

A connection has one lease at a time, unless `share` says that it can carry several (the streams of HTTP/2): then it is
leased again as long as it has room, before others are dialled, and counts as one connection.
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


@dataclass(slots=True)
class Shares:
    """How many leases a connection can carry at once, and how many it does."""

    capacity: int
    leases: int = 1


class Account(Generic[C]):
    """The connections of one key: how many are leased, the idle ones with the time they became so, oldest first, and
    those that can be leased more than once."""

    __slots__ = ("idle", "leased", "shared")

    def __init__(self) -> None:
        self.idle: deque[tuple[C, float]] = deque()
        self.leased = 0
        self.shared: dict[C, Shares] = {}

    def lease_shared(self) -> C | None:
        """One more lease on a connection that is leased and has room; None where there is none."""
        for connection, shares in self.shared.items():
            if 0 < shares.leases < shares.capacity and connection.is_reusable():
                shares.leases += 1
                return connection
        return None


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
        "_accounts",
        "_idle_count",
        "_keepalive",
        "_leased_count",
        "_limit",
        "_limit_per_host",
        "_waiting",
    )

    def __init__(self, *, limit: int, limit_per_host: int, keepalive: float) -> None:
        self._limit = limit
        self._limit_per_host = limit_per_host
        self._keepalive = keepalive
        self._accounts: dict[ConnectionKey, Account[C]] = {}  # of the keys that have connections
        self._idle_count = 0
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
        account = self._accounts.get(key)
        if account is None or self._waiting:
            return None
        if account.shared:
            return self._take_shared(account, now)
        if not account.idle:
            return None
        connection, since = account.idle[0]
        if now - since > self._keepalive or not connection.is_reusable():
            return None
        account.idle.popleft()
        account.leased += 1
        self._idle_count -= 1
        self._leased_count += 1
        return connection

    def _take_shared(self, account: Account[C], now: float) -> C | None:
        connection = account.lease_shared()
        if connection is None and account.idle:
            oldest, since = account.idle[0]
            if now - since <= self._keepalive and oldest.is_reusable():
                self._lease_idle(account)
                connection = oldest
        return connection

    def share(self, key: ConnectionKey, connection: C, capacity: int) -> None:
        """`connection`, which is leased, can carry `capacity` leases at once, from now on; call `decide` then, for
        waiters may have got room. ValueError below 1."""
        if capacity < 1:
            raise ValueError(f"a connection that is leased carries one request at least, got capacity={capacity}")
        shared = self._accounts[key].shared
        if connection in shared:
            shared[connection].capacity = capacity
        else:
            shared[connection] = Shares(capacity)

    def lose(self, key: ConnectionKey, connection: C) -> None:
        """A lease on a connection that was shared ends, and the connection can serve no more."""
        account = self._accounts[key]
        shares = account.shared[connection]
        shares.leases -= 1
        if not shares.leases:
            del account.shared[connection]
            self.release(key, None, 0.0)

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

    def release(self, key: ConnectionKey, connection: C | None, now: float) -> bool:
        """A lease ends; `connection` is given when it can serve again. Whether somebody waits, so that `decide` has
        work."""
        account = self._accounts[key]
        if account.shared and connection is not None and connection in account.shared:
            shares = account.shared[connection]
            shares.leases -= 1
            if shares.leases:
                return bool(self._waiting)
        account.leased -= 1
        self._leased_count -= 1
        if connection is not None:
            account.idle.append((connection, now))
            self._idle_count += 1
        else:
            self._forget_empty(key, account)
        return bool(self._waiting)

    def drain(self) -> tuple[list[C], list[W]]:
        """Empty the pool for good: the idle connections to close, and the waiters to turn away."""
        connections = [connection for account in self._accounts.values() for connection, _ in account.idle]
        waiters = [waiter for queue in self._waiting.values() for waiter in queue]
        self._accounts = {key: account for key, account in self._accounts.items() if account.leased}
        for account in self._accounts.values():
            for connection, _ in account.idle:
                account.shared.pop(connection, None)
            account.idle.clear()
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
        for key, account in list(self._accounts.items()):
            kept: deque[tuple[C, float]] = deque()
            for connection, since in account.idle:
                if now - since <= self._keepalive and connection.is_reusable():
                    kept.append((connection, since))
                else:
                    decision.discard.append(connection)
                    account.shared.pop(connection, None)
                    self._idle_count -= 1
            account.idle = kept
            self._forget_empty(key, account)

    def _grant_one(self, key: ConnectionKey, decision: Decision[C, W]) -> bool:
        account = self._accounts.get(key)
        connection = None if account is None else account.lease_shared()
        if connection is None:
            if account is not None and account.idle:
                connection = self._lease_idle(account)
            elif self._has_room(key) or self._evict_for(key, decision):
                self._accounts.setdefault(key, account or Account()).leased += 1
                self._leased_count += 1
            else:
                return False
        queue = self._waiting[key]
        decision.grants.append(Grant(queue.popleft(), key, connection))
        if queue:
            self._waiting.move_to_end(key)
        else:
            del self._waiting[key]
        return True

    def _evict_for(self, key: ConnectionKey, decision: Decision[C, W]) -> bool:
        """Make room for `key` under the total limit by discarding the oldest idle connection to somewhere else."""
        own = self._accounts.get(key)
        at_host_limit = self._limit_per_host and own is not None and own.leased >= self._limit_per_host
        if at_host_limit or not self._idle_count:
            return False
        oldest, account = min(
            ((other, account) for other, account in self._accounts.items() if account.idle),
            key=lambda pair: pair[1].idle[0][1],
        )
        connection, _ = account.idle.popleft()
        self._idle_count -= 1
        account.shared.pop(connection, None)
        decision.discard.append(connection)
        self._forget_empty(oldest, account)
        return True

    def _lease_idle(self, account: Account[C]) -> C:
        connection, _ = account.idle.popleft()
        if connection in account.shared:
            account.shared[connection].leases = 1
        account.leased += 1
        self._idle_count -= 1
        self._leased_count += 1
        return connection

    def _forget_empty(self, key: ConnectionKey, account: Account[C]) -> None:
        if not account.leased and not account.idle:
            del self._accounts[key]

    def _has_room(self, key: ConnectionKey) -> bool:
        account = self._accounts.get(key)
        per_host = 0 if account is None else account.leased + len(account.idle)
        if self._limit_per_host and per_host >= self._limit_per_host:
            return False
        return not self._limit or self._leased_count + self._idle_count < self._limit
