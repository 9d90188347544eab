"""Request targets (RFC 9112 3.2): which of the four forms a target has, its parts, the path that routes are
matched against, and the yarl URL that is made of it where a handler asks for one. What a target means is decided
here once, so that routing, logs and URLs cannot disagree."""

import enum
import re
from ipaddress import AddressValueError, IPv6Address
from typing import Final, NamedTuple
from urllib.parse import quote

from yarl import URL

from .errors import RemoteProtocolError

_TARGET: Final = re.compile(r"[\x21-\x7e]++")
_ABSOLUTE: Final = re.compile(r"([A-Za-z][A-Za-z0-9+\-.]*+)://([^/?]*+)([^?]*+)(?:\?(.*+))?")
# Names and IPv4 addresses, as narrow as the engine takes them (octets.HOST); an IPv6 address is checked by ipaddress.
_HOST: Final = re.compile(r"(?:\[([0-9A-Fa-f:.]++)\]|([A-Za-z0-9\-._~]*+))(?::([0-9]{0,5}))?")
_ESCAPES: Final = re.compile(r"(?:%[0-9A-Fa-f]{2})++")
_STAYS_ESCAPED: Final = re.compile("[/%\udc80-\udcff]")
_SAFE_PATH: Final = (
    "!$&'()*+,;=:@/~"  # what RFC 3986 allows in a path as it is, beside letters, digits, `-`, `.` and `_`
)


class TargetForm(enum.Enum):
    """The four forms of RFC 9112 3.2."""

    ORIGIN = enum.auto()  # /path?query
    ABSOLUTE = enum.auto()  # http://host/path?query
    AUTHORITY = enum.auto()  # host:port, for CONNECT
    ASTERISK = enum.auto()  # *, for OPTIONS


class Authority(NamedTuple):
    """A host (an IPv6 address without its brackets) and its port, None where none is given."""

    host: str
    port: int | None

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"


class Target(NamedTuple):
    """A request target in its parts, as received: `path` and `query` (None without a question mark) are still
    percent-encoded.

    `scheme` (lower case) and `authority` are there in absolute form, `authority` alone in authority form. The path of
    the asterisk form is `*`, that of the authority form is empty, that of an absolute form without path is `/`.
    """

    form: TargetForm
    path: str
    query: str | None = None
    scheme: str | None = None
    authority: Authority | None = None


def split_target(method: str, target: str) -> Target:
    """The parts of a request target.

    Raises RemoteProtocolError (400) for a form that the method does not allow (RFC 9112 3.2), for characters that no
    target has (spaces, controls, anything beyond ASCII), for a fragment, for a bad authority, and for `%00` in the
    path: no resource has a NUL in its name, and the systems behind the handlers cut names at it.
    """
    if _TARGET.fullmatch(target) is None or "#" in target:
        raise RemoteProtocolError(f"request target {target[:200]!r} has a character that no target has")
    if method == "CONNECT":
        authority = parse_authority(target)
        if authority.port is None or not authority.host:
            raise RemoteProtocolError(f"expected host:port as the target of CONNECT, got {target[:200]!r}")
        return Target(TargetForm.AUTHORITY, "", authority=authority)
    if target[0] == "/":
        path, question, query = target.partition("?")
        found = Target(TargetForm.ORIGIN, path, query if question else None)
    elif target == "*" and method == "OPTIONS":
        return Target(TargetForm.ASTERISK, "*")
    else:
        found = _absolute(target)
    if "%00" in found.path:
        raise RemoteProtocolError(f"request target {target[:200]!r} has a NUL in its path")
    return found


def parse_authority(text: str) -> Authority:
    """A Host header's value, or the authority of a target, in its parts (RFC 9110 4.2, 7.2). An empty host is
    allowed; user information is not.

    Raises RemoteProtocolError (400) for anything else: spaces, slashes, `user@`, a port that is not a number up to
    65535, broken brackets.
    """
    match = _HOST.fullmatch(text)
    if match is None or (match[3] and int(match[3]) > 65535) or (match[1] and not _is_ipv6(match[1])):
        raise RemoteProtocolError(f"expected a host such as 'example.org' or '[::1]:8080', got {text[:200]!r}")
    return Authority(match[1] or match[2], int(match[3]) if match[3] else None)


def decode_path(path: str) -> str:
    """The path that routes are matched against: percent-decoded as UTF-8, but for `%2F` and `%25`, so that `/a%2Fb`
    stays one segment.

    Bytes that are not UTF-8 (overlong forms among them) and `%` that begins no escape stay as they are.
    """
    return _ESCAPES.sub(_decode_run, path) if "%" in path else path


def decode_segment(segment: str) -> str:
    """A value matched within decode_path()'s result, with `%2F` and `%25` decoded as well: what a handler gets."""
    return segment.replace("%2F", "/").replace("%25", "%") if "%" in segment else segment


def requote_path(path: str) -> str:
    """A path written by a person (a route, a redirect) with everything percent-encoded that must be; existing
    escapes are kept."""
    pieces: list[str] = []
    position = 0
    for match in _ESCAPES.finditer(path):
        pieces += quote(path[position : match.start()], safe=_SAFE_PATH), match[0].upper()
        position = match.end()
    return "".join((*pieces, quote(path[position:], safe=_SAFE_PATH)))


def local_path(path: str) -> str:
    """The path as a browser cannot take it for another origin when it comes back in a Location header.

    A browser reads `//evil` and `/\\evil` as a host name, and passes over tabs and line ends between them, so all of
    these at the beginning become a single slash.
    """
    return "/" + path.lstrip("/\\\t\r\n")


def relative_url(target: Target) -> URL:
    """The target's path and query as a relative URL, exactly as received (yarl decodes where it is asked to)."""
    return URL.build(path=target.path, query_string=target.query or "", encoded=True)


def absolute_url(scheme: str, authority: str, target: Target) -> URL:
    """The URL of the resource (RFC 9110 7.1). The scheme is the connection's, whatever an absolute target says of
    itself: a client could write `https` on a connection without TLS. The authority of the target counts where none is
    given.

    `authority` is a Host value that parse_authority() takes, else RemoteProtocolError is raised.
    """
    host, port = parse_authority(authority) if authority or target.authority is None else target.authority
    if not host:
        return relative_url(target)
    path = "" if target.form in (TargetForm.ASTERISK, TargetForm.AUTHORITY) else target.path
    try:
        url = URL.build(
            scheme=scheme,
            authority=str(Authority(host, port)),
            path=path,
            query_string=target.query or "",
            encoded=True,
        )
        _ = url.host  # is decoded late, and must not fail in a handler where a peer made an `xn--` name up
    except ValueError as error:
        raise RemoteProtocolError(f"the host {host[:200]!r} is no name that can be") from error
    return url


def _absolute(target: str) -> Target:
    match = _ABSOLUTE.fullmatch(target)
    if match is None:
        raise RemoteProtocolError(f"expected a target such as '/path?query', got {target[:200]!r}")
    authority = parse_authority(match[2])
    if not authority.host:
        raise RemoteProtocolError(f"request target {target[:200]!r} has no host")
    return Target(TargetForm.ABSOLUTE, match[3] or "/", match[4], match[1].lower(), authority)


def _is_ipv6(text: str) -> bool:
    try:
        IPv6Address(text)
    except AddressValueError:
        return False
    return True


def _decode_run(match: re.Match[str]) -> str:
    text = bytes.fromhex(match[0].replace("%", "")).decode("utf-8", "surrogateescape")
    return _STAYS_ESCAPED.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"%{code - 0xDC00 if code >= 0xDC80 else code:02X}"
