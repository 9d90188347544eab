"""The client's side of SOCKS 4, 4a and 5 (RFC 1928, RFC 1929) without I/O: a dialogue is a generator that yields what
to send and how many bytes of answer it needs, and ends when the tunnel stands. Answers have exact lengths, so nothing
of what comes behind them is taken.

4 and 5 name an address, which the caller has resolved; 4a and 5h name the host, which the proxy resolves.
"""

import errno
import ipaddress
import os
from collections.abc import Generator
from typing import NamedTuple

from .auth import BasicAuth

# RFC 1928 section 5 and RFC 1929 section 2 count names, logins and passwords in one byte.
MAX_TEXT = 255

_NO_AUTH, _PASSWORD, _NOTHING_ACCEPTABLE = 0, 2, 0xFF
_IPV4, _NAME, _IPV6 = 1, 3, 4
_ADDRESS_SIZES = {_IPV4: 4, _IPV6: 16}
# RFC 1928 section 6.
_REFUSALS = {
    1: (None, "general failure"),
    2: (errno.EACCES, "not allowed by its rules"),
    3: (errno.ENETUNREACH, "network unreachable"),
    4: (errno.EHOSTUNREACH, "host unreachable"),
    5: (errno.ECONNREFUSED, "connection refused"),
    6: (errno.ETIMEDOUT, "the packet's time to live expired"),
    7: (None, "it does not know CONNECT"),
    8: (None, "it does not know this kind of address"),
}
_SOCKS4_REFUSALS = {
    91: (errno.ECONNREFUSED, "rejected or failed"),
    92: (errno.EACCES, "it cannot reach our identd"),
    93: (errno.EACCES, "our identd names another user"),
}


class SocksRefusal(OSError):
    """The proxy understood us and cannot, or will not, connect to the destination; `errno` says why if it did."""


class SocksError(OSError):
    """What the proxy says is not SOCKS, or it does not take our credentials."""


class Step(NamedTuple):
    """Send `data`, then read exactly `need` bytes."""

    data: bytes
    need: int


Dialogue = Generator[Step, bytes, None]


def socks_dialogue(scheme: str, host: str, port: int, auth: BasicAuth | None) -> Dialogue:
    """The dialogue that `scheme` (socks4, socks4a, socks5, socks5h) has about a connection to `host`: an address, or,
    for the last letters a and h, a name. ValueError for a host, a login or a password that it cannot carry."""
    if scheme.startswith("socks4"):
        return _socks4(host, port, auth)
    return _socks5(host, port, auth)


def _socks4(host: str, port: int, auth: BasicAuth | None) -> Dialogue:
    user = b"" if auth is None else auth.login.encode()
    if b"\0" in user:
        raise ValueError("a login for SOCKS 4 cannot contain a NUL character")
    try:
        address, name = ipaddress.IPv4Address(host).packed, b""
    except ValueError:
        if ":" in host:
            raise ValueError(f"SOCKS 4 knows no IPv6 addresses, got {host!r}: use socks5") from None
        # 4a: an address that is none (0.0.0.x), and the name behind the login.
        address, name = b"\0\0\0\1", _text(host.encode("ascii"), "host") + b"\0"
    answer = yield Step(b"\4\1" + port.to_bytes(2, "big") + address + user + b"\0" + name, 8)
    if answer[0] != 0:
        raise SocksError(None, f"expected an answer of SOCKS 4, got {answer!r}")
    if answer[1] != 90:
        number, reason = _SOCKS4_REFUSALS.get(answer[1], (None, f"code {answer[1]}"))
        raise SocksRefusal(number, _sentence(host, port, reason, number))


def _socks5(host: str, port: int, auth: BasicAuth | None) -> Dialogue:
    methods = bytes([_NO_AUTH]) if auth is None else bytes([_NO_AUTH, _PASSWORD])
    answer = yield Step(bytes([5, len(methods)]) + methods, 2)
    if answer[0] != 5:
        raise SocksError(None, f"expected an answer of SOCKS 5, got {answer!r}")
    if answer[1] == _PASSWORD and auth is not None:
        yield from _log_in(auth)
    elif answer[1] == _NOTHING_ACCEPTABLE or answer[1] not in methods:
        wanted = "give a login and a password" if auth is None else "it takes no login with password"
        raise SocksError(errno.EACCES, f"it accepts none of our ways to log in (it answers {answer[1]}): {wanted}")
    answer = yield Step(b"\5\1\0" + _address(host) + port.to_bytes(2, "big"), 4)
    version, code, reserved, kind = answer
    if version != 5 or reserved != 0:
        raise SocksError(None, f"expected an answer of SOCKS 5, got {answer!r}")
    if code != 0:
        number, reason = _REFUSALS.get(code, (None, f"code {code}"))
        raise SocksRefusal(number, _sentence(host, port, reason, number))
    size = _ADDRESS_SIZES.get(kind)
    if size is None:
        if kind != _NAME:
            raise SocksError(None, f"expected the type of an address (1, 3 or 4), got {kind}")
        size = (yield Step(b"", 1))[0]
    yield Step(b"", size + 2)  # the address that it connects from; nothing here depends on it


def _log_in(auth: BasicAuth) -> Dialogue:
    """RFC 1929."""
    login = _text(auth.login.encode(), "login")
    password = _text(auth.password.encode(), "password", least=0)
    answer = yield Step(b"\1" + bytes([len(login)]) + login + bytes([len(password)]) + password, 2)
    if answer[1] != 0:
        raise SocksError(errno.EACCES, "it does not accept the login and the password")


def _address(host: str) -> bytes:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        name = _text(host.encode("ascii"), "host")
        return bytes([_NAME, len(name)]) + name
    return bytes([_IPV4 if address.version == 4 else _IPV6]) + address.packed


def _text(text: bytes, what: str, *, least: int = 1) -> bytes:
    if not least <= len(text) <= MAX_TEXT or b"\0" in text:
        raise ValueError(f"a {what} for SOCKS has {least} to {MAX_TEXT} bytes and no NUL, got {len(text)} bytes")
    return text


def _sentence(host: str, port: int, reason: str, number: int | None) -> str:
    system = "" if number is None else f" ({os.strerror(number)})"
    return f"it cannot connect to {host}:{port}: {reason}{system}"
