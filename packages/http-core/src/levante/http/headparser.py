"""Finds the next head in the received bytes, checks every byte of it, and notes what framing depends on, all in one
pass.

`parse(data, start, end)` is given everything that belongs to the head so far and returns it once its empty line is
there, else None; it continues at the beginning of the line that was not complete, so no byte is looked at more than
twice however the bytes were cut. The verdict depends on the bytes alone, never on the cuts: the first byte that cannot
be right decides, and a limit counts as such a byte. Five rules carry the strictness: token check on names, byte check
on values, exactly one valid Host, exact digits, exact CRLF.
"""

from typing import Final

from .errors import LimitExceeded, LineTooLong, RemoteProtocolError, shown
from .fieldnames import (
    CONNECTION,
    CONTENT_LENGTH,
    EXPECT,
    HOST,
    KEY1,
    REQUEST_SINGLES,
    RESPONSE_SINGLES,
    TRANSFER_ENCODING,
    UPGRADE,
    known_field,
)
from .headrules import (
    check_target,
    check_transfer_encoding,
    content_length,
    crlf,
    refuse_method,
    refuse_name,
    refuse_value,
)
from .heads import NO_LENGTH, Head, RequestHead, ResponseHead
from .limits import MAX_METHOD_LENGTH, Limits
from .octets import (
    BLANK,
    TARGET,
    TOKEN,
    VALUE,
    ascii_text,
    exactly,
    is_authority,
    line_text,
    number,
    piece,
    same,
    span,
    span_back,
    tokens,
)
from .versions import HttpVersion10, HttpVersion11

# Constants of other modules, typed when compiled.
_BLANK = BLANK
_TARGET = TARGET
_TOKEN = TOKEN
_VALUE = VALUE
_NO_LENGTH = NO_LENGTH
_METHOD_LIMIT = MAX_METHOD_LENGTH
_VERSION_10 = HttpVersion10
_VERSION_11 = HttpVersion11

_VERSION: Final = b"HTTP/0.0"

_CR: Final = 13
_SP: Final = 32
_COLON: Final = 58

# Fields, typed when compiled.
_HOST = HOST
_CONTENT_LENGTH = CONTENT_LENGTH
_TRANSFER_ENCODING = TRANSFER_ENCODING
_CONNECTION = CONNECTION
_UPGRADE = UPGRADE
_EXPECT = EXPECT
_KEY1 = KEY1
_REQUEST_SINGLES = REQUEST_SINGLES
_RESPONSE_SINGLES = RESPONSE_SINGLES

_METHODS: Final = {
    name.encode(): name
    for name in ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "CONNECT", "TRACE", "QUERY")
}


