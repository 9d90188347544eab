"""HTTP/1.1 without I/O, for both roles: received bytes go in, events come out; what we send goes in, bytes come out.

Each side of a connection is in one of a few states; `_PEER_NAMES` here and `OUR_NAMES` in outgoing.py name them. What
we send is outgoing.py's business; here the peer's bytes become events. A cycle is one request with its response: it is
over when both sides are DONE, and another may start if both agreed to keep the connection. Between the peer's DONE and
the next cycle its further bytes stay unparsed (`buffered()` of them), which is how pipelining is bounded. The drivers
call `poll()`, which returns numbers; `next_event()` is the same in objects.
"""

from enum import Enum
from typing import Final, NamedTuple, cast

from multidict import CIMultiDictProxy

from .bodies import BodyDecoder, ChunkedDecoder, CloseDecoder, LengthDecoder
from .errors import IncompleteMessage, LimitExceeded, LocalProtocolError, RemoteProtocolError, shown
from .headparser import HeadParser
from .heads import Head, RequestHead, ResponseHead
from .lenience import LenientHeadParser
from .limits import Limits
from .octets import span
from .outgoing import DONE, IDLE, OUR_NAMES, SWITCHED, UNKNOWN_LENGTH, Outgoing
from .streams import NO_TRAILERS
from .writers import Headers


class Role(Enum):
    """Which side we are."""

    SERVER = "server"
    CLIENT = "client"


class Signal(Enum):
    """Events that carry nothing."""

    NEED_DATA = "NEED_DATA"
    PAUSED = "PAUSED"
    CONNECTION_CLOSED = "CONNECTION_CLOSED"


NEED_DATA: Final = Signal.NEED_DATA
PAUSED: Final = Signal.PAUSED
ConnectionClosed: Final = Signal.CONNECTION_CLOSED


class Data(NamedTuple):
    """A piece of a body; `chunk_ends` are offsets into it at which an HTTP chunk ends."""

    data: bytes
    chunk_ends: tuple[int, ...] = ()


class EndOfMessage(NamedTuple):
    """The body is complete."""

    trailers: CIMultiDictProxy[str] = NO_TRAILERS


Event = Signal | RequestHead | ResponseHead | Data | EndOfMessage

# What poll() returns. The head, data and trailers that belong to it stand in attributes until the next call.
POLL_NEED_DATA: Final = 0
POLL_PAUSED: Final = 1
POLL_HEAD: Final = 2
POLL_DATA: Final = 3
POLL_END: Final = 4
POLL_CLOSED: Final = 5

# The states of the peer.
_PEER_HEAD: Final = 0
_PEER_BODY: Final = 1
_PEER_END: Final = 2
_PEER_DONE: Final = 3
_PEER_CLOSED: Final = 4
_PEER_SWITCHED: Final = 5
_PEER_ERROR: Final = 6
_PEER_NAMES: Final = ("HEAD", "BODY", "END", "DONE", "CLOSED", "SWITCHED", "ERROR")

# The same and constants of other modules, typed when compiled.
_NEED_DATA = POLL_NEED_DATA
_PAUSED = POLL_PAUSED
_HEAD = POLL_HEAD
_DATA = POLL_DATA
_END = POLL_END
_CLOSED = POLL_CLOSED
_UNKNOWN_LENGTH = UNKNOWN_LENGTH
_IDLE = IDLE
_DONE = DONE
_SWITCHED = SWITCHED


