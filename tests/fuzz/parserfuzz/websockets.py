"""WebSocket frames, messages with and without compression, and the heads of the opening handshake."""

from collections.abc import Callable, Iterator
from functools import partial
from types import ModuleType
from typing import Any

from levante.http import RemoteProtocolError, RequestHead, ResponseHead
from levante.ws import DeflateParams, DialHandshake, Role, WSHandshakeError, WSMsgType, accept_handshake
from levante.ws.frames import FIN, RSV1, encode_frame
from levante.ws.masks import xor, xor_text

from .cuts import Story, agree
from .forms import INSTALLED, Form
from .target import Target, expect, expect_equal

KEY = b"\x01\x80\xff\x00"
PARAMS = (None, DeflateParams(), DeflateParams(True, True), DeflateParams(False, False, 9, 9))
SIZES = (0, 100, 1 << 22, 1)
ACCEPT_OF_FIXED_KEY = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
FIXED_KEY = "dGhlIHNhbXBsZSBub25jZQ=="
WORDS = (
    *(
        b"\x81\x05hello",
        b"\x01\x03hel",
        b"\x80\x02lo",
        b"\x82\x7e\x00\x7e",
        b"\x82\x7f\0\0\0\0\0\1\0\0",
        b"\x88\x02\x03\xe8",
        b"\x89\x00",
        b"\x8a\x00",
    ),
    *(
        b"\x88\x00",
        b"\xc1\x07\xf2H\xcd\xc9\xc9\x07\x00",
        b"\xc1\x80",
        b"\x81\x80\0\0\0\0",
        b"\xed\xa0\x80",
        b"\xc3\xa9",
        b"\xf4\x90\x80\x80",
        b"\xff",
    ),
)
HEAD_WORDS = (
    *(
        b"GET / HTTP/1.1\r\n",
        b"HTTP/1.1 101 x\r\n",
        b"Upgrade: websocket\r\n",
        b"Connection: Upgrade\r\n",
        b"Sec-WebSocket-Version: 13\r\n",
    ),
    *(
        b"Sec-WebSocket-Key: " + FIXED_KEY.encode() + b"\r\n",
        b"Sec-WebSocket-Accept: ",
        b"Sec-WebSocket-Protocol: chat\r\n",
        b"Origin: http://a\r\n",
    ),
    *(
        b"Sec-WebSocket-Extensions: permessage-deflate",
        b"; client_max_window_bits",
        b"=9",
        b'="15"',
        b"; server_no_context_takeover",
        b",",
        b";",
    ),
    *(b"\xff", b"\xc3\xa9", b" ", b"\t", b"Cookie: a=b\r\n", b"://", b":99999", b"[", b"null", b"\r\n\r\n"),
)


def errors_of(form: Form) -> Any:
    return form.protocol.WebSocketError


def tell_frames(form: Form, pieces: list[bytes], *, options: int) -> Story:
    reader = form.frames.FrameReader(masked=bool(options & 1), rsv1_allowed=bool(options & 2))
    story: Story = []
    payload = b""
    for piece in pieces:
        reader.feed(piece)
        try:
            while reader.advance():
                payload = reader.piece() if reader.starts else payload + reader.piece()
                if reader.ends:
                    expect_equal(len(payload), reader.length, "the length of a payload")
                    story.append((reader.opcode, reader.fin, reader.rsv1, payload))
        except errors_of(form) as error:
            story.append(("error", error.code, 0, str(error)))
            return story
        expect(reader.unread() <= 14 + 125, f"{reader.unread()} bytes of a frame are kept")
    story.append(("left", reader.unread()))
    return story


def check_frames(data: bytes) -> None:
    options = data[0] if data else 0
    story = agree(data[1:], partial(tell_frames, options=options))
    key = KEY if options & 1 else None
    frames: list[Any] = [event for event in story if event[0] not in ("error", "left")]
    flags = [(FIN if fin else 0) | (RSV1 if rsv1 else 0) for _, fin, rsv1, _ in frames]
    written = b"".join(encode_frame(frame[0], frame[3], flag, key) for frame, flag in zip(frames, flags, strict=True))
    expect_equal(
        tell_frames(INSTALLED, [written] if written else [], options=options)[:-1], frames, "frames written anew"
    )


