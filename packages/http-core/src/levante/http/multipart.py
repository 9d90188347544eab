"""multipart bodies (RFC 2046 5.1) without I/O: bytes in, parts out, and the other way round. The decoder looks for
one byte string, CRLF, two hyphens and the boundary (a CRLF is imagined before the body, so that the first boundary
is none of its own kind), and for nothing else; as that string has a single CR, at its start, what may be the
beginning of one can only start at the last CR of the input. Hence every byte is looked at a bounded number of
times, whatever the input and however it is cut, and no more is held back than a boundary or the head of a part.
Line ends are CRLF, and what is neither a boundary nor plainly data is an error rather than a guess."""

import re
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from multidict import CIMultiDict, CIMultiDictProxy

from .errors import IncompleteMessage, LimitExceeded, MalformedContent, shown
from .limits import MAX_BOUNDARY, MAX_BOUNDARY_PADDING, MultipartLimits
from .parameters import is_token, quote_value, refuse_controls

_BOUNDARY: Final = re.compile(r"[0-9A-Za-z'()+_,\-./:=? ]*[0-9A-Za-z'()+_,\-./:=?]")
_FIELD_LINE: Final = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]++):[ \t]*+([^\x00-\x08\x0a-\x1f\x7f]*+)")
_PADDING: Final = re.compile(rb"[ \t]*+")


@dataclass(frozen=True, slots=True)
class PartHead:
    """A part begins; its header lines, decoded as UTF-8 with surrogate escapes."""

    headers: CIMultiDictProxy[str]


@dataclass(frozen=True, slots=True)
class PartData:
    """Some bytes (never none) of the part that was begun last."""

    data: bytes


@dataclass(frozen=True, slots=True)
class PartEnd:
    """The part that was begun last is over."""


@dataclass(frozen=True, slots=True)
class MultipartEnd:
    """The last boundary has come; whatever follows is skipped."""


