"""What routes and resources are. A resource is a path, or a family of paths; its routes are the methods that it
answers. Plugins (OpenAPI, CORS) read them through `get_info`, `canonical` and iteration, and may bring resources of
their own.
"""

import inspect
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence, Sized
from functools import partial
from pathlib import Path
from re import Pattern
from typing import TYPE_CHECKING, Any, TypedDict

from yarl import URL

from levante.http.parameters import is_token
from levante.web.abc import AbstractView
from levante.web.auth.guards import view_guards
from levante.web.chains import checked_middlewares, surround
from levante.web.exceptions import HTTPExpectationFailed
from levante.web.http_exception import HTTPException
from levante.web.views import View

if TYPE_CHECKING:
    from levante.web.types import (
        Application,
        ExpectHandler,
        Handler,
        Middleware,
        Request,
        RouteHandler,
        StreamResponse,
        UrlMappingMatchInfo,
    )

ANY_METHOD = "*"


class RouteInfo(TypedDict, total=False):
    """What `get_info` tells: the keys depend on the kind of resource."""

    path: str
    formatter: str
    pattern: Pattern[str]
    directory: Path
    prefix: str
    routes: "dict[str, AbstractRoute]"
    app: "Application"
    domain: str
    rule: "object"
    http_exception: HTTPException


class HandlerOptions(TypedDict, total=False):
    """What can be said about a handler where a route is added."""

    expect_handler: "ExpectHandler | None"
    cancel_on_disconnect: bool | None
    middlewares: "Sequence[Middleware]"


class RouteOptions(HandlerOptions, total=False):
    """The keyword arguments that adding a route takes."""

    name: str | None


class AbstractResource(Sized, Iterable["AbstractRoute"]):
    """A path, or a family of paths. Subclass it for paths of a kind that the router does not know, and
    `register_resource` it.
    """

    def __init__(self, *, name: str | None = None) -> None:
        self._name = name

    @property
    def name(self) -> str | None:
        """The name for `app.router[name]`."""
        return self._name

    @property
    @abstractmethod
    def canonical(self) -> str:
        """The path as documentation shows it; fields without their regexes: `/items/{id}`."""

    @abstractmethod
    def url_for(self, **kwargs: str) -> URL:
        """The relative URL of the resource with its fields filled in."""

    @abstractmethod
    async def resolve(self, request: "Request") -> "tuple[UrlMappingMatchInfo | None, set[str]]":
        """The match (None when there is none) and the methods that the path allows (empty when the path does not
        match).
        """

    @abstractmethod
    def add_prefix(self, prefix: str, /) -> None:
        """Put `prefix` in front of the path; called when the application becomes a sub-application."""

    @abstractmethod
    def get_info(self) -> RouteInfo:
        """What there is to know about the resource."""

    def freeze(self) -> None:  # optional to override
        """Called when routes can no longer be added."""

    @abstractmethod
    def raw_match(self, path: str, /) -> bool:
        """Whether `path` is written exactly as the resource's path."""


