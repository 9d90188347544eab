"""Resources with routes: one exact path, a dynamic path, and the base of path prefixes. Matching is synchronous
(`find`) on the method and the safe path, so that resolving a request of an ordinary application awaits nothing.
"""

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from yarl import URL

from levante.http.target import decode_path, decode_segment, local_path, requote_path
from levante.web.abc import AbstractView
from levante.web.cancellation import cancelling
from levante.web.chains import checked_middlewares

from .abstract import ANY_METHOD, AbstractResource, AbstractRoute, RouteInfo, checked_handler, view_middlewares
from .match import UrlMappingMatchInfo
from .patterns import PathPattern, compile_path, quote_value

if TYPE_CHECKING:
    from levante.web.types import ExpectHandler, Middleware, Request, RouteHandler

Found = tuple[UrlMappingMatchInfo | None, set[str]]
"""The match, and the methods that the path allows; `NOTHING` when the path does not match."""

NOTHING: Found = (None, set())


class FindingResource(AbstractResource):
    """A resource that is matched without awaiting anything."""

    @property
    @abstractmethod
    def index_key(self) -> str:
        """The literal beginning of the path decoded, cut at a `/`: where the router files the resource."""

    @abstractmethod
    def find(self, method: str, path: str, /) -> Found:
        """Match a method and a decoded path."""

    async def resolve(self, request: "Request") -> Found:
        return self.find(request.method, request.match_path)


class Resource(FindingResource):
    """A path with its routes."""

    def __init__(self, *, name: str | None = None) -> None:
        super().__init__(name=name)
        self._routes: dict[str, ResourceRoute] = {}
        self._any_route: ResourceRoute | None = None
        self._allowed_methods: set[str] = set()

    def add_route(
        self,
        method: str,
        handler: "RouteHandler | type[AbstractView]",
        *,
        expect_handler: "ExpectHandler | None" = None,
        cancel_on_disconnect: bool | None = None,
        middlewares: "Sequence[Middleware]" = (),
    ) -> "ResourceRoute":
        """Add a handler for a method, or for the remaining methods with `*`; the options as in
        `UrlDispatcher.add_route`.

        Raises RuntimeError when the resource has that method already, or has `*`, after which nothing can be reached.
        """
        if cancel_on_disconnect is not None:
            middlewares = (*checked_middlewares(middlewares), *view_middlewares(handler))
            handler = cancelling(checked_handler(handler), enabled=cancel_on_disconnect)
        route = ResourceRoute(method, handler, self, expect_handler=expect_handler, middlewares=middlewares)
        taken = self._any_route if self._any_route is not None else self._routes.get(route.method)
        if taken is not None:
            raise RuntimeError(f"{route.method} {self.canonical} would never be reached: there is {taken!r} already")
        self.register_route(route)
        return route

    def register_route(self, route: "ResourceRoute") -> None:
        """File a route that was made for this resource."""
        self._routes[route.method] = route
        self._allowed_methods.add(route.method)
        if route.method == ANY_METHOD:
            self._any_route = route

    @abstractmethod
    def _match(self, path: str) -> dict[str, str] | None:
        """The fields of `path`, None when it does not match."""

    @property
    def routes(self) -> "dict[str, ResourceRoute]":
        """The routes by method, `*` for the remaining ones."""
        return self._routes

    def find(self, method: str, path: str, /) -> Found:
        fields = self._match(path)
        if fields is None:
            return NOTHING
        route = self._routes.get(method) or self._any_route
        if route is None:
            return None, self._allowed_methods
        return UrlMappingMatchInfo(fields, route), self._allowed_methods

    def __len__(self) -> int:
        return len(self._routes)

    def __iter__(self) -> Iterator[AbstractRoute]:
        return iter(self._routes.values())


class PlainResource(Resource):
    """One exact path."""

    def __init__(self, path: str, *, name: str | None = None) -> None:
        super().__init__(name=name)
        self._written = path
        self._path = decode_path(path)

    @property
    def path(self) -> str:
        """The path, decoded."""
        return self._path

    @property
    def canonical(self) -> str:
        return requote_path(self._written)

    @property
    def index_key(self) -> str:
        return self._path.rstrip("/") or "/"

    def freeze(self) -> None:
        if not self._path:
            self._path = self._written = "/"

    def add_prefix(self, prefix: str, /) -> None:
        self._written = prefix + self._written
        self._path = decode_path(self._written)

    def _match(self, path: str) -> dict[str, str] | None:
        return {} if path == self._path else None

    def raw_match(self, path: str, /) -> bool:
        return self._path == decode_path(path)

    def get_info(self) -> RouteInfo:
        return {"path": self.canonical}

    def url_for(self, **kwargs: str) -> URL:
        if kwargs:
            raise TypeError(f"{self._path!r} has no fields; got {', '.join(sorted(kwargs))}")
        return URL.build(path=self.canonical, encoded=True)

    def __repr__(self) -> str:
        name = "" if self.name is None else f"'{self.name}' "
        return f"<PlainResource {name} {self._path}>"