class HeadParser:
    """Parses one head after another for one role: requests for a server, responses for a client.

    After `parse` has returned a head, `end` is the index of the first byte behind it; `reset()` makes ready for the
    next one. After it has returned None, `kind` is the class of the bytes that cannot change the verdict, alone.
    `mended` says whether the head was rewritten, which only lenience.py does.
    """

    __slots__ = (
        "_chunked",
        "_close",
        "_connection_upgrade",
        "_count",
        "_empty_lines",
        "_expect_start",
        "_expect_stop",
        "_fields",
        "_head",
        "_host_start",
        "_host_stop",
        "_keep",
        "_length",
        "_line",
        "_max_empty",
        "_max_field",
        "_max_head",
        "_max_headers",
        "_max_line",
        "_method_stop",
        "_minor",
        "_reason_stop",
        "_request",
        "_seen",
        "_singles",
        "_status",
        "_target_start",
        "_target_stop",
        "_upgrade_start",
        "_upgrade_stop",
        "end",
        "kind",
        "mended",
    )

    def __init__(self, limits: Limits, *, request: bool, singles: int | None = None) -> None:
        self._request = request
        usual = _REQUEST_SINGLES if request else _RESPONSE_SINGLES
        self._singles = usual if singles is None else singles  # the fields that may come only once
        self._max_line = limits.max_line_size + 2
        self._max_field = limits.max_field_size + 2
        self._max_headers = limits.max_headers
        self._max_head = limits.max_head_size
        self._max_empty = limits.max_empty_lines
        self.end = 0
        self.kind = 0
        self.reset()

    def reset(self) -> None:
        """Make ready for another head."""
        self.mended = False
        # Offsets are relative to the `start` of parse().
        self._head = 0  # the start line, behind empty lines
        self._line = 0  # the first line that was not complete
        self._fields = 0  # the first field line; 0 while the start line is missing
        self._empty_lines = 0
        self._count = 0
        self._seen = 0
        self._length = _NO_LENGTH
        self._chunked = False
        self._keep = False
        self._close = False
        self._connection_upgrade = False
        self._upgrade_start = 0
        self._upgrade_stop = 0
        self._expect_start = 0
        self._expect_stop = 0

    def can_wait(self, buffered: int) -> bool:
        """Whether the `buffered` bytes of a head, all of them of class `kind` since the last parse, are too few to
        change its verdict.
        """
        line = buffered - self._line
        return line < (self._max_field if self._fields else self._max_line) and buffered < self._max_head

    def parse(self, data: bytes, start: int, end: int) -> Head | None:
        """Continue with [start, end), which begins with the same bytes as the last time; RemoteProtocolError on the
        first bad byte.
        """
        line = start + self._line
        self.kind = 0
        while line < end:
            bound = min(line + (self._max_field if self._fields else self._max_line), start + self._max_head)
            stop = min(end, bound)
            if self._fields == 0:
                after = self._start_line(data, start, line, stop)
            elif line < stop and data[line] == _CR:
                after = crlf(data, line, stop)
                if after > 0:
                    self.end = after
                    return self._request_head(data, start) if self._request else self._response_head(data, start)
            else:
                after = self._field(data, start, line, stop)
            if after < 0:
                if stop == bound:
                    self._refuse_size(bound - start)
                break
            line = after
        self._line = line - start
        return None

    def _refuse_size(self, size: int) -> None:
        if size >= self._max_head:
            raise LimitExceeded("max_head_size", maximum=self._max_head)
        if self._fields:
            raise LineTooLong("max_field_size", maximum=self._max_field - 2)
        raise LineTooLong("max_line_size", maximum=self._max_line - 2)

    # Lines. Each returns the index behind the line, or -1 where [line, stop) does not hold its end.

    def _start_line(self, data: bytes, start: int, line: int, stop: int) -> int:
        if line < stop and data[line] == _CR:
            after = crlf(data, line, stop)
            if after > 0:
                self._empty_lines += 1
                if self._empty_lines > self._max_empty:
                    raise RemoteProtocolError(f"more than {self._max_empty} empty lines where a message should begin")
                self._head = after - start
            return after
        after = (
            self._request_line(data, start, line, stop) if self._request else self._status_line(data, start, line, stop)
        )
        if after > 0:
            self._fields = after - start
        return after

    def _request_line(self, data: bytes, start: int, line: int, stop: int) -> int:
        method = span(data, line, stop, _TOKEN)
        if method - line > _METHOD_LIMIT:
            raise RemoteProtocolError(
                f"method longer than {_METHOD_LIMIT} bytes: {shown(data[line:method])}", status=501
            )
        if method == stop:
            return -1
        if data[method] != _SP or method == line:
            refuse_method(data, line, method)
        target = method + 1
        behind = span(data, target, stop, _TARGET)
        if behind == stop:
            self.kind = _TARGET
            return -1
        if data[behind] != _SP or behind == target:
            raise RemoteProtocolError(
                f"request line: {shown(data[behind : behind + 1])} behind target {shown(data[target:behind])}; "
                "expected visible ASCII without '#', then one space and the version"
            )
        after = self._version(data, behind + 1, stop)
        if after < 0 or after == stop:
            return -1
        if data[after] != _CR:
            raise RemoteProtocolError(
                f"request line: {shown(data[after : after + 1])} behind the version; expected CRLF"
            )
        after = crlf(data, after, stop)
        self._method_stop = method - start
        self._target_start = target - start
        self._target_stop = behind - start
        return after

    def _status_line(self, data: bytes, start: int, line: int, stop: int) -> int:
        after = self._version(data, line, stop)
        if after < 0:
            return -1
        for index in range(after, min(after + 4, stop)):
            octet = data[index]
            if octet != _SP if index == after else not 48 <= octet <= 57:
                raise RemoteProtocolError(
                    f"status line: {shown(data[line : index + 1])}; expected a version, a space, three digits"
                )
        behind = after + 4
        if behind >= stop:
            return -1
        self._status = number(data, after + 1, behind)
        if self._status < 100:
            raise RemoteProtocolError(f"status {self._status}; expected 100 to 999")
        if data[behind] != _SP and data[behind] != _CR:
            raise RemoteProtocolError(
                f"status line: {shown(data[line : behind + 1])}; expected a space behind three digits"
            )
        reason = span(data, behind, stop, _VALUE)
        if reason == stop:
            self.kind = _VALUE
            return -1
        if data[reason] != _CR:
            raise RemoteProtocolError(
                f"byte {shown(data[reason : reason + 1])} in a reason phrase; expected text and CRLF"
            )
        self._target_start = min(behind + 1, reason) - start
        self._reason_stop = reason - start
        return crlf(data, reason, stop)

    def _version(self, data: bytes, at: int, stop: int) -> int:
        """Check "HTTP/1.0" or "HTTP/1.1" at `at`; note the minor version."""
        for index in range(min(8, stop - at)):
            octet = data[at + index]
            if not 48 <= octet <= 57 if index in (5, 7) else octet != _VERSION[index]:
                raise RemoteProtocolError(f"version {shown(data[at : at + index + 1])}; expected HTTP/1.1")
        if stop - at < 9:  # the byte behind the version is part of the verdict: HTTP/1.10 is malformed, not unknown
            return -1
        if data[at + 8] != _CR and (self._request or data[at + 8] != _SP):
            raise RemoteProtocolError(f"version {shown(data[at : at + 9])}; expected HTTP/1.1")
        self._minor = data[at + 7] - 48
        if data[at + 5] != 49 or self._minor > 1:
            raise RemoteProtocolError(f"version {shown(data[at : at + 8])}; expected HTTP/1.0 or HTTP/1.1", status=505)
        return at + 8

    def _field(self, data: bytes, start: int, line: int, stop: int) -> int:
        if self._count == self._max_headers:
            raise LimitExceeded("max_headers", maximum=self._max_headers)
        colon = span(data, line, stop, _TOKEN)
        if colon == stop:
            self.kind = _TOKEN
            return -1
        if data[colon] != _COLON or colon == line:
            refuse_name(data, line, colon)
        first = span(data, colon + 1, stop, _BLANK)
        last = span(data, first, stop, _VALUE)
        if last == stop:
            self.kind = _VALUE
            return -1
        if data[last] != _CR:
            refuse_value(data, line, colon, last)
        after = crlf(data, last, stop)
        if after < 0:
            return -1
        self._count += 1
        known = known_field(data, line, colon)
        if known:
            self._note(known, data, start, first, span_back(data, first, last, _BLANK))
        return after

    # What framing depends on. [first, last) is the value without the blanks around it.

    def _note(self, known: int, data: bytes, start: int, first: int, last: int) -> None:
        if self._seen & known & self._singles:
            raise RemoteProtocolError(
                f"repeated header, the second time with {shown(data[first:last])}; expected it once"
            )
        if known == _HOST:
            self._host_start = first - start
            self._host_stop = last - start
        elif known == _CONTENT_LENGTH:
            self._length = content_length(data, first, last)
        elif known == _TRANSFER_ENCODING:
            check_transfer_encoding(data, first, last)
            self._chunked = True
        elif known == _CONNECTION:
            self._note_connection(data, first, last)
        elif known == _EXPECT:
            self._expect_start = first - start
            self._expect_stop = last - start
        elif known == _UPGRADE:
            if not self._seen & _UPGRADE:
                self._upgrade_start = first - start
                self._upgrade_stop = last - start
        elif known == _KEY1 and self._request:
            raise RemoteProtocolError(
                "Sec-WebSocket-Key1 belongs to a draft whose requests have unframed bodies; expected RFC 6455"
            )
        self._seen |= known

    def _note_connection(self, data: bytes, first: int, last: int) -> None:
        if same(data, first, last, b"keep-alive"):
            self._keep = True
        elif same(data, first, last, b"close"):
            self._close = True
        else:
            for token in tokens(data[first:last]):
                if token == b"close":
                    self._close = True
                elif token == b"keep-alive":
                    self._keep = True
                elif token == b"upgrade":
                    self._connection_upgrade = True

    # Whole heads.

    def _request_head(self, data: bytes, start: int) -> RequestHead:
        head = RequestHead.__new__(RequestHead)
        head.clear()
        begin = start + self._head
        if exactly(data, begin, start + self._method_stop, b"GET"):
            head.method = "GET"
        else:
            name = piece(data, begin, start + self._method_stop)
            head.method = _METHODS.get(name) or name.decode("ascii")
        first = start + self._target_start
        last = start + self._target_stop
        head.target = ascii_text(data, first, last)
        if self._seen & _HOST:
            if not is_authority(data, start + self._host_start, start + self._host_stop):
                raise RemoteProtocolError(f"Host {shown(self._host(data, start))}; expected a host and perhaps a port")
        elif self._minor == 1:
            raise RemoteProtocolError("no Host header; HTTP/1.1 demands one")
        if data[first] != 0x2F or head.method == "CONNECT":
            check_target(data, first, last, head.method, self._host(data, start) if self._seen & _HOST else None)
        if self._chunked and (self._length != _NO_LENGTH or self._minor == 0):
            raise RemoteProtocolError(
                "Transfer-Encoding with Content-Length or with HTTP/1.0; expected one framing only"
            )
        head.expect = None
        if self._expect_stop:
            head.expect = data[start + self._expect_start : start + self._expect_stop]
        self._finish(head, data, start, begin)
        return head

    def _response_head(self, data: bytes, start: int) -> ResponseHead:
        head = ResponseHead.__new__(ResponseHead)
        head.clear()
        head.status = self._status
        head.reason = line_text(data, start + self._target_start, start + self._reason_stop)
        self._finish(head, data, start, start + self._head)
        if self._chunked and (self._length != _NO_LENGTH or self._minor == 0):
            # RFC 9112 6.3: the chunks are right, but somebody on the way may have thought otherwise.
            head.length = _NO_LENGTH
            head.keep_alive = False
        return head

    def _finish(self, head: Head, data: bytes, start: int, begin: int) -> None:
        head.raw = piece(data, begin, self.end)
        head.fields = start + self._fields - begin
        head.version = _VERSION_11 if self._minor else _VERSION_10
        head.length = self._length
        head.chunked = self._chunked
        head.seen = self._seen
        head.keep_alive = not self._close and (self._minor == 1 or self._keep)
        if self._connection_upgrade and self._minor == 1 and self._seen & _UPGRADE:
            wanted = tokens(data[start + self._upgrade_start : start + self._upgrade_stop])
            head.upgrade = wanted[0].decode("latin-1") if wanted else None

    def _host(self, data: bytes, start: int) -> bytes:
        return data[start + self._host_start : start + self._host_stop]