class AbstractRoute(ABC):
    """A handler for one method of a resource."""

    def __init__(
        self,
        method: str,
        handler: "RouteHandler | type[AbstractView]",
        *,
        expect_handler: "ExpectHandler | None" = None,
        resource: AbstractResource | None = None,
        middlewares: "Sequence[Middleware]" = (),
    ) -> None:
        method = method.upper()
        if method != ANY_METHOD and not is_token(method):
            raise ValueError(f"{method!r} is no HTTP method: expected a token (RFC 9110 section 9.1), or '*' for any")
        if expect_handler is not None and not _is_coroutine_function(expect_handler):
            raise TypeError(f"an expect handler is a coroutine function; got {expect_handler!r}")
        self._method = method
        self.handler: Handler = checked_handler(handler)
        """The handler as it was given."""
        self.middlewares = (*checked_middlewares(middlewares), *view_middlewares(handler))
        """Those of the route, the first outermost: of its groups, its own, and those of a view class."""
        self.call = surround(self.handler, self.middlewares)
        """The handler behind the middlewares of the route."""
        self.view = None if self.middlewares else _view(handler)
        """The handler, if it is a View that can be called directly: nothing is in front of it, and it does not bring a
        way of its own to be awaited.
        """
        self._expect_handler: ExpectHandler = expect_handler or default_expect_handler
        self._resource = resource

    @property
    def method(self) -> str:
        """The method in upper case, `*` for any."""
        return self._method

    @property
    @abstractmethod
    def name(self) -> str | None:
        """The name of the resource."""

    @property
    def resource(self) -> AbstractResource | None:
        """The resource that the route belongs to."""
        return self._resource

    @abstractmethod
    def get_info(self) -> RouteInfo:
        """What there is to know about the route."""

    @abstractmethod
    def url_for(self, **kwargs: str) -> URL:
        """The relative URL of the resource with its fields filled in."""

    @property
    def expect_handler(self) -> "ExpectHandler":
        """What decides about an `Expect` header."""
        return self._expect_handler

    async def handle_expect_header(self, request: "Request") -> "StreamResponse | None":
        """Ask the expect handler."""
        return await self._expect_handler(request)


class SystemRoute(AbstractRoute):
    """The route of a request that has none: its handler raises the error, so that middlewares run for 404 and 405 as
    well.
    """

    def __init__(self, http_exception: HTTPException) -> None:
        super().__init__(ANY_METHOD, self._raise)
        self._http_exception = http_exception

    async def _raise(self, _: "Request") -> "StreamResponse":
        raise self._http_exception

    def url_for(self, **_: str) -> URL:
        raise RuntimeError("a system route has no URL: it stands for a request that matched nothing")

    @property
    def name(self) -> str | None:
        return None

    def get_info(self) -> RouteInfo:
        return {"http_exception": self._http_exception}

    @property
    def status(self) -> int:
        """The status of the error."""
        return self._http_exception.status

    @property
    def reason(self) -> str:
        """The reason phrase of the error."""
        return self._http_exception.reason

    def __repr__(self) -> str:
        return f"<SystemRoute {self.status}: {self.reason}>"


async def default_expect_handler(request: "Request") -> "StreamResponse | None":
    """Go on with `100-continue`, refuse anything else with 417.

    The interim 100 itself is sent when the handler first reads the body, and not before: a handler that refuses the
    request without looking at the body spares the client sending it (RFC 9110 section 10.1.1).
    """
    expectation = request.headers.get("Expect", "")
    if expectation.strip().lower() != "100-continue":
        raise HTTPExpectationFailed(text=f"Unknown Expect: {expectation}")
    return None


def checked_handler(handler: Any) -> "Handler":  # Any: what users pass is what is being checked
    """The handler, or TypeError when it is neither a coroutine function (also a partial, method or instance) nor an
    `AbstractView` subclass.
    """
    if isinstance(handler, type):
        if issubclass(handler, AbstractView):
            return handler
        raise TypeError(f"a handler class must be a subclass of AbstractView (such as web.View); got {handler!r}")
    if not _is_coroutine_function(handler):
        raise TypeError(f"a handler must be a coroutine function (`async def`) or a View class; got {handler!r}")
    checked: Handler = handler
    return checked


def view_middlewares(handler: object) -> "tuple[Middleware, ...]":
    """What the attributes `permission` and `middlewares` of a view class ask for; of what is no class none."""
    if not isinstance(handler, type):
        return ()
    return (*view_guards(handler), *checked_middlewares(getattr(handler, "middlewares", ())))


def _view(handler: object) -> type[View] | None:
    if isinstance(handler, type) and issubclass(handler, View) and handler.__await__ is View.__await__:
        return handler
    return None


def _is_coroutine_function(function: object) -> bool:
    while isinstance(function, partial):
        function = function.func
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, "__call__", None))  # noqa: B004