class Connection(Outgoing):
    """One HTTP/1.1 connection, seen from `role`.

    `lenient`, for a client only, accepts what real servers get wrong and nobody can frame by; lenience.py says what
    that is in heads, and in bodies it is blanks behind the size of a chunk. ValueError for a server: no request is
    forgiven anything.
    """

    __slots__ = (
        "_buffer",
        "_decoder",
        "_eof",
        "_error",
        "_informational",
        "_lenient",
        "_limits",
        "_more",
        "_parser",
        "_peer",
        "_position",
        "_scanned",
        "_server",
        "_stranger",
        "chunk_ends",
        "data",
        "trailers",
    )

    def __init__(self, role: Role, limits: Limits | None = None, *, lenient: bool = False) -> None:
        super().__init__()
        self._limits = Limits() if limits is None else limits
        self._server = role is Role.SERVER
        if lenient and self._server:
            raise ValueError("lenient=True with Role.SERVER; only responses are forgiven anything")
        self._lenient = lenient
        self._parser = LenientHeadParser(self._limits) if lenient else HeadParser(self._limits, request=self._server)
        # Received and not yet consumed: _buffer from _position on, then _more.
        self._buffer = b""
        self._position = 0
        self._more: bytearray | None = None
        self._scanned = False  # the beginning of a head has been parsed, and its rest is missing
        self._stranger = False  # a byte that may change the verdict, such as a line's end, has come since
        self._eof = False
        self._error: RemoteProtocolError | None = None
        self._decoder: BodyDecoder | None = None
        self._informational = 0
        self._peer = _PEER_HEAD
        self.data = b""
        self.chunk_ends: list[int] | None = None
        self.trailers = NO_TRAILERS

    def __repr__(self) -> str:
        role = "server" if self._server else "client"
        states = f"ours {OUR_NAMES[self._our]} peer {_PEER_NAMES[self._peer]}"
        return f"<Connection {role} {states} {self.buffered()} bytes unparsed>"

    # Receiving.

    def receive_data(self, data: bytes | None) -> None:
        """Take what was received; None (or b"") for the end of the stream."""
        if not data:
            self._eof = True
        elif self._position == len(self._buffer) and self._more is None:
            self._buffer = data
            self._position = 0
        else:
            if self._more is None:
                self._more = bytearray(data)
            else:
                self._more += data
            if not self._stranger:
                self._stranger = span(data, 0, len(data), self._parser.kind) != len(data)

    def buffered(self) -> int:
        """How many received bytes have not been consumed."""
        return len(self._buffer) - self._position + (0 if self._more is None else len(self._more))

    def next_event(self) -> Event:
        """The next thing that the peer said; RemoteProtocolError now and ever after if it broke the rules."""
        event = self.poll()
        if event == _HEAD:
            return cast("RequestHead | ResponseHead", self.head)
        if event == _DATA:
            return Data(self.data, tuple(self.chunk_ends or ()))
        if event == _END:
            return EndOfMessage(self.trailers)
        return NEED_DATA if event == _NEED_DATA else PAUSED if event == _PAUSED else ConnectionClosed

    def poll(self) -> int:
        """Advance by one event and return its number; see next_event()."""
        if self._peer == _PEER_HEAD:
            return self._poll_head()
        if self._peer == _PEER_BODY:
            return self._poll_body()
        if self._peer == _PEER_END:
            self._peer = _PEER_DONE
            return _END
        if self._error is not None:
            raise self._error
        return _CLOSED if self._peer == _PEER_CLOSED else _PAUSED

    def is_peer_done(self) -> bool:
        """Whether the peer's message is complete."""
        return self._peer == _PEER_DONE

    def has_body_event(self) -> bool:
        """Whether poll() has more to say about the peer's body without further bytes."""
        return self._peer == _PEER_END or (self._peer == _PEER_BODY and self.buffered() > 0)

    def remaining_body(self) -> int:
        """How many bytes of the peer's body are still to come; _UNKNOWN_LENGTH if only the peer knows."""
        if self._peer != _PEER_BODY:
            return 0
        return self._decoder.remaining if isinstance(self._decoder, LengthDecoder) else _UNKNOWN_LENGTH

    def start_next_cycle(self) -> None:
        """Make ready for the next request; LocalProtocolError unless both sides are done and keep the connection."""
        if self._peer != _PEER_DONE or self._our != _DONE or not self.keep_alive:
            raise LocalProtocolError(
                f"no next cycle on {self!r}; both sides must be done and willing to keep the connection"
            )
        self._peer = _PEER_HEAD
        self._our = _IDLE
        self._method = ""
        self._informational = 0
        self.head = None
        self.data = b""  # an idle connection keeps nothing
        self.chunk_ends = None
        self.trailers = NO_TRAILERS

    def switch(
        self, status: int, reason: str | None, headers: Headers, date_line: str = "", server_line: str = ""
    ) -> bytes:
        """The head by which a server ends HTTP on this connection: 101, or 2xx to CONNECT (RFC 9110 7.8, 9.3.6)."""
        if self._peer != _PEER_DONE:
            raise LocalProtocolError("switching protocols before the request's body has been received")
        data = self._switch_head(status, reason, headers, date_line, server_line)
        self._peer = _PEER_SWITCHED
        return data

    def trailing_data(self) -> bytes:
        """Hand out, once, the received bytes that have not been consumed: what belongs to the next protocol after an
        upgrade.
        """
        self._join()
        data = self._buffer[self._position :]
        self._buffer = b""
        self._position = 0
        return data

    def _join(self) -> None:
        if self._more is not None:
            self._buffer = self._buffer[self._position :] + bytes(self._more)
            self._position = 0
            self._more = None

    def _poll_head(self) -> int:
        if self._scanned and not self._stranger and not self._eof and self._parser.can_wait(self.buffered()):
            return self._missing()
        self._join()
        end = len(self._buffer)
        if self._position == end:
            return self._missing()
        try:
            if not self._server and self._our == _IDLE:
                raise RemoteProtocolError(
                    f"unsolicited bytes {shown(self._buffer[self._position :])}; expected none before a request"
                )
            head = self._parser.parse(self._buffer, self._position, end)
            self._scanned = head is None
            self._stranger = False
            if head is None:
                return self._missing()
            self._consume(self._parser.end)
            mended = self._parser.mended
            self._parser.reset()
            self.head = head
            self._peer = self._after_request(head) if self._server else self._after_response(head)
            if mended:
                self.keep_alive = False
        except RemoteProtocolError as error:
            self._fail(error)
            raise
        return _HEAD

    def _poll_body(self) -> int:
        decoder = self._decoder
        if decoder is None:
            raise LocalProtocolError("a body without its framing")
        self._join()
        end = len(self._buffer)
        if self._position == end:
            if self._eof and isinstance(decoder, CloseDecoder):
                self._peer = _PEER_DONE
                return _END
            return self._missing()
        try:
            position = decoder.feed(self._buffer, self._position, end)
        except RemoteProtocolError as error:
            self._fail(error)
            raise
        self._consume(position)
        self.data = decoder.data
        self.chunk_ends = decoder.chunk_ends
        if decoder.done:
            self.trailers = decoder.trailers
            if decoder.mended:
                self.keep_alive = False
            self._decoder = None
            self._peer = _PEER_END
        if self.data or self.chunk_ends:
            return _DATA
        return self.poll()

    def _missing(self) -> int:
        """Nothing more can be said about the bytes so far."""
        if not self._eof:
            return _NEED_DATA
        if self._peer == _PEER_HEAD and (self._server or self._our == _IDLE) and self._is_blank():
            self._consume(len(self._buffer))
            self._peer = _PEER_CLOSED
            self.keep_alive = False
            return _CLOSED
        error = IncompleteMessage("the peer closed the connection inside a message")
        self._fail(error)
        raise error

    def _is_blank(self) -> bool:
        """Whether nothing has come but empty lines, which RFC 9112 2.2 forgives before a request, so behind one too."""
        return self._more is None and not self._buffer[self._position :].replace(b"\r\n", b"")

    def _consume(self, position: int) -> None:
        if position == len(self._buffer):
            self._buffer = b""  # an idle connection keeps nothing
            self._position = 0
        else:
            self._position = position

    def _fail(self, error: RemoteProtocolError) -> None:
        self._error = error
        self._peer = _PEER_ERROR
        self.keep_alive = False

    def _after_request(self, head: Head) -> int:
        self._method = head.method if isinstance(head, RequestHead) else ""
        self.keep_alive = head.keep_alive
        return self._frame_by(head)

    def _after_response(self, head: Head) -> int:
        status = head.status if isinstance(head, ResponseHead) else 0
        if status < 200 and status != 101:
            self._informational += 1
            if self._informational > self._limits.max_informational:
                raise LimitExceeded("max_informational", maximum=self._limits.max_informational)
            return _PEER_HEAD
        if status == 101 and not self._upgrade_sent:
            raise RemoteProtocolError("status 101 (Switching Protocols) to a request that asked for no upgrade")
        if status == 101 or (self._method == "CONNECT" and 200 <= status < 300):
            self.keep_alive = False
            self._our = _SWITCHED
            return _PEER_SWITCHED
        self.keep_alive = self.keep_alive and head.keep_alive
        if self._method == "HEAD" or status == 204 or status == 304:
            return _PEER_END
        if not head.chunked and head.length == _UNKNOWN_LENGTH:
            self._decoder = CloseDecoder()
            self.keep_alive = False
            return _PEER_BODY
        return self._frame_by(head)

    def _frame_by(self, head: Head) -> int:
        if head.chunked:
            self._decoder = ChunkedDecoder(self._limits, lenient=self._lenient)
        elif head.length > 0:
            self._decoder = LengthDecoder(head.length)
        else:
            return _PEER_END
        return _PEER_BODY
