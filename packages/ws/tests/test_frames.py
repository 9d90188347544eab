"""Frames: every rule that one header shows, pieces as they arrive, and the writer."""

from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from levante.ws import frames

Make = Callable[..., bytes]


def read(reader: Any, chunks: Iterable[bytes]) -> list[tuple[int, bool, bytes]]:
    """Feed the chunks; the frames as (opcode, fin, payload)."""
    found: list[tuple[int, bool, bytes]] = []
    payload = b""
    for chunk in chunks:
        reader.feed(chunk)
        while reader.advance():
            payload = reader.piece() if reader.starts else payload + reader.piece()
            if reader.ends:
                found.append((reader.opcode, reader.fin, payload))
    return found


def cuts(data: bytes, size: int) -> list[bytes]:
    return [data[i : i + size] for i in range(0, len(data), size)]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100_000])
@pytest.mark.parametrize("length", [0, 1, 125, 126, 127, 65_535, 65_536])
def test_frames_of_every_length_form_in_pieces(ws: ModuleType, masked: Make, length: int, size: int) -> None:
    payload = (b"0123456789abcdef" * 4097)[:length]
    data = masked(2, payload) + masked(9, b"ping") + masked(2, b"", fin=0)
    reader = ws.frames.FrameReader(masked=True, rsv1_allowed=False)
    assert read(reader, cuts(data, size)) == [(2, True, payload), (9, True, b"ping"), (2, False, b"")]
    assert reader.unread() == 0


def test_a_data_frame_is_announced_by_its_header_and_given_out_as_it_arrives(ws: ModuleType, frame: Make) -> None:
    reader = ws.frames.FrameReader(masked=False, rsv1_allowed=False)
    reader.feed(frame(1, b"abc", length=2**60, form=64)[:10])
    assert reader.advance()
    assert (reader.starts, reader.ends, reader.piece(), reader.length) == (True, False, b"", 2**60)
    assert not reader.advance()
    reader.feed(b"ab")
    assert reader.advance()
    assert (reader.starts, reader.ends, reader.piece()) == (False, False, b"ab")


@pytest.mark.parity("W2", "V46")
@pytest.mark.parametrize("size", [1, 1000])
@pytest.mark.parametrize(
    ("head", "reason"),
    [
        pytest.param(b"\xa1\x80", "reserved bits", id="RSV2", marks=pytest.mark.hardening("W09")),
        pytest.param(b"\x91\x80", "reserved bits", id="RSV3", marks=pytest.mark.hardening("W09")),
        pytest.param(b"\xc1\x80", "not agreed on", id="RSV1", marks=pytest.mark.hardening("W09")),
        pytest.param(b"\xc0\x80", "not agreed on", id="RSV1 on continuation", marks=pytest.mark.hardening("W09")),
        pytest.param(b"\xc9\x80", "not agreed on", id="RSV1 on ping", marks=pytest.mark.hardening("W09")),
        *(
            pytest.param(bytes([0x80 | opcode, 0x80]), f"opcode {opcode:#x}", marks=pytest.mark.hardening("W10"))
            for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)
        ),
        pytest.param(b"\x89\xfe", "more than 125", id="long ping", marks=pytest.mark.hardening("W11")),
        pytest.param(b"\x88\xff", "more than 125", id="long close", marks=pytest.mark.hardening("W11")),
        pytest.param(b"\x09\x80", "fragmented control", id="ping without FIN", marks=pytest.mark.hardening("W11")),
        pytest.param(b"\x81\xfe\x00\x7d", "shortest form", id="125 in 16 bits", marks=pytest.mark.hardening("W12")),
        pytest.param(b"\x81\xff" + b"\x00" * 6 + b"\xff\xff", "shortest form", id="65535 in 64 bits"),
        pytest.param(b"\x81\xff\x80" + b"\x00" * 7, "top bit", id="top bit", marks=pytest.mark.hardening("W12")),
        pytest.param(
            b"\x81\x05", "not masked", id="unmasked", marks=[pytest.mark.hardening("W07"), pytest.mark.parity("W4")]
        ),
    ],
)
def test_a_server_refuses(ws: ModuleType, head: bytes, reason: str, size: int) -> None:
    reader = ws.frames.FrameReader(masked=True, rsv1_allowed=False)
    with pytest.raises(ws.WebSocketError, match=reason) as caught:
        read(reader, cuts(head + b"abcd", size))
    assert caught.value.code == 1002


@pytest.mark.hardening("W08")
@pytest.mark.parity("W4")
def test_a_client_refuses_masked_frames(ws: ModuleType, masked: Make) -> None:
    reader = ws.frames.FrameReader(masked=False, rsv1_allowed=False)
    with pytest.raises(ws.WebSocketError, match="must not mask") as caught:
        read(reader, [masked(1, b"hello")])
    assert caught.value.code == 1002


@pytest.mark.hardening("W09")
@pytest.mark.parametrize("opcode", [0, 8, 9, 10])
def test_compression_marks_only_the_first_frame_of_a_message(ws: ModuleType, masked: Make, opcode: int) -> None:
    reader = ws.frames.FrameReader(masked=True, rsv1_allowed=True)
    assert read(reader, [masked(1, b"x", rsv=4)]) == [(1, True, b"x")]
    assert reader.rsv1
    with pytest.raises(ws.WebSocketError, match="first frame of a message"):
        read(reader, [masked(opcode, b"", rsv=4)])


@pytest.mark.parametrize("key", [None, b"wxyz"])
@pytest.mark.parametrize("length", [0, 1, 125, 126, 65_535, 65_536, 70_000])
def test_the_writer_makes_what_the_rfc_says(ws: ModuleType, frame: Make, length: int, key: bytes | None) -> None:
    payload = (b"\x00\xffdata" * 12_000)[:length]
    assert ws.frames.encode_frame(2, payload, ws.frames.FIN, key) == frame(2, payload, key=key)
    assert ws.frames.encode_frame(1, payload, ws.frames.RSV1, key) == frame(1, payload, key=key, fin=0, rsv=4)


@settings(max_examples=60, deadline=None)
@given(st.data(), st.lists(st.tuples(st.sampled_from([0, 1, 2, 8, 9, 10]), st.binary(max_size=300)), max_size=6))
def test_what_is_written_is_read_at_any_cuts(data: st.DataObject, messages: list[tuple[int, bytes]]) -> None:
    expected = [(opcode, True, payload[:125] if opcode >= 8 else payload) for opcode, payload in messages]
    stream = b"".join(
        frames.encode_frame(opcode, payload, frames.FIN, b"\x00k\xfe1") for opcode, _, payload in expected
    )
    points = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    chunks = [stream[start:end] for start, end in zip([0, *points], [*points, len(stream)], strict=True)]
    assert read(frames.FrameReader(masked=True, rsv1_allowed=False), chunks) == expected


@pytest.mark.parametrize("length", [0, 1, 125, 126, 65535, 65536])
def test_a_frame_of_ascii_is_the_frame_of_its_bytes(ws: ModuleType, length: int) -> None:
    text = "x" * length
    assert ws.frames.encode_ascii(text) == ws.frames.encode_frame(1, text.encode(), ws.frames.FIN, None)
