"""Class-based views: one class for one resource, one coroutine method for each HTTP method it answers."""

from collections.abc import Awaitable, Generator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from .abc import AbstractView
from .auth.guards import ViewPermission
from .exceptions import HTTPMethodNotAllowed

if TYPE_CHECKING:
    from .types import Middleware, StreamResponse

VERBS = {
    verb: verb.lower()
    for verb in ("CONNECT", "HEAD", "GET", "DELETE", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE")
}
"""HTTP method -> the name of the method of a view that answers it."""


class View(AbstractView):
    """A view: `async def get(self)`, `async def post(self)`, ...; the request is `self.request`.

    One instance is made for each request. A method that the class lacks is answered 405 with `Allow`; HEAD, which
    every server must know (RFC 9110 section 9.1), is answered by `get` then, and its body is not sent.

    `middlewares` of the class run around all its methods, inside those of the route. `permission` is what a user needs
    for any of its methods (`levante.web.auth`), or a mapping with one for each: `{"GET": "items.read", "*":
    "items.edit"}`; methods that such a mapping does not cover are answered 403.
    """

    __slots__ = ()

    middlewares: "ClassVar[Sequence[Middleware]]" = ()
    permission: ClassVar[ViewPermission] = None

    def __await__(self) -> "Generator[Any, None, StreamResponse]":
        return self.dispatch().__await__()

    def dispatch(self) -> "Awaitable[StreamResponse]":
        """Call the method that answers the request. Raises HTTPMethodNotAllowed when there is none."""
        method = getattr(self, VERBS.get(self._request.method, ""), None) or self._head_by_get()
        answer: Awaitable[StreamResponse] = method()
        return answer

    def _head_by_get(self) -> Any:  # Any: a method without arguments
        get = getattr(self, "get", None)
        if get is not None and self._request.method == "HEAD":
            return get
        allowed = {verb for verb, name in VERBS.items() if getattr(self, name, None) is not None}
        if get is not None:
            allowed.add("HEAD")
        raise HTTPMethodNotAllowed(self._request.method, allowed)
