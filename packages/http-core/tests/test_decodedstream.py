"""Bodies that are decoded as they are read."""

import asyncio
import gzip
import random
import threading
import tracemalloc
import zlib
from collections.abc import Callable

import pytest

from levante.http import (
    ACCEPTABLE,
    ContentCodingError,
    DecodedStream,
    Decoder,
    IncompleteMessage,
    StreamReader,
    body_decoder,
    encoder,
)
from levante.http.limits import DECODED_STEP, INLINE_DECODING

pytestmark = pytest.mark.parity("C36", "S27")

NOISE = random.Random(5).randbytes(100_000)
TEXT = b"line of text\n" * 100


class Flow:
    def __init__(self) -> None:
        self.paused = False

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False


def pack(coding: str, data: bytes) -> bytes:
    packer = encoder(coding)
    return packer.compress(data) + packer.finish()


def raw_stream(*pieces: bytes, eof: bool = True) -> StreamReader:
    raw = StreamReader(None, 1 << 16)
    for piece in pieces:
        raw.feed_data(piece)
    if eof:
        raw.feed_eof()
    return raw


def decoded(raw: StreamReader, coding: str = "gzip", limit: int = 1 << 16, **caps: int) -> DecodedStream:
    return DecodedStream(raw, body_decoder(coding, **caps), limit=limit)


class TestReading:
    @pytest.mark.parametrize("coding", [*ACCEPTABLE, "gzip, br"])
    @pytest.mark.parametrize("data", [b"", TEXT, NOISE, TEXT * 1000], ids=["empty", "small", "noise", "large"])
    async def test_the_whole(self, coding: str, data: bytes) -> None:
        packed = data
        for name in coding.split(", "):
            packed = pack(name, packed)
        content = decoded(raw_stream(packed), coding)
        assert await content.read() == data
        assert content.at_eof()
        assert content.total_bytes == len(data)
        assert content.total_raw_bytes == content.total_compressed_bytes == len(packed)

    @pytest.mark.parametrize("step", [1, 7, 1000])
    async def test_as_it_arrives(self, step: int) -> None:
        packed = gzip.compress(NOISE[:5000])
        raw = raw_stream(eof=False)
        task = asyncio.ensure_future(decoded(raw).read())
        for start in range(0, len(packed), step):
            raw.feed_data(packed[start : start + step])
            await asyncio.sleep(0)
        raw.feed_eof()
        assert await task == NOISE[:5000]

    async def test_every_way_of_reading(self) -> None:
        def make() -> DecodedStream:
            return decoded(raw_stream(gzip.compress(TEXT)))

        assert await make().readexactly(20) == TEXT[:20]
        assert [line async for line in make()] == [b"line of text\n"] * 100
        assert b"".join([piece async for piece in make().iter_any()]) == TEXT
        assert [len(piece) async for piece in make().iter_chunked(1000)] == [1000, 300]
        assert make().read_nowait() == TEXT
        assert make().read_nowait(5) == TEXT[:5]
        with pytest.raises(asyncio.IncompleteReadError):
            await make().readexactly(5000)
        content = make()
        assert await content.readexactly(len(TEXT)) == TEXT
        assert content.at_eof()  # known without another read
        assert content.read_nowait() == b""

    async def test_http_chunks(self) -> None:
        """A sender that brings out what it has at the end of each chunk: the receiver sees the same chunks."""
        packer = zlib.compressobj(wbits=31)
        raw = raw_stream(eof=False)
        for text in (b"one", b"two"):
            piece = packer.compress(text) + packer.flush(zlib.Z_SYNC_FLUSH)
            raw.feed_data(piece[:5])
            raw.feed_data(piece[5:], [len(piece) - 5])
        raw.feed_data(packer.flush(), [8])
        raw.feed_eof()
        chunks = [chunk async for chunk in decoded(raw).iter_chunks()]
        text = b""
        ends = []
        for data, is_end in chunks:
            text += data
            if is_end:
                ends.append(text)
        assert ends[:2] == [b"one", b"onetwo"]
        assert text == b"onetwo"

    async def test_arrival_is_that_of_the_raw_stream(self) -> None:
        raw = raw_stream(eof=False)
        content = decoded(raw)
        called: list[int] = []
        content.on_eof(lambda: called.append(1))
        assert not content.is_eof()
        raw.feed_data(gzip.compress(TEXT))
        raw.feed_eof()
        await content.wait_eof()
        assert content.is_eof()
        assert called == [1]
        assert not content.at_eof()

    async def test_one_reader_at_a_time(self) -> None:
        raw = raw_stream(eof=False)
        content = decoded(raw)
        task = asyncio.ensure_future(content.read())
        await asyncio.sleep(0)
        for read in (content.read, content.readany, content.readline):
            with pytest.raises(RuntimeError, match="only one"):
                await read()
        with pytest.raises(RuntimeError, match="only one"):
            content.read_nowait()
        raw.feed_data(gzip.compress(TEXT))
        raw.feed_eof()
        assert await task == TEXT


