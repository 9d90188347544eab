"""Messages: fragments, UTF-8 at its first wrong byte, limits at the header that crosses them, close frames."""

import codecs
import tracemalloc
import zlib
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

Make = Callable[..., bytes]
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


def read(reader: Any, chunks: Iterable[bytes]) -> list[tuple[int, Any]]:
    found = []
    for chunk in chunks:
        reader.feed(chunk)
        while (message := reader.next_message()) is not None:
            found.append((int(message.type), message.data))
    return found


def cuts(data: bytes, size: int) -> list[bytes]:
    return [data[i : i + size] for i in range(0, len(data), size)]


def refused(
    ws: ModuleType, data: bytes, *, size: int = 1_000_000, **options: Any
) -> tuple[int, list[tuple[int, Any]], int]:
    """The close code, the messages before it, and how many bytes had been fed when it was raised."""
    reader = ws.messages.MessageReader(masked=True, **options)
    found: list[tuple[int, Any]] = []
    fed = 0
    with pytest.raises(ws.WebSocketError) as caught:
        for chunk in cuts(data, size):
            fed += len(chunk)
            reader.feed(chunk)
            while (message := reader.next_message()) is not None:
                found.append((int(message.type), message.data))
    return caught.value.code, found, fed


@pytest.mark.parity("W1")
@pytest.mark.parametrize("size", [1, 3, 1000])
def test_messages_of_every_kind(ws: ModuleType, masked: Make, size: int) -> None:
    data = (
        masked(TEXT, "grüße 🙂".encode())
        + masked(BINARY, b"\x00\xff")
        + masked(PING, b"p")
        + masked(PONG)
        + masked(CLOSE, b"\x0b\xb8bye")
    )
    reader = ws.messages.MessageReader(masked=True)
    assert read(reader, cuts(data, size)) == [(1, "grüße 🙂"), (2, b"\x00\xff"), (9, b"p"), (10, b""), (8, 3000)]


@pytest.mark.parity("W1")
def test_messages_carry_size_extra_and_json(ws: ModuleType, masked: Make) -> None:
    reader = ws.messages.MessageReader(masked=True)
    reader.feed(masked(TEXT, '["ü"]'.encode()) + masked(BINARY, b"{}") + masked(CLOSE, b"\x03\xe8done") + masked(CLOSE))
    text, binary, close, bare = (reader.next_message() for _ in range(4))
    assert (text.size, text.extra, text.json()) == (6, None, ["ü"])
    assert (binary.size, binary.json()) == (2, {})
    assert (close.data, close.extra) == (1000, "done")
    assert (bare.data, bare.extra, bare.size) == (0, "", 0)
    assert tuple(text) == ('["ü"]', 6, None, 1)


@pytest.mark.parity("W1")
def test_text_can_stay_bytes(ws: ModuleType, masked: Make) -> None:
    reader = ws.messages.MessageReader(masked=True, decode_text=False)
    reader.feed(masked(TEXT, b'{"a": 1}'))
    message = reader.next_message()
    assert (message.type, message.data, message.json()) == (1, b'{"a": 1}', {"a": 1})
    assert refused(ws, masked(TEXT, b"\xff"), decode_text=False)[0] == 1007


@pytest.mark.hardening("W15")
@pytest.mark.parametrize("size", [1, 5, 1000])
def test_control_frames_between_fragments(ws: ModuleType, masked: Make, size: int) -> None:
    data = (
        masked(TEXT, b"ab\xe2", fin=0)
        + masked(PING, b"1")
        + masked(0, b"\x82", fin=0)
        + masked(PONG, b"2")
        + masked(0, b"\xacc")
        + masked(BINARY, b"next")
    )
    reader = ws.messages.MessageReader(masked=True)
    assert read(reader, cuts(data, size)) == [(9, b"1"), (10, b"2"), (1, "ab€c"), (2, b"next")]


@pytest.mark.hardening("W14")
@pytest.mark.parity("W2")
@pytest.mark.parametrize("size", [1, 1000])
def test_fragments_out_of_order(ws: ModuleType, masked: Make, size: int) -> None:
    assert refused(ws, masked(TEXT, b"first") + masked(0, b"x"), size=size)[:2] == (1002, [(1, "first")])
    assert refused(ws, masked(TEXT, b"x", fin=0) + masked(TEXT, b"y"), size=size)[:2] == (1002, [])
    assert refused(ws, masked(TEXT, b"x", fin=0) + masked(BINARY, b"y", fin=0), size=size)[0] == 1002


