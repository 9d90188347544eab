"""The reading end of a body."""

import asyncio
import time

import pytest

from levante.http import EMPTY_PAYLOAD, LineTooLong, StreamReader


class Flow:
    def __init__(self) -> None:
        self.paused = False
        self.calls: list[str] = []

    def pause_reading(self) -> None:
        self.paused = True
        self.calls.append("pause")

    def resume_reading(self) -> None:
        self.paused = False
        self.calls.append("resume")


def stream(*pieces: bytes, eof: bool = True, limit: int = 100, flow: Flow | None = None) -> StreamReader:
    reader = StreamReader(flow, limit)
    for piece in pieces:
        reader.feed_data(piece)
    if eof:
        reader.feed_eof()
    return reader


pytestmark = pytest.mark.parity("W10")


class TestReading:
    async def test_read_all(self) -> None:
        assert await stream(b"ab", b"cd").read() == b"abcd"
        assert await stream(b"ab").read(-1) == b"ab"
        assert await stream().read() == b""

    async def test_read_some(self) -> None:
        reader = stream(b"abc", b"def")
        assert [await reader.read(n) for n in (0, 2, 2, 9, 9)] == [b"", b"ab", b"cd", b"ef", b""]

    async def test_large_pieces_are_not_copied(self) -> None:
        large = [bytes(16 * 1024), bytes(70_000)]
        reader = stream(b"small", *large, limit=200_000)
        assert await reader.read(5) == b"small"
        assert [await reader.readany() is piece for piece in large] == [True, True]
        assert await reader.readany() == b""

    async def test_readany(self) -> None:
        reader = stream(b"ab", b"cd", eof=False)
        assert await reader.readany() == b"abcd"
        reader.feed_data(b"e")
        reader.feed_eof()
        assert await reader.readany() == b"e"
        assert await reader.readany() == b""
        assert reader.at_eof()

    async def test_readexactly(self) -> None:
        reader = stream(b"ab", b"cde")
        assert await reader.readexactly(4) == b"abcd"
        with pytest.raises(asyncio.IncompleteReadError) as caught:
            await reader.readexactly(4)
        assert caught.value.partial == b"e"

    async def test_lines(self) -> None:
        reader = stream(b"a\nb", b"b\n\nc")
        assert [line async for line in reader] == [b"a\n", b"bb\n", b"\n", b"c"]

    @pytest.mark.parametrize("size", [1, 2, 3, 50])
    async def test_readuntil_finds_split_separators(self, size: int) -> None:
        data = b"one\r\n\r\ntwo\r\r\n\r\nthree"
        reader = stream(*(data[i : i + size] for i in range(0, len(data), size)))
        assert await reader.readuntil(b"\r\n\r\n") == b"one\r\n\r\n"
        assert await reader.readuntil(b"\r\n\r\n") == b"two\r\r\n\r\n"
        assert await reader.readuntil(b"\r\n\r\n") == b"three"

    async def test_readuntil_waits_and_can_be_cancelled(self) -> None:
        reader = stream(b"ab", eof=False)
        task = asyncio.ensure_future(reader.readline())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        reader.feed_data(b"c\n")
        assert await reader.readline() == b"abc\n"

    async def test_line_too_long(self) -> None:
        with pytest.raises(LineTooLong):
            await stream(b"x" * 201).readline()
        with pytest.raises(LineTooLong):
            await stream(b"x" * 20 + b"\n").readline(max_line_length=20)
        assert len(await stream(b"x" * 500 + b"\n").readuntil(max_size=600)) == 501
        with pytest.raises(ValueError, match="separator"):
            await stream(b"x").readuntil(b"")

    async def test_a_separator_that_never_comes_is_refused_as_it_arrives(self) -> None:
        reader = stream(b"x" * 150, eof=False)
        task = asyncio.ensure_future(reader.readuntil(b"\r\n"))
        await asyncio.sleep(0)
        reader.feed_data(b"y" * 51)
        with pytest.raises(LineTooLong):
            await task

    async def test_many_lines_in_one_piece_take_linear_time(self) -> None:
        reader = stream(b"line\n" * 100_000, limit=1_000_000)
        started = time.process_time()
        assert sum([1 async for _ in reader]) == 100_000
        assert time.process_time() - started < 5

    async def test_chunks(self) -> None:
        reader = StreamReader(None, 100)
        reader.feed_data(b"abcd", [2])
        reader.feed_data(b"ef", [1, 2])
        reader.feed_eof()
        assert [chunk async for chunk in reader.iter_chunks()] == [
            (b"ab", True),
            (b"cde", True),
            (b"f", True),
        ]

    async def test_end_of_a_chunk_that_was_read_before(self) -> None:
        reader = StreamReader(None, 100)
        reader.feed_data(b"ab")
        assert await reader.readchunk() == (b"ab", False)
        reader.feed_data(b"", [0])
        assert await reader.readchunk() == (b"", True)
        reader.feed_eof()
        assert await reader.readchunk() == (b"", False)

    async def test_chunks_and_other_reads_mixed(self) -> None:
        reader = StreamReader(None, 100)
        reader.feed_data(b"abcdef", [2, 4, 6])
        assert await reader.readexactly(3) == b"abc"  # the end of the first chunk is passed over
        assert await reader.readchunk() == (b"d", True)
        assert await reader.read(2) == b"ef"
        assert await reader.readchunk() == (b"", True)
        reader.feed_eof()
        assert [chunk async for chunk in reader.iter_chunks()] == []

    async def test_readany_is_what_was_there_when_it_was_called(self) -> None:
        class Feeding(Flow):
            def resume_reading(self) -> None:
                super().resume_reading()
                reader.feed_data(b"more")

        reader = StreamReader(Feeding(), 4)
        reader.feed_data(b"12345")
        reader.feed_data(b"6789")
        assert await reader.readany() == b"123456789"
        assert await reader.readany() == b"more"

    @pytest.mark.parametrize("n", [-1, -5])
    async def test_sizes_that_are_none(self, n: int) -> None:
        with pytest.raises(ValueError, match="bytes from 0"):
            await stream(b"abc").readexactly(n)
        with pytest.raises(ValueError, match="bytes from 1"):
            stream(b"abc").iter_chunked(n + 1)
        assert await stream(b"abc").readexactly(0) == b""
        assert await stream(b"abc").read(n) == b"abc"

    async def test_iterators(self) -> None:
        assert [p async for p in stream(b"abc", b"de").iter_chunked(2)] == [b"ab", b"cd", b"e"]
        assert [p async for p in stream(b"abc", b"de").iter_any()] == [b"abcde"]
        assert [line async for line in EMPTY_PAYLOAD] == []

    async def test_nowait_and_unread(self) -> None:
        reader = stream(b"abc", eof=False)
        assert reader.read_nowait(2) == b"ab"
        with pytest.warns(DeprecationWarning, match="unread_data"):
            reader.unread_data(b"xy")
        with pytest.warns(DeprecationWarning):
            reader.unread_data(b"")
        assert reader.read_nowait() == b"xyc"
        assert reader.read_nowait() == b""

    async def test_one_reader_at_a_time(self) -> None:
        reader = stream(eof=False)
        task = asyncio.ensure_future(reader.read())
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="only one"):
            await reader.read()
        with pytest.raises(RuntimeError, match="only one"):
            reader.read_nowait()
        reader.feed_data(b"x")
        reader.feed_eof()
        assert await task == b"x"

    @pytest.mark.parametrize("call", ["read", "readany", "readchunk", "readline", "readexactly"])
    async def test_a_second_reader_takes_nothing_away(self, call: str) -> None:
        reader = stream(b"abc", eof=False)
        task = asyncio.ensure_future(reader.readexactly(5))
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="only one"):
            await getattr(reader, call)(*([1] if call == "readexactly" else []))
        reader.feed_data(b"de")
        assert await task == b"abcde"

    @pytest.mark.parametrize("call", ["read", "readany", "readchunk", "readline", "readexactly"])
    async def test_a_cancelled_reader_leaves_everything(self, call: str) -> None:
        reader = stream(eof=False)
        task = asyncio.ensure_future(getattr(reader, call)(*([4] if call == "readexactly" else [])))
        await asyncio.sleep(0)
        late = asyncio.ensure_future(reader.readexactly(4))  # begins before the other has noticed
        task.cancel()
        await asyncio.sleep(0)
        assert task.cancelled()
        reader.feed_data(b"abcd")
        assert await late == b"abcd"

    @pytest.mark.parametrize("call", ["read", "readany", "readchunk", "readline"])
    async def test_waiting(self, call: str) -> None:
        reader = stream(eof=False)
        task = asyncio.ensure_future(getattr(reader, call)())
        await asyncio.sleep(0)
        reader.feed_data(b"x\n", [2])
        reader.feed_eof()
        assert await task in (b"x\n", (b"x\n", True))


