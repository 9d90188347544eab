"""The two ends of a body stream: what it asks of its driver, and how one iterates over it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Generic, Protocol, TypeVar

T = TypeVar("T")


class Flow(Protocol):
    """What a stream needs from its driver."""

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


class ChunkIterator(Generic[T]):
    """Iterates over what a reading function returns until it returns nothing."""

    __slots__ = ("_empty", "_read")

    def __init__(self, read: Callable[[], Awaitable[T]], empty: T) -> None:
        self._read = read
        self._empty = empty

    def __aiter__(self) -> AsyncIterator[T]:
        return self

    async def __anext__(self) -> T:
        item = await self._read()
        if item == self._empty:
            raise StopAsyncIteration
        return item
