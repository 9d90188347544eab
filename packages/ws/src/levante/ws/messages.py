"""Messages: frames in, whole messages out, with every rule that needs more than one frame.

What can be refused is refused early: a size limit at the header that crosses it, wrong UTF-8 at its first byte even
inside a fragment that is not complete. A message that is in one frame and came in one read takes a short way; all
others are gathered in one growing buffer, so that dribbled bytes cost what they weigh. A message is handed out only
when it is whole and valid.
"""

import codecs
from typing import Any

from . import blanks
from .codes import WSCloseCode, WSMsgType, is_sendable_close_code
from .deflate import Inflater
from .errors import WebSocketError
from .frames import FrameReader
from .limits import BYTES_A_FRAGMENT, MAX_MSG_SIZE, MIN_FRAGMENTS
from .messagetypes import (
    WSMessage,
    WSMessageBinary,
    WSMessageClose,
    WSMessagePing,
    WSMessagePong,
    WSMessageText,
    WSMessageTextBytes,
)

__all__ = ["MessageReader"]

_TEXT = 1
_BINARY = 2
_CONTROL = 8
_CLOSE = 8
_PING = 9
_NOTHING = 0
_TEXT_TYPE = WSMsgType.TEXT
_TEXT_MESSAGE = WSMessageText
_BINARY_MESSAGE = WSMessageBinary
_BINARY_TYPE = WSMsgType.BINARY
_decode = codecs.utf_8_decode


