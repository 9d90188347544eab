"""Dialling what has a path in place of an address: a Unix socket, or a named pipe of Windows, which only its Proactor
event loop can. There is no TLS, and the host of the URL goes into the Host field only."""

import os
from functools import partial
from typing import Any

from levante.http import DialedConnection

from .connector import BaseConnector
from .errors import ClientConnectorError, UnixClientConnectorError
from .origin import ConnectionKey
from .pool import POOL_LIMIT
from .tracing import Trace


class _PathConnector(BaseConnector):
    """Connections to `path`; a subclass says how it is dialled."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        keepalive_timeout: float | None = None,
        force_close: bool = False,
        limit: int = POOL_LIMIT,
        limit_per_host: int = 0,
    ) -> None:
        super().__init__(
            keepalive_timeout=keepalive_timeout, force_close=force_close, limit=limit, limit_per_host=limit_per_host
        )  # fmt: skip
        self._path = os.fspath(path)
        self._connect = self._loop_method()

    @property
    def path(self) -> str:
        """What is dialled."""
        return self._path

    def _loop_method(self) -> Any:  # Any: what dials is a method of the loop, one of them on Windows alone
        raise NotImplementedError

    def _refusal(self, key: ConnectionKey, error: OSError) -> ClientConnectorError:
        return ClientConnectorError(key, error)

    async def _dial(self, key: ConnectionKey, trace: Trace | None) -> DialedConnection:  # noqa: ARG002 - the seam
        connection: DialedConnection
        try:
            _, connection = await self._connect(partial(self._protocol, key), self._path)
        except TimeoutError:
            raise
        except OSError as exc:
            raise self._refusal(key, exc) from exc
        return connection


class UnixConnector(_PathConnector):
    """Connections to the socket at `path` in the file system."""

    allowed_schemes = frozenset({"http", "ws", "unix"})

    def _loop_method(self) -> Any:  # Any: as above
        return self._loop.create_unix_connection

    def _refusal(self, key: ConnectionKey, error: OSError) -> ClientConnectorError:
        return UnixClientConnectorError(self._path, key, error)


class NamedPipeConnector(_PathConnector):
    """Connections to the pipe `path`, such as `\\\\.\\pipe\\docker_engine`. RuntimeError on an event loop without named
    pipes."""

    allowed_schemes = frozenset({"http", "ws", "npipe"})

    def _loop_method(self) -> Any:  # Any: as above
        connect = getattr(self._loop, "create_pipe_connection", None)
        if connect is None:
            raise RuntimeError(f"{type(self._loop).__name__} has no named pipes; the ProactorEventLoop of Windows has")
        return connect
