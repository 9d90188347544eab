"""Where a program listens, as `run_app` was told: as sites of a runner, or as sockets that are bound at once, without
an event loop, and handed to worker processes.
"""

import os
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from ssl import SSLContext
from typing import TYPE_CHECKING

from .binding import bind_tcp, bind_unix, look_up
from .sites import (
    BaseSite,
    ListenError,
    SiteOwner,
    SockSite,
    TCPSite,
    UnixSite,
    default_port,
    socket_name,
    tcp_name,
    unix_name,
)

if TYPE_CHECKING:
    from .types import PathLike


@dataclass(frozen=True, slots=True)
class Addresses:
    """Hosts with a port, paths of Unix sockets, sockets: one or several of each, and they combine."""

    host: str | Iterable[str] | None
    port: int | None
    path: "PathLike | Iterable[PathLike] | None"
    sock: socket.socket | Iterable[socket.socket] | None
    backlog: int
    reuse_address: bool | None
    reuse_port: bool | None

    def sites(self, runner: SiteOwner, ssl_context: SSLContext | None) -> list[BaseSite]:
        """The sites, none started yet."""
        paths, socks = self.paths(), self.socks()
        sites: list[BaseSite] = [
            *(UnixSite(runner, path, ssl_context=ssl_context, backlog=self.backlog) for path in paths),
            *(SockSite(runner, sock, ssl_context=ssl_context, backlog=self.backlog) for sock in socks),
        ]
        sites += [
            TCPSite(
                runner,
                host,
                self.port,
                ssl_context=ssl_context,
                backlog=self.backlog,
                reuse_address=self.reuse_address,
                reuse_port=self.reuse_port,
            )
            for host in self.hosts(others=bool(sites))
        ]
        return sites

    def bind(self, *, secure: bool) -> list[socket.socket]:
        """All of them as listening sockets; `secure` chooses the default port. ListenError when that cannot be."""
        sockets, name = self.socks(), ""
        port = default_port(secure=secure) if self.port is None else self.port
        opened: list[socket.socket] = []
        try:
            for path in self.paths():
                name = unix_name(path, secure=secure)
                opened.append(bind_unix(path))
            for host in self.hosts(others=bool(sockets or opened)):
                name = tcp_name(host, port, secure=secure)
                infos = look_up(host, port)
                opened += bind_tcp(infos, reuse_address=self.reuse_address, reuse_port=self.reuse_port)
            for sock in [*sockets, *opened]:
                name = socket_name(sock, secure=secure)
                sock.listen(self.backlog)
        except OSError as exc:
            _close(opened)
            raise ListenError(name, exc) from exc
        except BaseException:
            _close(opened)
            raise
        return [*sockets, *opened]

    def paths(self) -> list[str]:
        """The paths of Unix sockets."""
        if isinstance(self.path, str | os.PathLike):
            return [os.fspath(self.path)]
        return [os.fspath(path) for path in self.path or ()]

    def socks(self) -> list[socket.socket]:
        """The sockets that are bound already."""
        return [self.sock] if isinstance(self.sock, socket.socket) else list(self.sock or ())

    def hosts(self, *, others: bool) -> list[str | None]:
        """The hosts to listen at by TCP; None is all interfaces, meant only where no `others` were asked for."""
        if self.host is None:
            return [] if others and self.port is None else [None]
        return [self.host] if isinstance(self.host, str) else list(self.host)


def _close(sockets: Iterable[socket.socket]) -> None:
    for sock in sockets:
        sock.close()
