"""Frames: bytes in, checked headers and unmasked pieces of payload out; and the writer that does the reverse.

The payload of a data frame is handed on as it arrives, never collected here, so a frame that announces an exabyte
costs nothing and text can be checked before the frame is whole. Control frames come in one piece: they have at most
125 bytes. Everything that RFC 6455 section 5.2 says about one header is checked here, as soon as the two bytes that
show it are there; what depends on other frames is checked in `messages`.
"""

from .codes import WSCloseCode
from .errors import WebSocketError
from .masks import joined, xor, xor_text

__all__ = ["FIN", "RSV1", "FrameReader", "encode_ascii", "encode_frame"]

FIN = 0x80
RSV1 = 0x40
_RSV2_AND_RSV3 = 0x30
_MASKED = 0x80
_CONTROL = 0x8
_TEXT = 0x1
_LAST_DATA_OPCODE = 0x2
_LAST_CONTROL_OPCODE = 0xA
_MAX_CONTROL = 125
_LENGTH_16 = 126
_LENGTH_64 = 127
_LARGEST_16 = 0xFFFF
_C_FIN = FIN
_C_RSV1 = RSV1


class FrameReader:
    """Cuts bytes into frames. `feed` bytes, then call `advance` until it says False.

    After each True: `opcode`, `fin`, `rsv1` and `length` describe the frame, `piece()` is its next payload, unmasked
    (it can be empty), `starts` and `ends` tell whether the piece is the first and the last of its frame. A piece can be
    had once, and before more is fed. Raises `WebSocketError` (close code 1002) at the first byte that no valid frame
    can have; the reader must not be used after that.
    """

    def __init__(self, *, masked: bool, rsv1_allowed: bool) -> None:
        self._masked = masked
        self._rsv1_allowed = rsv1_allowed
        self._data = b""
        self._pos = 0
        self._end = 0
        # The masking key is where it came, or a copy of it for a frame of which not everything has come.
        self._keys = b""
        self._key_at = 0
        # Where the piece begins: in the data, and in its frame's payload.
        self._start = 0
        self._done = 0
        self._left = 0
        self._in_payload = False
        self._begun = False
        self.opcode = 0
        self.fin = False
        self.rsv1 = False
        self.length = 0
        self.starts = False
        self.ends = False

    def feed(self, data: bytes) -> None:
        """Take in bytes as they came from the transport."""
        if self._pos < self._end:
            data = self._data[self._pos :] + data
        if not self._in_payload:
            self._keys = b""
        self._data = data
        self._pos = 0
        self._end = len(data)

    def unread(self) -> int:
        """How many bytes were fed and not yet looked at."""
        return self._end - self._pos

    def advance(self) -> bool:
        """Go on to the next piece; False when more bytes are needed for it."""
        if not self._in_payload and not self._read_header():
            return False
        available = self._end - self._pos
        if available >= self._left:
            self.ends = True
            available = self._left
        elif self.opcode >= _CONTROL or (available == 0 and self._begun):
            return False
        else:
            self.ends = False
        self.starts = not self._begun
        self._start = self._pos
        self._pos += available
        self._done = self.length - self._left
        self._left -= available
        self._in_payload = not self.ends
        self._begun = not self.ends
        return True

    def piece(self) -> bytes:
        """The payload that `advance` came to."""
        if self._masked:
            piece = xor(self._data, self._start, self._pos, self._keys, self._key_at, self._done)
        else:
            piece = self._data[self._start : self._pos]
        self._let_go()
        return piece

    def text(self) -> str:
        """The same decoded, for a piece that is a whole payload; UnicodeDecodeError where it is not UTF-8."""
        if self._masked:
            text = xor_text(self._data, self._start, self._pos, self._keys, self._key_at)
        else:
            text = self._data[self._start : self._pos].decode("utf-8")
        self._let_go()
        return text

    def _let_go(self) -> None:
        """Do not keep a large read alive on an idle connection."""
        if self._pos == self._end:
            if not self._in_payload:
                self._keys = b""
            self._data = b""
            self._pos = 0
            self._end = 0

    def _read_header(self) -> bool:
        """Read a whole header, or nothing."""
        start = self._pos
        available = self._end - start
        if available < 2:
            return False
        first = self._data[start]
        second = self._data[start + 1]
        self._check_first_byte(first)
        self._check_second_byte(first, second)
        length = second & 0x7F
        size = 2
        if length == _LENGTH_16:
            size = 4
        elif length == _LENGTH_64:
            size = 10
        extended = size
        if self._masked:
            size += 4
        if available < size:
            return False
        if extended > 2:
            length = self._extended_length(start + 2, start + extended)
        if self._masked and available - size < length:
            self._keys = self._data[start + extended : start + size]
            self._key_at = 0
        elif self._masked:
            self._keys = self._data
            self._key_at = start + extended
        self.opcode = first & 0x0F
        self.fin = (first & _C_FIN) != 0
        self.rsv1 = (first & _C_RSV1) != 0
        self.length = length
        self._left = length
        self._pos = start + size
        self._in_payload = True
        self._begun = False
        return True

    def _check_first_byte(self, first: int) -> None:
        opcode = first & 0x0F
        if first & _RSV2_AND_RSV3:
            raise _broken(
                f"got a frame with reserved bits (first byte {first:#04x}); no extension that uses them is agreed on"
            )
        if _LAST_DATA_OPCODE < opcode < _CONTROL or opcode > _LAST_CONTROL_OPCODE:
            raise _broken(f"got opcode {opcode:#x}; expected 0, 1, 2, 8, 9 or 0xa")
        if opcode >= _CONTROL and not first & _C_FIN:
            raise _broken(f"got a fragmented control frame (opcode {opcode:#x}); control frames cannot be fragmented")
        if first & _C_RSV1 and (opcode == 0 or opcode >= _CONTROL or not self._rsv1_allowed):
            why = (
                "only the first frame of a message can be compressed"
                if self._rsv1_allowed
                else "compression is not agreed on"
            )
            raise _broken(f"got a frame marked as compressed (first byte {first:#04x}); {why}")

    def _check_second_byte(self, first: int, second: int) -> None:
        if self._masked != ((second & _MASKED) != 0):
            if self._masked:
                raise _broken("got a frame that is not masked; a client must mask every frame")
            raise _broken("got a masked frame; a server must not mask")
        if first & _CONTROL and (second & 0x7F) > _MAX_CONTROL:
            raise _broken(f"got a control frame of more than {_MAX_CONTROL} bytes (length field {second & 0x7F})")

    def _extended_length(self, start: int, end: int) -> int:
        """The 16-bit or 64-bit length in network order; it must need that many bits."""
        data = self._data
        if data[start] & 0x80 and end - start == 8:
            raise _broken("got a 64-bit frame length with its top bit set")
        length = 0
        for i in range(start, end):
            length = (length << 8) | data[i]
        least = _LENGTH_16 if end - start == 2 else _LARGEST_16 + 1
        if length < least:
            raise _broken(f"got length {length} written in {end - start} bytes; the shortest form is required")
        return length