MultipartEvent = PartHead | PartData | PartEnd | MultipartEnd


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

    Raises MalformedContent (400) for what is malformed and LimitExceeded (413) for what is too much; after that
    the decoder is of no more use. The constructor raises MalformedContent for a boundary that is none.
    """

    def __init__(self, boundary: str, *, limits: MultipartLimits | None = None) -> None:
        try:
            check_boundary(boundary)
        except ValueError as error:
            raise MalformedContent(str(error)) from error
        self._delimiter = b"\r\n--" + boundary.encode("ascii")
        self._limits = limits if limits is not None else MultipartLimits()
        self._buffer = bytearray(b"\r\n")
        self._state: Callable[[], bool] = self._skip_preamble
        self._scanned = 0  # how much of the buffer is known not to hold what the state looks for
        self._parts = 0
        self._events: list[MultipartEvent] = []

    def feed(self, data: bytes) -> list[MultipartEvent]:
        """The events that the data completes, in order."""
        self._buffer += data
        while self._state():
            pass
        events, self._events = self._events, []
        return events

    def feed_eof(self) -> None:
        """Raises IncompleteMessage unless the last boundary has come, MalformedContent where none has (both 400)."""
        if self._state == self._skip_preamble:
            raise MalformedContent(f"the multipart body has no boundary {self._delimiter[4:].decode()!r}")
        if not self.is_finished():
            raise IncompleteMessage("the multipart body ends before its last boundary")

    def is_finished(self) -> bool:
        """Whether the last boundary has come."""
        return self._state == self._skip_epilogue

    # Each state takes what it can from the buffer, and returns whether another state has something to do.

    def _skip_preamble(self) -> bool:
        at = self._buffer.find(self._delimiter)
        if at < 0:
            self._buffer = self._buffer[self._possible_start() :]
            return False
        del self._buffer[: at + len(self._delimiter)]
        self._state = self._end_of_boundary
        return True

    def _read_data(self) -> bool:
        at = self._buffer.find(self._delimiter)
        end = at if at >= 0 else self._possible_start()
        if end > 0:
            self._events.append(PartData(bytes(memoryview(self._buffer)[:end])))
        if at < 0:
            self._buffer = self._buffer[end:]
            return False
        self._events.append(PartEnd())
        del self._buffer[: at + len(self._delimiter)]
        self._state = self._end_of_boundary
        return True

    def _possible_start(self) -> int:
        """Where a delimiter may begin that the end of the buffer cuts; the length of the buffer where none can."""
        at = self._buffer.rfind(b"\r", max(0, len(self._buffer) - len(self._delimiter) + 1))
        if at >= 0 and self._delimiter.startswith(bytes(self._buffer[at:])):
            return at
        return len(self._buffer)

    def _end_of_boundary(self) -> bool:
        """Behind a boundary: two hyphens end the body; padding and a line end begin a part."""
        if self._buffer.startswith(b"--"):
            self._events.append(MultipartEnd())
            self._state = self._skip_epilogue
            return True
        padding = _PADDING.match(self._buffer)
        start = padding.end() if padding is not None else 0
        follows = bytes(self._buffer[start : start + 2])
        if start > MAX_BOUNDARY_PADDING or follows not in (b"", b"-", b"\r", b"\r\n") or (follows == b"-" and start):
            raise MalformedContent("a multipart boundary is followed by something else than '--' or a line end")
        if follows != b"\r\n":
            return False
        self._parts += 1
        if self._parts > self._limits.max_parts:
            raise LimitExceeded("max_parts", maximum=self._limits.max_parts)
        del self._buffer[:start]  # the line end stays: with the empty line after the head it makes the end to look for
        self._scanned = 0
        self._state = self._read_head
        return True

    def _read_head(self) -> bool:
        at = self._buffer.find(b"\r\n\r\n", self._scanned)
        if at < 0:
            self._check_unfinished_head()
            self._scanned = max(0, len(self._buffer) - 3)
            return False
        head = bytes(self._buffer[2:at])
        del self._buffer[: at + 2]  # the last line end stays, for a delimiter may follow at once
        self._events.append(PartHead(CIMultiDictProxy(self._parse_head(head))))
        self._state = self._begin_data
        return True

    def _begin_data(self) -> bool:
        """Directly behind the empty line: either a delimiter (an empty part), whose line end that line shares, or
        data."""
        if len(self._buffer) < len(self._delimiter) and self._delimiter.startswith(bytes(self._buffer)):
            return False
        if not self._buffer.startswith(self._delimiter):
            del self._buffer[:2]
        self._state = self._read_data
        return True

    def _check_unfinished_head(self) -> None:
        limits = self._limits
        line_start = self._buffer.rfind(b"\r\n") + 2
        if len(self._buffer) - line_start > limits.max_header_size + 2:
            raise LimitExceeded("max_header_size", maximum=limits.max_header_size, status=413)
        if len(self._buffer) > (limits.max_header_size + 2) * (limits.max_headers + 1):
            raise LimitExceeded("max_headers", maximum=limits.max_headers, status=413)

    def _parse_head(self, head: bytes) -> CIMultiDict[str]:
        headers: CIMultiDict[str] = CIMultiDict()
        lines = head.split(b"\r\n") if head else []
        if len(lines) > self._limits.max_headers:
            raise LimitExceeded("max_headers", maximum=self._limits.max_headers, status=413)
        for line in lines:
            if len(line) > self._limits.max_header_size:
                raise LimitExceeded("max_header_size", maximum=self._limits.max_header_size, status=413)
            match = _FIELD_LINE.fullmatch(line)
            if match is None:
                raise MalformedContent(f"malformed header line in a multipart part: {shown(line)}")
            value = match[2].rstrip(b" \t")
            headers.add(match[1].decode("ascii"), value.decode("utf-8", "surrogateescape"))
        return headers

    def _skip_epilogue(self) -> bool:
        self._buffer.clear()
        return False


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
