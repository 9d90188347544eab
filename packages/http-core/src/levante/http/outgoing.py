"""Our half of a connection without I/O: heads, pieces of body and ends in, the bytes to write out.

Our side is IDLE, in a BODY, DONE, has SWITCHED to another protocol, or is in ERROR; each method says in which of these
it may be called. How the body is framed is decided with the head, by one function for requests and responses, and held
against every piece that follows, so that what leaves can never be taken for something else (RFC 9112 6).
`h1.Connection` is this and the peer's half.
"""

from typing import Final

from .errors import LocalProtocolError
from .heads import Head
from .versions import HttpVersion, HttpVersion10, HttpVersion11
from .writers import (
    SEEN_CONNECTION,
    SEEN_CONTENT_LENGTH,
    SEEN_DATE,
    SEEN_EXPECT,
    SEEN_HOST,
    SEEN_SERVER,
    SEEN_TRANSFER_ENCODING,
    SEEN_UPGRADE,
    FieldBlock,
    Headers,
    chunk,
    encode,
    field_block,
    last_chunk,
    request_line,
    status_line,
)

# Our states.
IDLE: Final = 0
BODY: Final = 1
DONE: Final = 2
SWITCHED: Final = 3
ERROR: Final = 4
OUR_NAMES: Final = ("IDLE", "BODY", "DONE", "SWITCHED", "ERROR")

# How our body is framed. NONE: there must not be one. DROPPED: there is one, but not on the wire (responses to HEAD).
_FRAMED_NONE: Final = 0
_FRAMED_DROPPED: Final = 1
_FRAMED_LENGTH: Final = 2
_FRAMED_CHUNKED: Final = 3
_FRAMED_CLOSE: Final = 4

UNKNOWN_LENGTH: Final = -1

# The same and constants of other modules, typed when compiled.
_IDLE = IDLE
_BODY = BODY
_DONE = DONE
_SWITCHED = SWITCHED
_ERROR = ERROR
_UNKNOWN_LENGTH = UNKNOWN_LENGTH
_DATE = SEEN_DATE
_SERVER = SEEN_SERVER
_HOST = SEEN_HOST
_EXPECT = SEEN_EXPECT
_FRAMING = SEEN_CONTENT_LENGTH | SEEN_TRANSFER_ENCODING
_NO_ADDITION = _FRAMING | SEEN_CONNECTION | SEEN_HOST | SEEN_UPGRADE | SEEN_EXPECT
_VERSION_10 = HttpVersion10
_VERSION_11 = HttpVersion11


class PreparedRequest:
    """The head of a request, checked and assembled once and sent as often as wanted; only the framing of a body is
    added then. Made by `prepare_request()`; others like it by its methods, which check no more than what is new.
    """

    __slots__ = ("block", "fields", "line", "method", "plain", "whole")

    def __init__(self, method: str, line: str, fields: str, block: FieldBlock, *, plain: bool) -> None:
        self.method = method
        self.line = line
        self.fields = fields
        self.block = block  # what the fields mean
        self.plain = plain
        self.whole = b""  # the head without framing, once it has been sent

    def __repr__(self) -> str:
        return f"<PreparedRequest {self.line.partition(' HTTP/')[0]}>"

    def with_target(self, target: str) -> "PreparedRequest":
        """The same request of another target. IllegalCharacter as from request_line()."""
        line = request_line(self.method, target, 0 if self.plain else 1)
        return PreparedRequest(self.method, line, self.fields, self.block, plain=self.plain)

    def with_fields(self, fields: Headers, place: int) -> "PreparedRequest":
        """The same request with more fields, which begin `place` characters behind its line. IllegalCharacter as from
        field_block(), LocalProtocolError for fields that frame or route the request: they belong to what is prepared.
        """
        more = field_block(fields)
        if more.seen & _NO_ADDITION:
            raise LocalProtocolError("a field that frames or routes a request cannot be added to a prepared head")
        text = self.fields[:place] + more.text + self.fields[place:]
        return PreparedRequest(self.method, self.line, text, self.block, plain=self.plain)