BAD_UTF8 = {
    "overlong 2": b"\xc0\xaf",
    "overlong 3": b"\xe0\x80\xaf",
    "overlong 4": b"\xf0\x80\x80\xaf",
    "surrogate": b"\xed\xa0\x80",
    "last surrogate": b"\xed\xbf\xbf",
    "above U+10FFFF": b"\xf4\x90\x80\x80",
    "five bytes": b"\xf8\x88\x80\x80\x80",
    "lone continuation": b"\x80",
    "ff": b"\xff",
    "broken sequence": b"\xe2\x28\xa1",
}


def first_bad_byte(data: bytes) -> int:
    """How many bytes of `data` have been seen when the standard decoder objects, fed byte by byte."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    for i in range(len(data)):
        try:
            decoder.decode(data[i : i + 1])
        except UnicodeDecodeError:
            return i + 1
    raise AssertionError("expected wrong UTF-8")


@pytest.mark.hardening("W16", "W17")
@pytest.mark.parametrize("bad", BAD_UTF8.values(), ids=BAD_UTF8)
def test_wrong_utf8_fails_at_its_first_byte(ws: ModuleType, masked: Make, bad: bytes) -> None:
    good = "κόσμε🙂".encode()
    payload = good + bad + b"more"
    seen = len(good) + first_bad_byte(bad + b"more")
    head = len(masked(TEXT, payload)) - len(payload)
    # In one frame that is cut into single bytes, long before the frame ends.
    assert refused(ws, masked(TEXT, payload), size=1) == (1007, [], head + seen)
    # Inside a fragment, long before FIN.
    assert refused(ws, masked(TEXT, payload, fin=0), size=1) == (1007, [], head + seen)
    # Across fragments, one byte in each.
    parts = [masked(TEXT, payload[:1], fin=0), *(masked(0, payload[i : i + 1], fin=0) for i in range(1, len(payload)))]
    assert refused(ws, b"".join(parts), size=len(parts[0]))[2] == seen * len(parts[0])
    # In one frame, in one read.
    assert refused(ws, masked(TEXT, b"first") + masked(TEXT, payload))[:2] == (1007, [(1, "first")])


@pytest.mark.hardening("W17")
@pytest.mark.parametrize("size", [1, 2, 1000])
def test_text_cut_inside_a_character_at_its_end(ws: ModuleType, masked: Make, size: int) -> None:
    assert refused(ws, masked(TEXT, b"abc\xe2\x82"), size=size)[0] == 1007
    assert refused(ws, masked(TEXT, b"abc\xe2", fin=0) + masked(0, b""), size=size)[0] == 1007


@pytest.mark.hardening("W13")
@pytest.mark.parity("V39")
def test_a_size_over_the_limit_is_refused_at_the_header(ws: ModuleType, masked: Make) -> None:
    huge = masked(BINARY, b"", length=2**63 - 1, form=64)
    assert refused(ws, huge, size=1) == (1009, [], 14)
    assert refused(ws, masked(BINARY, b"", length=10**9, form=64))[0] == 1009
    assert refused(ws, masked(BINARY, bytes(1001))[:8], max_msg_size=1000) == (1009, [], 8)


@pytest.mark.hardening("W25")
@pytest.mark.parity("W2")
def test_the_size_limit_counts_all_fragments(ws: ModuleType, masked: Make) -> None:
    first, rest = masked(BINARY, bytes(600), fin=0), masked(0, bytes(400))
    reader = ws.messages.MessageReader(masked=True, max_msg_size=1000)
    assert read(reader, [first, rest, masked(BINARY, bytes(1000))]) == [(2, bytes(1000))] * 2
    over = first + masked(0, bytes(401))
    assert refused(ws, over, size=1, max_msg_size=1000) == (1009, [], len(first) + 8)
    reader = ws.messages.MessageReader(masked=True, max_msg_size=0)
    assert read(reader, [over]) == [(2, bytes(1001))]


@pytest.mark.hardening("W25")
def test_the_number_of_fragments_is_bounded(ws: ModuleType, masked: Make) -> None:
    flood = masked(BINARY, b"x", fin=0) + masked(0, b"x", fin=0) * 1024
    code, _, fed = refused(ws, flood, size=7, max_msg_size=2000)
    assert (code, fed) == (1009, len(flood))
    empty = masked(BINARY, b"", fin=0) + masked(0, b"", fin=0) * 10_000
    assert refused(ws, empty, max_msg_size=2000)[0] == 1009
    reader = ws.messages.MessageReader(masked=True, max_msg_size=1024 * 256 * 2)
    assert read(reader, [flood + masked(0, b"x")]) == [(2, b"x" * 1026)]


@pytest.mark.hardening("W26")
@pytest.mark.parity("V39")
def test_a_dribbled_frame_costs_what_it_weighs(ws: ModuleType, masked: Make) -> None:
    size = 200_000
    data = masked(BINARY, bytes(size))[: size - 1000]
    reader = ws.messages.MessageReader(masked=True)
    tracemalloc.start()
    try:
        for i in range(len(data)):
            reader.feed(data[i : i + 1])
            reader.next_message()
        assert tracemalloc.get_traced_memory()[0] < 2 * size
    finally:
        tracemalloc.stop()


@pytest.mark.hardening("W19", "W20")
@pytest.mark.parity("W2")
def test_close_frames_that_are_refused(ws: ModuleType, masked: Make) -> None:
    assert refused(ws, masked(CLOSE, b"\x03"))[0] == 1002
    assert refused(ws, masked(CLOSE, b"\x03\xe8\xff"))[0] == 1007
    for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535):
        assert refused(ws, masked(CLOSE, code.to_bytes(2, "big")))[0] == 1002


@pytest.mark.hardening("W19", "W20")
def test_close_frames_that_are_accepted(ws: ModuleType, masked: Make) -> None:
    for code in (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 4999):
        reader = ws.messages.MessageReader(masked=True)
        reader.feed(masked(CLOSE, code.to_bytes(2, "big") + b"r" * 123))
        message = reader.next_message()
        assert (message.data, message.extra) == (code, "r" * 123)


def squeeze(data: bytes, *, mode: int = zlib.Z_SYNC_FLUSH) -> bytes:
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    body = compressor.compress(data) + compressor.flush(mode)
    return body[:-4] if mode == zlib.Z_SYNC_FLUSH else body


def inflater(ws: ModuleType) -> Any:
    return ws.deflate.Inflater(window_bits=15, no_context_takeover=False)


@pytest.mark.parametrize("size", [1, 7, 100_000])
def test_compressed_messages(ws: ModuleType, masked: Make, size: int) -> None:
    body = squeeze("wörter ".encode() * 100)
    data = (
        masked(TEXT, body[:10], fin=0, rsv=4)
        + masked(PING, b"!")
        + masked(0, body[10:])
        + masked(TEXT, b"plain")
        + masked(BINARY, b"\x00", rsv=4)
    )
    reader = ws.messages.MessageReader(masked=True, inflater=inflater(ws))
    assert read(reader, cuts(data, size)) == [(9, b"!"), (1, "wörter " * 100), (1, "plain"), (2, b"")]


@pytest.mark.hardening("W16")
def test_wrong_utf8_in_a_compressed_message_fails_before_fin(ws: ModuleType, masked: Make) -> None:
    compressor = zlib.compressobj(1, zlib.DEFLATED, -15)
    body = compressor.compress(b"good \xff") + compressor.flush(zlib.Z_SYNC_FLUSH)
    assert refused(ws, masked(TEXT, body, fin=0, rsv=4), inflater=inflater(ws))[0] == 1007


@pytest.mark.hardening("W27")
@pytest.mark.parity("W3")
def test_a_deflate_bomb_stops_at_the_limit(ws: ModuleType, masked: Make) -> None:
    bomb = masked(BINARY, squeeze(bytes(100_000_000)), rsv=4)
    tracemalloc.start()
    try:
        assert refused(ws, bomb, inflater=inflater(ws), max_msg_size=1_000_000)[0] == 1009
        assert tracemalloc.get_traced_memory()[1] < 3_000_000
    finally:
        tracemalloc.stop()
    reader = ws.messages.MessageReader(masked=True, inflater=inflater(ws), max_msg_size=1_000_000)
    assert read(reader, [masked(BINARY, squeeze(bytes(1_000_000)), rsv=4)]) == [(2, bytes(1_000_000))]


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_both_forms_say_the_same(both_forms: tuple[ModuleType, ModuleType], data: st.DataObject) -> None:
    """Random bytes that look like frames, at random cuts, in both forms."""
    part = st.one_of(
        st.binary(max_size=40),
        st.builds(
            lambda first, payload: bytes([first, 0x80 | len(payload)]) + b"\x00\x00\x00\x00" + payload,
            st.sampled_from([0x81, 0x82, 0x01, 0x80, 0x00, 0x89, 0x8A, 0x88, 0xC1, 0x41]),
            st.one_of(st.binary(max_size=20), st.text(max_size=10).map(str.encode)),
        ),
    )
    stream = b"".join(data.draw(st.lists(part, max_size=8)))
    points = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    chunks = [stream[start:end] for start, end in zip([0, *points], [*points, len(stream)], strict=True)]
    outcomes = []
    for ws in both_forms:
        reader = ws.messages.MessageReader(masked=True, inflater=inflater(ws), max_msg_size=100)
        found: list[Any] = []
        try:
            for chunk in chunks:
                reader.feed(chunk)
                while (message := reader.next_message()) is not None:
                    found.append(tuple(message))
        except ws.WebSocketError as error:
            found.append((error.code, error.message))
        outcomes.append(found)
    assert outcomes[0] == outcomes[1]