def tell_messages(form: Form, pieces: list[bytes], *, options: int) -> Story:
    protocol = form.protocol.WebSocketProtocol(
        Role.SERVER if options & 1 else Role.CLIENT,
        deflate=PARAMS[options >> 1 & 3],
        max_msg_size=SIZES[options >> 3 & 3],
        decode_text=not options & 32,
    )
    story: Story = []
    for piece in pieces:
        protocol.receive_data(piece)
        try:
            story += (tuple(message) for message in protocol.events())
        except errors_of(form) as error:
            # Compressed text can be wrong in two ways at once; which of them is seen first is a matter of the cuts.
            story.append(("error", error.code if protocol.deflate is None else 0, 0, str(error)))
            break
    if not story or story[-1][0] != "error":
        story.append(("left", protocol.unread() if protocol.is_readable() else 0, protocol.close_received))
    protocol.answer_close()
    return story


def check_messages(data: bytes) -> None:
    options = data[0] if data else 0
    story = agree(data[1:], partial(tell_messages, options=options))
    messages: list[Any] = [
        event
        for event in story
        if event[0] not in ("error", "left") or (len(event) == 4 and event[3] in tuple(WSMsgType))
    ]
    sender = INSTALLED.protocol.WebSocketProtocol(
        Role.CLIENT if options & 1 else Role.SERVER, deflate=PARAMS[options >> 1 & 3]
    )
    written = b""
    for payload, _, extra, kind in messages:
        if kind is WSMsgType.PING:
            written += sender.ping(payload)
        elif kind is WSMsgType.PONG:
            written += sender.pong(payload)
        elif kind is WSMsgType.CLOSE:
            written += sender.close(payload, (extra or "").encode())
        else:
            written += sender.send_data(kind, payload.encode() if isinstance(payload, str) else payload)
    again = tell_messages(INSTALLED, [written] if written else [], options=options & ~24)
    expect_equal(again[:-1], messages, "messages written anew")


def check_masks(data: bytes) -> None:
    """Every form, offset and window masks alike, and twice is nothing."""
    if len(data) < 3:
        return
    offset, start, text = data[0], min(data[1], len(data) - 2), data[2:]
    expected = bytes(octet ^ KEY[(offset + index) % 4] for index, octet in enumerate(text[start:]))
    expect_equal(xor(text, start, len(text), KEY, 0, offset), expected, "masked")
    expect_equal(xor(expected, 0, len(expected), KEY, 0, offset), text[start:], "masked twice")
    masked = xor(text, start, len(text), KEY, 0, 0)
    expect_equal(decoded(lambda: xor_text(masked, 0, len(masked), KEY, 0)), decoded(text[start:].decode), "as text")


def decoded(decode: Callable[[], str]) -> str | None:
    """The text, None where there is none."""
    try:
        return decode()
    except UnicodeDecodeError:
        return None


def head_of(h1: ModuleType, data: bytes, *, request: bool) -> Any:
    connection = h1.Connection(Role.SERVER if request else Role.CLIENT)
    if not request:
        connection.send_request("GET", "/", [("Host", "a"), ("Connection", "upgrade"), ("Upgrade", "websocket")])
        connection.end()
    connection.receive_data(data)
    try:
        return connection.next_event()
    except RemoteProtocolError:
        return None


