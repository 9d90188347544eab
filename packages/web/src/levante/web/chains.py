"""The chain of middlewares around a handler: each calls the next, the last the handler. Outermost are those of the
root application, then those of the applications below it, of groups, of the route and of a view class. It is built once
for each route.
"""

from collections.abc import Awaitable, Sequence
from functools import partial, update_wrapper
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any

from .jsoncodec import with_codec

if TYPE_CHECKING:
    from .routing.abstract import AbstractRoute
    from .types import Application, Handler, Middleware, Request, StreamResponse


def build_chain(route: "AbstractRoute", apps: "Sequence[Application]") -> "Handler":
    """The handler of a route with the middlewares around it, and with what the applications say about JSON and about
    what handlers return; the nearest one is heard.
    """
    converter = next((app.converter for app in reversed(apps) if app.converter is not None), None)
    handler = route.call if converter is None else surround(converter.converted(route.handler), route.middlewares)
    nested = len(apps) > 1
    for app in reversed(apps):
        handler = surround(handler, app.middlewares)
        if app.json is not None:
            handler = with_codec(handler, app.json)
        if nested:
            # What was set on the handler is there for the middlewares of the applications above as well.
            handler = update_wrapper(partial(_in_app, app=app, handler=handler), handler)
    return handler


def checked_middlewares(middlewares: Any) -> "tuple[Middleware, ...]":  # Any: what users pass is what is being checked
    """The middlewares of a route, a group or a view class; TypeError for what is no sequence of callables. (An iterator
    would be at its end for the second method of a path.)
    """
    if not isinstance(middlewares, Sequence):
        raise TypeError(f"middlewares is a list or tuple of middlewares, the first outermost; got {middlewares!r}")
    found = tuple(middlewares)
    for each in found:
        if not callable(each):
            raise TypeError(f"a middleware is called with (request, handler); got {each!r}")
    return found


def surround(handler: "Handler", middlewares: "Sequence[Middleware]") -> "Handler":
    """`handler` with `middlewares` around it, the first outermost."""
    for middleware in reversed(middlewares):
        handler = _behind(middleware, handler)
    return handler


def _behind(middleware: "Middleware", handler: "Handler") -> "Handler":
    """`handler` with `middleware` around it. What was set on the handler (its name, marks that decorators left) is
    there to be read for the middlewares further out.
    """
    if isinstance(middleware, FunctionType) and _takes_both(middleware.__code__):
        return update_wrapper(_with_default(middleware, handler), handler)
    # Any: that a middleware takes the handler by its keyword cannot be said of a Callable
    call: Any = middleware

    def behind(request: "Request") -> "Awaitable[StreamResponse]":
        answer: Awaitable[StreamResponse] = call(request, handler=handler)
        return answer

    return update_wrapper(behind, handler)


def _takes_both(code: CodeType) -> bool:
    """Whether a function has the parameters (request, handler), in this order and no more of them by position."""
    return code.co_argcount == 2 and code.co_varnames[1] == "handler"


def _with_default(middleware: FunctionType, handler: "Handler") -> "Handler":
    """The function again, with `handler` as the default of its second parameter: so the request is all that it has to
    be called with, and there is no function in between, which each request would pass once for each middleware.
    """
    name, closure = middleware.__name__, middleware.__closure__
    bound = FunctionType(middleware.__code__, middleware.__globals__, name, (handler,), closure)
    bound.__kwdefaults__ = middleware.__kwdefaults__
    return bound


async def _in_app(request: "Request", *, app: "Application", handler: "Handler") -> "StreamResponse":
    with request.match_info.set_current_app(app):
        return await handler(request)
