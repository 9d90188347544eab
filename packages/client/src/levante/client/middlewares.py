"""Client middlewares: `async def middleware(request, handler) -> ClientResponse`, the first in the list outermost.
They run for every hop of a redirect; one may change the request, call the handler several times, or answer by
itself."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .request import ClientRequest
    from .response import ClientResponse

ClientHandlerType = Callable[["ClientRequest"], Awaitable["ClientResponse"]]
ClientMiddlewareType = Callable[["ClientRequest", ClientHandlerType], Awaitable["ClientResponse"]]


def build_client_middlewares(
    handler: ClientHandlerType, middlewares: Sequence[ClientMiddlewareType]
) -> ClientHandlerType:
    """`handler` wrapped in `middlewares`."""
    for middleware in reversed(middlewares):
        handler = _wrap(middleware, handler)
    return handler


def _wrap(middleware: ClientMiddlewareType, handler: ClientHandlerType) -> ClientHandlerType:
    async def wrapped(request: "ClientRequest") -> "ClientResponse":
        return await middleware(request, handler)

    return wrapped
