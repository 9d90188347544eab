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
from .heads import NO_LENGTH, Head, RequestHead, ResponseHead
from .limits import MAX_LENGTH_DIGITS, MAX_METHOD_LENGTH, Limits
from .octets import (
    BLANK,
    DIGIT,
    SCHEME,
    TARGET,
    TOKEN,
    VALUE,
    is_authority,
    is_token,
    number,
    same,
    span,
    span_back,
    tokens,
)
from .versions import HttpVersion10, HttpVersion11

# Constants of other modules, typed when compiled.
_BLANK = BLANK
_DIGIT = DIGIT
_SCHEME = SCHEME
_TARGET = TARGET
_TOKEN = TOKEN
_VALUE = VALUE
_NO_LENGTH = NO_LENGTH
_METHOD_LIMIT = MAX_METHOD_LENGTH
_DIGITS_LIMIT = MAX_LENGTH_DIGITS
_VERSION_10 = HttpVersion10
_VERSION_11 = HttpVersion11

_VERSION: Final = b"HTTP/0.0"

_CR: Final = 13
_LF: Final = 10
_SP: Final = 32
_COLON: Final = 58

# Fields that this parser must understand, or that must not be repeated. The number is the bit in `_seen`.
_HOST: Final = 1
_CONTENT_LENGTH: Final = 2
_TRANSFER_ENCODING: Final = 4
_CONNECTION: Final = 8
_UPGRADE: Final = 16
_EXPECT: Final = 32
_KEY1: Final = 64
_CONTENT_TYPE: Final = 128
_USER_AGENT: Final = 256
_SERVER: Final = 512
_ETAG: Final = 1024
_CONTENT_LOCATION: Final = 2048
_CONTENT_RANGE: Final = 4096
_MAX_FORWARDS: Final = 8192

# A request that repeats one of these is refused: every recipient picks another one (CVE-2026-34525). Responses are only
# held to what frames them, for plenty of servers repeat the rest.
_REQUEST_SINGLES: Final = (
    _HOST
    | _CONTENT_LENGTH
    | _TRANSFER_ENCODING
    | _CONTENT_TYPE
    | _USER_AGENT
    | _SERVER
    | _ETAG
    | _CONTENT_LOCATION
    | _CONTENT_RANGE
    | _MAX_FORWARDS
)
_RESPONSE_SINGLES: Final = _CONTENT_LENGTH | _TRANSFER_ENCODING

_METHODS: Final = {
    name.encode(): name
    for name in ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "CONNECT", "TRACE", "QUERY")
}


def known_field(data: bytes, start: int, end: int) -> int:
    """The bit of the field whose name is [start, end), 0 for all that the parser does not care about."""
    length = end - start
    if length == 4:
        if same(data, start, end, b"host"):
            return _HOST
        return _ETAG if same(data, start, end, b"etag") else 0
    if length == 6:
        if same(data, start, end, b"expect"):
            return _EXPECT
        return _SERVER if same(data, start, end, b"server") else 0
    if length == 7:
        return _UPGRADE if same(data, start, end, b"upgrade") else 0
    if length == 10:
        if same(data, start, end, b"connection"):
            return _CONNECTION
        return _USER_AGENT if same(data, start, end, b"user-agent") else 0
    if length == 12:
        if same(data, start, end, b"content-type"):
            return _CONTENT_TYPE
        return _MAX_FORWARDS if same(data, start, end, b"max-forwards") else 0
    if length == 13:
        return _CONTENT_RANGE if same(data, start, end, b"content-range") else 0
    if length == 14:
        return _CONTENT_LENGTH if same(data, start, end, b"content-length") else 0
    if length == 16:
        return _CONTENT_LOCATION if same(data, start, end, b"content-location") else 0
    if length == 17:
        return _TRANSFER_ENCODING if same(data, start, end, b"transfer-encoding") else 0
    if length == 18 and data[end - 1] == 0x31:
        return _KEY1 if same(data, start, end - 1, b"sec-websocket-key") else 0
    return 0


