"""What a request method returns: an object that can be awaited, and used with `async with`, which releases what
came."""

from collections.abc import Coroutine, Generator
from types import TracebackType
from typing import Any

from .response import ClientResponse
from .websocket import ClientWebSocketResponse


class PendingResponse(Coroutine[Any, Any, ClientResponse]):  # Any: what coroutines exchange with the loop
    """A request that is made when awaited or entered."""

    __slots__ = ("_coroutine", "_response")

    def __init__(self, coroutine: Coroutine[Any, Any, ClientResponse]) -> None:
        self._coroutine = coroutine

    def __await__(self) -> Generator[Any, None, ClientResponse]:
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

    async def __aenter__(self) -> ClientResponse:
        self._response = await self._coroutine
        return await self._response.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._response.__aexit__(kind, error, trace)


class PendingWebSocket:
    """A WebSocket that is opened when awaited or entered."""

    __slots__ = ("_coroutine", "_websocket")

    def __init__(self, coroutine: Coroutine[Any, Any, ClientWebSocketResponse]) -> None:
        self._coroutine = coroutine

    def __await__(self) -> Generator[Any, None, ClientWebSocketResponse]:
        return self._coroutine.__await__()

    async def __aenter__(self) -> ClientWebSocketResponse:
        self._websocket = await self._coroutine
        return self._websocket

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._websocket.close()
