"""Where a runner listens: a TCP address, a Unix socket, or a socket that somebody else has opened."""

import asyncio
import errno
import os
import socket
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from ssl import SSLContext
from typing import TYPE_CHECKING, Protocol, cast

from yarl import URL

if TYPE_CHECKING:
    from .server import Server
    from .types import PathLike

BACKLOG = 128
"""Connections that the system holds while we are busy accepting; the default of most servers."""


class ListenError(OSError):
    """A site cannot listen: its address is taken, is not ours, is unknown, or is forbidden. It says which, and why."""

    def __init__(self, name: str, cause: OSError) -> None:
        # The number is the system's for the most part, and the text of asyncio names the address once more.
        known = cause.errno in errno.errorcode
        why = os.strerror(cause.errno) if known and cause.errno is not None else cause.strerror or str(cause)
        super().__init__(cause.errno, f"cannot listen at {name}: {why}")


class SiteOwner(Protocol):
    """What a site needs of its runner."""

    @property
    def server(self) -> "Server | None": ...
    def register_site(self, site: "BaseSite") -> None: ...
    def unregister_site(self, site: "BaseSite") -> None: ...


class BaseSite(ABC):
    """One listener. RuntimeError when the runner was not set up."""

    def __init__(self, runner: SiteOwner, *, ssl_context: SSLContext | None = None, backlog: int = BACKLOG) -> None:
        if runner.server is None:
            raise RuntimeError("call `await runner.setup()` before making a site")
        self._runner = runner
        # Connections are protocols by their methods: a compiled class cannot inherit from asyncio's.
        self._factory = cast("Callable[[], asyncio.BaseProtocol]", runner.server)
        self._ssl_context = ssl_context
        self._backlog = backlog
        self._listener: asyncio.AbstractServer | None = None

    @property
    @abstractmethod
    def name(self) -> str:
        """The address as a URL."""

    @abstractmethod
    async def _listen(self, loop: asyncio.AbstractEventLoop) -> asyncio.AbstractServer:
        """Begin to listen."""

    @property
    def sockets(self) -> tuple[socket.socket, ...]:
        """The listening sockets, none before `start`."""
        return tuple(getattr(self._listener, "sockets", None) or ())

    async def start(self) -> None:
        """Begin to accept connections. ListenError (an OSError) when that cannot be; RuntimeError when started
        already.
        """
        self._runner.register_site(self)
        try:
            self._listener = await self._listen(asyncio.get_running_loop())
        except OSError as exc:
            self._runner.unregister_site(self)
            raise ListenError(self.name, exc) from exc
        except BaseException:
            self._runner.unregister_site(self)
            raise

    async def stop(self) -> None:
        """Stop to accept; connections that are open stay open."""
        self._runner.unregister_site(self)
        if self._listener is not None:
            self._listener.close()


class TCPSite(BaseSite):
    """A TCP address. `host` None is all interfaces; `port` None is 8080, or 8443 with TLS; 0 lets the system choose,
    see `port`.
    """

    def __init__(
        self,
        runner: SiteOwner,
        host: str | None = None,
        port: int | None = None,
        *,
        ssl_context: SSLContext | None = None,
        backlog: int = BACKLOG,
        reuse_address: bool | None = None,
        reuse_port: bool | None = None,
    ) -> None:
        super().__init__(runner, ssl_context=ssl_context, backlog=backlog)
        self._host = host
        self._port = (8443 if ssl_context else 8080) if port is None else port
        self._reuse_address = reuse_address
        self._reuse_port = reuse_port

    @property
    def port(self) -> int:
        """The port; after `start` the one that the system chose."""
        return self.sockets[0].getsockname()[1] if self.sockets else self._port

    @property
    def name(self) -> str:
        scheme = "https" if self._ssl_context else "http"
        return str(URL.build(scheme=scheme, host=self._host or "0.0.0.0", port=self.port))  # noqa: S104  # shown, not bound

    async def _listen(self, loop: asyncio.AbstractEventLoop) -> asyncio.AbstractServer:
        return await loop.create_server(
            self._factory,
            self._host,
            self._port,
            ssl=self._ssl_context,
            backlog=self._backlog,
            reuse_address=self._reuse_address,
            reuse_port=self._reuse_port,
        )


class UnixSite(BaseSite):
    """A Unix socket; the file is removed again on `stop`, if it is still ours."""

    def __init__(
        self, runner: SiteOwner, path: "PathLike", *, ssl_context: SSLContext | None = None, backlog: int = BACKLOG
    ) -> None:
        super().__init__(runner, ssl_context=ssl_context, backlog=backlog)
        self._path = os.fspath(path)
        self._inode = 0

    @property
    def name(self) -> str:
        return f"{'https' if self._ssl_context else 'http'}://unix:{self._path}:"

    async def _listen(self, loop: asyncio.AbstractEventLoop) -> asyncio.AbstractServer:
        listener = await loop.create_unix_server(
            self._factory, self._path, ssl=self._ssl_context, backlog=self._backlog
        )
        self._inode = _inode(self._path)
        return listener

    async def stop(self) -> None:
        await super().stop()
        if self._inode and _inode(self._path) == self._inode:
            _unlink(self._path)
        self._inode = 0


class SockSite(BaseSite):
    """A bound socket that the caller made, or inherited."""

    def __init__(
        self,
        runner: SiteOwner,
        sock: socket.socket,
        *,
        ssl_context: SSLContext | None = None,
        backlog: int = BACKLOG,
    ) -> None:
        super().__init__(runner, ssl_context=ssl_context, backlog=backlog)
        self._sock = sock
        scheme = "https" if ssl_context else "http"
        if getattr(socket, "AF_UNIX", None) is not None and sock.family == socket.AF_UNIX:
            self._name = f"{scheme}://unix:{sock.getsockname()}:"
        else:
            host, port = sock.getsockname()[:2]
            self._name = str(URL.build(scheme=scheme, host=host, port=port))

    @property
    def name(self) -> str:
        return self._name

    async def _listen(self, loop: asyncio.AbstractEventLoop) -> asyncio.AbstractServer:
        return await loop.create_server(self._factory, sock=self._sock, ssl=self._ssl_context, backlog=self._backlog)


# A socket's file is in the memory of the system: nothing here waits for a disk.


def _inode(path: str) -> int:
    try:
        return Path(path).stat().st_ino
    except FileNotFoundError:
        return 0


def _unlink(path: str) -> None:
    Path(path).unlink(missing_ok=True)
