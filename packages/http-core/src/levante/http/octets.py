"""Classes of bytes (RFC 9110 5.6, RFC 9112, RFC 3986) and the scanning functions that walk over them.

Every function takes (data, start, end), looks at no byte outside [start, end), and is linear. Compiled, these few
functions are the only ones that use unchecked pointers. A class is a bit in a table of 256 bytes, so one look-up
answers for any union of classes.
"""

import socket
from typing import Final

# The bits of the table. TOKEN: field names and methods; VALUE: field values and reasons, HTAB included; TARGET: request
# targets, that is visible ASCII without "#"; BLANK: SP and HTAB and nothing else; HOST: names and IPv4 addresses;
# ADDRESS: inside the brackets of an IPv6 literal.
TOKEN: Final = 1
VALUE: Final = 2
TARGET: Final = 4
BLANK: Final = 8
DIGIT: Final = 16
HOST: Final = 32
ADDRESS: Final = 64
SCHEME: Final = 128


def _classes() -> bytes:
    alphanumeric = frozenset(b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
    members = {
        TOKEN: alphanumeric | set(b"!#$%&'*+-.^_`|~"),
        VALUE: {9, *range(0x20, 0x7F), *range(0x80, 0x100)},
        TARGET: set(range(0x21, 0x7F)) - set(b"#"),
        BLANK: set(b" \t"),
        DIGIT: set(b"0123456789"),
        # Narrower than reg-name on purpose: percent-encodings and sub-delims occur in no real name and confuse whoever
        # decodes them.
        HOST: alphanumeric | set(b"-._~"),
        ADDRESS: set(b"0123456789abcdefABCDEF:."),
        SCHEME: alphanumeric | set(b"+-."),
    }
    return bytes(sum(bit for bit, octets in members.items() if octet in octets) for octet in range(256))


CLASSES: Final = _classes()

# The same, typed when compiled.
_TABLE = CLASSES


def span(data: bytes, start: int, end: int, kind: int) -> int:
    """The first index in [start, end) whose byte is of no class in `kind`; `end` if there is none."""
    octets = data
    table = _TABLE
    # Four at a time as long as all of them share a class of `kind`; then singly, which is what decides.
    while end - start >= 4 and (
        table[octets[start]] & table[octets[start + 1]] & table[octets[start + 2]] & table[octets[start + 3]] & kind
    ):
        start += 4
    while start < end and table[octets[start]] & kind:
        start += 1
    return start


def find(data: bytes, start: int, end: int, octet: int) -> int:
    """The first index in [start, end) of `octet`; `end` if it is not there."""
    octets = data
    while end - start >= 4 and (
        octets[start] != octet
        and octets[start + 1] != octet
        and octets[start + 2] != octet
        and octets[start + 3] != octet
    ):
        start += 4
    while start < end and octets[start] != octet:
        start += 1
    return start


def piece(data: bytes, start: int, end: int) -> bytes:
    """A copy of [start, end), which lies inside `data`; compiled, a third of what a slice costs, which goes through an
    object of its own.
    """
    octets = data
    if start == 0 and end == len(data):
        return data
    return octets[start:end]


def ascii_text(data: bytes, start: int, end: int) -> str:
    """The text of [start, end), which lies inside `data` and is ASCII, as TOKEN and TARGET are."""
    octets = data
    return octets[start:end].decode("ascii")


def line_text(data: bytes, start: int, end: int) -> str:
    """The text of [start, end), which lies inside `data`; what is not UTF-8 is kept by surrogateescape."""
    octets = data
    return octets[start:end].decode("utf-8", "surrogateescape")


def span_back(data: bytes, start: int, end: int, kind: int) -> int:
    """The end of [start, end) once trailing bytes of a class in `kind` are dropped."""
    octets = data
    table = _TABLE
    while end > start and table[octets[end - 1]] & kind:
        end -= 1
    return end


def same(data: bytes, start: int, end: int, name: bytes) -> bool:
    """Whether [start, end) is `name` in any case; `name` is letters and hyphens in lower case, the bytes are TOKEN or
    HOST.
    """
    octets = data
    wanted = name
    if end - start != len(name):
        return False
    index = 0
    while start < end:
        if octets[start] | 0x20 != wanted[index]:
            return False
        start += 1
        index += 1
    return True


def exactly(data: bytes, start: int, end: int, name: bytes) -> bool:
    """Whether [start, end) is `name`."""
    octets = data
    wanted = name
    if end - start != len(name):
        return False
    index = 0
    while start < end:
        if octets[start] != wanted[index]:
            return False
        start += 1
        index += 1
    return True


def number(data: bytes, start: int, end: int) -> int:
    """The value of the digits in [start, end), which are at most 18 and nothing but ASCII digits."""
    octets = data
    value = 0
    while start < end:
        value = value * 10 + (octets[start] - 48)
        start += 1
    return value


def is_authority(data: bytes, start: int, end: int, port_needed: bool = False) -> bool:
    """Whether [start, end) is host [":" port] without userinfo (RFC 3986 3.2), host not empty, port at most five
    digits.
    """
    if start < end and data[start] == 0x5B:  # "["
        stop = span(data, start + 1, end, ADDRESS)
        if stop == end or data[stop] != 0x5D or not _is_ipv6(data[start + 1 : stop]):
            return False
        stop += 1
    else:
        stop = span(data, start, end, HOST)
        if stop == start:
            return False
    if stop == end:
        return not port_needed
    if data[stop] != 0x3A:  # ":"
        return False
    port = stop + 1
    if span(data, port, end, DIGIT) != end or end - port > 5:
        return False
    return number(data, port, end) <= 65535 if port < end else not port_needed


def _is_ipv6(text: bytes) -> bool:
    try:
        socket.inet_pton(socket.AF_INET6, text.decode("ascii"))
    except (OSError, ValueError):
        return False
    return True


def is_token(text: bytes) -> bool:
    """Whether `text` is a token (RFC 9110 5.6.2)."""
    return len(text) > 0 and span(text, 0, len(text), TOKEN) == len(text)


def tokens(value: bytes) -> list[bytes]:
    """The comma-separated members of a field value in lower case, empty ones left out (RFC 9110 5.6.1)."""
    return [member for part in value.lower().split(b",") if (member := part.strip(b" \t"))]
