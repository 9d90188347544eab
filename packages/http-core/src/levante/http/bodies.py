"""The framing of message bodies as they arrive: a known length, chunks with trailers, or everything until the peer
closes (RFC 9112 6, 7).

A decoder is fed [start, end) of the received bytes, consumes what belongs to the body and says how far it came. What it
decoded stands in `data` (consecutive small chunks come out as one piece, so a million one-byte chunks do not make a
million events), the ends of HTTP chunks as offsets into it in `chunk_ends`. It keeps no input: a byte at a time costs
the same as a block at a time.
"""

from typing import Final

from multidict import CIMultiDict, CIMultiDictProxy

from .errors import LimitExceeded, LineTooLong, RemoteProtocolError, shown
from .headrules import refuse_name, refuse_value
from .limits import MAX_CHUNK_SIZE_DIGITS, Limits
from .octets import BLANK, TOKEN, VALUE, piece, span, span_back
from .streams import NO_TRAILERS

# Constants of other modules, typed when compiled.
_BLANK = BLANK
_TOKEN = TOKEN
_VALUE = VALUE
_DIGITS_LIMIT = MAX_CHUNK_SIZE_DIGITS

# The states of a chunked body, in the order of the grammar.
_SIZE: Final = 0
_PADDING: Final = 1
_EXTENSION: Final = 2
_SIZE_LF: Final = 3
_CONTENT: Final = 4
_CONTENT_CR: Final = 5
_CONTENT_LF: Final = 6
_TRAILER: Final = 7

# Fields that may not arrive behind the body, for they say how to frame, route or authenticate it (RFC 9110 6.5.1). They
# are dropped.
_NO_TRAILER: Final = frozenset(
    b"authorization content-encoding content-length content-range content-type cookie host max-forwards "
    b"proxy-authorization set-cookie te trailer transfer-encoding connection upgrade expect cache-control".split()
)


class BodyDecoder:
    """What every framing has: `feed`, then `data`, `chunk_ends` and `done`; once done `trailers`, and `mended` if it
    was accepted by leniency alone.
    """

    __slots__ = ("chunk_ends", "data", "done", "mended", "trailers")

    def __init__(self) -> None:
        self.data = b""
        self.chunk_ends: list[int] | None = None
        self.done = False
        self.mended = False
        self.trailers: CIMultiDictProxy[str] = NO_TRAILERS

    def feed(self, data: bytes, start: int, end: int) -> int:
        """Decode [start, end) as far as it belongs to the body; the index behind that. RemoteProtocolError on the first
        bad byte.
        """
        raise NotImplementedError("a framing must say how it decodes")


class LengthDecoder(BodyDecoder):
    """A body of exactly `length` bytes."""

    __slots__ = ("remaining",)

    def __init__(self, length: int) -> None:
        super().__init__()
        self.remaining = length
        self.done = length == 0

    def feed(self, data: bytes, start: int, end: int) -> int:
        stop = min(end, start + self.remaining)
        self.data = piece(data, start, stop)
        self.remaining -= stop - start
        self.done = self.remaining == 0
        return stop


class CloseDecoder(BodyDecoder):
    """A body that lasts until the peer closes."""

    __slots__ = ()

    def feed(self, data: bytes, start: int, end: int) -> int:
        self.data = piece(data, start, end)
        return end


