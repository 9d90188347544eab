"""The reading end of a message body: a buffer with backpressure over a driver.

The driver feeds bytes as they arrive; whoever handles the message reads them. Above twice `limit` buffered bytes (or
too many HTTP chunks, which cost a little each however small they are) the flow's reading is paused, and resumed below
`limit`. Reads that need more than that at once raise the marks for themselves. One reader at a time; an error that was
set wins over what is buffered, so that a body cut short is never taken for a whole one.
"""

import asyncio
import io
import warnings
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Final

from multidict import CIMultiDict, CIMultiDictProxy

from .errors import LineTooLong
from .flow import ChunkIterator, Flow

NO_TRAILERS: Final = CIMultiDictProxy(CIMultiDict[str]())

# A buffered HTTP chunk is reckoned at this many bytes when the marks for chunks are derived from those for bytes
# (CVE-2025-69229).
_BYTES_PER_CHUNK: Final = 16

# A piece of this many bytes is handed out as it came: joining it to others would cost more than another call.
_LARGE: Final = 16 * 1024


class StreamReader:
    """A message body, read as it arrives.

    `limit` is the low-water mark in bytes; `flow` is paused at twice that. Reading methods raise what `set_exception`
    was given (RemoteProtocolError for a malformed body, IncompleteMessage for one cut short, PeerDisconnected,
    ExchangeTimeout), RuntimeError for a second concurrent reader.
    """

    __slots__ = (
        "__weakref__",
        "_chunk_ends",
        "_cursor",
        "_eof",
        "_eof_callbacks",
        "_eof_waiters",
        "_exception",
        "_flow",
        "_high",
        "_loop",
        "_low",
        "_offset",
        "_parts",
        "_paused",
        "_size",
        "_waiter",
        "on_first_wait",
        "total_bytes",
        "total_compressed_bytes",
        "trailers",
    )

    def __init__(self, flow: Flow | None, limit: int, *, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self._flow = flow
        self._loop = loop
        self._low = limit
        self._high = limit * 2
        self._parts: deque[bytes] = deque()
        self._offset = 0  # how much of the first part has been read
        self._size = 0
        self._cursor = 0  # how many bytes have been read since the beginning
        self._chunk_ends: deque[int] | None = None  # made for the first one, as the lists below
        self._eof = False
        self._paused = False
        self._exception: BaseException | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._eof_waiters: list[asyncio.Future[None]] | None = None
        self._eof_callbacks: list[Callable[[], None]] | None = None
        self.total_bytes = 0
        self.total_compressed_bytes: int | None = None
        self.trailers: CIMultiDictProxy[str] = NO_TRAILERS
        self.on_first_wait: Callable[[], None] | None = None
        """Called once, before the first read that has to wait for the peer: the driver's chance to send 100 (Continue).
        """

    def __repr__(self) -> str:
        state = "eof" if self._eof else "open"
        return f"<StreamReader {state} {self._size} bytes buffered of {self.total_bytes}>"

    # The driver's side.

    def feed_data(self, data: bytes, chunk_ends: Iterable[int] = ()) -> None:
        """Add `data`; `chunk_ends` are offsets into it at which an HTTP chunk ends."""
        if not data and not chunk_ends:
            return
        if chunk_ends:
            if self._chunk_ends is None:
                self._chunk_ends = deque()
            for end in chunk_ends:
                self._chunk_ends.append(self.total_bytes + end)
        self._size += len(data)
        self.total_bytes += len(data)
        if data:
            self._parts.append(data)
        if not self._paused and self._is_over(self._high):
            self._paused = True
            if self._flow is not None:
                self._flow.pause_reading()
        self._wake()

    def feed_eof(self, trailers: CIMultiDictProxy[str] | None = None) -> None:
        """Say that the body is complete."""
        if trailers is not None:
            self.trailers = trailers
        self._eof = True
        self._wake()
        self._release_eof_waiters()
        callbacks, self._eof_callbacks = self._eof_callbacks, None
        for callback in callbacks or ():
            try:
                callback()
            except Exception as error:  # noqa: BLE001 - whoever feeds is not to blame; the loop reports it
                loop = self._loop or asyncio.get_running_loop()
                loop.call_exception_handler({"message": f"error in an on_eof callback of {self!r}", "exception": error})

    def set_exception(self, exc: BaseException, cause: BaseException | None = None) -> None:
        """Fail every read from now on with `exc`."""
        if cause is not None:
            exc.__cause__ = cause
        self._exception = exc
        self._eof_callbacks = None
        self._wake()
        self._release_eof_waiters()

    def exception(self) -> BaseException | None:
        """The error that reads fail with, if any."""
        return self._exception

    @property
    def total_raw_bytes(self) -> int:
        """Bytes that arrived, before any decoding."""
        return self.total_bytes if self.total_compressed_bytes is None else self.total_compressed_bytes

    def is_eof(self) -> bool:
        """Whether the whole body has arrived, read or not."""
        return self._eof

    def at_eof(self) -> bool:
        """Whether the whole body has been read."""
        return self._eof and not self._size

    async def wait_eof(self) -> None:
        """Return when the whole body has arrived (or failed)."""
        if self._eof or self._exception is not None:
            return
        waiter = (self._loop or asyncio.get_running_loop()).create_future()
        if self._eof_waiters is None:
            self._eof_waiters = []
        self._eof_waiters.append(waiter)
        await waiter

    def on_eof(self, callback: Callable[[], None]) -> None:
        """Call `callback` when the whole body has arrived, at once if it has."""
        if self._eof:
            callback()
        else:
            if self._eof_callbacks is None:
                self._eof_callbacks = []
            self._eof_callbacks.append(callback)

    # Reading.

    async def read(self, n: int = -1) -> bytes:
        """Read at most `n` bytes, at least one unless at the end; all of the body for a negative `n`."""
        self._check("read")
        if n == 0:
            return b""
        if n < 0:
            return await self._read_all()
        while not self._size and not self._eof:
            await self._wait("read")
        return self._take(n)

    async def readany(self) -> bytes:
        """Read what is buffered, or its first large piece, waiting only if that is nothing; b"" at the end."""
        self._check("readany")
        while not self._size and not self._eof:
            await self._wait("readany")
        return self._take_available()

    async def readexactly(self, n: int) -> bytes:
        """Read exactly `n` (>= 0) bytes; asyncio.IncompleteReadError holds the rest if the body ends before."""
        if n < 0:
            raise ValueError(f"expected a number of bytes from 0 on, got {n}")
        self._check("readexactly")
        self._raise_marks(n)
        while self._size < n and not self._eof:
            await self._wait("readexactly")
        data = self._take(n)
        if len(data) < n:
            raise asyncio.IncompleteReadError(data, n)
        return data

    async def readline(self, *, max_line_length: int | None = None) -> bytes:
        """Read up to and including the next LF, or to the end; LineTooLong above `max_line_length`, else above the
        high-water mark.
        """
        return await self.readuntil(b"\n", max_size=max_line_length)

    async def readuntil(self, separator: bytes = b"\n", *, max_size: int | None = None) -> bytes:
        """Read up to and including `separator`, or to the end; LineTooLong above `max_size`, else above the high-water
        mark.
        """
        if not separator:
            raise ValueError("the separator is empty; expected at least one byte")
        self._check("readuntil")
        limit = self._high if max_size is None else max_size
        found = bytearray()
        ended = False
        while not ended:
            while self._parts and not ended and len(found) <= limit:
                wanted = self._find_in_part(
                    separator, bytes(found[1 - len(separator) :]) if len(separator) > 1 else b""
                )
                ended = wanted >= 0
                found += self._take_part(wanted)
            if len(found) > limit:
                raise LineTooLong("the longest line", maximum=limit)
            if not ended:
                if self._eof:
                    break
                try:
                    await self._wait("readuntil")
                except asyncio.CancelledError:
                    self._put_back(bytes(found))
                    raise
        return bytes(found)

    def _find_in_part(self, separator: bytes, tail: bytes) -> int:
        """How many bytes of the first part complete `separator`, of which `tail` may hold the beginning; -1 if it is
        not there.
        """
        part = self._parts[0]
        if tail:
            at = (tail + part[self._offset : self._offset + len(separator) - 1]).find(separator)
            if at >= 0:
                return at + len(separator) - len(tail)
        at = part.find(separator, self._offset)
        return at + len(separator) - self._offset if at >= 0 else -1

    async def readchunk(self) -> tuple[bytes, bool]:
        """Read to the end of the current HTTP chunk as far as buffered: (data, whether that is the chunk's end); (b"",
        False) at the end.
        """
        self._check("readchunk")
        while True:
            while self._chunk_ends:
                end = self._chunk_ends.popleft()
                if end > self._cursor:
                    return self._take(end - self._cursor), True
                if end == self._cursor and end:
                    return b"", True
            if self._size:
                return self._take_part(-1), False
            if self._eof:
                return b"", False
            await self._wait("readchunk")

    def read_nowait(self, n: int = -1) -> bytes:
        """Read at most `n` buffered bytes (all for a negative `n`), possibly none; RuntimeError while another reader
        waits.
        """
        self._check("read_nowait")
        return self._take(n)

    def rest(self) -> bytes | None:
        """All of the rest of the body if it has arrived, as from `read()` but without waiting; None if not. Raises as
        `read()` does.
        """
        self._check("rest")
        return self._take(-1) if self._eof else None

    def unread_data(self, data: bytes) -> None:
        """Put `data` back in front (deprecated: keep it at the caller instead)."""
        warnings.warn("unread_data() is deprecated; keep the bytes at the caller", DeprecationWarning, stacklevel=2)
        self._put_back(bytes(data))

    def iter_chunked(self, n: int) -> ChunkIterator[bytes]:
        """Iterate over the body in pieces of at most `n` bytes, for which the marks are raised; ValueError below 1."""
        if n < 1:
            raise ValueError(f"expected a number of bytes from 1 on, got {n}")
        self._raise_marks(n)
        return ChunkIterator(lambda: self.read(n), b"")

    def iter_any(self) -> ChunkIterator[bytes]:
        """Iterate over the body in the pieces that arrive."""
        return ChunkIterator(self.readany, b"")

    def iter_chunks(self) -> ChunkIterator[tuple[bytes, bool]]:
        """Iterate over (data, end of HTTP chunk) pairs as `readchunk` returns them."""
        return ChunkIterator(self.readchunk, (b"", False))

    def __aiter__(self) -> AsyncIterator[bytes]:
        return ChunkIterator(self.readline, b"").__aiter__()

    # Beneath.

    def _check(self, name: str) -> None:
        """Refuse to begin a read that fails, or that would take bytes away from a reader which waits for more."""
        if self._exception is not None:
            raise self._exception
        if self._waiter is not None and not self._waiter.cancelled():
            raise RuntimeError(f"{name}() while another coroutine waits for data; only one may read")

    def _is_over(self, mark: int) -> bool:
        if self._size > mark:
            return True
        return self._chunk_ends is not None and len(self._chunk_ends) > max(4, mark // _BYTES_PER_CHUNK)

    def _raise_marks(self, n: int) -> None:
        if n > self._low:
            self._low = n
            self._high = max(self._high, n * 2)
            self._resume()

    def _resume(self) -> None:
        if self._paused and not self._is_over(self._low):
            self._paused = False
            if self._flow is not None:
                self._flow.resume_reading()

    async def _read_all(self) -> bytes:
        first = b""
        whole: io.BytesIO | None = None  # hands out what it has gathered without a copy
        while True:
            while not self._size and not self._eof:
                await self._wait("read")
            block = self._take_available()
            if not block:
                return first if whole is None else whole.getvalue()
            if not first:
                first = block
                continue
            if whole is None:
                whole = io.BytesIO()
                whole.write(first)
            whole.write(block)

    async def _wait(self, name: str) -> None:
        self._check(name)
        hook, self.on_first_wait = self.on_first_wait, None
        if hook is not None:
            hook()
        waiter = self._waiter = (self._loop or asyncio.get_running_loop()).create_future()
        try:
            await waiter
        finally:
            if self._waiter is waiter:  # and not that of the next reader, after this one was cancelled
                self._waiter = None
        if self._exception is not None:
            raise self._exception

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def _release_eof_waiters(self) -> None:
        waiters, self._eof_waiters = self._eof_waiters, None
        for waiter in waiters or ():
            if not waiter.done():
                waiter.set_result(None)

    def _put_back(self, data: bytes) -> None:
        if not data:
            return
        if self._offset:
            self._parts[0] = self._parts[0][self._offset :]
            self._offset = 0
        self._parts.appendleft(data)
        self._size += len(data)
        self._cursor -= len(data)

    def _take_part(self, n: int) -> bytes:
        """Take at most `n` bytes (all for a negative `n`) of the first part."""
        part = self._parts[0]
        left = len(part) - self._offset
        if n < 0 or n >= left:
            data = part[self._offset :] if self._offset else part
            self._parts.popleft()
            self._offset = 0
        else:
            data = part[self._offset : self._offset + n]
            self._offset += n
        self._size -= len(data)
        self._cursor += len(data)
        ends = self._chunk_ends
        while ends and ends[0] < self._cursor:
            ends.popleft()
        self._resume()
        return data

    def _take_available(self) -> bytes:
        """Take what is buffered, without copying large pieces together."""
        if self._parts and len(self._parts[0]) - self._offset >= _LARGE:
            return self._take_part(-1)
        return self._take(-1)

    def _take(self, n: int) -> bytes:
        """Take at most `n` buffered bytes (all for a negative `n`)."""
        if not self._parts:
            return b""
        wanted = n if 0 <= n < self._size else self._size  # what a resumed driver may add is for the next read
        first = self._take_part(wanted)
        wanted -= len(first)
        if not wanted:
            return first
        blocks = [first]
        while wanted > 0 and self._parts:
            block = self._take_part(wanted)
            wanted -= len(block)
            blocks.append(block)
        return b"".join(blocks)


def _empty() -> StreamReader:
    stream = StreamReader(None, 0)
    stream.feed_eof()
    return stream


EMPTY_PAYLOAD: Final = _empty()
"""The body of every message that has none: shared, at its end for ever."""
