"""multipart bodies (RFC 2046 5.1) without I/O: bytes in, parts out, and the other way round. The decoder looks for
one byte string, CRLF, two hyphens and the boundary (a CRLF is imagined before the body, so that the first boundary
is none of its own kind), and for nothing else; as that string has a single CR, at its start, what may be the
beginning of one can only start at the last CR of the input. Hence every byte is looked at a bounded number of
times, whatever the input and however it is cut; data is handed on in the pieces it came in, not copied, and no more
is held back than a boundary or a line of a part's head. Line ends are CRLF, and what is neither a boundary nor
plainly data is an error rather than a guess."""

import re
import secrets
from collections.abc import Iterable
from typing import Final

from multidict import CIMultiDict, CIMultiDictProxy

from .errors import IncompleteMessage, LimitExceeded, MalformedContent, shown
from .limits import MAX_BOUNDARY, MAX_BOUNDARY_PADDING, MultipartLimits
from .octets import BLANK, TOKEN, VALUE, span, span_back
from .parameters import is_token, quote_value, refuse_controls

_BOUNDARY: Final = re.compile(r"[0-9A-Za-z'()+_,\-./:=? ]*[0-9A-Za-z'()+_,\-./:=?]")

# Constants of other modules, typed when compiled.
_BLANK = BLANK
_TOKEN = TOKEN
_VALUE = VALUE
_MAX_PADDING = MAX_BOUNDARY_PADDING

# The states of a decoder, in the order in which a body visits them.
_PREAMBLE: Final = 0
_BOUNDARY_END: Final = 1
_HEAD: Final = 2
_HEAD_END: Final = 3
_CONTENT: Final = 4
_EPILOGUE: Final = 5


class PartHead:
    """A part begins; its header lines, decoded as UTF-8 with surrogate escapes."""

    __slots__ = ("headers",)

    def __init__(self, headers: CIMultiDictProxy[str]) -> None:
        self.headers = headers

    def __repr__(self) -> str:
        return f"PartHead({self.headers!r})"


class PartData:
    """Some bytes (never none) of the part that was begun last."""

    __slots__ = ("data",)

    def __init__(self, data: bytes) -> None:
        self.data = data

    def __repr__(self) -> str:
        return f"PartData({shown(self.data)})"


class PartEnd:
    """The part that was begun last is over."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "PartEnd()"


class MultipartEnd:
    """The last boundary has come; whatever follows is skipped."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "MultipartEnd()"


MultipartEvent = PartHead | PartData | PartEnd | MultipartEnd

# They carry nothing, so one of each is enough.
_PART_END = PartEnd()
_END = MultipartEnd()


def check_boundary(boundary: str) -> str:
    """The boundary itself. Raises ValueError where it is not 1 to 70 of the characters of RFC 2046 5.1.1, or ends
    with a space."""
    if len(boundary) > MAX_BOUNDARY or _BOUNDARY.fullmatch(boundary) is None:
        raise ValueError(
            f"expected a boundary of 1 to {MAX_BOUNDARY} ASCII letters, digits or '()+_,-./:=?, got {boundary[:100]!r}"
        )
    return boundary


def make_boundary() -> str:
    """A fresh boundary: 128 random bits, so that no content has it by chance or by will."""
    return secrets.token_hex(16)