class MessageReader:
    """Reads messages from the bytes of one peer. `feed` bytes, then call `next_message` until it returns None.

    Those who need no message object call `advance` until it returns 0, and `take` what it came to.

    With `views` the data of a binary message are a memoryview, which spares gathered ones a copy.

    Raises `WebSocketError` where the peer breaks the rules: every message that was whole before that point has been
    returned, and nothing after it is ever looked at.
    """

    def __init__(
        self,
        *,
        masked: bool,
        inflater: Inflater | None = None,
        max_msg_size: int = MAX_MSG_SIZE,
        decode_text: bool = True,
        views: bool = False,
    ) -> None:
        self._frames = FrameReader(masked=masked, rsv1_allowed=inflater is not None)
        self._inflater = inflater
        self._max_size = max_msg_size
        self._max_fragments = max(MIN_FRAGMENTS, max_msg_size // BYTES_A_FRAGMENT)
        self._decode_text = decode_text
        self._views = views
        self._opcode = 0
        self._inflating = False
        self._fragments = 0
        self._size = 0
        self._buffer: bytearray | None = None
        self._utf8_rest = b""
        # The message that `advance` came to; the reason only of a close frame.
        self._kind = _NOTHING
        self._data: Any = None  # Any: as that kind of message has it
        self._length = 0
        self._reason = ""

    def feed(self, data: bytes) -> None:
        """Take in bytes as they came from the transport."""
        self._frames.feed(data)

    def unread(self) -> int:
        """How many bytes were fed and not yet looked at."""
        return self._frames.unread()

    def next_message(self) -> WSMessage | None:
        """The next message, control messages included; None when more bytes are needed."""
        return None if self.advance() == _NOTHING else self.message()

    def advance(self) -> int:
        """Go on to the next message, control messages included: its opcode, 0 when more bytes are needed."""
        frames = self._frames
        self._kind = _NOTHING
        while frames.advance():
            opcode = frames.opcode
            if opcode >= _CONTROL:
                return self._control(opcode, frames.piece())
            if frames.starts:
                self._begin_frame(opcode, frames.length)
                if frames.ends and frames.fin and opcode and not frames.rsv1:
                    return self._whole(opcode, frames)
            self._add(frames.piece())
            if frames.ends and frames.fin:
                return self._finish()
        return _NOTHING

    def take(self) -> Any:
        """The data of the message that `advance` came to (Any: str, bytes or a view, or the code of a close frame); to
        be had once, by this or by `message`."""
        data = self._data
        self._data = None
        return data

    def close_code(self) -> int:
        """The code of the close frame that `advance` came to, 0 when it had none."""
        return int(self._data)

    def message(self) -> WSMessage:
        """The message that `advance` came to."""
        data = self._data
        self._data = None
        if self._kind == _TEXT:
            if self._decode_text:
                return blanks.record(_TEXT_MESSAGE, (data, self._length, None, _TEXT_TYPE))
            return WSMessageTextBytes(data, self._length)
        if self._kind == _BINARY:
            return blanks.record(_BINARY_MESSAGE, (data, self._length, None, _BINARY_TYPE))
        if self._kind == _CLOSE:
            return WSMessageClose(data, self._length, self._reason)
        return WSMessagePing(data, self._length) if self._kind == _PING else WSMessagePong(data, self._length)

    def _begin_frame(self, opcode: int, length: int) -> None:
        """What a data frame's header alone decides (RFC 6455 section 5.4), and the limits."""
        if opcode == 0:
            if not self._opcode:
                raise WebSocketError(WSCloseCode.PROTOCOL_ERROR, "got a continuation frame with no message to continue")
            self._fragments += 1
            if self._max_size and self._fragments > self._max_fragments:
                raise _too_big(f"got a message of more than {self._max_fragments} fragments")
        else:
            if self._opcode:
                raise WebSocketError(WSCloseCode.PROTOCOL_ERROR, "got a new message inside a fragmented one")
            self._opcode = opcode
            self._inflating = self._frames.rsv1
            self._fragments = 1
            self._size = 0
        if self._max_size and not self._inflating and length > self._max_size - self._size:
            raise _too_big(f"got a message of at least {self._size + length} bytes; the limit is {self._max_size}")

    def _whole(self, opcode: int, frames: FrameReader) -> int:
        """A message in one frame, of which every byte is here and within the limits."""
        self._opcode = _NOTHING
        if opcode == _TEXT and self._decode_text:
            try:
                return self._came(_TEXT, frames.text(), frames.length)
            except UnicodeDecodeError as error:
                raise _not_utf8("text message", error) from error
        return self._gathered(opcode, frames.piece())

    def _gathered(self, opcode: int, payload: bytes | bytearray) -> int:
        """A message as its bytes, not checked yet."""
        size = len(payload)
        if opcode == _BINARY:
            return self._came(_BINARY, memoryview(payload) if self._views else _as_bytes(payload), size)
        try:
            text = _decode(payload, "strict", True)[0]
        except UnicodeDecodeError as error:
            raise _not_utf8("text message", error) from error
        return self._came(_TEXT, text if self._decode_text else _as_bytes(payload), size)

    def _came(self, kind: int, data: Any, length: int) -> int:
        self._kind = kind
        self._data = data
        self._length = length
        return kind

    def _add(self, piece: bytes) -> None:
        """Take in the next piece of the open message."""
        if self._inflating:
            piece = self._inflater.inflate(piece, self._room())  # type: ignore[union-attr]  # RSV1 was allowed
        self._size += len(piece)
        if self._opcode == _TEXT:
            self._check_utf8(piece)
        if self._buffer is None:
            self._buffer = bytearray(piece)
        else:
            self._buffer += piece

    def _room(self) -> int:
        return self._max_size - self._size if self._max_size else -1

    def _check_utf8(self, piece: bytes) -> None:
        """Refuse the first wrong byte; keep what may be the start of a character for the next piece."""
        if self._utf8_rest:
            piece = self._utf8_rest + piece
        elif piece.isascii():
            return
        try:
            done = _decode(piece, "strict", False)[1]
        except UnicodeDecodeError as error:
            raise _not_utf8("text message", error) from error
        self._utf8_rest = piece[done:]

    def _finish(self) -> int:
        """The last frame of the open message is complete."""
        if self._inflating:
            self._inflating = False
            rest = self._inflater.finish(self._room())  # type: ignore[union-attr]
            self._add(rest)
        payload = self._buffer
        self._buffer = None
        self._utf8_rest = b""
        opcode = self._opcode
        self._opcode = _NOTHING
        return self._gathered(opcode, b"" if payload is None else payload)

    def _control(self, opcode: int, payload: bytes) -> int:
        if opcode == _CLOSE:
            code, self._reason = _read_close(payload)
            return self._came(_CLOSE, code, len(payload))
        return self._came(opcode, payload, len(payload))


def _read_close(payload: bytes) -> tuple[int, str]:
    """A close frame's code, 0 when it has none, and reason (RFC 6455 sections 5.5.1 and 7.4)."""
    if not payload:
        return 0, ""
    if len(payload) == 1:
        raise WebSocketError(WSCloseCode.PROTOCOL_ERROR, "got a close frame with a body of 1 byte; a code has 2")
    code = payload[0] << 8 | payload[1]
    if not is_sendable_close_code(code):
        raise WebSocketError(WSCloseCode.PROTOCOL_ERROR, f"got close code {code}, which must not be sent")
    try:
        return code, payload[2:].decode("utf-8")
    except UnicodeDecodeError as error:
        raise _not_utf8("close reason", error) from error


def _as_bytes(payload: bytes | bytearray) -> bytes:
    return payload if isinstance(payload, bytes) else bytes(payload)


def _too_big(message: str) -> WebSocketError:
    return WebSocketError(WSCloseCode.MESSAGE_TOO_BIG, message)


def _not_utf8(what: str, error: UnicodeDecodeError) -> WebSocketError:
    wrong = error.object[error.start : error.end]
    return WebSocketError(WSCloseCode.INVALID_TEXT, f"got a {what} that is not UTF-8: {wrong!r} ({error.reason})")
