"""The way to memcached. Nothing waits for it longer than `patience`, and whatever goes wrong is one error,
SessionStoreUnavailable. After every failure the client is given up and the next question makes a new one: emcache by
itself would wait up to a minute before it tries a server again that was away.

The library is emcache: aiomcache, which aiohttp-session names, hands on a connection whose command was cancelled, with
that command's answer still to come, and spins for ever when a connection ends before an answer.
"""

from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias, TypeVar

from emcache import (
    Client,
    ClusterNoAvailableNodes,
    CommandError,
    MemcachedHostAddress,
    MemcachedUnixSocketPath,
    create_client,
)

from levante.web.patience import AT_ONCE, Patience

from .errors import SessionStoreUnavailable

PATIENCE: Final = 0.2  # seconds: nobody waits for a page longer than a quarter of one, because of its session
PORT: Final = 11211
UNIX: Final = "unix:"

Connect: TypeAlias = Callable[[], Awaitable[Client]]
"""Makes a client of emcache: of several servers, by TLS, with a password."""

_Answer = TypeVar("_Answer")


class MemcachedLink:
    """Asks a memcached by its address, `host`, `host:port`, `[::1]:port` or `unix:/path`, or by a function that makes a
    client. ValueError for what is no address."""

    def __init__(self, memcached: str | Connect, *, patience: float = PATIENCE) -> None:
        self._connect = _connector(memcached) if isinstance(memcached, str) else memcached
        self._client: Client | None = None
        self._patience = Patience(patience)

    def __repr__(self) -> str:
        return "<Memcached>"

    async def ask(self, call: Callable[[Client], Awaitable[_Answer]]) -> _Answer:
        """The answer to what `call` asks. Raises SessionStoreUnavailable."""
        asked: Client | None = None

        async def asking() -> _Answer:
            nonlocal asked
            if self._client is None:
                self._client = await self._connect()
            asked = self._client
            return await call(asked)

        try:
            return await self._patience.wait(asking)
        except RuntimeError as error:
            if asked is None or not asked.closed:
                raise
            raise SessionStoreUnavailable("given up by another request") from error
        except (CommandError, ClusterNoAvailableNodes, OSError) as error:  # TimeoutError is one of OSError
            if asked is not None and asked is self._client:
                await self.close()
            raise SessionStoreUnavailable(type(error).__name__) from error

    async def close(self) -> None:
        """Close the client, if there is one; the next question makes another."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()


def _connector(address: str) -> Connect:
    if address.startswith(UNIX):
        node: MemcachedHostAddress | MemcachedUnixSocketPath = MemcachedUnixSocketPath(address.removeprefix(UNIX))
    else:
        host, port = _host_and_port(address)
        node = MemcachedHostAddress(host, port)

    async def connect() -> Client:
        # Our own patience is the timeout; and its timer of unused connections would outlive the client.
        return await create_client([node], timeout=None, max_connections=AT_ONCE, purge_unused_connections_after=None)

    return connect


def _host_and_port(address: str) -> tuple[str, int]:
    bare = address.count(":") > 1 and not address.startswith("[")  # an IPv6 address without a port
    host, colon, port = (address, "", "") if bare or address.endswith("]") else address.rpartition(":")
    if not colon:
        host, port = address, str(PORT)
    host = host.removeprefix("[").removesuffix("]")
    if not host or "/" in host or not (port.isascii() and port.isdigit() and 0 < int(port) < 65_536):
        raise ValueError(
            f"expected the address of a memcached, such as '127.0.0.1:11211', '[::1]:11211' or 'unix:/run/memcached'; "
            f"got {address!r}"
        )
    return host, int(port)
