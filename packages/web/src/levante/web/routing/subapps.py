"""Applications below a path prefix or a domain: resources that hand the request to the router of another application.
What they match belongs to that application; a 404 inside does not fall back to the parent.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, NoReturn

from yarl import URL

from levante.web.exceptions import HTTPMethodNotAllowed

from .abstract import AbstractResource, AbstractRoute, RouteInfo
from .domains import Domain
from .resources import NOTHING, Found, PrefixResource

if TYPE_CHECKING:
    from levante.web.types import Application, Request


class PrefixedSubAppResource(PrefixResource):
    """An application below a path prefix."""

    def __init__(self, prefix: str, app: "Application") -> None:
        super().__init__(prefix)
        self._app = app
        self._prefix_resources(prefix)

    def _prefix_resources(self, prefix: str) -> None:
        router = self._app.router
        for resource in router.resources():
            resource.add_prefix(prefix)
        router.reindex()

    def add_prefix(self, prefix: str, /) -> None:
        super().add_prefix(prefix)
        self._prefix_resources(prefix)

    def find(self, _: str, __: str, /) -> NoReturn:
        raise RuntimeError("a sub-application is resolved by its own router, which may have to wait")

    async def resolve(self, request: "Request") -> Found:
        path = request.match_path
        if not path.startswith(self._below) and path != self._prefix:
            return NOTHING
        return await resolve_in(self._app, request)

    def url_for(self, **_: str) -> URL:
        raise RuntimeError("the root of a sub-application has no URL of its own; use `subapp.router[name].url_for()`")

    def get_info(self) -> RouteInfo:
        return {"app": self._app, "prefix": self._prefix}

    def __len__(self) -> int:
        return len(self._app.router.routes())

    def __iter__(self) -> Iterator[AbstractRoute]:
        return iter(self._app.router.routes())

    def __repr__(self) -> str:
        return f"<PrefixedSubAppResource {self._prefix} -> {self._app!r}>"


class MatchedSubAppResource(AbstractResource):
    """An application for the requests that a domain rule accepts."""

    def __init__(self, rule: Domain, app: "Application") -> None:
        super().__init__()
        self._rule = rule
        self._app = app

    @property
    def canonical(self) -> str:
        return self._rule.canonical

    def add_prefix(self, _: str, /) -> NoReturn:
        raise RuntimeError("an application with a domain cannot be put below a prefix")

    def url_for(self, **_: str) -> URL:
        raise RuntimeError("the root of a sub-application has no URL of its own; use `subapp.router[name].url_for()`")

    async def resolve(self, request: "Request") -> Found:
        if not self._rule.match(request):
            return NOTHING
        return await resolve_in(self._app, request)

    def raw_match(self, _: str, /) -> bool:
        return False

    def get_info(self) -> RouteInfo:
        return {"app": self._app, "rule": self._rule}

    def __len__(self) -> int:
        return len(self._app.router.routes())

    def __iter__(self) -> Iterator[AbstractRoute]:
        return iter(self._app.router.routes())

    def __repr__(self) -> str:
        return f"<MatchedSubAppResource {self._rule!r} -> {self._app!r}>"


async def resolve_in(app: "Application", request: "Request") -> Found:
    """Resolve with the router of a sub-application, and count the application among those that the request passes
    through.
    """
    match_info = await app.router.resolve(request)
    match_info.add_app(app)
    error = match_info.http_exception
    return match_info, error.allowed_methods if isinstance(error, HTTPMethodNotAllowed) else set()
