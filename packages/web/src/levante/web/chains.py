"""The chain of middlewares around a handler: each calls the next, the last the handler."""

from collections.abc import Awaitable, Sequence
from functools import partial, update_wrapper
from typing import TYPE_CHECKING, Any

from .routing.abstract import AbstractRoute

if TYPE_CHECKING:
    from .types import Application, Handler, Middleware, Request, StreamResponse


def build_chain(route: AbstractRoute, apps: "Sequence[Application]") -> "Handler":
    """The handler of a route with the middlewares of the applications around it, the root's outermost."""
    handler = route.handler
    nested = len(apps) > 1
    for app in reversed(apps):
        for middleware in reversed(app.middlewares):
            handler = _behind(middleware, handler)
        if nested:
            handler = partial(_in_app, app=app, handler=handler)
    return handler


def _behind(middleware: "Middleware", handler: "Handler") -> "Handler":
    """`handler` with `middleware` around it. What was set on the handler (its name, marks that decorators left) is
    there to be read for the middlewares further out.
    """
    # Any: that a middleware takes the handler by its keyword cannot be said of a Callable
    call: Any = middleware

    def behind(request: "Request") -> "Awaitable[StreamResponse]":
        answer: Awaitable[StreamResponse] = call(request, handler=handler)
        return answer

    return update_wrapper(behind, handler)


async def _in_app(request: "Request", *, app: "Application", handler: "Handler") -> "StreamResponse":
    with request.match_info.set_current_app(app):
        return await handler(request)
