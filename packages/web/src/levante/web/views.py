"""Class-based views: one class for one resource, one coroutine method for each HTTP method it answers."""

from collections.abc import Generator
from typing import TYPE_CHECKING, Any, NoReturn

from .abc import AbstractView
from .exceptions import HTTPMethodNotAllowed

if TYPE_CHECKING:
    from .types import StreamResponse

VERBS = {
    verb: verb.lower() for verb in ("CONNECT", "HEAD", "GET", "DELETE", "OPTIONS", "PATCH", "POST", "PUT", "TRACE")
}
"""HTTP method -> the name of the method of a view that answers it."""


class View(AbstractView):
    """A view: `async def get(self)`, `async def post(self)`, ...; the request is `self.request`.

    One instance is made for each request. A method that the class lacks is answered 405 with `Allow`; HEAD, which
    every server must know (RFC 9110 section 9.1), is answered by `get` then, and its body is not sent.
    """

    __slots__ = ()

    def __await__(self) -> "Generator[Any, None, StreamResponse]":
        method = self._method(self._request.method)
        if method is None:
            self._raise_allowed_methods()
        answer: Generator[Any, None, StreamResponse] = method().__await__()
        return answer

    def _method(self, verb: str) -> Any:  # Any: a method without arguments, or None
        name = VERBS.get(verb)
        method = None if name is None else getattr(self, name, None)
        return getattr(self, "get", None) if method is None and verb == "HEAD" else method

    def _raise_allowed_methods(self) -> NoReturn:
        allowed = [verb for verb in VERBS if self._method(verb) is not None]
        raise HTTPMethodNotAllowed(self._request.method, allowed)
