"""Putting a body into a coding as it is written."""

import asyncio
import gzip
import random
import threading
import zlib

import pytest

from levante.http import ACCEPTABLE, EncodedWriter, Encoder, body_decoder, encoder


class Sink:
    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    async def write(self, data: bytes) -> None:
        assert data
        self.pieces.append(data)

    @property
    def all(self) -> bytes:
        return b"".join(self.pieces)


def decoded(coding: str, data: bytes) -> bytes:
    decoder = body_decoder(coding)
    assert decoder is not None
    pieces = [decoder.decompress(data)]
    while decoder.has_more:
        pieces.append(decoder.decompress(b""))
    return b"".join(pieces)


@pytest.mark.parity("U9", "S33")
@pytest.mark.parametrize("coding", ACCEPTABLE)
async def test_pieces_of_all_sizes(coding: str) -> None:
    sink = Sink()
    writer = EncodedWriter(sink.write, encoder(coding))
    pieces = [random.Random(size).randbytes(size) for size in (1, 100, 4096, 4097, 300_000, 0, 7)]
    for piece in pieces:
        await writer.write(memoryview(piece) if len(piece) == 100 else piece)
    await writer.finish()
    assert decoded(coding, sink.all) == b"".join(pieces)


@pytest.mark.parity("U9", "S33")
@pytest.mark.parametrize("coding", ACCEPTABLE)
async def test_flushing(coding: str) -> None:
    sink = Sink()
    writer = EncodedWriter(sink.write, encoder(coding))
    await writer.flush()
    assert sink.pieces == []
    await writer.write(b"one")
    await writer.flush()
    assert decoded(coding, sink.all) == b"one"
    count = len(sink.pieces)
    await writer.flush()
    assert len(sink.pieces) == count
    at_once = Sink()
    writer = EncodedWriter(at_once.write, encoder(coding), flushes=True)
    for number in range(1, 4):
        await writer.write(b"event\n")
        assert decoded(coding, at_once.all) == b"event\n" * number
    await writer.flush()
    assert len(at_once.pieces) == 3
    await writer.finish()
    assert decoded(coding, at_once.all) == b"event\n" * 3


class SlowEncoder(Encoder):
    """An encoder whose large steps wait in their thread."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.begun = threading.Event()
        packer = zlib.compressobj(wbits=31)

        def compress(data: bytes) -> bytes:
            if threading.current_thread() is not threading.main_thread():
                self.begun.set()
                assert self.go.wait(10)
            return packer.compress(data)

        super().__init__(compress, lambda: packer.flush(zlib.Z_SYNC_FLUSH), packer.flush)


@pytest.mark.parity("S33")
async def test_order_holds_whoever_writes_and_is_cancelled() -> None:
    """A coder has a state: what was begun must be sent, or nothing after it could be decoded."""
    sink = Sink()
    slow = SlowEncoder()
    writer = EncodedWriter(sink.write, slow, threshold=10)
    large = asyncio.ensure_future(writer.write(b"L" * 1000))
    while not slow.begun.is_set():
        await asyncio.sleep(0)
    small = asyncio.ensure_future(writer.write(b"s"))
    await asyncio.sleep(0)
    large.cancel()
    await asyncio.wait([large])
    slow.go.set()
    await small
    await writer.finish()
    assert large.cancelled()
    assert gzip.decompress(sink.all) == b"L" * 1000 + b"s"


@pytest.mark.parity("S33")
async def test_what_changes_after_the_write_is_not_sent() -> None:
    sink = Sink()
    slow = SlowEncoder()
    writer = EncodedWriter(sink.write, slow, threshold=10)
    data = bytearray(b"x" * 100)
    task = asyncio.ensure_future(writer.write(data))
    while not slow.begun.is_set():
        await asyncio.sleep(0)
    data[:] = b"y" * 100
    slow.go.set()
    await task
    await writer.finish()
    assert gzip.decompress(sink.all) == b"x" * 100
