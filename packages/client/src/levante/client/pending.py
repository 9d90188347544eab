"""What a request method returns: a coroutine that can also be used with `async with`, which ends what came of it."""

from collections.abc import Coroutine, Generator
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar


class Ends(Protocol):
    """A response or a WebSocket: something that `async with` ends."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


R = TypeVar("R", bound=Ends)


class Pending(Coroutine[Any, Any, R]):  # Any: what coroutines exchange with the loop
    """A request that is made, or a WebSocket that is opened, when awaited or entered."""

    __slots__ = ("_coroutine", "_result")

    def __init__(self, coroutine: Coroutine[Any, Any, R]) -> None:
        self._coroutine = coroutine

    def __await__(self) -> Generator[Any, None, R]:
        return self._coroutine.__await__()

    def send(self, value: Any) -> Any:
        """As for any coroutine."""
        return self._coroutine.send(value)

    def throw(self, *args: Any) -> Any:
        """As for any coroutine."""
        return self._coroutine.throw(*args)

    def close(self) -> None:
        """As for any coroutine."""
        self._coroutine.close()

    async def __aenter__(self) -> R:
        result = self._result = await self._coroutine
        return await result.__aenter__()

    def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Coroutine[Any, Any, None]:
        return self._result.__aexit__(kind, error, trace)
