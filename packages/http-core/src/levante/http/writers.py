"""Heads and chunks to bytes: the only place where text of ours becomes bytes on a wire, so the place that checks every
character of it.

Field names that passed once are remembered together with what they mean for framing; values are printable in nearly
every case, which one call tells. Everything else is looked at character by character.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from .errors import IllegalCharacter, LocalProtocolError, shown
from .octets import TARGET, is_token, span
from .status import reason_phrase

# What a field means to the framing: bits in `FieldBlock.seen`.
SEEN_CONNECTION: Final = 1
SEEN_CONTENT_LENGTH: Final = 2
SEEN_TRANSFER_ENCODING: Final = 4
SEEN_DATE: Final = 8
SEEN_SERVER: Final = 16
SEEN_HOST: Final = 32
SEEN_UPGRADE: Final = 64
SEEN_EXPECT: Final = 128

_MEANING: Final = {
    "connection": SEEN_CONNECTION,
    "content-length": SEEN_CONTENT_LENGTH,
    "transfer-encoding": SEEN_TRANSFER_ENCODING,
    "date": SEEN_DATE,
    "server": SEEN_SERVER,
    "host": SEEN_HOST,
    "upgrade": SEEN_UPGRADE,
    "expect": SEEN_EXPECT,
}

# The same and their unions, typed when compiled.
_CONNECTION = SEEN_CONNECTION
_CONTENT_LENGTH = SEEN_CONTENT_LENGTH
_TRANSFER_ENCODING = SEEN_TRANSFER_ENCODING
_FRAMING = SEEN_CONNECTION | SEEN_CONTENT_LENGTH | SEEN_TRANSFER_ENCODING
_NO_TRAILER = _FRAMING | SEEN_HOST | SEEN_UPGRADE | SEEN_EXPECT
_TARGET = TARGET

# Names that have been checked, with their meaning. A program uses few; one that makes names up must not fill the memory
# with them.
_NAMES: dict[str, int] = {}
_MAX_NAMES: Final = 1024

_STATUS_LINES: dict[int, str] = {}

# The latest headers that cannot change, a tuple of tuples, and what was assembled from them: a program that answers
# with the same fields again and again has them checked once.
_latest: tuple[object, "FieldBlock | None"] = (None, None)

Headers = Mapping[str, str] | Iterable[tuple[str, str]]

LAST_CHUNK: Final = b"0\r\n\r\n"


class FieldBlock:
    """The fields of a head as text, and what they say about framing.

    `length` is the value of a Content-Length among them (-1: none); `close`, `keep_alive` and `upgrade` say whether
    Connection names these options; `chunked` whether Transfer-Encoding does.
    """

    __slots__ = ("chunked", "close", "keep_alive", "length", "seen", "text", "upgrade")

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Set everything to nothing."""
        self.text = ""
        self.seen = 0
        self.length = -1
        self.close = False
        self.keep_alive = False
        self.upgrade = False
        self.chunked = False


def field_block(headers: Headers, drop: int = 0) -> FieldBlock:
    """Check and assemble `headers`, leaving out those whose meaning is in `drop`.

    IllegalCharacter for a name that is no token or a value that would not stay on its line, TypeError for anything but
    str. The block belongs to everybody: it is only read.
    """
    global _latest  # noqa: PLW0603  # one variable in C, where an object's attribute would be another look
    latest = _latest
    if latest[0] is headers and drop == 0 and latest[1] is not None:
        return latest[1]
    block = FieldBlock.__new__(FieldBlock)  # past __init__, which costs a call through Python
    block.clear()
    lines = []
    if type(headers) is not tuple and type(headers) is not list and isinstance(headers, Mapping):
        headers = headers.items()
    for name, value in headers:
        meaning = _NAMES.get(name, -1)
        if meaning < 0:
            meaning = _new_name(name)
        if not value.isprintable():
            check_text(value, name)
        if meaning:
            if meaning & drop:
                continue
            block.seen |= meaning
            if meaning & _FRAMING:
                _note(block, meaning, value)
        lines.append(name)
        lines.append(": ")
        lines.append(value)
        lines.append("\r\n")
    block.text = "".join(lines)
    if drop == 0 and type(headers) is tuple and _are_tuples(headers):
        _latest = (headers, block)
    return block


