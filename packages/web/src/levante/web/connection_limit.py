"""How many connections are open, all together and from one address, and who is told when there is room again. Whoever
listens asks before accepting: a connection beyond the total stays in the system's queue, where it loses nothing but
time. One beyond the limit for its address is closed as soon as it is known whose it is.
"""

import socket
from collections.abc import Callable
from typing import Final

from levante.http.accept import AcceptedConnection

MAX_CONNECTIONS: Final = 10_000
"""Connections of one process, if the system lets it have that many files."""

SPARE_FILES: Final = 100
"""Of the files that the system lets a process have, those that are kept for all that is no connection: databases,
logs, uploads, static files.
"""

_IPV6_SITE: Final = 8
_MAPPED_IPV4: Final = bytes(10) + b"\xff\xff"


def default_max_connections() -> int:
    """MAX_CONNECTIONS, or less where the process may not have that many files and some to spare."""
    try:
        import resource
    except ImportError:
        return MAX_CONNECTIONS  # Windows knows no such limit
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files == resource.RLIM_INFINITY:
        return MAX_CONNECTIONS
    return max(1, min(MAX_CONNECTIONS, files - SPARE_FILES))


def address_key(address: object) -> bytes | None:
    """Whose address it is, as `accept` gives it; None for a Unix socket.

    Of IPv6 only the first 64 bits count: they are what one customer gets, and the rest is his to choose.
    """
    if not isinstance(address, tuple):
        return None
    host = address[0].partition("%")[0]
    if ":" not in host:
        return socket.inet_pton(socket.AF_INET, host)
    packed = socket.inet_pton(socket.AF_INET6, host)
    if packed.startswith(_MAPPED_IPV4):
        return packed[len(_MAPPED_IPV4) :]
    return packed[:_IPV6_SITE]


class ConnectionLimit:
    """Counts the connections of one server. `maximum` None is `default_max_connections()`, `per_address` None is no
    limit. `refused` counts those that had too many from their address.
    """

    __slots__ = ("_by_address", "_keys", "_waiting", "count", "maximum", "per_address", "refused")

    def __init__(self, maximum: int | None = None, *, per_address: int | None = None) -> None:
        for name, value in (("max_connections", maximum), ("max_connections_per_ip", per_address)):
            if value is not None and value < 1:
                raise ValueError(f"{name} is at least 1, or None for its default; got {value!r}")
        self.maximum = default_max_connections() if maximum is None else maximum
        self.per_address = per_address
        self.count = 0
        self.refused = 0
        self._keys: dict[AcceptedConnection, bytes] = {}
        self._by_address: dict[bytes, int] = {}
        self._waiting: list[Callable[[], None]] = []

    def is_full(self) -> bool:
        """Whether no further connection may be accepted."""
        return self.count >= self.maximum

    def when_there_is_room(self, callback: Callable[[], None]) -> None:
        """Call once, when a connection has gone, however often this was asked for."""
        if callback not in self._waiting:
            self._waiting.append(callback)

    def enter(self, connection: AcceptedConnection, address: object) -> bool:
        """Count a connection that has been accepted; False when its address has enough of them already."""
        if not self.assign(connection, address):
            return False
        self.count += 1
        return True

    def assign(self, connection: AcceptedConnection, address: object) -> bool:
        """Count a connection to an address; False when that has enough of them already. For those of a proxy, which
        have entered before it was known whose they are.
        """
        if self.per_address is not None:
            key = address_key(address)
            if key is not None:
                if self._by_address.get(key, 0) >= self.per_address:
                    self.refused += 1
                    return False
                self._by_address[key] = self._by_address.get(key, 0) + 1
                self._keys[connection] = key
        return True

    def leave(self, connection: AcceptedConnection) -> None:
        """A connection that had entered is gone."""
        self.count -= 1
        key = self._keys.pop(connection, None)
        if key is not None:
            self._by_address[key] -= 1
            if self._by_address[key] == 0:
                del self._by_address[key]
        waiting, self._waiting = self._waiting, []
        for callback in waiting:
            callback()
