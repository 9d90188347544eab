"""permessage-deflate (RFC 7692): negotiating the four parameters, and compressors and bounded inflaters that keep to
them.

Negotiation is strict with what it accepts and quiet with what it declines: an offer with anything wrong in it is
passed over and the next one is looked at. zlib cannot write a raw stream with a window of 8 bits, so an offer that
limits *our* window to 8 is declined.
"""

import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from levante.http import Role

from .codes import WSCloseCode
from .errors import WebSocketError
from .extensions import Extension
from .limits import MAX_DEFLATE_MEMBERS

__all__ = ["DEFLATE", "DeflateParams", "Deflater", "Inflater", "accept_offer", "accept_response", "offer"]

DEFLATE: Final = "permessage-deflate"
MIN_WINDOW_BITS: Final = 9
MAX_WINDOW_BITS: Final = 15
_LEAST_IN_RFC = 8
_SERVER_NO_TAKEOVER = "server_no_context_takeover"
_CLIENT_NO_TAKEOVER = "client_no_context_takeover"
_SERVER_BITS = "server_max_window_bits"
_CLIENT_BITS = "client_max_window_bits"

# RFC 7692 section 7.2.1: every message ends with this empty stored block, which does not travel.
_TAIL = b"\x00\x00\xff\xff"
_EMPTY = b"\x00"


@dataclass(frozen=True, slots=True)
class DeflateParams:
    """The four parameters (RFC 7692 section 7.1), as agreed on, or as one side wants them.

    A server gives it to `WebSocketResponse(compress=...)` or `accept_handshake`, a client to `ws_connect(compress=...)`
    or `DialHandshake`; what is agreed on then goes no further than that. `server_` is about what the server sends,
    `client_` about what the client sends. Window bits are 8 to 15, the base-2 logarithm of the window in bytes, and at
    least 9 for what we compress ourselves; `no_context_takeover` means that each message is compressed by itself, which
    takes less memory, compresses worse, and lets `Rooms` send all members the same compressed frame.
    """

    server_no_context_takeover: bool = False
    client_no_context_takeover: bool = False
    server_max_window_bits: int = MAX_WINDOW_BITS
    client_max_window_bits: int = MAX_WINDOW_BITS

    def __post_init__(self) -> None:
        for name in (_SERVER_BITS, _CLIENT_BITS):
            bits = getattr(self, name)
            if not _LEAST_IN_RFC <= bits <= MAX_WINDOW_BITS:
                raise ValueError(f"got {name}={bits!r}; expected {_LEAST_IN_RFC} to {MAX_WINDOW_BITS}")


class Deflater:
    """Compresses messages for one direction of a connection. Not for use by two threads at once."""

    def __init__(self, *, window_bits: int, no_context_takeover: bool) -> None:
        self._window_bits = window_bits
        self._no_context_takeover = no_context_takeover
        self._compressor: zlib._Compress | None = None

    def compress(self, payload: bytes, *, window_bits: int | None = None) -> bytes:
        """`payload` as the body of a frame with RSV1; with `window_bits` (9 to 15) by a compressor made for this
        message.

        A window larger than the one agreed on is cut down to it: the peer could not read the result.
        """
        if not payload:
            # Section 7.2.3.6: zlib has nothing to flush here, and nothing would be no valid block.
            return _EMPTY
        if window_bits is not None:
            compressor = _compressor(min(max(window_bits, MIN_WINDOW_BITS), self._window_bits))
            # The peer's window now holds this message and ours would not: the next one must not look back past it.
            self._compressor = None
        else:
            compressor = self._compressor or _compressor(self._window_bits)
            self._compressor = None if self._no_context_takeover else compressor
        body = compressor.compress(payload) + compressor.flush(zlib.Z_SYNC_FLUSH)
        return body[: -len(_TAIL)]