class HeadParser:
    """Parses one head after another for one role: requests for a server, responses for a client.

    After `parse` has returned a head, `end` is the index of the first byte behind it; `reset()` makes ready for the
    next one.
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
    )

    def __init__(self, limits: Limits, *, request: bool) -> None:
        self._request = request
        self._singles = _REQUEST_SINGLES if request else _RESPONSE_SINGLES
        self._max_line = limits.max_line_size + 2
        self._max_field = limits.max_field_size + 2
        self._max_headers = limits.max_headers
        self._max_head = limits.max_head_size
        self._max_empty = limits.max_empty_lines
        self.end = 0
        self.reset()

    def reset(self) -> None:
        """Make ready for another head."""
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
        """Whether the `buffered` bytes of a head, of which none is an LF since the last parse, cannot change its
        verdict.
        """
        line = buffered - self._line
        return line < (self._max_field if self._fields else self._max_line) and buffered < self._max_head

    def parse(self, data: bytes, start: int, end: int) -> Head | None:
        """Continue with [start, end), which begins with the same bytes as the last time; RemoteProtocolError on the
        first bad byte.
        """
        line = start + self._line
        while line < end:
            bound = min(line + (self._max_field if self._fields else self._max_line), start + self._max_head)
            stop = min(end, bound)
            if self._fields == 0:
                after = self._start_line(data, start, line, stop)
            elif line < stop and data[line] == _CR:
                after = _crlf(data, line, stop)
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
            after = _crlf(data, line, stop)
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
            _refuse_method(data, line, method)
        target = method + 1
        behind = span(data, target, stop, _TARGET)
        if behind == stop:
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
        after = _crlf(data, after, stop)
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
            return -1
        if data[reason] != _CR:
            raise RemoteProtocolError(
                f"byte {shown(data[reason : reason + 1])} in a reason phrase; expected text and CRLF"
            )
        self._target_start = min(behind + 1, reason) - start
        self._reason_stop = reason - start
        return _crlf(data, reason, stop)

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
            return -1
        if data[colon] != _COLON or colon == line:
            refuse_name(data, line, colon)
        first = span(data, colon + 1, stop, _BLANK)
        last = span(data, first, stop, _VALUE)
        if last == stop:
            return -1
        if data[last] != _CR:
            refuse_value(data, line, colon, last)
        after = _crlf(data, last, stop)
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
        head = RequestHead()
        begin = start + self._head
        name = data[begin : start + self._method_stop]
        head.method = _METHODS.get(name) or name.decode("ascii")
        first = start + self._target_start
        last = start + self._target_stop
        head.target = data[first:last].decode("ascii")
        if self._seen & _HOST:
            if not is_authority(data, start + self._host_start, start + self._host_stop):
                host = data[start + self._host_start : start + self._host_stop]
                raise RemoteProtocolError(f"Host {shown(host)}; expected a host and perhaps a port")
        elif self._minor == 1:
            raise RemoteProtocolError("no Host header; HTTP/1.1 demands one")
        if data[first] != 0x2F or head.method == "CONNECT":
            self._check_target(data, start, first, last, head.method)
        if self._chunked and (self._length != _NO_LENGTH or self._minor == 0):
            raise RemoteProtocolError(
                "Transfer-Encoding with Content-Length or with HTTP/1.0; expected one framing only"
            )
        if self._expect_stop:
            head.expect = data[start + self._expect_start : start + self._expect_stop]
        self._finish(head, data, start, begin)
        return head

    def _response_head(self, data: bytes, start: int) -> ResponseHead:
        head = ResponseHead()
        head.status = self._status
        head.reason = data[start + self._target_start : start + self._reason_stop].decode("utf-8", "surrogateescape")
        self._finish(head, data, start, start + self._head)
        if self._chunked and (self._length != _NO_LENGTH or self._minor == 0):
            # RFC 9112 6.3: the chunks are right, but somebody on the way may have thought otherwise.
            head.length = _NO_LENGTH
            head.keep_alive = False
        return head

    def _finish(self, head: Head, data: bytes, start: int, begin: int) -> None:
        head.raw = data[begin : self.end]
        head.fields = start + self._fields - begin
        head.version = _VERSION_11 if self._minor else _VERSION_10
        head.length = self._length
        head.chunked = self._chunked
        head.keep_alive = not self._close and (self._minor == 1 or self._keep)
        if self._connection_upgrade and self._minor == 1 and self._seen & _UPGRADE:
            wanted = tokens(data[start + self._upgrade_start : start + self._upgrade_stop])
            head.upgrade = wanted[0].decode("latin-1") if wanted else None

    def _check_target(self, data: bytes, start: int, first: int, last: int, method: str) -> None:
        """Check a target that is not in origin form (RFC 9112 3.2)."""
        if method == "CONNECT":
            if not is_authority(data, first, last, True):
                raise RemoteProtocolError(f"target {shown(data[first:last])} of CONNECT; expected host:port")
            return
        if last - first == 1 and data[first] == 0x2A and method == "OPTIONS":
            return
        scheme = span(data, first, last, _SCHEME)
        authority = scheme + 3
        if data[scheme:authority] == b"://" and (
            same(data, first, scheme, b"http") or same(data, first, scheme, b"https")
        ):
            stop = authority
            while stop < last and data[stop] != 0x2F and data[stop] != 0x3F:
                stop += 1
            if is_authority(data, authority, stop):
                named = data[start + self._host_start : start + self._host_stop] if self._seen & _HOST else None
                if named is not None and named.lower() != data[authority:stop].lower():
                    raise RemoteProtocolError(
                        f"Host {shown(named)} with target {shown(data[first:last])}; expected the same host"
                    )
                return
        raise RemoteProtocolError(f"target {shown(data[first:last])}; expected a path that begins with '/'")


def _crlf(data: bytes, at: int, stop: int) -> int:
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


def _refuse_method(data: bytes, line: int, method: int) -> None:
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