class TestErrors:
    @pytest.mark.hardening("C38", "M27")
    @pytest.mark.parametrize("coding", ACCEPTABLE)
    async def test_plain_text(self, coding: str) -> None:
        content = decoded(raw_stream(b"this is no coded body"), coding)
        for _ in range(2):
            with pytest.raises(ContentCodingError) as caught:
                await content.read()
            assert caught.value.status == 400
        with pytest.raises(ContentCodingError):
            content.read_nowait()

    @pytest.mark.hardening("C39", "M27")
    @pytest.mark.parametrize("coding", ACCEPTABLE)
    @pytest.mark.parametrize("size", [1000, 100_000])
    async def test_a_stream_cut_short(self, coding: str, size: int) -> None:
        content = decoded(raw_stream(pack(coding, NOISE[:size])[:-3]), coding)
        with pytest.raises(ContentCodingError, match=r"ends before|broken"):
            await content.read()

    async def test_errors_at_once(self) -> None:
        with pytest.raises(ContentCodingError):
            decoded(raw_stream(b"this is no coded body")).read_nowait()

    async def test_errors_of_the_raw_stream(self) -> None:
        raw = raw_stream(gzip.compress(NOISE)[:500], eof=False)
        content = DecodedStream(raw, body_decoder("gzip"), limit=1000, translate=lambda error: KeyError(str(error)))
        task = asyncio.ensure_future(content.read())
        await asyncio.sleep(0)
        raw.set_exception(IncompleteMessage("cut"))
        with pytest.raises(KeyError, match="cut"):
            await task
        assert isinstance(content.exception(), KeyError)

    async def test_letting_go_wakes_the_reader(self) -> None:
        content = decoded(raw_stream(eof=False))
        task = asyncio.ensure_future(content.read())
        await asyncio.sleep(0)
        content.set_exception(ValueError("released"))
        with pytest.raises(ValueError, match="released"):
            await task
        with pytest.raises(ValueError, match="released"):
            await content.readany()

    @pytest.mark.hardening("M27", "C50")
    @pytest.mark.parametrize("caps", [{"max_size": 1 << 20}, {"max_ratio": 100}])
    async def test_too_large(self, caps: dict[str, int]) -> None:
        content = decoded(raw_stream(gzip.compress(bytes(1 << 22))), **caps)
        with pytest.raises(ContentCodingError) as caught:
            await content.read()
        assert caught.value.status == 413
        assert content.total_bytes <= (1 << 20) + DECODED_STEP


class TestBounds:
    @pytest.mark.parity("V17")
    @pytest.mark.hardening("C50")
    @pytest.mark.parametrize("coding", ACCEPTABLE)
    async def test_a_bomb_costs_one_piece_at_a_time(self, coding: str) -> None:
        content = decoded(raw_stream(pack(coding, bytes(1 << 25))), coding)
        tracemalloc.start()
        size = 0
        while piece := await content.readany():
            assert len(piece) <= DECODED_STEP
            size += len(piece)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert size == 1 << 25
        assert peak < 8 * DECODED_STEP

    @pytest.mark.parity("V43")
    async def test_nothing_is_decoded_before_it_is_read(self) -> None:
        decoder = body_decoder("gzip")
        assert decoder is not None
        flow = Flow()
        raw = StreamReader(flow, 1 << 10)
        content = DecodedStream(raw, decoder, limit=1 << 10)
        while not flow.paused:
            raw.feed_data(NOISE[:100])
        await asyncio.sleep(0)
        assert decoder.total_in == content.total_bytes == 0

    async def test_a_slow_reader_stops_the_sender(self) -> None:
        flow = Flow()
        raw = StreamReader(flow, 1 << 14)
        content = decoded(raw)
        packed = gzip.compress(NOISE)
        raw.feed_data(packed[:40_000])
        assert flow.paused
        assert await content.read(10) == NOISE[:10]
        assert not flow.paused  # one piece was taken out of the raw stream
        raw.feed_data(packed[40_000:])
        assert flow.paused
        raw.feed_eof()
        assert await content.read() == NOISE[10:]