class Inflater:
    """Inflates the messages of one direction, never making more than it is told to."""

    def __init__(self, *, window_bits: int, no_context_takeover: bool) -> None:
        self._wbits = -max(window_bits, MIN_WINDOW_BITS)
        self._no_context_takeover = no_context_takeover
        self._inflater: zlib._Decompress | None = None
        self._members = 0

    def inflate(self, piece: bytes, room: int) -> bytes:
        """The next part of a message from the next part of its frames; `room` is how many bytes may come out, -1 for
        any number.

        Raises `WebSocketError`: 1009 when more than `room` would come out or when the message has too many members,
        1007 when it is not DEFLATE data.
        """
        parts = []
        while True:
            inflater = self._inflater
            if inflater is None:
                inflater = self._inflater = zlib.decompressobj(self._wbits)
            try:
                part = inflater.decompress(piece, 0 if room < 0 else room + 1)
            except zlib.error as error:
                message = f"got a compressed message that cannot be inflated: {error}"
                raise WebSocketError(WSCloseCode.INVALID_TEXT, message) from error
            if 0 <= room < len(part):
                raise WebSocketError(
                    WSCloseCode.MESSAGE_TOO_BIG, "got a compressed message that inflates beyond the size limit"
                )
            if room > 0:
                room -= len(part)
            parts.append(part)
            if inflater.eof:
                piece = inflater.unused_data
                self._next_member()
            else:
                piece = inflater.unconsumed_tail
            if not piece:
                return parts[0] if len(parts) == 1 else b"".join(parts)

    def finish(self, room: int) -> bytes:
        """The end of a message: what was still inside, as `inflate`."""
        rest = self.inflate(_TAIL, room)
        self._members = 0
        if self._no_context_takeover:
            self._inflater = None
        return rest

    def _next_member(self) -> None:
        """After a final block (RFC 7692 section 7.2.3.4) what follows is a stream of its own."""
        self._inflater = None
        self._members += 1
        if self._members > MAX_DEFLATE_MEMBERS:
            message = f"got a compressed message of more than {MAX_DEFLATE_MEMBERS} DEFLATE streams"
            raise WebSocketError(WSCloseCode.MESSAGE_TOO_BIG, message)


def deflater(params: DeflateParams, role: Role) -> Deflater:
    """The compressor for what `role` sends."""
    if role is Role.SERVER:
        return Deflater(
            window_bits=params.server_max_window_bits, no_context_takeover=params.server_no_context_takeover
        )
    return Deflater(window_bits=params.client_max_window_bits, no_context_takeover=params.client_no_context_takeover)


def inflater(params: DeflateParams, role: Role) -> Inflater:
    """The inflater for what `role` receives."""
    if role is Role.SERVER:
        return Inflater(
            window_bits=params.client_max_window_bits, no_context_takeover=params.client_no_context_takeover
        )
    return Inflater(window_bits=params.server_max_window_bits, no_context_takeover=params.server_no_context_takeover)


def accept_offer(offers: Iterable[Extension], *, wishes: DeflateParams) -> tuple[DeflateParams, str] | None:
    """What a server makes of a client's offers (RFC 7692 section 7.1): the first usable one, as parameters and as the
    extension to put into the response; None when there is none. `wishes` are the server's own limits."""
    for candidate in offers:
        if candidate.name == DEFLATE:
            params = _agree(candidate.parameters, wishes)
            if params is not None:
                return params, _response(params)
    return None


def client_wishes(compress: int | DeflateParams) -> DeflateParams | None:
    """What a client wants, by its `compress`: parameters, or window bits (9 to 15) for both directions, or 0 for no
    compression (None)."""
    if isinstance(compress, DeflateParams):
        if compress.client_max_window_bits < MIN_WINDOW_BITS:
            raise ValueError(
                f"got compress={compress!r}; expected {_CLIENT_BITS} of at least {MIN_WINDOW_BITS}, which zlib needs"
            )
        return compress
    if not compress:
        return None
    if not MIN_WINDOW_BITS <= compress <= MAX_WINDOW_BITS:
        raise ValueError(
            f"got compress={compress!r}; expected 0 (off), window bits {MIN_WINDOW_BITS} to {MAX_WINDOW_BITS}, "
            "or DeflateParams"
        )
    return DeflateParams(server_max_window_bits=compress, client_max_window_bits=compress)


def offer(wishes: DeflateParams) -> str:
    """The extension that a client offers. It always says that the server may limit the client's window."""
    client_bits = wishes.client_max_window_bits
    parts = [DEFLATE, _CLIENT_BITS if client_bits == MAX_WINDOW_BITS else f"{_CLIENT_BITS}={client_bits}"]
    if wishes.server_max_window_bits < MAX_WINDOW_BITS:
        parts.append(f"{_SERVER_BITS}={wishes.server_max_window_bits}")
    if wishes.server_no_context_takeover:
        parts.append(_SERVER_NO_TAKEOVER)
    if wishes.client_no_context_takeover:
        parts.append(_CLIENT_NO_TAKEOVER)
    return "; ".join(parts)


