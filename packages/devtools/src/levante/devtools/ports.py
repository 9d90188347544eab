"""Bind the port that was asked for, or say who has it and take the next free one."""

import errno
import os
import socket
from dataclasses import dataclass
from pathlib import Path

# How many ports after the wanted one are tried: more would be a search of the machine, not a next free port.
TRIES = 50
BACKLOG = 128
# Loopback answers at once, seconds.
CONNECT_PATIENCE = 0.5


class NoPort(OSError):
    """Neither the wanted port nor its neighbours can be bound; str() is the one line to show."""


@dataclass(frozen=True, slots=True)
class Bound:
    """A listening socket, its real port, and who holds the port that was wanted ('' when it was free)."""

    listening: socket.socket
    port: int
    taken_by: str = ""


def bind(host: str, port: int) -> Bound:
    """Listen on (host, port), or on the next free port after it; port 0 takes any. Raises NoPort."""
    family, address = _resolve(host)
    taken_by = ""
    for candidate in range(port, min(port + TRIES, 65536)):
        try:
            listening = _listen(family, address, candidate)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise NoPort(f"cannot listen on {host}:{candidate}: {error.strerror}") from error
            taken_by = taken_by or holder(candidate)
            continue
        return Bound(listening, listening.getsockname()[1], taken_by)
    raise NoPort(f"ports {port} to {candidate} are all taken; choose another with --port")


def _resolve(host: str) -> tuple[socket.AddressFamily, str]:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError as error:
        raise NoPort(
            f"cannot listen on {host!r}: {error.strerror}; expected an address or name of this machine"
        ) from error
    found.sort(key=lambda entry: entry[0] != socket.AF_INET)  # `localhost` means IPv4 first
    family, _, _, _, address = found[0]
    return family, str(address[0])


def _listen(family: socket.AddressFamily, address: str, port: int) -> socket.socket:
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        if os.name == "posix":  # elsewhere the option would let two servers share the port
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((address, port))
        listening.listen(BACKLOG)
    except OSError:
        listening.close()
        raise
    return listening


def holder(port: int) -> str:
    """Who listens on a local TCP port, as 'python3 (process 42)'; 'another program' where that cannot be found out."""
    inodes = {inode for name in ("tcp", "tcp6") for inode in _listening_inodes(Path("/proc/net") / name, port)}
    for link in Path("/proc").glob("[0-9]*/fd/*") if inodes else ():
        try:
            if link.readlink().name in inodes:
                return f"{(link.parents[1] / 'comm').read_text().strip()} (process {link.parts[2]})"
        except OSError:  # another user's process, or one that just ended
            continue
    return "another program"


def _listening_inodes(table: Path, port: int) -> list[str]:
    try:
        rows = [line.split() for line in table.read_text("ascii").splitlines()[1:]]
    except OSError:
        return []
    return [f"socket:[{row[9]}]" for row in rows if row[3] == "0A" and int(row[1].rpartition(":")[2], 16) == port]


def is_taken(port: int) -> bool:
    """Whether anybody listens on a TCP port of 127.0.0.1."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as asking:
        asking.settimeout(CONNECT_PATIENCE)
        return asking.connect_ex(("127.0.0.1", port)) == 0