class Outgoing:
    """What a connection sends. `head` is the peer's last head, `keep_alive` whether both sides want the connection to
    live on.
    """

    __slots__ = ("_framed", "_method", "_our", "_remaining", "_upgrade_sent", "head", "keep_alive")

    def __init__(self) -> None:
        self.keep_alive = True
        self.head: Head | None = None
        self._our = _IDLE
        self._method = ""  # of the request in this cycle, whoever sent it
        self._upgrade_sent = False
        self._framed = _FRAMED_NONE
        self._remaining = 0  # bytes of our body that its Content-Length still demands

    def is_our_turn_over(self) -> bool:
        """Whether our message is complete."""
        return self._our == _DONE

    def is_last_word(self) -> bool:
        """Whether our message is complete but for its formal end."""
        return self._our == _DONE or (
            self._our == _BODY
            and (self._framed <= _FRAMED_DROPPED or (self._framed == _FRAMED_LENGTH and self._remaining == 0))
        )

    def announce_close(self, head: bytes) -> bytes:
        """Add to `head`, which has not been sent, that the connection will not live on (RFC 9112 9.6)."""
        if self.keep_alive:
            self.keep_alive = False
            return head[:-2] + b"Connection: close\r\n\r\n"
        return head

    def is_switched(self) -> bool:
        """Whether the connection no longer speaks HTTP."""
        return self._our == _SWITCHED

    def send_informational(self, status: int, headers: Headers = ()) -> bytes:
        """An interim response (1xx but 101)."""
        self._check("an interim response", _IDLE)
        if not 100 <= status < 200 or status == 101:
            raise LocalProtocolError(f"interim status {status}; expected 100 to 199 without 101")
        block = field_block(headers, _FRAMING)
        return encode((status_line(status, None), block.text, "\r\n"))

    def send_response(
        self,
        status: int,
        reason: str | None,
        headers: Headers,
        length: int = _UNKNOWN_LENGTH,
        keep_alive: bool = True,
        date_line: str = "",
        server_line: str = "",
    ) -> bytes:
        """The head of a final response.

        `length` is that of the body if known. `date_line` and `server_line` are whole lines that are added where
        `headers` has no such field. LocalProtocolError for an illegal character, two framings, or a Content-Length
        unlike `length`.
        """
        self._check("a head", _IDLE)
        line = status_line(status, reason)
        if status < 200:
            raise LocalProtocolError(
                f"final status {status}; expected 200 or more, or send_informational() or switch()"
            )
        method = self._method
        if status == 204 or status == 304 or (method == "CONNECT" and status < 300):
            block = field_block(headers, _FRAMING)
            framing = ""
            self._framed = _FRAMED_NONE
            if method == "CONNECT" and status < 300:
                keep_alive = False  # what the peer sends now is for the tunnel, and must not be taken for requests
        else:
            block = field_block(headers)
            framing = self._frame(block, length, method == "HEAD", self._peer_speaks_11())
            if self._framed == _FRAMED_CLOSE:
                keep_alive = False
        self.keep_alive = self.keep_alive and keep_alive and not block.close
        self._our = _BODY
        return encode(
            (
                line,
                block.text,
                "" if block.seen & _DATE else date_line,
                "" if block.seen & _SERVER else server_line,
                framing,
                self._connection_line(block),
                "\r\n",
            )
        )

    def send_request(
        self, method: str, target: str, headers: Headers, length: int = 0, version: HttpVersion = HttpVersion11
    ) -> bytes:
        """The head of a request with `length` bytes of body (UNKNOWN_LENGTH: chunked); `headers` must have a Host.

        As HTTP/1.0 it has no chunks, no Expect and no upgrade, and the connection is kept only if `headers` ask for it
        (RFC 9112 9.3, C.2.2). LocalProtocolError for what breaks these rules, or any other version.
        """
        self._check("a head", _IDLE)
        return self.send_prepared(prepare_request(method, target, headers, version), length)

    def send_prepared(self, request: PreparedRequest, length: int = 0) -> bytes:
        """The head of `request` with `length` bytes of body, as from send_request()."""
        self._check("a head", _IDLE)
        block = request.block
        plain = request.plain
        if plain:
            _check_plain_request(block, length)
        framing = ""
        if (
            length == 0
            and block.length == _UNKNOWN_LENGTH
            and not block.chunked
            and request.method not in ("POST", "PUT", "PATCH")
        ):
            self._framed = _FRAMED_NONE
        else:
            framing = self._frame(block, length, False, not plain)
        self._method = request.method
        self._upgrade_sent = block.upgrade and not plain
        self.keep_alive = not block.close and (block.keep_alive or not plain)
        self._our = _BODY
        if framing:
            return encode((request.line, request.fields, framing, "\r\n"))
        if not request.whole:
            request.whole = encode((request.line, request.fields, "\r\n"))
        return request.whole

    def send_data(self, data: bytes) -> bytes:
        """A piece of our body, framed. LocalProtocolError beyond Content-Length, or where no body may be."""
        self._check("body data", _BODY)
        if self._framed == _FRAMED_LENGTH:
            if len(data) > self._remaining:
                raise LocalProtocolError(f"{len(data)} bytes of body where Content-Length leaves {self._remaining}")
            self._remaining -= len(data)
            return data
        if self._framed == _FRAMED_CHUNKED:
            return chunk(data) if data else b""
        if self._framed == _FRAMED_NONE and data:
            raise LocalProtocolError(f"{len(data)} bytes of body in a message that has none")
        return data if self._framed == _FRAMED_CLOSE else b""

    def end(self, trailers: Headers | None = None) -> bytes:
        """The end of our message; trailers need a chunked body, and are left out where the peer cannot receive any.

        LocalProtocolError if the body is shorter than its Content-Length: the connection must then be dropped.
        """
        self._check("the end of a message", _BODY)
        if self._framed == _FRAMED_LENGTH and self._remaining:
            self._our = _ERROR
            self.keep_alive = False
            raise LocalProtocolError(f"body ends {self._remaining} bytes before its Content-Length")
        if trailers and self._framed in (_FRAMED_LENGTH, _FRAMED_NONE):
            raise LocalProtocolError("trailers without a chunked body; send the head without a length")
        tail = last_chunk(trailers) if self._framed == _FRAMED_CHUNKED else b""
        self._our = _DONE
        return tail

    def drops_body(self) -> bool:
        """Whether our body is not sent because the request was HEAD."""
        return self._framed == _FRAMED_DROPPED

    def takes_plain_bytes(self, count: int) -> bool:
        """Whether the next `count` bytes of our body go on the wire as they are."""
        return self._our == _BODY and (
            self._framed == _FRAMED_CLOSE or (self._framed == _FRAMED_LENGTH and count <= self._remaining)
        )

    def note_sent(self, count: int) -> None:
        """Count bytes of our body that went to the wire past send_data()."""
        if self._framed == _FRAMED_LENGTH:
            self._remaining -= count

    def _switch_head(
        self, status: int, reason: str | None, headers: Headers, date_line: str = "", server_line: str = ""
    ) -> bytes:
        """The head by which a server ends HTTP on this connection: 101, or 2xx to CONNECT (RFC 9110 7.8, 9.3.6)."""
        self._check("a head", _IDLE)
        if status != 101 and not (self._method == "CONNECT" and 200 <= status < 300):
            raise LocalProtocolError(f"switching protocols with status {status}; expected 101, or 2xx to CONNECT")
        block = field_block(headers, _FRAMING)
        self._our = _SWITCHED
        self.keep_alive = False
        return encode(
            (
                status_line(status, reason),
                block.text,
                "" if block.seen & _DATE else date_line,
                "" if block.seen & _SERVER else server_line,
                "\r\n",
            )
        )

    def _check(self, what: str, state: int) -> None:
        if self._our != state:
            raise LocalProtocolError(f"{what} in state {OUR_NAMES[self._our]}; expected state {OUR_NAMES[state]}")

    def _peer_speaks_11(self) -> bool:
        return self.head is None or self.head.version is _VERSION_11

    def _frame(self, block: FieldBlock, length: int, dropped: bool, chunks: bool) -> str:
        """Choose the framing of a body that may be there; return the header line that is missing for it."""
        line = ""
        if block.chunked:
            if block.length != _UNKNOWN_LENGTH:
                raise LocalProtocolError("Content-Length together with Transfer-Encoding; expected one framing")
            if not chunks:
                raise LocalProtocolError("Transfer-Encoding with HTTP/1.0, which knows no chunks")
            framed = _FRAMED_CHUNKED
        elif block.length != _UNKNOWN_LENGTH:
            if length not in (_UNKNOWN_LENGTH, block.length) and not dropped:
                raise LocalProtocolError(f"Content-Length {block.length} for a body of {length} bytes")
            framed = _FRAMED_LENGTH
            self._remaining = block.length
        elif length != _UNKNOWN_LENGTH:
            framed = _FRAMED_LENGTH
            self._remaining = length
            line = f"Content-Length: {length}\r\n"
        elif chunks:
            framed = _FRAMED_CHUNKED
            line = "Transfer-Encoding: chunked\r\n"
        else:
            framed = _FRAMED_CLOSE
        self._framed = _FRAMED_DROPPED if dropped else framed
        return line

    def _connection_line(self, block: FieldBlock) -> str:
        if self._peer_speaks_11():
            return "" if self.keep_alive or block.close else "Connection: close\r\n"
        return "Connection: keep-alive\r\n" if self.keep_alive else ""


def prepare_request(
    method: str, target: str, headers: Headers, version: HttpVersion = HttpVersion11
) -> PreparedRequest:
    """Check and assemble what Outgoing.send_request() sends; `headers` must have a Host. Raises as that does."""
    plain = version == _VERSION_10
    if not plain and version != _VERSION_11:
        raise LocalProtocolError(f"a request as {version!r}; expected HttpVersion10 or HttpVersion11")
    line = request_line(method, target, 0 if plain else 1)
    block = field_block(headers)
    if not block.seen & _HOST:
        raise LocalProtocolError("no Host among the headers; HTTP/1.1 demands one")
    return PreparedRequest(method, line, block.text, block, plain=plain)


def _check_plain_request(block: FieldBlock, length: int) -> None:
    """Refuse what a request cannot have in HTTP/1.0."""
    if length == _UNKNOWN_LENGTH and block.length == _UNKNOWN_LENGTH:
        raise LocalProtocolError("a body of unknown length in HTTP/1.0, which knows no chunks; give its Content-Length")
    if block.seen & _EXPECT:
        raise LocalProtocolError("Expect in HTTP/1.0, which knows no interim responses; leave it out")