def _are_tuples(pairs: tuple[object, ...]) -> bool:
    for pair in pairs:  # noqa: SIM110  # a C function has no generators
        if type(pair) is not tuple:
            return False
    return True


def _new_name(name: str) -> int:
    if not isinstance(name, str):
        raise TypeError(f"header name {name!r}; expected str")
    if not name.isascii() or not is_token(name.encode("ascii")):
        raise IllegalCharacter(f"illegal header name {shown(name)}; expected a token (letters, digits, hyphens)")
    meaning = _MEANING.get(name.lower(), 0)
    if len(_NAMES) >= _MAX_NAMES:
        _NAMES.clear()
    _NAMES[str(name)] = meaning
    return meaning


def check_text(text: str, what: str) -> None:
    """Raise IllegalCharacter if `text`, which belongs to `what`, holds a control character other than HTAB (RFC 9110
    5.5).
    """
    for character in text:
        code = ord(character)
        if (code < 0x20 and code != 9) or code == 0x7F:
            raise IllegalCharacter(f"control character in {what}: {shown(text)}; expected a line of text")


def _note(block: FieldBlock, meaning: int, value: str) -> None:
    if meaning == _CONTENT_LENGTH:
        if not (value.isascii() and value.isdigit() and len(value) <= 18) or (
            block.length >= 0 and block.length != int(value)
        ):
            raise LocalProtocolError(f"Content-Length {shown(value)}; expected one decimal number")
        block.length = int(value)
    elif meaning == _TRANSFER_ENCODING:
        if value.strip().lower() != "chunked" or block.chunked:
            raise LocalProtocolError(
                f"Transfer-Encoding {shown(value)}; expected chunked, once, or leave it to the writer"
            )
        block.chunked = True
    else:
        for option in value.lower().split(","):
            option = option.strip()
            block.close |= option == "close"
            block.keep_alive |= option == "keep-alive"
            block.upgrade |= option == "upgrade"


def status_line(status: int, reason: str | None) -> str:
    """The status line; the usual reason for None. Always HTTP/1.1, for that is what we speak (RFC 9110 6.2)."""
    if reason is None:
        line = _STATUS_LINES.get(status)
        if line is None:
            if not 100 <= status <= 999:
                raise LocalProtocolError(f"status {status}; expected 100 to 999")
            line = _STATUS_LINES[status] = f"HTTP/1.1 {status} {reason_phrase(status)}\r\n"
        return line
    if not 100 <= status <= 999:
        raise LocalProtocolError(f"status {status}; expected 100 to 999")
    if not reason.isprintable():
        check_text(reason, "a reason phrase")
    return f"HTTP/1.1 {status} {reason}\r\n"


def request_line(method: str, target: str, minor: int = 1) -> str:
    """The request line; IllegalCharacter for a method that is no token or a target with anything but visible ASCII, or
    with '#'.
    """
    if not method.isascii() or not is_token(method.encode("ascii")):
        raise IllegalCharacter(f"illegal method {shown(method)}; expected a token")
    text = target.encode("ascii", "replace") if target.isascii() else b""
    if not text or span(text, 0, len(text), _TARGET) != len(text):
        raise IllegalCharacter(
            f"illegal target {shown(target)}; expected visible ASCII without '#', percent-encoded where needed"
        )
    return f"{method} {target} HTTP/1.{minor}\r\n"


def encode(lines: tuple[str, ...]) -> bytes:
    """The lines of a head as bytes; what surrogateescape let in as text leaves as the bytes it was."""
    return "".join(lines).encode("utf-8", "surrogateescape")


def chunk(data: bytes) -> bytes:
    """One chunk (RFC 9112 7.1); `data` is not empty."""
    return b"".join((f"{len(data):x}\r\n".encode("ascii"), data, b"\r\n"))


def last_chunk(trailers: Headers | None) -> bytes:
    """The end of a chunked body, with `trailers`; LocalProtocolError for trailers that frame the message (RFC 9110
    6.5.1).
    """
    if not trailers:
        return LAST_CHUNK
    block = field_block(trailers)
    if block.seen & (
        SEEN_CONTENT_LENGTH | SEEN_TRANSFER_ENCODING | SEEN_HOST | SEEN_CONNECTION | SEEN_UPGRADE | SEEN_EXPECT
    ):
        raise LocalProtocolError("a trailer must not frame or route its message; send that field in the head")
    return b"".join((b"0\r\n", encode((block.text,)), b"\r\n"))
