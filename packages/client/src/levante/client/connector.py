"""Connections, kept and lent: `BaseConnector` carries out what the pool decides, its subclasses dial. A `Lease` is
one connection on loan; it ends once, whoever ends it. `await close()` returns when every transport is gone."""

import abc
import asyncio
import warnings
import weakref
from types import TracebackType
from typing import Any, Self

from levante.http import DialedConnection

from .errors import ClientConnectionError, ConnectionTimeoutError
from .origin import ConnectionKey
from .pool import KEEPALIVE_TIMEOUT, POOL_LIMIT, Pool
from .timeouts import ClientTimeout
from .tracing import (
    Trace,
    TraceConnectionCreateEndParams,
    TraceConnectionCreateStartParams,
    TraceConnectionQueuedEndParams,
    TraceConnectionQueuedStartParams,
    TraceConnectionReuseconnParams,
)

# How many connections a connector remembers before it looks for dead ones among them.
PRUNE_FLOOR = 64
# Seconds that close() waits for transports to report their end; aborted ones do so in the next turns of the loop.
CLOSE_TIMEOUT = 5.0

Waiter = asyncio.Future[DialedConnection | None]


class Lease:
    """A connection on loan. `reused`: it carried a request before."""

    __slots__ = ("_connector", "_key", "connection", "ended", "reused")

    def __init__(self, connector: "BaseConnector", key: ConnectionKey, connection: DialedConnection) -> None:
        self._connector = connector
        self._key = key
        self.connection = connection
        self.reused = True
        self.ended = False

    def end(self) -> None:
        """Give the connection back: to the pool if it can serve again, else it is closed. The second call does
        nothing."""
        if not self.ended:
            self.ended = True
            self._connector._give_back(self, self._key, self.connection)  # noqa: SLF001 - two halves of one thing

    def hand_over(self, transport: asyncio.Transport) -> "Lease":
        """The transport has another protocol now. This lease ends, the new one keeps the place until that protocol
        is done."""
        self.ended = True
        successor = Lease(self._connector, self._key, self.connection)
        successor.reused = self.reused
        self._connector._hand_over(successor, transport)  # noqa: SLF001 - two halves of one thing
        return successor

    def abort(self) -> None:
        """Drop the connection at once and give its place back."""
        if not self.ended:
            self.connection.abort()
            self.end()


