"""What resolving a request gives: a dict of the path's fields with the route, and the applications that the request
passes through.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from levante.web.abc import AbstractMatchInfo
from levante.web.http_exception import HTTPException

from .abstract import AbstractRoute, RouteInfo, SystemRoute

if TYPE_CHECKING:
    from levante.web.types import Application, ExpectHandler, Handler


class UrlMappingMatchInfo(dict[str, str], AbstractMatchInfo):
    """The decoded fields of the path, and what was matched."""

    __slots__ = ("_apps", "_current_app", "_frozen", "_route")

    def __init__(self, match_dict: Mapping[str, str], route: AbstractRoute) -> None:
        if match_dict:
            self.update(match_dict)
        self._route = route
        self._apps: tuple[Application, ...] = ()
        self._current_app: Application | None = None
        self._frozen = False

    @property
    def handler(self) -> "Handler":
        return self._route.handler

    @property
    def route(self) -> AbstractRoute:
        """The matched route; its `resource` tells the path."""
        return self._route

    @property
    def expect_handler(self) -> "ExpectHandler":
        return self._route.handle_expect_header

    @property
    def http_exception(self) -> HTTPException | None:
        """The error that routing ended with (404, 405, a malformed request), None when something matched."""
        return None

    def get_info(self) -> RouteInfo:
        """`get_info` of the route."""
        return self._route.get_info()

    @property
    def apps(self) -> "tuple[Application, ...]":
        return self._apps

    def add_app(self, app: "Application") -> None:
        if self._frozen:
            raise RuntimeError("the match is frozen: applications are added while it is being resolved")
        if self._current_app is None:
            self._current_app = app
        self._apps = (app, *self._apps)

    @property
    def current_app(self) -> "Application":
        """The application whose middleware or handler runs now."""
        if self._current_app is None:
            raise RuntimeError("the match belongs to no application yet")
        return self._current_app

    @current_app.setter
    def current_app(self, app: "Application") -> None:
        if app not in self._apps:
            raise RuntimeError(f"expected one of the applications {self._apps!r}; got {app!r}")
        self._current_app = app

    @contextmanager
    def set_current_app(self, app: "Application") -> Iterator[None]:
        """Make `app` the current application for as long as the block runs."""
        previous = self.current_app
        self.current_app = app
        try:
            yield
        finally:
            self._current_app = previous

    def freeze(self) -> None:
        self._frozen = True

    def __repr__(self) -> str:
        return f"<MatchInfo {super().__repr__()}: {self._route!r}>"


class MatchInfoError(UrlMappingMatchInfo):
    """The match of a request that matched nothing: its handler raises `http_exception`."""

    __slots__ = ("_exception",)

    def __init__(self, http_exception: HTTPException) -> None:
        self._exception = http_exception
        super().__init__({}, SystemRoute(http_exception))

    @property
    def http_exception(self) -> HTTPException:
        return self._exception

    def __repr__(self) -> str:
        return f"<MatchInfoError {self._exception.status}: {self._exception.reason}>"
