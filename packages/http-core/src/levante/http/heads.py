"""The heads of messages: what was parsed, as offsets into the received bytes, and the views of it that are made on
first touch.

A head keeps the bytes it came in, checked once by the parser (headparser.py). What framing and routing need stands in
attributes; header multidict and raw pairs are made when somebody asks, and a single field is found by walking the bytes
again, which costs less than any of them.
"""

from collections.abc import Iterable
from typing import Final

from multidict import CIMultiDict, CIMultiDictProxy

from .errors import IllegalCharacter, shown
from .fieldnames import known_field
from .octets import (
    BLANK,
    VALUE,
    ascii_text,
    find,
    is_token,
    line_text,
    piece,
    same,
    span,
    span_back,
    tokens,
)
from .versions import HttpVersion, HttpVersion10, HttpVersion11

NO_LENGTH: Final = -1

# The classes of bytes, typed when compiled.
_BLANK = BLANK
_VALUE = VALUE

_CR: Final = 13
_COLON: Final = 58


class Head:
    """What requests and responses have in common.

    `seen` has a bit for each field of fieldnames.py that is there: what is asked for with every head costs no search.

    `raw` is the head as received, from its start line to its empty line. `keep_alive` says whether the peer lets the
    connection live on; `chunked` and `content_length` frame the body (RFC 9112 6); `upgrade` is the protocol asked for,
    in lower case, if the Connection field confirms it (RFC 9110 7.8).
    """

    __slots__ = (
        "_colon",
        "_headers",
        "_raw_headers",
        "_start",
        "_stop",
        "chunked",
        "fields",
        "keep_alive",
        "length",
        "raw",
        "seen",
        "upgrade",
        "version",
    )

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Set everything to nothing. The parser makes heads past __init__, which costs a call through Python."""
        self.raw = b""
        self.fields = 0  # where the field lines begin in raw
        self.version = HttpVersion11
        self.length = NO_LENGTH
        self.chunked = False
        self.seen = 0
        self.keep_alive = False
        self.upgrade: str | None = None
        self._headers: CIMultiDictProxy[str] | None = None
        self._raw_headers: tuple[tuple[bytes, bytes], ...] | None = None
        # Of the field that _walk() came by: the end of its name, its value.
        self._colon = 0
        self._start = 0
        self._stop = 0

    @property
    def content_length(self) -> int | None:
        """The value of Content-Length, if there is one."""
        return None if self.length == NO_LENGTH else self.length

    @property
    def headers(self) -> CIMultiDictProxy[str]:
        """The fields in order; values are decoded as UTF-8, other bytes by surrogateescape, so nothing is lost."""
        if self._headers is None:
            self._headers = CIMultiDictProxy(CIMultiDict(self._texts()))
        return self._headers

    @property
    def raw_headers(self) -> tuple[tuple[bytes, bytes], ...]:
        """The fields in order as (name, value), names as they were written, values without the blanks around them."""
        if self._raw_headers is None:
            self._raw_headers = self._pairs()
        return self._raw_headers

    def field(self, name: bytes) -> bytes | None:
        """The first value of the field `name`, which is given in lower case; no multidict is made."""
        end = len(self.raw) - 2
        line = self.fields
        while line < end:
            after = self._walk(line, end)
            if same(self.raw, line, self._colon, name):
                return piece(self.raw, self._start, self._stop)
            line = after
        return None

    def _walk(self, line: int, end: int) -> int:
        """Note where the field at `line` has its name and value; the index of the next line. Everything was checked
        when it was parsed, so only the marks are looked for.
        """
        data = self.raw
        colon = find(data, line, end, _COLON)
        stop = find(data, colon, end, _CR)
        start = span(data, min(colon + 1, stop), stop, _BLANK)
        self._colon = colon
        self._start = start
        self._stop = span_back(data, start, stop, _BLANK)
        return stop + 2

    def _pairs(self) -> tuple[tuple[bytes, bytes], ...]:
        end = len(self.raw) - 2
        line = self.fields
        pairs = []
        while line < end:
            after = self._walk(line, end)
            pairs.append((piece(self.raw, line, self._colon), piece(self.raw, self._start, self._stop)))
            line = after
        return tuple(pairs)

    def _texts(self) -> list[tuple[str, str]]:
        end = len(self.raw) - 2
        line = self.fields
        pairs = []
        while line < end:
            after = self._walk(line, end)
            pairs.append((ascii_text(self.raw, line, self._colon), line_text(self.raw, self._start, self._stop)))
            line = after
        return pairs

    def _set_fields(self, start_line: bytes, headers: Iterable[tuple[str, str]]) -> None:
        """Take a start line and fields that did not come over a wire, checked for what would break the views."""
        lines = [start_line]
        for name, value in headers:
            key = name.encode("latin-1", "replace")
            text = value.encode("utf-8", "surrogateescape")
            if not is_token(key) or span(text, 0, len(text), _VALUE) != len(text):
                raise IllegalCharacter(
                    f"illegal header {shown(name)}: {shown(value)}; expected a token and a line of text"
                )
            lines.append(key + b": " + text + b"\r\n")
            self.seen |= known_field(key, 0, len(key))
        self.raw = b"".join([*lines, b"\r\n"])
        self.fields = len(start_line)

    def _set_framing(self) -> None:
        """Read the framing of a head that did not come over a wire from its fields."""
        length = self.field(b"content-length")
        self.length = NO_LENGTH if length is None else int(length)
        self.chunked = self.field(b"transfer-encoding") is not None
        connection = tokens(self.field(b"connection") or b"")
        self.keep_alive = b"close" not in connection and (self.version == HttpVersion11 or b"keep-alive" in connection)
        wanted = self.field(b"upgrade")
        self.upgrade = wanted.decode("latin-1").lower() if wanted is not None and b"upgrade" in connection else None


class RequestHead(Head):
    """The head of a request: `method` as sent, `target` as the text of its bytes, `expect` the value of Expect if there
    is one.
    """

    __slots__ = ("expect", "method", "target")

    def __init__(self) -> None:
        self.clear()
        self.method = ""
        self.target = ""
        self.expect: bytes | None = None

    @property
    def has_body(self) -> bool:
        """Whether the framing announces a body that is not empty."""
        return self.chunked or self.length > 0

    @staticmethod
    def build(
        method: str,
        target: str,
        headers: Iterable[tuple[str, str]] = (),
        version: HttpVersion = HttpVersion11,
    ) -> "RequestHead":
        """Make a head that no peer sent: for tests, mocks and other synthetic use. IllegalCharacter as in a writer."""
        head = RequestHead()
        head.method = method
        head.target = target
        head.version = HttpVersion10 if version == HttpVersion10 else HttpVersion11
        start_line = f"{method} {target} HTTP/{head.version.major}.{head.version.minor}\r\n".encode("latin-1")
        head._set_fields(start_line, headers)
        head._set_framing()
        head.expect = head.field(b"expect")
        return head

    def __repr__(self) -> str:
        return f"<RequestHead {self.method} {shown(self.target)}>"


class ResponseHead(Head):
    """The head of a response: `status` as a number, `reason` as the text of its bytes, possibly empty."""

    __slots__ = ("reason", "status")

    def __init__(self) -> None:
        self.clear()
        self.status = 0
        self.reason = ""

    @staticmethod
    def build(
        status: int,
        reason: str = "",
        headers: Iterable[tuple[str, str]] = (),
        version: HttpVersion = HttpVersion11,
    ) -> "ResponseHead":
        """Make a head that no peer sent: for tests, mocks and other synthetic use. IllegalCharacter as in a writer."""
        head = ResponseHead()
        head.status = status
        head.reason = reason
        head.version = HttpVersion10 if version == HttpVersion10 else HttpVersion11
        start_line = f"HTTP/{head.version.major}.{head.version.minor} {status} {reason}\r\n".encode(
            "utf-8", "surrogateescape"
        )
        head._set_fields(start_line, headers)
        head._set_framing()
        return head

    def __repr__(self) -> str:
        return f"<ResponseHead {self.status}>"
