"""What becomes of a handler when its client goes away: it is cancelled, or it runs on. The server has a default
(`handler_cancellation`), a route an option (`cancel_on_disconnect`), a handler this module's decorator, and a request
the attribute that all of them set. What is set last holds, and that is what stands nearest to the handler's code.
"""

from collections.abc import Callable, Generator
from functools import update_wrapper
from typing import TYPE_CHECKING, Any, TypeVar

from .abc import AbstractView

if TYPE_CHECKING:
    from .types import Handler, Request, StreamResponse

H = TypeVar("H")


def cancel_on_disconnect(*, enabled: bool = True) -> Callable[[H], H]:
    """Decorate a handler, a View class or one method of a View: it is cancelled when its client goes away, or with
    `enabled=False` it is not, whatever route and server say.

    Cancelling raises CancelledError where the handler waits. What must not be left half done belongs into a handler
    that is not cancelled, or into `levante.web.background.shield`.
    """

    def decorate(handler: Any) -> Any:  # Any: a function, a method or a class, given back as what it was
        if isinstance(handler, type):
            return _cancelling_class(handler, enabled=enabled)
        return cancelling(handler, enabled=enabled)

    return decorate


def cancelling(handler: Any, *, enabled: bool) -> "Handler":  # Any: also a method, which has its object before
    """`handler` with its wish fulfilled before it begins."""

    async def run(*arguments: Any) -> "StreamResponse":
        request_of(arguments[-1]).cancel_on_disconnect = enabled
        answer: StreamResponse = await handler(*arguments)
        return answer

    if isinstance(handler, type):  # what updating would take over of a class is not for functions
        run.__name__, run.__qualname__, run.__doc__ = handler.__name__, handler.__qualname__, handler.__doc__
        run.__module__ = handler.__module__
        run.__wrapped__ = handler  # type: ignore[attr-defined]  # as update_wrapper does
        return run
    return update_wrapper(run, handler)


def request_of(last: Any) -> "Request":  # Any: the last argument of whatever handles requests
    """The request that a handler, or the method of a View, was called for."""
    found: Request = last.request if isinstance(last, AbstractView) else last
    return found


def _cancelling_class(view: type, *, enabled: bool) -> type:
    if not issubclass(view, AbstractView):
        raise TypeError(f"a handler class must be a subclass of AbstractView (such as web.View); got {view!r}")
    dispatch = view.__await__

    def __await__(self: AbstractView) -> "Generator[Any, None, StreamResponse]":  # noqa: N807
        self.request.cancel_on_disconnect = enabled
        return dispatch(self)

    view.__await__ = __await__  # type: ignore[method-assign]  # a class decorator changes its class
    return view
