"""Groups of routes: what they share (a prefix of the path, middlewares, a prefix of the names) is said once. A group is
a definition as `web.get(...)` is one, so it goes where those go, into other groups too; it has no state, signals or
404s of its own, which is what sub-applications are for.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from levante.web.chains import checked_middlewares

from .abstract import AbstractRoute
from .dispatcher import UrlDispatcher
from .tables import AbstractRouteDef, Placement, RouteCollector

if TYPE_CHECKING:
    from levante.web.types import Middleware


class RouteGroup(RouteCollector, AbstractRouteDef):
    """Routes that share a prefix, middlewares and a prefix of their names: `app.add_routes([group])`.

    `prefix` begins with `/`, does not end with it, and may have fields (`/users/{user}`); "" is none. Inside, the path
    "" is the prefix itself. `middlewares`, the first outermost, run inside those of the application and of groups
    around, and outside those of groups within and of the routes; only for requests that one of the routes matches, so
    not for 404 and 405. `name_prefix` is put before the names of routes as it is: `"api."`.

    Routes come by decorators, as with `RouteTableDef`, and by `add_routes`, until the group is added to a router:
    RuntimeError after that. The same group may be added in several places, if no names collide.
    """

    def __init__(self, prefix: str = "", *, middlewares: "Sequence[Middleware]" = (), name_prefix: str = "") -> None:
        if prefix and (not prefix.startswith("/") or prefix.endswith("/")):
            raise ValueError(f"a group's prefix begins with '/' and does not end with it, or is empty; got {prefix!r}")
        self._place = Placement(prefix, name_prefix, checked_middlewares(middlewares))
        self._items: list[AbstractRouteDef] = []
        self._in_use = False

    def add_routes(self, routes: Iterable[AbstractRouteDef]) -> None:
        """Take in `web.get(...)` and the like, the routes of a `RouteTableDef`, and other groups.

        TypeError for what is no definition, or one of a kind that cannot be put below a prefix; ValueError for a group
        that this one is in.
        """
        for definition in routes:
            self._collect(definition)

    def _collect(self, definition: AbstractRouteDef) -> None:
        if self._in_use:
            raise RuntimeError(
                f"{self!r} has been added to a router, which would not get {definition!r}; add it before"
            )
        if not isinstance(definition, AbstractRouteDef):
            raise TypeError(f"a group takes definitions such as web.get(...) or a RouteGroup; got {definition!r}")
        if isinstance(definition, RouteGroup) and definition.holds(self):
            raise ValueError(f"{definition!r} cannot be inside {self!r}, which is inside it")
        self._items.append(definition)

    def holds(self, group: "RouteGroup") -> bool:
        """Whether `group` is this one, or somewhere in it."""
        inner = [item for item in self._items if isinstance(item, RouteGroup)]
        return group is self or any(item.holds(group) for item in inner)

    def within(self, place: Placement, /) -> "PlacedRoutes":
        self._in_use = True
        return PlacedRoutes(self._items, self._place.within(place))

    def register(self, router: UrlDispatcher) -> list[AbstractRoute]:
        self._in_use = True
        return PlacedRoutes(self._items, self._place).register(router)

    def __repr__(self) -> str:
        return f"<RouteGroup {self._place.prefix!r} count={len(self._items)}>"


@dataclass(frozen=True)
class PlacedRoutes(AbstractRouteDef):
    """The routes of a group where it has been put, which may be in another group."""

    items: Sequence[AbstractRouteDef]
    place: Placement

    def within(self, place: Placement, /) -> "PlacedRoutes":
        return PlacedRoutes(self.items, self.place.within(place))

    def register(self, router: UrlDispatcher) -> list[AbstractRoute]:
        return [route for item in self.items for route in item.within(self.place).register(router)]