class MultipartDecoder:
    """One multipart body being taken apart: feed() gives the events of each piece of input, feed_eof() says that no
    more comes.

    MalformedContent (400) stands for what is malformed, LimitExceeded (413) for what is too much: the `failure`, None
    while all is well. It is raised by the feed() that meets it where no event comes before it, else by the next call,
    so that the events are the same however the input is cut; from then on every call raises it. The constructor raises
    MalformedContent for a boundary that is none.
    """

    __slots__ = (
        "_boundary",
        "_delimiter",
        "_events",
        "_fields",
        "_held",
        "_line",
        "_max_headers",
        "_max_line",
        "_max_parts",
        "_parts",
        "_state",
        "failure",
    )

    def __init__(self, boundary: str, *, limits: MultipartLimits | None = None) -> None:
        try:
            check_boundary(boundary)
        except ValueError as error:
            raise MalformedContent(str(error)) from error
        if limits is None:
            limits = MultipartLimits()
        self._max_parts = limits.max_parts
        self._max_headers = limits.max_headers
        self._max_line = limits.max_header_size
        self._boundary = b"--" + boundary.encode("ascii")
        self._delimiter = b"\r\n" + self._boundary
        self._held = b"\r\n"  # what was fed and is not decided yet
        self._line = bytearray()  # of a part's head, as far as it has come
        self._fields: list[tuple[str, str]] = []
        self._parts = 0
        self._events: list[MultipartEvent] = []
        self._state = _PREAMBLE
        self.failure: MalformedContent | LimitExceeded | None = None

    def feed(self, data: bytes) -> list[MultipartEvent]:
        """The events that the data completes, in order."""
        if self.failure is not None:
            raise self.failure
        piece = self._held + data if self._held else bytes(data)
        self._held = b""
        try:
            self._walk(piece)
        except (MalformedContent, LimitExceeded) as error:
            self.failure = error
            if not self._events:
                raise
        events = self._events
        self._events = []
        return events

    def feed_eof(self) -> None:
        """Raises IncompleteMessage unless the last boundary has come, MalformedContent where none has (both 400)."""
        if self.failure is not None:
            raise self.failure
        if self._state == _PREAMBLE:
            raise MalformedContent(f"the multipart body has no boundary {self._boundary[2:].decode()!r}")
        if self._state != _EPILOGUE:
            raise IncompleteMessage("the multipart body ends before its last boundary")

    def is_finished(self) -> bool:
        """Whether the last boundary has come."""
        return self._state == _EPILOGUE

    def _walk(self, data: bytes) -> None:
        """Each state takes what it can, holds back what it cannot decide on, and says how far it came."""
        at = 0
        end = len(data)
        while at < end:
            if self._state == _CONTENT:
                at = self._content(data, at, end)
            elif self._state == _HEAD:
                at = self._head(data, at, end)
            elif self._state == _HEAD_END:
                at = self._head_end(data, at, end)
            elif self._state == _BOUNDARY_END:
                at = self._boundary_end(data, at, end)
            elif self._state == _PREAMBLE:
                at = self._preamble(data, at, end)
            else:
                return

    def _preamble(self, data: bytes, at: int, end: int) -> int:
        found = data.find(self._delimiter, at)
        if found < 0:
            self._held = data[self._possible_start(data, at, end) :]
            return end
        self._state = _BOUNDARY_END
        return found + len(self._delimiter)

    def _content(self, data: bytes, at: int, end: int) -> int:
        found = data.find(self._delimiter, at)
        stop = found if found >= 0 else self._possible_start(data, at, end)
        if stop > at:
            self._events.append(PartData(data[at:stop]))
        if found < 0:
            self._held = data[stop:]
            return end
        self._end_part()
        return found + len(self._delimiter)

    def _end_part(self) -> None:
        self._events.append(_PART_END)
        self._state = _BOUNDARY_END

    def _possible_start(self, data: bytes, at: int, end: int) -> int:
        """Where a delimiter may begin that the end of the data cuts; the end where none can."""
        found = data.rfind(b"\r", max(at, end - len(self._delimiter) + 1))
        return found if found >= 0 and self._delimiter.startswith(data[found:]) else end

    def _boundary_end(self, data: bytes, at: int, end: int) -> int:
        """Behind a boundary: two hyphens end the body; padding and a line end begin a part."""
        after = span(data, at, end, _BLANK)
        follows = data[after : after + 2]
        if follows == b"--" and after == at:
            self._events.append(_END)
            self._state = _EPILOGUE
            return end
        if after - at > _MAX_PADDING or follows not in (b"", b"-", b"\r", b"\r\n") or (follows == b"-" and after > at):
            raise MalformedContent("a multipart boundary is followed by something else than '--' or a line end")
        if follows != b"\r\n":
            self._held = data[at:]
            return end
        self._parts += 1
        if self._parts > self._max_parts:
            raise LimitExceeded("max_parts", maximum=self._max_parts)
        self._state = _HEAD
        return after + 2

    def _head(self, data: bytes, at: int, end: int) -> int:
        """One line of a part's head, or as much of it as is there."""
        newline = data.find(b"\n", at)
        stop = newline + 1 if newline >= 0 else end
        size = len(self._line) + stop - at
        if size > self._max_line + (2 if newline >= 0 else 1):  # even if what comes next should be its end
            raise LimitExceeded("max_header_size", maximum=self._max_line, status=413)
        if newline < 0 or self._line:
            self._line += data[at:stop]
        if newline < 0:
            return end
        if self._line:
            line = bytes(self._line)
            self._line.clear()
            self._field(line, 0, size)
        else:
            self._field(data, at, stop)
        return stop

    def _field(self, data: bytes, start: int, end: int) -> None:
        """A line of a part's head with its end; the empty one is the last."""
        if end - start < 2 or data[end - 2] != 0x0D:  # CR
            raise MalformedContent(f"a header line in a multipart part ends with a bare LF: {shown(data[start:end])}")
        end -= 2
        if start == end:
            self._events.append(PartHead(CIMultiDictProxy(CIMultiDict(self._fields))))
            self._fields.clear()
            self._state = _HEAD_END
            return
        if len(self._fields) == self._max_headers:
            raise LimitExceeded("max_headers", maximum=self._max_headers, status=413)
        colon = span(data, start, end, _TOKEN)
        first = span(data, colon + 1, end, _BLANK)
        if colon in (start, end) or data[colon] != 0x3A or span(data, first, end, _VALUE) != end:  # 0x3A is ":"
            raise MalformedContent(f"malformed header line in a multipart part: {shown(data[start:end])}")
        value = data[first : span_back(data, first, end, _BLANK)]
        self._fields.append((data[start:colon].decode("ascii"), value.decode("utf-8", "surrogateescape")))

    def _head_end(self, data: bytes, at: int, end: int) -> int:
        """Directly behind the empty line: either a boundary (an empty part), whose line end that line shares, or
        data."""
        if data.startswith(self._boundary, at):
            self._end_part()
            return at + len(self._boundary)
        if end - at < len(self._boundary) and self._boundary.startswith(data[at:]):
            self._held = data[at:]
            return end
        self._state = _CONTENT
        return at