def encode_frame(opcode: int, payload: bytes, flags: int, key: bytes | None) -> bytes:
    """One frame with `payload`; `flags` is FIN, RSV1, both or 0, `key` the four masking bytes of a client, None on a
    server."""
    head = _head(opcode | flags, 0 if key is None else _MASKED, len(payload))
    return head + payload if key is None else head + key + xor(payload, 0, len(payload), key, 0, 0)


def encode_ascii(text: str) -> bytes:
    """A server's frame with a whole text message, which must be ASCII, else `ValueError`: so it need not be encoded."""
    return joined(_head(_TEXT | _C_FIN, 0, len(text)), text)


def _head(first: int, mask: int, length: int) -> bytes:
    """A header without the masking key: its first byte, the bit that announces the key or 0, and the length."""
    if length < _LENGTH_16:
        return _two_bytes(first, mask | length)
    if length <= _LARGEST_16:
        return _two_bytes(first, mask | _LENGTH_16) + length.to_bytes(2, "big")
    return _two_bytes(first, mask | _LENGTH_64) + length.to_bytes(8, "big")


def _two_bytes(first: int, second: int) -> bytes:
    """The first two bytes of a header, made once for each first byte: a connection uses very few."""
    made = _made[first]
    if made is None:
        made = _made[first] = [bytes((first, each)) for each in range(256)]
    return made[second]


_made: list[list[bytes] | None] = [None] * 256


def _broken(message: str) -> WebSocketError:
    return WebSocketError(WSCloseCode.PROTOCOL_ERROR, message)
