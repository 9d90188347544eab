"""Dialling a named pipe of Windows, which only its Proactor event loop can."""

import os
from functools import partial
from typing import Any

from levante.http import DialedConnection

from .connector import BaseConnector
from .errors import ClientConnectorError
from .origin import ConnectionKey
from .pool import POOL_LIMIT
from .tracing import Trace


class NamedPipeConnector(BaseConnector):
    """Connections to the pipe `path`, such as `\\\\.\\pipe\\docker_engine`, without TLS; the host of the URL goes into
    the Host field only. RuntimeError on an event loop without named pipes."""

    allowed_schemes = frozenset({"http", "ws", "npipe"})

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
        # Any: a method that asyncio has on Windows alone
        self._connect: Any = getattr(self._loop, "create_pipe_connection", None)
        if self._connect is None:
            raise RuntimeError(f"{type(self._loop).__name__} has no named pipes; the ProactorEventLoop of Windows has")
        self._path = os.fspath(path)

    @property
    def path(self) -> str:
        """The path of the pipe."""
        return self._path

    async def _dial(self, key: ConnectionKey, trace: Trace | None) -> DialedConnection:  # noqa: ARG002 - the seam
        connection: DialedConnection
        try:
            _, connection = await self._connect(partial(self._protocol, key), self._path)
        except TimeoutError:
            raise
        except OSError as exc:
            raise ClientConnectorError(key, exc) from exc
        return connection
