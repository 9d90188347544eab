"""Where a runner listens: a TCP address, a Unix socket, or a socket that somebody else has opened."""

import asyncio
import errno
import os
import socket
from abc import ABC, abstractmethod
from collections.abc import Iterable
from ssl import SSLContext
from typing import TYPE_CHECKING, Protocol, cast

from yarl import URL

from .binding import AddressInfo, bind_tcp, bind_unix, inode, remove_unix
from .listener import Listening, listen
from .proxies import network_names

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


def default_port(*, secure: bool) -> int:
    """The port where none is given: 8080, with TLS 8443."""
    return 8443 if secure else 8080


def tcp_name(host: str | None, port: int, *, secure: bool) -> str:
    """A TCP address as a URL."""
    return str(URL.build(scheme=_scheme(secure=secure), host=host or "0.0.0.0", port=port))  # noqa: S104  # shown, not bound


def unix_name(path: str, *, secure: bool) -> str:
    """The path of a Unix socket in the form of a URL."""
    return f"{_scheme(secure=secure)}://unix:{path}:"


def socket_name(sock: socket.socket, *, secure: bool) -> str:
    """The address of a bound socket as a URL."""
    if getattr(socket, "AF_UNIX", None) is not None and sock.family == socket.AF_UNIX:
        return unix_name(sock.getsockname(), secure=secure)
    host, port = sock.getsockname()[:2]
    return tcp_name(host, port, secure=secure)


def _scheme(*, secure: bool) -> str:
    return "https" if secure else "http"


class SiteOwner(Protocol):
    """What a site needs of its runner."""

    @property
    def server(self) -> "Server | None": ...
    def register_site(self, site: "BaseSite") -> None: ...
    def unregister_site(self, site: "BaseSite") -> None: ...


class BaseSite(ABC):
    """One listener. `proxy_protocol` has the networks whose connections begin with a header of the PROXY protocol; None
    leaves it to the server. RuntimeError when the runner was not set up.
    """

    def __init__(
        self,
        runner: SiteOwner,
        *,
        ssl_context: SSLContext | None = None,
        backlog: int = BACKLOG,
        proxy_protocol: Iterable[str] | None = None,
    ) -> None:
        if runner.server is None:
            raise RuntimeError("call `await runner.setup()` before making a site")
        self._runner = runner
        self._server = runner.server
        self._ssl_context = ssl_context
        self._backlog = backlog
        self._proxy_protocol = self._server.proxy_protocol if proxy_protocol is None else network_names(proxy_protocol)
        self._listeners: list[Listening] = []

    @property
    @abstractmethod
    def name(self) -> str:
        """The address as a URL."""

    @abstractmethod
    async def _bind(self) -> list[socket.socket]:
        """The sockets to listen at."""

    @property
    def sockets(self) -> tuple[socket.socket, ...]:
        """The listening sockets, none before `start`."""
        return tuple(sock for listener in self._listeners for sock in listener.sockets)

    async def start(self) -> None:
        """Begin to accept connections. ListenError (an OSError) when that cannot be; RuntimeError when started
        already.
        """
        self._runner.register_site(self)
        try:
            for sock in await self._bind():
                self._listeners.append(
                    await listen(
                        self._server,
                        sock,
                        ssl_context=self._ssl_context,
                        backlog=self._backlog,
                        proxy_protocol=self._proxy_protocol,
                    )
                )
        except OSError as exc:
            await self.stop()
            raise ListenError(self.name, exc) from exc
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop to accept; connections that are open stay open."""
        self._runner.unregister_site(self)
        for listener in self._listeners:
            listener.close()
        self._listeners.clear()


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
        proxy_protocol: Iterable[str] | None = None,
    ) -> None:
        super().__init__(runner, ssl_context=ssl_context, backlog=backlog, proxy_protocol=proxy_protocol)
        self._host = host
        self._port = default_port(secure=ssl_context is not None) if port is None else port
        self._reuse_address = reuse_address
        self._reuse_port = reuse_port

    @property
    def port(self) -> int:
        """The port; after `start` the one that the system chose."""
        return self.sockets[0].getsockname()[1] if self.sockets else self._port

    @property
    def name(self) -> str:
        return tcp_name(self._host, self.port, secure=self._ssl_context is not None)

    async def _bind(self) -> list[socket.socket]:
        infos = await asyncio.get_running_loop().getaddrinfo(
            self._host or None, self._port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        return bind_tcp(
            cast("list[AddressInfo]", infos), reuse_address=self._reuse_address, reuse_port=self._reuse_port
        )


class UnixSite(BaseSite):
    """A Unix socket; the file is removed again on `stop`, if it is still ours."""

    def __init__(
        self,
        runner: SiteOwner,
        path: "PathLike",
        *,
        ssl_context: SSLContext | None = None,
        backlog: int = BACKLOG,
        proxy_protocol: Iterable[str] | None = None,
    ) -> None:
        super().__init__(runner, ssl_context=ssl_context, backlog=backlog, proxy_protocol=proxy_protocol)
        self._path = os.fspath(path)
        self._inode = 0

    @property
    def name(self) -> str:
        return unix_name(self._path, secure=self._ssl_context is not None)

    async def _bind(self) -> list[socket.socket]:
        sock = bind_unix(self._path)
        self._inode = inode(self._path)
        return [sock]

    async def stop(self) -> None:
        await super().stop()
        remove_unix(self._path, self._inode)
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
        proxy_protocol: Iterable[str] | None = None,
    ) -> None:
        super().__init__(runner, ssl_context=ssl_context, backlog=backlog, proxy_protocol=proxy_protocol)
        self._sock = sock
        self._name = socket_name(sock, secure=ssl_context is not None)

    @property
    def name(self) -> str:
        return self._name

    async def _bind(self) -> list[socket.socket]:
        return [self._sock]
