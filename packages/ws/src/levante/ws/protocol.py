"""A WebSocket without I/O, for both roles: bytes in, messages out; messages in, bytes out.

The protocol knows the rules of the connection (RFC 6455): who masks, that nothing follows a close frame, which codes
may be sent. It does not answer by itself: what to do with a ping, a close or an error is decided by its user, who
knows how much of what came before has been dealt with. It reads only when asked, one message at a time, so a peer
cannot make it pile up messages.
"""

from collections.abc import Iterator
from typing import Any

from levante.http import Role

from .codes import CLOSE_NO_STATUS, WSCloseCode, WSMsgType, is_sendable_close_code
from .deflate import DeflateParams, deflater, inflater
from .errors import WebSocketError
from .frames import FIN, RSV1, encode_ascii, encode_frame
from .limits import MAX_MSG_SIZE
from .masks import new_key
from .messages import MessageReader
from .messagetypes import WSMessage

__all__ = ["WebSocketProtocol"]

_MAX_CONTROL = 125
_MAX_REASON = _MAX_CONTROL - 2
_CLOSE = WSMsgType.CLOSE.value
_NOTHING = 0


class WebSocketProtocol:
    """One end of a WebSocket connection after the handshake.

    `receive_data` bytes, then take messages with `next_event` until it returns None. `send_*`, `ping`, `pong` and
    `close` return the bytes to write. `max_msg_size` in bytes after inflating, 0 for no limit; `deflate` is what the
    handshake agreed on. With `views` the data of binary messages are memoryviews.
    """

    __slots__ = ("_deflater", "_reader", "close_received", "close_sent", "deflate", "error", "masking", "role")

    def __init__(
        self,
        role: Role,
        *,
        deflate: DeflateParams | None = None,
        max_msg_size: int = MAX_MSG_SIZE,
        decode_text: bool = True,
        views: bool = False,
    ) -> None:
        self.role = role
        self.deflate = deflate
        self.close_sent = False
        self.close_received: int | None = None
        self.error: WebSocketError | None = None
        self.masking = role is Role.CLIENT
        self._deflater = deflater(deflate, role) if deflate is not None else None
        self._reader = MessageReader(
            masked=role is Role.SERVER,
            inflater=inflater(deflate, role) if deflate is not None else None,
            max_msg_size=max_msg_size,
            decode_text=decode_text,
            views=views,
        )

    def receive_data(self, data: bytes | bytearray | memoryview) -> None:
        """Take in bytes from the peer. What follows a close frame or an error is dropped."""
        if self.is_readable():
            self._reader.feed(data if type(data) is bytes else bytes(data))

    def is_readable(self) -> bool:
        """Whether anything that comes can still mean something."""
        return self.error is None and self.close_received is None

    def unread(self) -> int:
        """How many bytes were received and not yet looked at."""
        return self._reader.unread()

    def next_event(self) -> WSMessage | None:
        """The next message, control messages included; None when more bytes are needed.

        Raises `WebSocketError` once, when the peer has broken a rule or a limit: fail the connection with its code.
        """
        return None if self.advance() == _NOTHING else self.message()

    def advance(self) -> int:
        """Go on to the next message, as `next_event`, but give only its opcode, and 0 for None: what it is can be had
        once, by `take` or by `message`."""
        if not self.is_readable():
            return _NOTHING
        try:
            kind = self._reader.advance()
        except WebSocketError as error:
            self.error = error
            raise
        if kind == _CLOSE:
            self.close_received = self._reader.close_code() or CLOSE_NO_STATUS
        return kind

    def take(self) -> Any:
        """The data of the message that `advance` came to (Any: as that kind of message has it)."""
        return self._reader.take()

    def message(self) -> WSMessage:
        """The message that `advance` came to."""
        return self._reader.message()

    def events(self) -> Iterator[WSMessage]:
        """The messages that can be read now."""
        while (message := self.next_event()) is not None:
            yield message

    def send_text(self, text: str, *, compress: int | None = None) -> bytes:
        """A text message; `compress` is for this message only, the window bits 9 to 15."""
        return self.send_data(WSMsgType.TEXT, text.encode("utf-8"), compress=compress)

    def send_binary(self, data: bytes | bytearray | memoryview, *, compress: int | None = None) -> bytes:
        """A binary message; `compress` as for `send_text`."""
        return self.send_data(WSMsgType.BINARY, bytes(data), compress=compress)

    def send_data(self, opcode: int, payload: bytes, *, compress: int | None = None) -> bytes:
        """A whole message in one frame, compressed if that was agreed on."""
        if self._deflater is None:
            return self.frame(opcode, payload, FIN)
        return self.frame(opcode, self.compress(payload, window_bits=compress), FIN | RSV1)

    def compress(self, payload: bytes, *, window_bits: int | None = None) -> bytes:
        """The body of a compressed message, which must be the next one that is sent. Can run in a thread."""
        if self._deflater is None:
            raise RuntimeError("compression was not agreed on in the handshake")
        return self._deflater.compress(payload, window_bits=window_bits)

    def split(self, opcode: int, payload: bytes, *, size: int, rsv1: int = 0) -> Iterator[tuple[int, bytes, int]]:
        """A message as fragments of `size` bytes, each the arguments of `frame`; `rsv1` is RSV1 when it is compressed
        already."""
        start = 0
        flags = rsv1
        while len(payload) - start > size:
            yield opcode, payload[start : start + size], flags
            start += size
            opcode = WSMsgType.CONTINUATION
            flags = 0
        yield opcode, payload[start:], flags | FIN

    def ping(self, payload: bytes = b"") -> bytes:
        """A ping; at most 125 bytes, else `ValueError`."""
        return self.frame(WSMsgType.PING, _control_payload(payload), FIN)

    def pong(self, payload: bytes = b"") -> bytes:
        """A pong; at most 125 bytes, else `ValueError`."""
        return self.frame(WSMsgType.PONG, _control_payload(payload), FIN)

    def close(self, code: int = WSCloseCode.OK, reason: bytes = b"") -> bytes:
        """The close frame, b"" when it was sent before; `code` 0 makes one without a body.

        The reason is cut to the 123 bytes that fit. Raises `ValueError` for a code that must not be sent (section 7.4).
        """
        if self.close_sent:
            return b""
        self.check_close_code(code)
        payload = code.to_bytes(2, "big") + _cut_utf8(reason) if code else b""
        frame = self.frame(WSMsgType.CLOSE, payload, FIN)
        self.close_sent = True
        return frame

    def check_close_code(self, code: int) -> None:
        """`ValueError` for a code that `close` would refuse."""
        if code and not is_sendable_close_code(code):
            raise ValueError(f"got close code {code}; expected 1000 to 1003, 1007 to 1014 or 3000 to 4999")

    def answer_close(self) -> bytes:
        """The close frame that ends the handshake from the other side: the peer's code back, or the code of its
        error."""
        if self.error is not None:
            return self.close(self.error.code, self.error.message.encode("utf-8"))
        received = self.close_received
        return self.close(0 if received is None or received == CLOSE_NO_STATUS else received)

    def frame(self, opcode: int, payload: bytes, flags: int) -> bytes:
        """One frame as it is; `flags` is FIN and RSV1. Raises `RuntimeError` after the close frame."""
        self._check_open()
        return encode_frame(opcode, payload, flags, new_key() if self.masking else None)

    def ascii_frame(self, text: str) -> bytes:
        """A server's text message without compression; `ValueError` where it is not ASCII, RuntimeError as `frame`."""
        self._check_open()
        return encode_ascii(text)

    def _check_open(self) -> None:
        if self.close_sent:
            raise RuntimeError("the close frame has been sent; nothing may follow it")


def _control_payload(payload: bytes) -> bytes:
    if len(payload) > _MAX_CONTROL:
        raise ValueError(f"got {len(payload)} bytes for a control frame; expected at most {_MAX_CONTROL}")
    return bytes(payload)


def _cut_utf8(reason: bytes) -> bytes:
    """At most 123 bytes of the reason, not ending inside a character."""
    if len(reason) <= _MAX_REASON:
        return reason
    return reason[:_MAX_REASON].decode("utf-8", "ignore").encode("utf-8")