def accept_response(answer: Extension, *, wishes: DeflateParams) -> DeflateParams:
    """What a client makes of the server's answer to `offer(wishes)`; raises `ValueError` when it is not an answer to
    it: what was asked of the server must be in it, what the client does itself it does anyhow."""
    found = _read(answer.parameters)
    if found is None:
        raise ValueError(f"got unknown, repeated or invalid parameters {answer.parameters!r}")
    if found.get(_CLIENT_BITS, "") is None:
        raise ValueError(f"got {_CLIENT_BITS} without a value")
    server_bits = int(found.get(_SERVER_BITS) or MAX_WINDOW_BITS)
    if server_bits > wishes.server_max_window_bits:
        raise ValueError(
            f"got {_SERVER_BITS}={server_bits}; {wishes.server_max_window_bits} was the most that was offered"
        )
    if wishes.server_no_context_takeover and _SERVER_NO_TAKEOVER not in found:
        raise ValueError(f"got no {_SERVER_NO_TAKEOVER}, which was asked for")
    client_bits = int(found.get(_CLIENT_BITS) or MAX_WINDOW_BITS)
    if client_bits < MIN_WINDOW_BITS:
        raise ValueError(f"got {_CLIENT_BITS}={client_bits}; zlib needs at least {MIN_WINDOW_BITS}")
    return DeflateParams(
        server_no_context_takeover=_SERVER_NO_TAKEOVER in found,
        client_no_context_takeover=_CLIENT_NO_TAKEOVER in found or wishes.client_no_context_takeover,
        server_max_window_bits=server_bits,
        client_max_window_bits=min(client_bits, wishes.client_max_window_bits),
    )


def _agree(parameters: Sequence[tuple[str, str | None]], wishes: DeflateParams) -> DeflateParams | None:
    """One offer against the server's wishes; None to decline it."""
    found = _read(parameters)
    if found is None:
        return None
    server_bits = min(int(found.get(_SERVER_BITS) or MAX_WINDOW_BITS), wishes.server_max_window_bits)
    if server_bits < MIN_WINDOW_BITS:
        return None
    client_bits = MAX_WINDOW_BITS
    if _CLIENT_BITS in found:
        # Without this parameter in its offer the client may not be told to use a smaller window (section 7.1.2.2).
        client_bits = min(int(found[_CLIENT_BITS] or MAX_WINDOW_BITS), wishes.client_max_window_bits)
    return DeflateParams(
        server_no_context_takeover=_SERVER_NO_TAKEOVER in found or wishes.server_no_context_takeover,
        client_no_context_takeover=_CLIENT_NO_TAKEOVER in found or wishes.client_no_context_takeover,
        server_max_window_bits=server_bits,
        client_max_window_bits=client_bits,
    )


def _read(parameters: Sequence[tuple[str, str | None]]) -> dict[str, str | None] | None:
    """The parameters by name; None when one is unknown, repeated or has a wrong value."""
    found: dict[str, str | None] = {}
    for name, value in parameters:
        if name in found:
            return None
        if name in (_SERVER_NO_TAKEOVER, _CLIENT_NO_TAKEOVER):
            valid = value is None
        elif name in (_SERVER_BITS, _CLIENT_BITS):
            valid = value in _VALID_BITS or (value is None and name == _CLIENT_BITS)
        else:
            valid = False
        if not valid:
            return None
        found[name] = value
    return found


_VALID_BITS = frozenset(str(bits) for bits in range(_LEAST_IN_RFC, MAX_WINDOW_BITS + 1))


def _response(params: DeflateParams) -> str:
    return "; ".join((DEFLATE, *_response_parameters(params)))


def _response_parameters(params: DeflateParams) -> Iterator[str]:
    if params.server_no_context_takeover:
        yield _SERVER_NO_TAKEOVER
    if params.client_no_context_takeover:
        yield _CLIENT_NO_TAKEOVER
    if params.server_max_window_bits < MAX_WINDOW_BITS:
        yield f"{_SERVER_BITS}={params.server_max_window_bits}"
    if params.client_max_window_bits < MAX_WINDOW_BITS:
        yield f"{_CLIENT_BITS}={params.client_max_window_bits}"


def _compressor(window_bits: int) -> "zlib._Compress":
    return zlib.compressobj(zlib.Z_BEST_SPEED, zlib.DEFLATED, -window_bits)