def check_opening(data: bytes) -> None:
    options = data[0] if data else 0
    head = head_of(INSTALLED.h1, data[1:], request=not options & 1)
    if isinstance(head, RequestHead):
        origins = (None, ["http://a"], ["*"], [])[options >> 1 & 3]
        try:
            accepted = accept_handshake(head, protocols=("chat", "x"), compress=not options & 8, origins=origins)
        except WSHandshakeError as error:
            expect(error.status in (400, 403, 405, 426), f"status {error.status}")
            return
        expect(accepted.protocol in (None, "chat", "x"), f"subprotocol {accepted.protocol!r}")
        for name, value in accepted.headers:
            expect(name.isascii() and value.isascii() and value.isprintable(), f"the field {name}: {value!r}")
    elif isinstance(head, ResponseHead):
        opening = DialHandshake(("chat",), compress=15 if options & 2 else 0)
        opening._key = FIXED_KEY
        try:
            protocol, _ = opening.verify(head)
        except WSHandshakeError:
            return
        expect(protocol in (None, "chat"), f"subprotocol {protocol!r}")


def frame_seeds() -> Iterator[bytes]:
    compressed = b"\xf2H\xcd\xc9\xc9\x07\x00"
    for options in range(4):
        key = KEY if options & 1 else None
        for opcode, payload, flags in (
            *(
                (1, b"hello", FIN),
                (2, b"\xff" * 130, FIN),
                (2, b"x" * 125, 0),
                (2, b"x" * 126, FIN),
                (9, b"ping", FIN),
                (10, b"", FIN),
            ),
            *(
                (8, b"\x03\xe8bye", FIN),
                (8, b"", FIN),
                (1, compressed, FIN | RSV1),
                (0, b"tail", FIN),
                (1, "\u00e9".encode(), 0),
            ),
        ):
            yield bytes([options]) + encode_frame(opcode, payload, flags, key)
        yield (
            bytes([options])
            + encode_frame(1, b"a", 0, key)
            + encode_frame(9, b"p", FIN, key)
            + encode_frame(0, b"b", FIN, key)
        )
        yield bytes([options]) + b"\x82\x7f" + b"\xff" * 8


def message_seeds() -> Iterator[bytes]:
    for seed in frame_seeds():
        for options in (0, 2, 4, 6, 8, 16 + 2, 24, 32):
            yield bytes([options | (seed[0] & 1)]) + seed[1:]
    for role, options in ((Role.SERVER, 2), (Role.CLIENT, 3)):
        for index in (1, 2, 3):
            sender = INSTALLED.protocol.WebSocketProtocol(role, deflate=PARAMS[index])
            texts = b"".join(sender.send_text(text) for text in ("hello", "hello hello", "", "\u00e9" * 50))
            yield bytes([options & 1 | index << 1 | 16]) + texts + sender.close(1000, b"bye")


def opening_seeds() -> Iterator[bytes]:
    fields = b"Host: a\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    key = b"Sec-WebSocket-Key: %s\r\n" % FIXED_KEY.encode()
    extension = (
        b"Sec-WebSocket-Extensions: x-other, permessage-deflate; client_max_window_bits; server_max_window_bits=10\r\n"
    )
    for more in (
        b"",
        b"Origin: http://a\r\n",
        b"Origin: null\r\nCookie: a=b\r\n",
        b"Sec-WebSocket-Protocol: a, chat\r\n",
        extension,
    ):
        for options in (0, 2, 4, 6, 8):
            yield bytes([options]) + b"GET / HTTP/1.1\r\n" + fields + key + more + b"\r\n"
    answer = (
        b"HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Accept: %s\r\n"
        % ACCEPT_OF_FIXED_KEY.encode()
    )
    for more in (
        b"",
        b"Sec-WebSocket-Protocol: chat\r\n",
        b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=9\r\n",
    ):
        yield b"\1" + answer + more + b"\r\n"
        yield b"\3" + answer + more + b"\r\n"


def mask_seeds() -> Iterator[bytes]:
    for size in (1, 7, 8, 127, 128, 129, 200):
        yield bytes([size & 3, size % 5]) + bytes(range(size))


TARGETS = (
    Target("ws-frames", check_frames, frame_seeds, WORDS, is_compiled=True),
    Target("ws-messages", check_messages, message_seeds, WORDS, is_compiled=True),
    Target("ws-masks", check_masks, mask_seeds, is_compiled=True),
    Target("ws-opening", check_opening, opening_seeds, HEAD_WORDS),
)
