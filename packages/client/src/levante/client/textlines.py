"""Lines of text out of bytes that come in pieces of any size: decoded as they arrive, ended by LF, CR or CRLF, wherever
a piece may be cut. A line that grows beyond its limit is an error as soon as that is known, not when its end comes. No
I/O."""

import codecs
import re
from collections.abc import AsyncIterable, AsyncIterator

from .errors import ResponseTooLarge

# Characters. A log line or an event's data fits many times; a peer that never ends a line costs no more than this.
MAX_LINE_SIZE = 1024 * 1024

_ENDS = re.compile(r"\r\n|\r|\n")


class LineDecoder:
    """Turns pieces of bytes into lines without their ends. A CR ends its line at once; an LF behind it, in the same
    piece or the next, belongs to it. `max_line_size` is in characters.

    ResponseTooLarge for a longer line, LookupError for an unknown `encoding`, UnicodeDecodeError as `errors` says.
    """

    def __init__(self, encoding: str = "utf-8", *, errors: str = "strict", max_line_size: int = MAX_LINE_SIZE) -> None:
        self._decoder = codecs.getincrementaldecoder(encoding)(errors)
        self._max = max_line_size
        self._held: list[str] = []
        self._size = 0
        self._after_cr = False

    def feed(self, data: bytes) -> list[str]:
        """The lines that `data` ends."""
        return self._split(self._decoder.decode(data))

    def finish(self) -> list[str]:
        """What the end of the bytes ends: at most one line that has no end of its own."""
        lines = self._split(self._decoder.decode(b"", True))
        if self._size:
            lines.append(self._take(""))
        return lines

    def _split(self, text: str) -> list[str]:
        if self._after_cr and text:
            self._after_cr = False
            text = text.removeprefix("\n")
        if not text:
            return []
        first, *others = _ENDS.split(text)
        if not others:
            self._hold(first)
            return []
        self._after_cr = text[-1] == "\r"
        lines = [self._take(first), *others[:-1]]
        if len(max(lines, key=len)) > self._max:
            raise self._too_long()
        self._hold(others[-1])
        return lines

    def _take(self, rest: str) -> str:
        self._hold(rest)
        line = "".join(self._held)
        self._held.clear()
        self._size = 0
        return line

    def _hold(self, text: str) -> None:
        if text:
            self._held.append(text)
            self._size += len(text)
            if self._size > self._max:
                raise self._too_long()

    def _too_long(self) -> ResponseTooLarge:
        return ResponseTooLarge("line", maximum=self._max)


async def lines_of(pieces: AsyncIterable[bytes], decoder: LineDecoder) -> AsyncIterator[str]:
    """The lines of `pieces`."""
    async for piece in pieces:
        for line in decoder.feed(piece):
            yield line
    for line in decoder.finish():
        yield line
