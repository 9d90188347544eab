"""The size of a request body, for a group or a route of its own: an upload may be larger than the rest of the
application allows, a login smaller."""

from typing import TYPE_CHECKING

from levante.web.exceptions import HTTPRequestEntityTooLarge
from levante.web.keys import RequestKey

if TYPE_CHECKING:
    from levante.web.types import Handler, Middleware, Request, StreamResponse

_ALLOWED: RequestKey[int] = RequestKey("body_limit", int)


def body_limit(size: int) -> "Middleware":
    """A middleware for whose handlers `size` is the `client_max_size`: bytes of a decoded body that `read()`, `text()`,
    `json()` and `post()` accept. A request that announces a longer one is refused with 413 before the handler runs; a
    handler that streams asks `request.client_max_size` itself. Of several, one inside another, the smallest holds.
    ValueError for less than one byte.
    """
    if size < 1:
        raise ValueError(f"a limit on bodies is at least one byte; got {size}")

    async def limit(request: "Request", handler: "Handler") -> "StreamResponse":
        allowed = request[_ALLOWED] = min(size, request.get(_ALLOWED, size))
        announced = request.content_length
        if announced is not None and announced > allowed:
            raise HTTPRequestEntityTooLarge(max_size=allowed, actual_size=announced)
        if (
            request.body_exists and not request.can_read_body
        ):  # a middleware has read it, within the application's limit
            if request.kept_body is not None and len(request.kept_body) > allowed:
                raise HTTPRequestEntityTooLarge(max_size=allowed, actual_size=len(request.kept_body))
            return await handler(request)
        return await handler(request.clone(client_max_size=allowed))

    return limit
