"""Route definitions as data: made by `web.get(...)` and its siblings or collected by the decorators of a
`RouteTableDef`, and added to an application by `app.add_routes(...)`.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from os import fspath
from typing import TYPE_CHECKING, Any, TypeVar, overload

from levante.web.abc import AbstractView
from levante.web.chains import checked_middlewares

from .abstract import ANY_METHOD, AbstractRoute
from .dispatcher import UrlDispatcher

if TYPE_CHECKING:
    from levante.web.types import Middleware, PathLike, RouteHandler

H = TypeVar("H", bound="RouteHandler | type[AbstractView]")

# Any in `**kwargs` of this module: options are those of UrlDispatcher.add_route (or add_get, add_static), which
# checks them by name.


@dataclass(frozen=True)
class Placement:
    """What a group gives to the routes in it."""

    prefix: str
    name_prefix: str
    middlewares: "tuple[Middleware, ...]"

    def path(self, path: str) -> str:
        """`path` below the prefix."""
        if path and not path.startswith("/"):
            raise ValueError(f"a path starts with '/' or is empty; got {path!r} in the group {self.prefix!r}")
        return self.prefix + path

    def options(self, options: dict[str, Any]) -> dict[str, Any]:
        """The options of a route, with the name and the middlewares as they are in the group."""
        inner = checked_middlewares(options.get("middlewares", ()))
        placed = {**options, "middlewares": (*self.middlewares, *inner)}
        if options.get("name") is not None:
            placed["name"] = self.name_prefix + options["name"]
        return placed

    def within(self, outer: "Placement") -> "Placement":
        """That of a group in another group."""
        return Placement(
            outer.path(self.prefix), outer.name_prefix + self.name_prefix, (*outer.middlewares, *self.middlewares)
        )


class AbstractRouteDef(ABC):
    """A route, or several, to be registered later."""

    __slots__ = ()

    @abstractmethod
    def register(self, router: UrlDispatcher) -> list[AbstractRoute]:
        """Add to `router`; the routes made."""

    def within(self, _: Placement, /) -> "AbstractRouteDef":
        """The same in a group. TypeError, unless a subclass says how."""
        raise TypeError(f"{type(self).__name__} cannot be in a group: it does not say how, by overriding within()")


@dataclass(frozen=True, repr=False, slots=True)
class RouteDef(AbstractRouteDef):
    """A method, a path and a handler, with the options of `add_route`."""

    method: str
    path: str
    handler: "RouteHandler | type[AbstractView]"
    kwargs: dict[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        name = getattr(self.handler, "__name__", repr(self.handler))
        return f"<RouteDef {self.method} {self.path} -> {name!r}{_shown(self.kwargs)}>"

    def within(self, place: Placement, /) -> "RouteDef":
        return RouteDef(self.method, place.path(self.path), self.handler, place.options(self.kwargs))

    def register(self, router: UrlDispatcher) -> list[AbstractRoute]:
        if self.method == "GET":
            return [router.add_get(self.path, self.handler, **self.kwargs)]
        return [router.add_route(self.method, self.path, self.handler, **self.kwargs)]


@dataclass(frozen=True, repr=False, slots=True)
class StaticDef(AbstractRouteDef):
    """A folder of static files, with the options of `add_static`."""

    prefix: str
    path: "PathLike"
    kwargs: dict[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"<StaticDef {self.prefix} -> {fspath(self.path)}{_shown(self.kwargs)}>"

    def within(self, place: Placement, /) -> "StaticDef":
        return StaticDef(place.path(self.prefix), self.path, place.options(self.kwargs))

    def register(self, router: UrlDispatcher) -> list[AbstractRoute]:
        routes = router.add_static(self.prefix, self.path, **self.kwargs).get_info()["routes"]
        return list(routes.values())


@dataclass(frozen=True, repr=False, slots=True)
class FileDef(AbstractRouteDef):
    """One file, with the options of `add_file`."""

    path: str
    file: "PathLike"
    kwargs: dict[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"<FileDef {self.path} -> {fspath(self.file)}{_shown(self.kwargs)}>"

    def within(self, place: Placement, /) -> "FileDef":
        return FileDef(place.path(self.path), self.file, place.options(self.kwargs))

    def register(self, router: UrlDispatcher) -> list[AbstractRoute]:
        return [router.add_file(self.path, self.file, **self.kwargs)]


def _shown(options: dict[str, Any]) -> str:
    return "".join(f", {name}={value!r}" for name, value in sorted(options.items()))


def route(method: str, path: str, handler: "RouteHandler | type[AbstractView]", **kwargs: Any) -> RouteDef:
    """A route definition for any method."""
    return RouteDef(method, path, handler, kwargs)


def head(path: str, handler: "RouteHandler", **kwargs: Any) -> RouteDef:
    """A HEAD route."""
    return route("HEAD", path, handler, **kwargs)


def options(path: str, handler: "RouteHandler", **kwargs: Any) -> RouteDef:
    """An OPTIONS route."""
    return route("OPTIONS", path, handler, **kwargs)


def get(
    path: str, handler: "RouteHandler", *, name: str | None = None, allow_head: bool = True, **kwargs: Any
) -> RouteDef:
    """A GET route, by default with HEAD."""
    return route("GET", path, handler, name=name, allow_head=allow_head, **kwargs)


def post(path: str, handler: "RouteHandler", **kwargs: Any) -> RouteDef:
    """A POST route."""
    return route("POST", path, handler, **kwargs)


def put(path: str, handler: "RouteHandler", **kwargs: Any) -> RouteDef:
    """A PUT route."""
    return route("PUT", path, handler, **kwargs)


def patch(path: str, handler: "RouteHandler", **kwargs: Any) -> RouteDef:
    """A PATCH route."""
    return route("PATCH", path, handler, **kwargs)


def delete(path: str, handler: "RouteHandler", **kwargs: Any) -> RouteDef:
    """A DELETE route."""
    return route("DELETE", path, handler, **kwargs)


def query(path: str, handler: "RouteHandler", **kwargs: Any) -> RouteDef:
    """A QUERY route: safe and idempotent as GET, and with a body as POST (draft-ietf-httpbis-safe-method-w-body)."""
    return route("QUERY", path, handler, **kwargs)


def view(path: str, handler: type[AbstractView], **kwargs: Any) -> RouteDef:
    """A View class for all methods."""
    return route(ANY_METHOD, path, handler, **kwargs)


def static(prefix: str, path: "PathLike", **kwargs: Any) -> StaticDef:
    """A folder of static files."""
    return StaticDef(prefix, path, kwargs)


def file(path: str, file: "PathLike", **kwargs: Any) -> FileDef:
    """One file, for GET and HEAD."""
    return FileDef(path, file, kwargs)


class RouteCollector(ABC):
    """Decorators that collect routes and return the handler unchanged."""

    @abstractmethod
    def _collect(self, definition: AbstractRouteDef) -> None:
        """Take a definition in."""

    def route(self, method: str, path: str, **kwargs: Any) -> Callable[[H], H]:
        """Collect the decorated handler for any method."""

        def collect(handler: H) -> H:
            self._collect(RouteDef(method, path, handler, kwargs))
            return handler

        return collect

    def head(self, path: str, **kwargs: Any) -> Callable[[H], H]:
        """HEAD."""
        return self.route("HEAD", path, **kwargs)

    def get(self, path: str, **kwargs: Any) -> Callable[[H], H]:
        """GET, by default with HEAD (`allow_head`)."""
        return self.route("GET", path, **kwargs)

    def post(self, path: str, **kwargs: Any) -> Callable[[H], H]:
        """POST."""
        return self.route("POST", path, **kwargs)

    def put(self, path: str, **kwargs: Any) -> Callable[[H], H]:
        """PUT."""
        return self.route("PUT", path, **kwargs)

    def patch(self, path: str, **kwargs: Any) -> Callable[[H], H]:
        """PATCH."""
        return self.route("PATCH", path, **kwargs)

    def delete(self, path: str, **kwargs: Any) -> Callable[[H], H]:
        """DELETE."""
        return self.route("DELETE", path, **kwargs)

    def options(self, path: str, **kwargs: Any) -> Callable[[H], H]:
        """OPTIONS."""
        return self.route("OPTIONS", path, **kwargs)

    def query(self, path: str, **kwargs: Any) -> Callable[[H], H]:
        """QUERY: safe and idempotent, with a body."""
        return self.route("QUERY", path, **kwargs)

    def view(self, path: str, **kwargs: Any) -> Callable[[H], H]:
        """A View class for all methods."""
        return self.route(ANY_METHOD, path, **kwargs)

    def static(self, prefix: str, path: "PathLike", **kwargs: Any) -> None:
        """A folder of static files; no decorator."""
        self._collect(StaticDef(prefix, path, kwargs))

    def file(self, path: str, file: "PathLike", **kwargs: Any) -> None:
        """One file; no decorator."""
        self._collect(FileDef(path, file, kwargs))


class RouteTableDef(RouteCollector, Sequence[AbstractRouteDef]):
    """Routes collected by decorators, which return the handler unchanged."""

    def __init__(self) -> None:
        self._items: list[AbstractRouteDef] = []

    def _collect(self, definition: AbstractRouteDef) -> None:
        self._items.append(definition)

    def __repr__(self) -> str:
        return f"<RouteTableDef count={len(self._items)}>"

    @overload
    def __getitem__(self, index: int) -> AbstractRouteDef: ...
    @overload
    def __getitem__(self, index: slice) -> list[AbstractRouteDef]: ...
    def __getitem__(self, index: int | slice) -> AbstractRouteDef | list[AbstractRouteDef]:
        return self._items[index]

    def __iter__(self) -> Iterator[AbstractRouteDef]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __contains__(self, item: object) -> bool:
        return item in self._items
