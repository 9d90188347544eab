"""Opening listening sockets: TCP and Unix, bound and not yet listening. By our own hand, so that whoever supervises
worker processes can open them without an event loop, and hand them on.
"""

import errno
import os
import socket
import stat
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeAlias

AddressInfo: TypeAlias = tuple[int, int, int, str, tuple[object, ...]]
"""What `getaddrinfo` gives: family, kind, protocol, canonical name, address."""


def look_up(host: str | None, port: int) -> list[AddressInfo]:
    """The addresses of a host to listen at; None is all interfaces. OSError when there are none."""
    return list(socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE))


def bind_tcp(
    infos: Iterable[AddressInfo], *, reuse_address: bool | None = None, reuse_port: bool | None = None
) -> list[socket.socket]:
    """Sockets bound to all addresses of a host: OSError when one is taken or none is ours.

    An address family that the system does not have is passed over, and so is an address that is not on this machine,
    if another is. With port 0 all get the same port.
    """
    if reuse_port and not hasattr(socket, "SO_REUSEPORT"):
        raise ValueError("reuse_port is not supported on this system; leave it out")
    if reuse_address is None:
        reuse_address = os.name == "posix" and sys.platform != "cygwin"
    options = [
        option
        for option, wanted in (("SO_REUSEADDR", reuse_address), ("SO_REUSEPORT", reuse_port))
        if wanted  # by name, for not every system has both
    ]
    sockets: list[socket.socket] = []
    missing: OSError | None = None
    try:
        for family, kind, protocol, _, address in dict.fromkeys(infos):
            try:
                sockets.append(_bound(family, kind, protocol, _at_port_of(sockets, address), options))
            except OSError as exc:
                if exc.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT):
                    raise
                missing = exc
        if not sockets:
            raise missing or OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))
    except BaseException:
        for sock in sockets:
            sock.close()
        raise
    return sockets


def _at_port_of(sockets: Sequence[socket.socket], address: tuple[object, ...]) -> tuple[object, ...]:
    if sockets and address[1] == 0:
        return (address[0], sockets[0].getsockname()[1], *address[2:])
    return address


def _bound(family: int, kind: int, protocol: int, address: tuple[object, ...], options: Iterable[str]) -> socket.socket:
    sock = socket.socket(family, kind, protocol)
    try:
        for option in options:
            sock.setsockopt(socket.SOL_SOCKET, getattr(socket, option), 1)
        if family == getattr(socket, "AF_INET6", None):
            # IPv4 has a socket of its own.
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(address)
    except BaseException:
        sock.close()
        raise
    return sock


def bind_unix(path: str) -> socket.socket:
    """A Unix socket bound to a path, in place of a socket that was left there. OSError when that cannot be."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if not path.startswith("\0"):
            _remove_socket(path)
        sock.bind(path)
    except BaseException:
        sock.close()
        raise
    return sock


# A socket's file is in the memory of the system: nothing here waits for a disk.


def _remove_socket(path: str) -> None:
    try:
        if stat.S_ISSOCK(Path(path).lstat().st_mode):
            Path(path).unlink()
    except FileNotFoundError:
        pass


def inode(path: str) -> int:
    """Which file is at `path`, 0 for none: whether it is still the one that was made there."""
    try:
        return Path(path).stat().st_ino
    except (FileNotFoundError, ValueError):  # ValueError: an abstract socket has no file
        return 0


def remove_unix(path: str, made: int) -> None:
    """Remove the file of a Unix socket, if it is still the one that `inode` said after binding."""
    if made and inode(path) == made:
        Path(path).unlink(missing_ok=True)