class DynamicResource(Resource):
    """A path with `{name}` or `{name:regex}` fields."""

    def __init__(self, path: str, *, name: str | None = None) -> None:
        super().__init__(name=name)
        self._orig_path = path
        self._compiled: PathPattern = compile_path(path)

    @property
    def canonical(self) -> str:
        return self._compiled.formatter

    @property
    def index_key(self) -> str:
        return self._compiled.literal_prefix.rpartition("/")[0] or "/"

    def add_prefix(self, prefix: str, /) -> None:
        self._orig_path = prefix + self._orig_path
        self._compiled = compile_path(self._orig_path)

    def _match(self, path: str) -> dict[str, str] | None:
        match = self._compiled.regex.fullmatch(path)
        if match is None:
            return None
        fields = match.groupdict("")
        if "%" in path:
            return {key: decode_segment(value) for key, value in fields.items()}
        return fields

    def raw_match(self, path: str, /) -> bool:
        return self._orig_path == path

    def get_info(self) -> RouteInfo:
        return {"formatter": self._compiled.formatter, "pattern": self._compiled.regex}

    def url_for(self, **kwargs: str) -> URL:
        quoted = {key: quote_value(str(value)) for key, value in kwargs.items()}
        # A value with a slash in front must not make `//host` of it.
        return URL.build(path=local_path(self._compiled.formatter.format_map(quoted)), encoded=True)

    def __repr__(self) -> str:
        name = "" if self.name is None else f"'{self.name}' "
        return f"<DynamicResource {name} {self._compiled.formatter}>"


class ConnectResource(Resource):
    """The targets of CONNECT, which are authorities and have no path (RFC 9110 section 9.3.6)."""

    @property
    def canonical(self) -> str:
        return ""

    @property
    def index_key(self) -> str:
        return ""

    def add_prefix(self, prefix: str, /) -> None:
        raise RuntimeError(f"CONNECT has no path to put below {prefix!r}; handle it in the application at the root")

    def _match(self, path: str) -> dict[str, str] | None:
        return None if path else {}

    def raw_match(self, _: str, /) -> bool:
        return False

    def get_info(self) -> RouteInfo:
        return {"path": ""}

    def url_for(self, **_: str) -> URL:
        raise RuntimeError("CONNECT has no URL: its target is a host and a port")

    def __repr__(self) -> str:
        return "<ConnectResource>"


class PrefixResource(FindingResource):
    """A family of paths below a prefix, which is literal: fields are not understood in it."""

    def __init__(self, prefix: str, *, name: str | None = None) -> None:
        if prefix and not prefix.startswith("/"):
            raise ValueError(f"a prefix starts with '/'; got {prefix!r}")
        if prefix != "/" and prefix.endswith("/"):
            raise ValueError(f"a prefix does not end with '/'; got {prefix!r}")
        super().__init__(name=name)
        self._written = prefix.rstrip("/")
        self._prefix = decode_path(self._written)
        self._below = f"{self._prefix}/"

    @property
    def canonical(self) -> str:
        return requote_path(self._written)

    @property
    def index_key(self) -> str:
        return self._prefix or "/"

    def add_prefix(self, prefix: str, /) -> None:
        self._written = prefix + self._written
        self._prefix = decode_path(self._written)
        self._below = f"{self._prefix}/"

    def raw_match(self, _: str, /) -> bool:
        return False


class ResourceRoute(AbstractRoute):
    """A route of a resource with a path."""

    def __init__(
        self,
        method: str,
        handler: "RouteHandler | type[AbstractView]",
        resource: AbstractResource,
        *,
        expect_handler: "ExpectHandler | None" = None,
        middlewares: "Sequence[Middleware]" = (),
    ) -> None:
        super().__init__(method, handler, expect_handler=expect_handler, resource=resource, middlewares=middlewares)
        self._owner = resource

    @property
    def name(self) -> str | None:
        return self._owner.name

    def url_for(self, **kwargs: str) -> URL:
        return self._owner.url_for(**kwargs)

    def get_info(self) -> RouteInfo:
        return self._owner.get_info()

    def __repr__(self) -> str:
        return f"<ResourceRoute [{self.method}] {self._owner!r} -> {self.handler!r}>"