class TestEnd:
    async def test_wait_eof_and_callbacks(self) -> None:
        reader = stream(b"x", eof=False)
        called: list[int] = []
        reader.on_eof(lambda: called.append(1))
        task = asyncio.ensure_future(reader.wait_eof())
        await asyncio.sleep(0)
        assert not reader.is_eof()
        reader.feed_eof()
        await task
        await reader.wait_eof()
        reader.on_eof(lambda: called.append(2))
        assert called == [1, 2]
        assert reader.is_eof()
        assert not reader.at_eof()
        assert reader.total_bytes == reader.total_raw_bytes == 1
        reader.total_compressed_bytes = 7
        assert reader.total_raw_bytes == 7
        assert "eof 1 bytes" in repr(reader)

    @pytest.mark.parametrize("call", ["read", "readany", "readchunk", "readline", "readexactly"])
    async def test_errors_win_over_data(self, call: str) -> None:
        """A body cut short must not be taken for a whole one."""
        reader = stream(b"x\n", eof=False)
        reader.set_exception(ValueError("cut"), KeyError("cause"))
        assert isinstance(reader.exception(), ValueError)
        with pytest.raises(ValueError, match="cut") as caught:
            await getattr(reader, call)(*([1] if call == "readexactly" else []))
        assert isinstance(caught.value.__cause__, KeyError)
        with pytest.raises(ValueError, match="cut"):
            reader.read_nowait()
        await reader.wait_eof()

    async def test_a_callback_that_fails_is_reported_and_no_more(self) -> None:
        reported: list[dict[str, object]] = []
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: reported.append(context))
        reader = stream(eof=False)
        called: list[int] = []
        reader.on_eof(lambda: 1 // 0)
        reader.on_eof(lambda: called.append(1))
        reader.feed_eof()
        loop.set_exception_handler(None)
        assert called == [1]
        assert "on_eof" in str(reported[0]["message"])

    async def test_error_while_waiting(self) -> None:
        reader = stream(eof=False)
        task = asyncio.ensure_future(reader.read())
        waiting = asyncio.ensure_future(reader.wait_eof())
        await asyncio.sleep(0)
        reader.set_exception(ValueError("cut"))
        with pytest.raises(ValueError, match="cut"):
            await task
        await waiting

    async def test_first_wait_hook(self) -> None:
        reader = stream(b"x", eof=False)
        called: list[int] = []
        reader.on_first_wait = lambda: called.append(1)
        assert await reader.readany() == b"x"
        assert called == []
        for piece in (b"y", b"z"):
            task = asyncio.ensure_future(reader.readany())
            await asyncio.sleep(0)
            reader.feed_data(piece)
            assert await task == piece
        assert called == [1]


class TestFlow:
    async def test_marks(self) -> None:
        flow = Flow()
        reader = stream(b"x" * 200, eof=False, flow=flow)
        assert not flow.paused
        reader.feed_data(b"y")
        assert flow.paused
        reader.feed_data(b"y")
        await reader.read(101)
        assert flow.paused
        await reader.read(1)
        assert not flow.paused
        assert flow.calls == ["pause", "resume"]

    async def test_large_reads_raise_the_marks(self) -> None:
        flow = Flow()
        reader = stream(b"x" * 201, eof=False, flow=flow)
        assert flow.paused
        task = asyncio.ensure_future(reader.readexactly(300))
        await asyncio.sleep(0)
        assert not flow.paused
        reader.feed_data(b"x" * 99)
        assert len(await task) == 300

    @pytest.mark.parity("V23")
    async def test_chunks_count_too(self) -> None:
        flow = Flow()
        reader = StreamReader(flow, 1600)
        fed = 0
        while not flow.paused:
            reader.feed_data(b"x", [1])
            fed += 1
        assert fed == 201
        await reader.readany()
        assert not flow.paused

    async def test_iterating_by_large_pieces_raises_the_marks(self) -> None:
        flow = Flow()
        reader = stream(b"x" * 201, eof=False, flow=flow)
        assert flow.paused
        pieces = reader.iter_chunked(1000)
        assert not flow.paused
        reader.feed_data(b"x" * 799)
        reader.feed_eof()
        assert [len(piece) async for piece in pieces] == [1000]

    @pytest.mark.parity("V23")
    @pytest.mark.parametrize("call", ["read_nowait", "readany", "readchunk"])
    async def test_tiny_chunks_cost_linear_time(self, call: str) -> None:
        """200,000 chunks of one byte, fed as far as the marks allow."""
        flow = Flow()
        reader = StreamReader(flow, 1 << 16)
        left, read = 200_000, 0
        started = time.process_time()
        while read < 200_000:
            while left and not flow.paused:
                reader.feed_data(b"x", [1])
                left -= 1
            piece = reader.read_nowait() if call == "read_nowait" else await getattr(reader, call)()
            read += len(piece[0] if isinstance(piece, tuple) else piece)
        assert time.process_time() - started < 5