class MultipartEncoder:
    """The bytes around the parts of a multipart body; what is inside them is the caller's, who vouches that it has
    no boundary."""

    def __init__(self, boundary: str | None = None) -> None:
        self.boundary = check_boundary(boundary) if boundary is not None else make_boundary()
        self._delimiter = b"--" + self.boundary.encode("ascii")

    def content_type(self, subtype: str) -> str:
        """The Content-Type of the body, its boundary quoted where it must be. Raises ValueError for a subtype that
        is no token."""
        if not is_token(subtype):
            raise ValueError(f"expected a multipart subtype such as 'form-data', got {subtype!r}")
        return f"multipart/{subtype}; boundary={quote_value(self.boundary)}"

    def part_head(self, headers: Iterable[tuple[str, str]]) -> bytes:
        """Boundary and header lines, up to where the part's data begins; part_end() must follow the data.

        Raises ValueError for a name that is no token and for control characters in a value.
        """
        lines = [self._delimiter]
        for name, value in headers:
            if not is_token(name):
                raise ValueError(f"part header name {name!r} is not a token")
            refuse_controls(value, what=f"part header {name!r} with value")
            lines.append(f"{name}: {value}".encode())
        return b"\r\n".join((*lines, b"", b""))

    @staticmethod
    def part_end() -> bytes:
        """The line end that belongs to the boundary after a part."""
        return b"\r\n"

    def end(self) -> bytes:
        """The last boundary."""
        return self._delimiter + b"--\r\n"