class BaseConnector(abc.ABC):
    """Keeps at most `limit` connections open, `limit_per_host` to one key (0: no limit), idle ones for
    `keepalive_timeout` seconds (default 15). `force_close` closes each after its request. ValueError for both of the
    last two."""

    allowed_schemes: frozenset[str] = frozenset({"http", "https", "ws", "wss"})
    # Whether `_dial` heeds the proxy of a key. Where it does not, naming one is an error, and the environment does not
    # count.
    speaks_to_proxies: bool = False

    def __init__(
        self,
        *,
        keepalive_timeout: float | None = None,
        force_close: bool = False,
        limit: int = POOL_LIMIT,
        limit_per_host: int = 0,
    ) -> None:
        if force_close and keepalive_timeout is not None:
            raise ValueError("keepalive_timeout has no meaning with force_close=True: give one of them")
        self._loop = asyncio.get_running_loop()
        self._keepalive = KEEPALIVE_TIMEOUT if keepalive_timeout is None else keepalive_timeout
        self._force_close = force_close
        self._limit = limit
        self._limit_per_host = limit_per_host
        self._pool: Pool[DialedConnection, Waiter] = Pool(
            limit=limit, limit_per_host=limit_per_host, keepalive=self._keepalive
        )
        self._open: set[DialedConnection] = set()
        self._prune_at = PRUNE_FLOOR
        self._upgraded: dict[Lease, asyncio.Transport] = {}
        self._drained: asyncio.Event | None = None
        self._dialling: set[asyncio.Timeout] = set()
        self._dialled: asyncio.Event | None = None
        self._sweeper: asyncio.TimerHandle | None = None
        self._closed = False

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {'closed' if self._closed else 'open'} {self._pool!r}>"

    def __del__(self) -> None:
        if not getattr(self, "_closed", True) and any(not connection.is_closed() for connection in self._open):
            warnings.warn(f"unclosed connector {self!r}: await its close()", ResourceWarning, stacklevel=1, source=self)
            for connection in self._open:
                connection.abort()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def closed(self) -> bool:
        """Whether close() was called."""
        return self._closed

    @property
    def force_close(self) -> bool:
        """Whether connections are closed after each request."""
        return self._force_close

    @property
    def limit(self) -> int:
        """The largest number of connections, 0 for no limit."""
        return self._limit

    @property
    def limit_per_host(self) -> int:
        """The largest number of connections to one key, 0 for no limit."""
        return self._limit_per_host

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop that the connector belongs to."""
        return self._loop

    async def acquire(
        self, key: ConnectionKey, timeout: ClientTimeout, *, trace: Trace | None = None, fresh: bool = False
    ) -> Lease:
        """A connection for `key`, from the pool or dialled; `fresh` insists on a new one.

        ConnectionTimeoutError when `timeout.connect` (waiting and dialling) or `timeout.sock_connect` passes,
        ClientConnectorError when it cannot be dialled, ClientConnectionError when the connector is or gets closed.
        """
        if self._closed:
            raise ClientConnectionError("the connector is closed")
        lease = None if fresh else self.take(key, self._loop.time())
        if lease is None:
            return await self._acquire_slowly(key, timeout, trace=trace, fresh=fresh)
        if trace is not None:
            await self._tell_or_give_back(trace, key, lease.connection)
        return lease

    def take(self, key: ConnectionKey, now: float) -> Lease | None:
        """An idle connection for `key`, None where there is none or others wait for one. `now` is the loop's time."""
        connection = self._pool.take(key, now)
        return None if connection is None else Lease(self, key, connection)

    async def close(self) -> None:
        """Close every connection, stop whoever dials, turn waiters away, and wait until all transports are gone. A
        second call waits as well."""
        if not self._closed:
            self._closed = True
            if self._sweeper is not None:
                self._sweeper.cancel()
                self._sweeper = None
            _, waiters = self._pool.drain()
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_exception(ClientConnectionError("the connector is closed"))
        for dial in self._dialling:
            if not dial.expired():
                dial.reschedule(self._loop.time())
        for transport in self._upgraded.values():
            transport.abort()
        connections, self._open = self._open, set()
        endings = [asyncio.ensure_future(connection.wait_closed()) for connection in connections]
        for connection in connections:
            connection.abort()
        if self._upgraded:
            self._drained = asyncio.Event()
            endings.append(asyncio.ensure_future(_wait_for(self._drained)))
        if self._dialling:
            self._dialled = asyncio.Event()
            endings.append(asyncio.ensure_future(_wait_for(self._dialled)))
        if endings:
            _, late = await asyncio.wait(endings, timeout=CLOSE_TIMEOUT)
            for task in late:
                task.cancel()

    @abc.abstractmethod
    async def _dial(self, key: ConnectionKey, trace: Trace | None) -> DialedConnection:
        """A new connection for `key`."""

    def _protocol(self, key: ConnectionKey) -> Any:  # Any: a protocol by its methods only, for it may be compiled
        return DialedConnection(loop=self._loop, limits=key.limits, lenient=key.lenient)

    async def _acquire_slowly(
        self, key: ConnectionKey, timeout: ClientTimeout, *, trace: Trace | None, fresh: bool
    ) -> Lease:
        try:
            async with asyncio.timeout(timeout.connect):
                connection = await self._wait_for_place(key, trace)
                if connection is not None and fresh:
                    connection.abort()
                    connection = None
                if connection is not None:
                    if trace is not None:
                        await self._tell_or_give_back(trace, key, connection)
                    return Lease(self, key, connection)
                lease = Lease(self, key, await self._dial_accounted(key, timeout, trace))
                lease.reused = False
                return lease
        except ConnectionTimeoutError:
            raise
        except TimeoutError as exc:
            raise ConnectionTimeoutError(
                f"no connection to {key.host}:{key.port} within {timeout.connect} s, waiting for the pool included"
            ) from exc

    async def _wait_for_place(self, key: ConnectionKey, trace: Trace | None) -> DialedConnection | None:
        """A place in the accounts: an idle connection, or None, which is the right to dial."""
        waiter: Waiter = self._loop.create_future()
        self._pool.enqueue(key, waiter)
        self._settle()
        if waiter.done():
            return waiter.result()
        try:
            if trace is not None:
                await trace.send(TraceConnectionQueuedStartParams())
            connection = await waiter
            if trace is not None:
                await trace.send(TraceConnectionQueuedEndParams())
        except BaseException:
            if (
                not self._pool.forget(key, waiter)
                and waiter.done()
                and not waiter.cancelled()
                and waiter.exception() is None
            ):
                self._return_place(key, waiter.result())
            raise
        return connection

    async def _dial_accounted(
        self, key: ConnectionKey, timeout: ClientTimeout, trace: Trace | None
    ) -> DialedConnection:
        connection = None
        try:
            if trace is not None:
                await trace.send(TraceConnectionCreateStartParams())
            connection = await self._dial_in_time(key, timeout, trace)
            self._remember(connection)
            if self._closed:
                raise _closed_meanwhile()
            if trace is not None:
                await trace.send(TraceConnectionCreateEndParams())
        except BaseException:
            if connection is not None:
                connection.abort()
            self._return_place(key, None)
            raise
        return connection

    async def _dial_in_time(self, key: ConnectionKey, timeout: ClientTimeout, trace: Trace | None) -> DialedConnection:
        if self._closed:
            raise _closed_meanwhile()
        try:
            async with asyncio.timeout(timeout.sock_connect) as limit:
                self._dialling.add(limit)  # close() lets the time be up
                return await self._dial(key, trace)
        except ConnectionTimeoutError:
            raise
        except TimeoutError as exc:
            if self._closed:
                raise _closed_meanwhile() from exc
            raise ConnectionTimeoutError(
                f"no connection to {key.host}:{key.port} within {timeout.sock_connect} s"
            ) from exc
        finally:
            self._dialling.discard(limit)
            if self._dialled is not None and not self._dialling:
                self._dialled.set()

    async def _tell_or_give_back(self, trace: Trace, key: ConnectionKey, connection: DialedConnection) -> None:
        try:
            await trace.send(TraceConnectionReuseconnParams())
        except BaseException:
            self._return_place(key, connection)
            raise

    def _hand_over(self, lease: Lease, transport: asyncio.Transport) -> None:
        self._open.discard(lease.connection)
        self._upgraded[lease] = transport

    def _give_back(self, lease: Lease, key: ConnectionKey, connection: DialedConnection) -> None:
        if (
            self._upgraded
            and self._upgraded.pop(lease, None) is not None
            and self._drained is not None
            and not self._upgraded
        ):
            self._drained.set()
        if self._force_close or self._closed or not connection.is_reusable():
            connection.close()
            self._return_place(key, None)
            return
        if self._pool.release(key, connection, self._loop.time()):
            self._settle()
        if self._sweeper is None:
            self._arm_sweeper()

    def _return_place(self, key: ConnectionKey, connection: DialedConnection | None) -> None:
        if self._pool.release(key, None if self._closed else connection, self._loop.time()):
            self._settle()
        if self._sweeper is None and not self._closed:
            self._arm_sweeper()

    def _settle(self) -> None:
        """Carry out what the pool decides, until it has nothing more to say."""
        again = True
        while again:
            again = False
            decision = self._pool.decide(self._loop.time())
            for connection in decision.discard:
                connection.close()
            for grant in decision.grants:
                if grant.waiter.done():  # cancelled, and its task has not run yet to say so
                    self._pool.release(grant.key, grant.connection, self._loop.time())
                    again = True
                else:
                    grant.waiter.set_result(grant.connection)

    def _remember(self, connection: DialedConnection) -> None:
        self._open.add(connection)
        if len(self._open) >= self._prune_at:
            self._open = {known for known in self._open if not known.is_lost()}
            self._prune_at = max(PRUNE_FLOOR, 2 * len(self._open))

    def _arm_sweeper(self) -> None:
        self._sweeper = self._loop.call_later(self._keepalive, _sweep, weakref.ref(self))

    def _sweep(self) -> None:
        self._sweeper = None
        self._settle()
        self._open = {known for known in self._open if not known.is_lost()}
        if self._open:
            self._arm_sweeper()


async def _wait_for(event: asyncio.Event) -> None:
    await event.wait()


def _closed_meanwhile() -> ClientConnectionError:
    return ClientConnectionError("the connector was closed while it dialled")


def _sweep(reference: "weakref.ref[BaseConnector]") -> None:
    """A timer that held the connector itself would keep a forgotten one alive, and its warning unsaid."""
    connector = reference()
    if connector is not None:
        connector._sweep()  # noqa: SLF001 - see above