class ChunkedDecoder(BodyDecoder):
    """A body in chunks (RFC 9112 7.1): exact hexadecimal sizes, extensions skipped and counted, CRLF only, trailers
    collected. `lenient` passes over blanks behind a size, counted as extensions.
    """

    __slots__ = (
        "_digits",
        "_extensions",
        "_failure",
        "_fields",
        "_lenient",
        "_line",
        "_max_extensions",
        "_max_trailer_size",
        "_max_trailers",
        "_size",
        "_state",
        "_trailer_size",
    )

    def __init__(self, limits: Limits, *, lenient: bool = False) -> None:
        super().__init__()
        self._lenient = lenient
        self._max_extensions = limits.max_chunk_extensions
        self._max_trailers = limits.max_trailers
        self._max_trailer_size = limits.max_trailer_size
        self._state = _SIZE
        self._size = 0  # of the chunk, then what is left of it
        self._digits = 0
        self._extensions = 0
        self._line = bytearray()  # a trailer line that was cut
        self._trailer_size = 0
        self._failure: RemoteProtocolError | None = None
        self._fields: list[tuple[bytes, bytes]] = []

    def feed(self, data: bytes, start: int, end: int) -> int:
        if self._failure is not None:
            raise self._failure
        at = start
        first = b""
        joined: bytearray | None = None
        ends: list[int] | None = None
        size = 0  # decoded so far
        while at < end and not self.done:
            if self._state == _CONTENT:
                stop = min(end, at + self._size)
                if size == 0:
                    first = piece(data, at, stop)
                else:
                    if joined is None:
                        joined = bytearray(first)
                    joined += data[at:stop]
                size += stop - at
                self._size -= stop - at
                at = stop
                if self._size == 0:
                    self._state = _CONTENT_CR
                    if ends is None:
                        ends = []
                    ends.append(size)
            else:
                try:
                    at = self._trailer(data, at, end) if self._state == _TRAILER else self._between(data, at, end)
                except RemoteProtocolError as error:
                    if size == 0:
                        raise
                    self._failure = error  # first what came before it, as if it had been received alone
                    break
        self.data = first if joined is None else bytes(joined)
        self.chunk_ends = ends
        return at

    def _between(self, data: bytes, at: int, end: int) -> int:
        """Walk over what stands between the contents of two chunks."""
        while at < end:
            octet = data[at]
            if self._state <= _PADDING:
                if self._state == _PADDING or not self._digit(octet):
                    self._after_size(octet)
            elif self._state == _EXTENSION:
                stop = span(data, at, min(end, at + self._max_extensions - self._extensions + 1), _VALUE)
                self._count_extensions(stop - at)
                if stop == end:
                    return end
                at = stop
                if data[at] != 0x0D:
                    raise RemoteProtocolError(f"byte {shown(data[at : at + 1])} in a chunk extension; expected CRLF")
                self._state = _SIZE_LF
            elif self._state == _CONTENT_CR:
                if octet != 0x0D:
                    raise RemoteProtocolError(
                        f"{shown(data[at : at + 1])} behind the content of a chunk; expected CRLF"
                    )
                self._state = _CONTENT_LF
            else:
                if octet != 0x0A:
                    raise RemoteProtocolError(f"CR followed by {shown(data[at : at + 1])} around a chunk; expected LF")
                at += 1
                self._line_end()
                if self._state != _SIZE:
                    return at
                continue
            at += 1
        return at

    def _line_end(self) -> None:
        if self._state == _CONTENT_LF:
            self._state = _SIZE
            self._digits = 0
        elif self._size:
            self._state = _CONTENT
        else:
            self._state = _TRAILER

    def _digit(self, octet: int) -> bool:
        """Take `octet` as the next digit of a chunk size, if it is one."""
        if 0x30 <= octet <= 0x39:
            value = octet - 0x30
        elif 0x61 <= octet | 0x20 <= 0x66:
            value = (octet | 0x20) - 0x57
        else:
            return False
        if self._digits == _DIGITS_LIMIT:
            raise LimitExceeded("digits of a chunk size", maximum=_DIGITS_LIMIT, status=400)
        self._digits += 1
        self._size = self._size * 16 + value
        return True

    def _after_size(self, octet: int) -> None:
        """Go on with `octet`, the first behind the digits of a chunk size, or behind blanks behind them."""
        if self._digits and octet == 0x3B:
            self._state = _EXTENSION
        elif self._digits and octet == 0x0D:
            self._state = _SIZE_LF
        elif self._digits and octet in b" \t" and self._lenient:
            self._state = _PADDING
            self.mended = True
            self._count_extensions(1)
        else:
            raise RemoteProtocolError(
                f"byte {shown(bytes((octet,)))} in a chunk size; expected hexadecimal digits, CRLF"
            )

    def _count_extensions(self, count: int) -> None:
        self._extensions += count
        if self._extensions > self._max_extensions:
            raise LimitExceeded("max_chunk_extensions", maximum=self._max_extensions)

    # Trailers: line by line, each held to the same rules as in a head.

    def _trailer(self, data: bytes, at: int, end: int) -> int:
        stop = min(end, at + self._max_trailer_size + 2 - self._trailer_size)
        newline = data.find(b"\n", at, stop)
        after = stop if newline < 0 else newline + 1
        self._line += data[at:after]
        self._trailer_size += after - at
        if newline >= 0 or self._trailer_size > self._max_trailer_size + 1:
            self._trailer_line(bytes(self._line), newline >= 0)
            self._line.clear()
        return after

    def _trailer_line(self, line: bytes, complete: bool) -> None:
        if line == b"\r\n":
            self._finish()
            return
        end = len(line)
        colon = span(line, 0, end, _TOKEN)
        if colon == 0 or (colon < end and line[colon] != 0x3A):
            refuse_name(line, 0, colon)
        last = span(line, min(colon + 1, end), end, _VALUE)
        if last < end and (line[last] != 0x0D or (last + 1 < end and line[last + 1] != 0x0A)):
            refuse_value(line, 0, colon, last)
        if not complete or self._trailer_size > self._max_trailer_size:
            raise LineTooLong("max_trailer_size", maximum=self._max_trailer_size)
        if len(self._fields) == self._max_trailers:
            raise LimitExceeded("max_trailers", maximum=self._max_trailers)
        first = span(line, colon + 1, last, _BLANK)
        self._fields.append((line[:colon], line[first : span_back(line, first, last, _BLANK)]))

    def _finish(self) -> None:
        self.done = True
        trailers = CIMultiDict[str]()
        for name, value in self._fields:
            if name.lower() not in _NO_TRAILER:
                trailers.add(name.decode("ascii"), value.decode("utf-8", "surrogateescape"))
        if trailers:
            self.trailers = CIMultiDictProxy(trailers)
