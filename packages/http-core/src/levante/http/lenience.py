"""What real servers get wrong in the head of a response, mended to what they meant (RFC 9112 2.2, 5.1, 5.2).

The lenient parser is the strict one until that refuses a head. Then the lines of this head are rewritten to the strict
form, and the strict rules judge the result line by line, so leniency adds no way of its own to accept anything. Mended
are: LF alone as the end of a line, fields continued on the next line (obs-fold, to one space), blanks before the colon,
a reason that touches its status. Repeated fields that do not frame are let through; the first one is what `field()`
and `headers[...]` return, `headers.getall()` has all. Never mended is what other recipients could frame by in another
way: a name that frames or switches, if blanks stand behind it or its value is continued, and a continuation of nothing
but blanks, which looks like the end of a head. Everything else that the strict rules refuse stays refused: bare CR,
control characters, lengths that differ or are no digits, a version or a transfer coding that nobody knows. A head that
had to be rewritten is the last on its connection: whoever else saw these bytes may have read them differently.
"""

from typing import Final

from .errors import LimitExceeded, RemoteProtocolError
from .fieldnames import FRAMING_FIELDS, FRAMING_SINGLES, known_field
from .headparser import HeadParser
from .heads import Head
from .limits import Limits
from .octets import VALUE

_CR: Final = 13

# Constants of other modules, typed when compiled.
_VALUE = VALUE
_FRAMING_FIELDS = FRAMING_FIELDS


class LenientHeadParser(HeadParser):
    """Parses the heads of responses, from servers that mean well; see HeadParser for how to use it."""

    __slots__ = ("_held", "_judge", "_lines", "_mending")

    def __init__(self, limits: Limits) -> None:
        self._judge = HeadParser(limits, request=False, singles=FRAMING_SINGLES)
        super().__init__(limits, request=False)

    def reset(self) -> None:
        """Make ready for another head."""
        HeadParser.reset(self)  # super() does not exist in compiled methods
        self._judge.reset()
        self._mending = False  # the strict rules have refused this head as it is
        self._lines = b""  # what the judge has
        self._held = b""  # the last field line: the next line may continue it

    def parse(self, data: bytes, start: int, end: int) -> Head | None:
        """Continue with [start, end); RemoteProtocolError where neither the strict rules nor leniency find a head."""
        if not self._mending:
            try:
                return HeadParser.parse(self, data, start, end)
            except LimitExceeded:
                raise
            except RemoteProtocolError:
                self._mending = True
                self._line = self._fields = 0
        while True:
            line = start + self._line
            bound = min(line + (self._max_field if self._fields else self._max_line), start + self._max_head)
            stop = min(end, bound)
            newline = data.find(b"\n", line, stop)
            if newline < 0:
                self._wait_for_line(data, line, stop)
                if stop == bound:
                    self._refuse_size(bound - start)
                return None
            self.end = newline + 1
            self._line = self.end - start
            head = self._take_line(data[line:newline].removesuffix(b"\r"))
            if head is not None:
                self.mended = self._lines != data[start : self.end]
                return head

    def _wait_for_line(self, data: bytes, line: int, stop: int) -> None:
        """Refuse at once what does not begin like a status line; note what would be worth a look."""
        self.kind = _VALUE
        if self._fields == 0 and (line == stop or data[line] == _CR or self._version(data, line, stop) < 0):
            self.kind = 0

    def _take_line(self, line: bytes) -> Head | None:
        """Go on with a line, given without its end; the head if this was its last."""
        if self._fields == 0:
            if line:
                self._fields = self._line
            return self._judged(_mended_status_line(line) + b"\r\n")
        if line and line[0] in b" \t" and self._take_continuation(line):
            return None
        lines = self._held + b"\r\n" if self._held else b""
        self._held = _mended_field_line(line)
        return self._judged(lines if line else lines + b"\r\n")

    def _take_continuation(self, line: bytes) -> bool:
        """Append `line` to the field before it, if that may be continued."""
        colon = self._held.find(b":")
        text = line.strip(b" \t")
        if colon < 0 or not text or _frames(self._held[:colon]):
            return False
        self._held = self._held.rstrip(b" \t") + b" " + text
        if len(self._held) >= self._max_field:
            self._refuse_size(len(self._held))
        return True

    def _judged(self, lines: bytes) -> Head | None:
        """Give complete lines to the strict rules."""
        self._lines += lines
        return self._judge.parse(self._lines, 0, len(self._lines))


def _frames(name: bytes) -> bool:
    return known_field(name, 0, len(name)) & _FRAMING_FIELDS != 0


def _mended_status_line(line: bytes) -> bytes:
    """With a space between status and reason."""
    if line[9:12].isdigit() and line[12:13].isalpha():
        return line[:12] + b" " + line[12:]
    return line


def _mended_field_line(line: bytes) -> bytes:
    """Without blanks before the colon, unless the field is one that frames."""
    colon = line.find(b":")
    name = line[: max(colon, 0)].rstrip(b" \t")
    return name + line[colon:] if name and not _frames(name) else line
