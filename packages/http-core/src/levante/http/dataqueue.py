"""A queue of messages between a driver and one reader, as aiohttp's WebSocket machinery and applications that borrowed
it use: what is fed comes out in order, then the end, or an error.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Generic, TypeVar

T = TypeVar("T")


class EofStream(Exception):
    """The queue is at its end."""


class DataQueue(Generic[T]):
    """A queue without a bound: whoever feeds it must know when to stop. One reader at a time."""

    __slots__ = ("_buffer", "_eof", "_exception", "_loop", "_waiter")

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self._loop = loop
        self._buffer: deque[T] = deque()
        self._eof = False
        self._exception: BaseException | None = None
        self._waiter: asyncio.Future[None] | None = None

    def __len__(self) -> int:
        return len(self._buffer)

    def is_eof(self) -> bool:
        """Whether everything has been fed."""
        return self._eof

    def at_eof(self) -> bool:
        """Whether everything has been read."""
        return self._eof and not self._buffer

    def exception(self) -> BaseException | None:
        """The error that reads end with, if any."""
        return self._exception

    def set_exception(self, exc: BaseException, cause: BaseException | None = None) -> None:
        """End with `exc`, once what was fed before has been read."""
        if cause is not None:
            exc.__cause__ = cause
        self._eof = True
        self._exception = exc
        self._wake()

    def feed_data(self, data: T) -> None:
        """Add a message."""
        self._buffer.append(data)
        self._wake()

    def feed_eof(self) -> None:
        """Say that no more will come."""
        self._eof = True
        self._wake()

    async def read(self) -> T:
        """The next message. Raises EofStream at the end, what `set_exception` was given instead of it, RuntimeError
        for a second concurrent reader.
        """
        while not self._buffer and not self._eof:
            if self._waiter is not None and not self._waiter.cancelled():
                raise RuntimeError("read() while another coroutine waits for data; only one may read")
            waiter = self._waiter = (self._loop or asyncio.get_running_loop()).create_future()
            try:
                await waiter
            finally:
                if self._waiter is waiter:
                    self._waiter = None
        if self._buffer:
            return self._buffer.popleft()
        if self._exception is not None:
            raise self._exception
        raise EofStream

    def __aiter__(self) -> AsyncIterator[T]:
        return self

    async def __anext__(self) -> T:
        try:
            return await self.read()
        except EofStream:
            raise StopAsyncIteration from None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