class Threads:
    """A decoder that notes in which threads it works, and can be held up there."""

    def __init__(self, inner: Decoder) -> None:
        self.inner = inner
        self.go = threading.Event()
        self.go.set()
        self.used: list[bool] = []
        self._plain: Callable[[bytes, int], bytes] = inner.decompress

    def install(self) -> Decoder:
        def decompress(data: bytes, max_length: int = 1 << 16) -> bytes:
            self.used.append(threading.current_thread() is not threading.main_thread())
            assert self.go.wait(10)
            return self._plain(data, max_length)

        self.inner.decompress = decompress  # type: ignore[method-assign]
        return self.inner


def watched() -> Threads:
    decoder = body_decoder("gzip")
    assert decoder is not None
    return Threads(decoder)


class TestThreads:
    async def test_small_pieces_need_none(self) -> None:
        threads = watched()
        raw = raw_stream(gzip.compress(TEXT))
        assert await DecodedStream(raw, threads.install(), limit=1 << 16).read() == TEXT
        assert True not in threads.used

    async def test_large_ones_and_what_inflates_do(self) -> None:
        for packed in (gzip.compress(NOISE), gzip.compress(bytes(1 << 20))):
            threads = watched()
            content = DecodedStream(raw_stream(packed), threads.install(), limit=1 << 16)
            assert len(await content.read()) >= 100_000
            assert threads.used[0] == (len(packed) > INLINE_DECODING)
            assert True in threads.used

    async def test_a_cancelled_reader_loses_nothing(self) -> None:
        threads = watched()
        content = DecodedStream(raw_stream(gzip.compress(NOISE)), threads.install(), limit=1 << 16)
        threads.go.clear()
        task = asyncio.ensure_future(content.read())
        while not threads.used:
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        assert content.read_nowait() == b""  # the decoder is at work still, and not to be touched
        threads.go.set()
        assert await content.read() == NOISE

    async def test_what_a_cancelled_reader_left_behind_needs_no_more_input(self) -> None:
        threads = watched()
        packed = gzip.compress(NOISE[:50_000])  # the first piece takes all of it
        raw = raw_stream(packed[:-20], eof=False)
        content = DecodedStream(raw, threads.install(), limit=1 << 16)
        threads.go.clear()
        task = asyncio.ensure_future(content.readany())
        while not threads.used:
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        read = b""
        threads.go.set()
        async with asyncio.timeout(10):
            while len(read) < 49_900:
                read += await content.readany()
        raw.feed_data(packed[-20:])
        raw.feed_eof()
        assert read + await content.read() == NOISE[:50_000]

    @pytest.mark.parametrize("at_once", [False, True])
    async def test_what_a_cancelled_reader_left_behind_comes_first(self, at_once: bool) -> None:
        """It needs no more input, and what is decoded without waiting comes behind it."""
        threads = watched()
        packed = gzip.compress(NOISE[:50_000])
        raw = raw_stream(packed[:-2000], eof=False)
        content = DecodedStream(raw, threads.install(), limit=1 << 16)
        threads.go.clear()
        task = asyncio.ensure_future(content.readany())
        while not threads.used:
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        threads.go.set()
        while content._work.is_running:
            await asyncio.sleep(0)
        if at_once:
            raw.feed_data(packed[-2000:])
            raw.feed_eof()
            read = content.read_nowait()
        else:
            read = await asyncio.wait_for(content.readany(), 10)
            raw.feed_data(packed[-2000:])
            raw.feed_eof()
        assert len(read) > 40_000
        assert read + await content.read() == NOISE[:50_000]

    async def test_letting_go_while_a_thread_works(self) -> None:
        threads = watched()
        content = DecodedStream(raw_stream(gzip.compress(NOISE)), threads.install(), limit=1 << 16)
        threads.go.clear()
        task = asyncio.ensure_future(content.read())
        while not threads.used:
            await asyncio.sleep(0)
        content.set_exception(ValueError("released"))
        threads.go.set()
        with pytest.raises(ValueError, match="released"):
            await task


class TestShowing:
    async def test_every_piece_is_shown(self) -> None:
        for decoder, packed in ((body_decoder("gzip"), gzip.compress(TEXT)), (None, TEXT)):
            shown: list[bytes] = []

            async def seen(piece: bytes, shown: list[bytes] = shown) -> None:
                await asyncio.sleep(0)
                shown.append(piece)

            content = DecodedStream(raw_stream(packed), decoder, limit=1 << 16, seen=seen)
            assert content.read_nowait() == b""  # nobody could be shown it without waiting
            assert await content.read() == TEXT
            assert b"".join(shown) == TEXT
            assert content.total_raw_bytes == len(packed)

    async def test_without_a_decoder_pieces_are_passed_on(self) -> None:
        content = DecodedStream(raw_stream(TEXT), None, limit=1 << 16)
        assert content.read_nowait(4) == TEXT[:4]
        assert await content.read() == TEXT[4:]
        assert content.total_compressed_bytes is None
