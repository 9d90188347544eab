"""Payloads that are read as they are sent."""

import asyncio
import io
import os
import tarfile
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from levante.http import (
    AsyncIterablePayload,
    BufferedReaderPayload,
    BytesIOPayload,
    IOBasePayload,
    Payload,
    StreamReader,
    StreamReaderPayload,
    TextIOPayload,
    get_payload,
)


class Sink:
    """What a payload writes itself to, in tests."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    async def write(self, data: bytes) -> None:
        assert isinstance(data, bytes)
        assert data
        self.pieces.append(data)


async def written(payload: Payload, length: int | None = None) -> bytes:
    sink = Sink()
    await payload.write_with_length(sink, length)
    return b"".join(sink.pieces)


@pytest.mark.parity("C31")
async def test_a_file_is_sent_from_where_it_stood_and_again(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"head" + b"x" * 600_000)
    file = path.open("rb")
    file.seek(4)
    payload = get_payload(file)
    assert type(payload) is BufferedReaderPayload
    assert payload.size == 600_000
    assert payload.content_type == "text/plain"
    assert payload.filename == "a.txt"
    assert payload.headers["Content-Disposition"] == 'attachment; filename="a.txt"'
    assert not payload.autoclose
    sink = Sink()
    for _ in range(2):
        await payload.write(sink)
        assert payload.size == 600_000
    assert [len(piece) for piece in sink.pieces] == [262144, 262144, 75712] * 2
    assert await written(payload, 10) == b"x" * 10
    assert payload.decode() == "x" * 600_000
    assert await payload.as_bytes() == b"x" * 600_000
    await payload.close()
    await payload.close()
    assert file.closed


@pytest.mark.parity("C31")
async def test_a_file_is_read_anew_while_a_thread_still_reads() -> None:
    begun, go_on = threading.Event(), threading.Event()

    class Slow(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if not begun.is_set():
                begun.set()
                go_on.wait(20)
            return super().read(size)

    content = bytes(range(256)) * 4096
    payload = IOBasePayload(Slow(content))
    first = asyncio.create_task(payload.as_bytes())
    await asyncio.to_thread(begun.wait, 20)
    first.cancel()
    second = asyncio.create_task(payload.as_bytes())
    with pytest.raises(asyncio.CancelledError):
        await first
    asyncio.get_running_loop().call_later(0.05, go_on.set)
    assert await second == content

    both = [asyncio.create_task(payload.as_bytes()) for _ in range(2)]
    with pytest.raises(RuntimeError, match="twice at a time"):
        await both[0]
    assert await both[1] == content


async def test_files_are_read_in_a_thread(tmp_path: Path) -> None:
    threads = set()

    class Watched(io.FileIO):
        def read(self, size: int | None = -1, /) -> bytes:
            threads.add(threading.current_thread())
            return super().read(size)

    path = tmp_path / "x"
    path.write_bytes(b"abc")
    payload = get_payload(Watched(path, "rb"))
    assert await written(payload) == b"abc"
    await payload.close()
    assert threads
    assert threading.current_thread() not in threads


@pytest.mark.parity("C31")
async def test_text_files_are_encoded(tmp_path: Path) -> None:
    path = tmp_path / "a.html"
    path.write_text("é\n", encoding="utf-8")
    with path.open(encoding="utf-8") as file:
        payload = get_payload(file, encoding="latin-1")
        assert type(payload) is TextIOPayload
        assert payload.size is None
        assert await written(payload) == b"\xe9\n"
        assert payload.decode("latin-1") == "é\n"
        by_type = get_payload(file, content_type="text/html; charset=utf-16-le", disposition="")
        assert "Content-Disposition" not in by_type.headers


@pytest.mark.parity("C31")
async def test_bytesio() -> None:
    file = io.BytesIO(b"abcdef")
    file.seek(2)
    payload = get_payload(file, filename="a.png")
    assert type(payload) is BytesIOPayload
    assert payload.size == 4
    assert payload.autoclose
    assert payload.content_type == "image/png"
    for _ in range(2):
        assert await written(payload) == b"cdef"
    await payload.close()
    assert not file.closed


@pytest.mark.parity("C31")
async def test_a_pipe_can_be_sent_once() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"abc")
    os.close(writing)
    payload = get_payload(os.fdopen(reading, "rb"))
    assert payload.size is None
    assert payload.filename is None
    with pytest.raises(TypeError, match="seek"):
        payload.decode()
    assert await written(payload) == b"abc"
    assert payload.consumed
    with pytest.raises(RuntimeError, match="sent already"):
        await written(payload)
    await payload.close()


async def test_any_other_file_object() -> None:
    class Odd(io.IOBase):
        def __init__(self) -> None:
            self.left = [b"ab", None]

        def seekable(self) -> bool:
            return False

        def read(self, _size: int = -1) -> bytes | None:
            return self.left.pop(0)

    payload = get_payload(Odd())
    assert type(payload) is IOBasePayload
    assert payload.size is None
    assert await written(payload) == b"ab"
    await payload.close()


@pytest.mark.parity("C31")
async def test_a_member_of_an_archive_that_is_read_as_a_stream() -> None:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        member = tarfile.TarInfo("a.txt")
        member.size = 4
        tar.addfile(member, io.BytesIO(b"text"))
    archive.seek(0)
    with tarfile.open(fileobj=archive, mode="r|*") as tar:
        member = tar.next()
        payload = get_payload(tar.extractfile(member))
        assert payload.size is None
        assert await written(payload) == b"text"


@pytest.mark.parity("C31")
async def test_async_iterables_can_be_sent_once() -> None:
    async def numbers() -> AsyncIterator[bytes]:
        for number in b"abc":
            yield bytes([number])

    payload = get_payload(numbers())
    assert type(payload) is AsyncIterablePayload
    assert payload.size is None
    with pytest.raises(TypeError, match="decoded"):
        payload.decode()
    assert await written(payload, 2) == b"ab"
    assert payload.consumed
    with pytest.raises(RuntimeError, match="sent already"):
        await payload.as_bytes()
    with pytest.raises(TypeError, match="int"):
        AsyncIterablePayload(1)  # type: ignore[arg-type]


@pytest.mark.parity("C31")
async def test_a_stream_is_passed_on() -> None:
    stream = StreamReader(None, 65536)
    stream.feed_data(b"abc")
    stream.feed_eof()
    payload = get_payload(stream)
    assert type(payload) is StreamReaderPayload
    assert await written(payload) == b"abc"


async def test_a_generator_is_closed_wherever_it_stands() -> None:
    closed: list[str] = []

    async def numbers(name: str) -> AsyncIterator[bytes]:
        try:
            yield b"1"
            await asyncio.Event().wait()
        finally:
            closed.append(name)

    begun, fresh, busy = (get_payload(numbers(name)) for name in ("begun", "fresh", "busy"))
    assert await written(begun, 1) == b"1"
    await begun.close()
    await begun.close()
    assert closed == ["begun"]
    await fresh.close()
    writing = asyncio.create_task(written(busy, 2))
    await asyncio.sleep(0)
    await busy.close()  # the task that is in it has to leave it first
    writing.cancel()
    await asyncio.wait((writing,))
    assert closed == ["begun", "busy"]
