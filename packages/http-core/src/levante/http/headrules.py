"""The rules for single elements of a head, each checked or refused in one place: line ends, lengths, codings, targets.

[first, last) is always the element without the blanks around it.
"""

from typing import Final

from .errors import LimitExceeded, RemoteProtocolError, shown
from .limits import MAX_LENGTH_DIGITS
from .octets import DIGIT, SCHEME, is_authority, is_token, number, same, span, tokens

_LF: Final = 10

# Constants of other modules, typed when compiled.
_DIGIT = DIGIT
_SCHEME = SCHEME
_DIGITS_LIMIT = MAX_LENGTH_DIGITS


def crlf(data: bytes, at: int, stop: int) -> int:
    """The index behind the CRLF at `at`, whose CR has been seen; -1 if the LF is not there yet."""
    if at + 1 >= stop:
        return -1
    if data[at + 1] != _LF:
        raise RemoteProtocolError(f"CR followed by {shown(data[at + 1 : at + 2])}; expected LF")
    return at + 2


def content_length(data: bytes, first: int, last: int) -> int:
    """The value of Content-Length in [first, last): digits and nothing else (RFC 9110 8.6)."""
    if first == last or span(data, first, last, _DIGIT) != last:
        raise RemoteProtocolError(f"Content-Length {shown(data[first:last])}; expected decimal digits")
    if last - first > _DIGITS_LIMIT:
        raise LimitExceeded("digits of Content-Length", maximum=_DIGITS_LIMIT, actual=last - first)
    return number(data, first, last)


def check_transfer_encoding(data: bytes, first: int, last: int) -> None:
    """Accept `chunked`, once and alone; 501 for codings that nobody here decodes, 400 for what no framing can be drawn
    from.
    """
    if same(data, first, last, b"chunked"):
        return
    value = data[first:last]
    codings = tokens(value)
    unknown = bool(codings) and b"chunked" not in codings[:-1]
    for coding in codings:
        unknown = unknown and is_token(coding)
    raise RemoteProtocolError(f"Transfer-Encoding {shown(value)}; expected chunked", status=501 if unknown else 400)


def check_target(data: bytes, first: int, last: int, method: str, host: bytes | None) -> None:
    """Check a target in [first, last) that is not in origin form (RFC 9112 3.2); `host` is what the Host field says."""
    if method == "CONNECT":
        if not is_authority(data, first, last, True):
            raise RemoteProtocolError(f"target {shown(data[first:last])} of CONNECT; expected host:port")
        return
    if last - first == 1 and data[first] == 0x2A and method == "OPTIONS":
        return
    scheme = span(data, first, last, _SCHEME)
    start = scheme + 3
    if data[scheme:start] == b"://" and (same(data, first, scheme, b"http") or same(data, first, scheme, b"https")):
        stop = start
        while stop < last and data[stop] != 0x2F and data[stop] != 0x3F:
            stop += 1
        if is_authority(data, start, stop):
            if host is not None and host.lower() != data[start:stop].lower():
                raise RemoteProtocolError(
                    f"Host {shown(host)}, target {shown(data[first:last])}; expected the same host"
                )
            return
    raise RemoteProtocolError(f"target {shown(data[first:last])}; expected a path that begins with '/'")


def refuse_method(data: bytes, line: int, method: int) -> None:
    """Raise for a request line whose method ends at `method`, where no space stands, or is empty."""
    if method == line and data[line] == 0x16:
        raise RemoteProtocolError(
            "this looks like a TLS handshake, but this port speaks plain HTTP; use http://, or another port"
        )
    raise RemoteProtocolError(
        f"byte {shown(data[method : method + 1])} in the method of a request line; expected a token and a space"
    )


def refuse_name(data: bytes, line: int, colon: int) -> None:
    """Raise for a field line whose name ends at `colon`, where no colon stands."""
    if colon == line and data[line] in b" \t":
        raise RemoteProtocolError("line that continues a header (obs-fold); expected a header of its own")
    raise RemoteProtocolError(
        f"byte {shown(data[colon : colon + 1])} in the name of header {shown(data[line:colon])}; expected a token"
    )


def refuse_value(data: bytes, line: int, colon: int, last: int) -> None:
    """Raise for a field line whose value holds a byte at `last` that no value may hold."""
    raise RemoteProtocolError(
        f"byte {shown(data[last : last + 1])} in the value of header {shown(data[line:colon])}; expected CRLF"
    )
