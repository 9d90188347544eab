"""The router. Resources are filed under the literal beginning of their path; a request walks from its whole path to
shorter beginnings, so that the most literal resource wins whatever the order of registration, and under one beginning
the order of registration decides. The walk is cut to the depth of the deepest entry, so a path of thousands of
slashes costs no more than an ordinary one.
"""

import keyword
import re
from collections.abc import (
    Callable,
    ItemsView,
    Iterable,
    Iterator,
    KeysView,
    Mapping,
    Sequence,
    ValuesView,
)
from types import MappingProxyType
from typing import TYPE_CHECKING, Unpack

from levante.web.abc import AbstractRouter, AbstractView
from levante.web.exceptions import HTTPMethodNotAllowed, HTTPNotFound, HTTPNotImplemented

from .abstract import ANY_METHOD, AbstractResource, AbstractRoute, HandlerOptions, RouteOptions
from .listings import ResourcesView, RoutesView
from .match import MatchInfoError, UrlMappingMatchInfo
from .patterns import is_dynamic
from .resources import (
    ConnectResource,
    DynamicResource,
    FindingResource,
    Found,
    PlainResource,
    Resource,
    ResourceRoute,
)
from .subapps import MatchedSubAppResource

if TYPE_CHECKING:
    from levante.web.types import (
        AbstractRouteDef,
        ExpectHandler,
        Middleware,
        PathLike,
        Request,
        RouteHandler,
        StaticResource,
    )

    from .file_options import FileOptions, StaticOptions

Find = Callable[[str, str], Found]
"""How a resource is matched with a method and a path where nothing has to be awaited."""

Filed = tuple[AbstractResource, Find | None]
"""A resource in the index; None stands for one that is asked by awaiting it."""

_NAME_SEPARATOR = re.compile(r"[.:-]")


class UrlDispatcher(AbstractRouter, Mapping[str, AbstractResource]):
    """The router of an application. As a mapping it holds the named resources."""

    HTTP_NOT_FOUND = HTTPNotFound

    def __init__(self) -> None:
        super().__init__()
        self._resources: list[AbstractResource] = []
        self._named_resources: dict[str, AbstractResource] = {}
        self._index: dict[str, list[Filed]] = {}
        self._inherited: dict[str, list[Filed]] | None = None
        self._depth = 1
        self._literal: dict[str, dict[str, ResourceRoute]] = {}
        self._matched_subapps: list[MatchedSubAppResource] = []
        self._awaits = False

    def find_literal(self, method: str, target: str) -> AbstractRoute | None:
        """The route of a request target that is, letter by letter, the path of a resource; None where finding it takes
        more than that, which `resolve` does.
        """
        routes = self._literal.get(target)
        return None if routes is None else routes.get(method) or routes.get(ANY_METHOD)

    async def resolve(self, request: "Request") -> UrlMappingMatchInfo:
        """Find the route: domains first, then the index; else a `MatchInfoError` for 405 (with the union of allowed
        methods), 501 (CONNECT) or 404.
        """
        for subapp in self._matched_subapps:
            match_info, _ = await subapp.resolve(request)
            if match_info is not None:
                return match_info
        method, path = request.method, request.match_path
        allowed: set[str] = set()
        for resource, find in self._filed_above(path):
            match_info, methods = await resource.resolve(request) if find is None else find(method, path)
            if match_info is not None:
                return match_info
            allowed |= methods
        return self._nothing(method, allowed)

    def find(self, request: "Request") -> UrlMappingMatchInfo | None:
        """What `resolve` finds, where no resource has to be awaited for it; else None."""
        if self._awaits:
            return None
        method, path = request.method, request.match_path
        allowed: set[str] = set()
        for _, find in self._filed_above(path):
            if find is not None:
                match_info, methods = find(method, path)
                if match_info is not None:
                    return match_info
                allowed |= methods
        return self._nothing(method, allowed)

    def _nothing(self, method: str, allowed: set[str]) -> MatchInfoError:
        if allowed:
            return MatchInfoError(HTTPMethodNotAllowed(method, allowed))
        if method == "CONNECT":  # its target is a host, not something that we do not have
            return MatchInfoError(HTTPNotImplemented())
        return MatchInfoError(self.HTTP_NOT_FOUND())

    def _filed_above(self, path: str) -> "Sequence[Filed]":
        """The resources that may match `path`, the most literal ones first."""
        index = self._inherited
        if index is None:
            index = self._inherited = _inherit(self._index)
        key = path
        if path.count("/") > self._depth:  # the longest beginning that can be in the index
            key = "/".join(path.split("/", self._depth + 1)[: self._depth + 1]) or "/"
        while key and key != "/":
            filed = index.get(key)
            if filed is not None:
                return filed
            key = key.rpartition("/")[0] or "/"
        return index.get(key, ())

    def __iter__(self) -> Iterator[str]:
        return iter(self._named_resources)

    def __len__(self) -> int:
        return len(self._named_resources)

    def __contains__(self, resource: object) -> bool:
        return resource in self._named_resources

    def __getitem__(self, name: str) -> AbstractResource:
        return self._named_resources[name]

    def keys(self) -> KeysView[str]:
        return self._named_resources.keys()

    def values(self) -> ValuesView[AbstractResource]:
        return self._named_resources.values()

    def items(self) -> ItemsView[str, AbstractResource]:
        return self._named_resources.items()

    def resources(self) -> ResourcesView:
        """All resources."""
        return ResourcesView(self._resources)

    def routes(self) -> RoutesView:
        """All routes of all resources."""
        return RoutesView(self._resources)

    def named_resources(self) -> Mapping[str, AbstractResource]:
        """The resources that have a name, read-only."""
        return MappingProxyType(self._named_resources)

    def register_resource(self, resource: AbstractResource) -> None:
        """Add a resource of any kind.

        Raises RuntimeError when the router is frozen; ValueError when the resource's name is taken or is not made of
        identifiers (and no keywords) separated by `.`, `:` or `-`.
        """
        if not isinstance(resource, AbstractResource):
            raise TypeError(f"expected an AbstractResource; got {resource!r}")
        if self.frozen:
            raise RuntimeError(
                "the router is frozen, because its application runs or is a sub-application; add routes before that"
            )
        if resource.name is not None:
            self._check_name(resource.name)
            self._named_resources[resource.name] = resource
        self._resources.append(resource)
        if isinstance(resource, MatchedSubAppResource):
            self._matched_subapps.append(resource)
            self._awaits = True
        else:
            self._file(resource)

    def _check_name(self, name: str) -> None:
        for part in _NAME_SEPARATOR.split(name):
            if keyword.iskeyword(part):
                raise ValueError(f"route name {name!r}: {part!r} is a Python keyword")
            if not part.isidentifier():
                raise ValueError(
                    f"route name {name!r}: expected identifiers separated by '.', ':' or '-', got {part!r}"
                )
        if name in self._named_resources:
            raise ValueError(f"route name {name!r} is taken by {self._named_resources[name]!r}")

    def _file(self, resource: AbstractResource) -> None:
        if isinstance(resource, FindingResource):
            key = resource.index_key
        else:
            key = _index_key(resource.canonical)
        find = None
        if isinstance(resource, Resource) and type(resource).resolve is FindingResource.resolve:
            find = resource.find
        self._awaits |= find is None
        self._index.setdefault(key, []).append((resource, find))
        self._inherited = None
        self._depth = max(self._depth, key.count("/"))

    def reindex(self) -> None:
        """File the resources anew, after their paths have changed."""
        self._index = {}
        self._inherited = None
        self._depth = 1
        for resource in self._resources:
            if not isinstance(resource, MatchedSubAppResource):
                self._file(resource)

    def add_resource(self, path: str, *, name: str | None = None) -> Resource:
        """A resource for `path`, plain or dynamic. The last one added is reused when path and name are the same."""
        if path and not path.startswith("/"):
            raise ValueError(f"a path starts with '/' or is empty; got {path!r}")
        if self._resources:
            last = self._resources[-1]
            if isinstance(last, Resource) and last.name == name and last.raw_match(path):
                return last
        resource = DynamicResource(path, name=name) if is_dynamic(path) else PlainResource(path, name=name)
        self.register_resource(resource)
        return resource

    def add_route(
        self,
        method: str,
        path: str,
        handler: "RouteHandler | type[AbstractView]",
        *,
        name: str | None = None,
        expect_handler: "ExpectHandler | None" = None,
        cancel_on_disconnect: bool | None = None,
        middlewares: "Sequence[Middleware]" = (),
    ) -> AbstractRoute:
        """Add a handler for a method (`*` for any) of a path.

        `cancel_on_disconnect` says whether the handler is cancelled when its client goes away (None: as the server
        has it). `middlewares` run around this handler alone, the first outermost, inside those of the application.
        Raises ValueError for a bad method or path, TypeError when the handler is no coroutine function or View
        class, RuntimeError when the route could never be reached.
        """
        return self.add_resource(path, name=name).add_route(
            method,
            handler,
            expect_handler=expect_handler,
            cancel_on_disconnect=cancel_on_disconnect,
            middlewares=middlewares,
        )

    def add_static(
        self,
        prefix: str,
        path: "PathLike",
        *,
        name: str | None = None,
        expect_handler: "ExpectHandler | None" = None,
        follow_symlinks: bool | None = None,
        **options: "Unpack[StaticOptions]",
    ) -> "StaticResource":
        """Serve the files below the folder `path` under `prefix`; see `StaticResource`."""
        # Imported here: applications without static files do not pay for the file machinery.
        from levante.web.static_files import StaticResource, sandbox_option

        if follow_symlinks is not None:
            options["break_symlink_sandbox"] = sandbox_option(old=follow_symlinks)
        resource = StaticResource(prefix.removesuffix("/"), path, name=name, expect_handler=expect_handler, **options)
        self.register_resource(resource)
        return resource

    def add_file(
        self,
        path: str,
        file: "PathLike",
        *,
        name: str | None = None,
        expect_handler: "ExpectHandler | None" = None,
        middlewares: "Sequence[Middleware]" = (),
        **options: "Unpack[FileOptions]",
    ) -> AbstractRoute:
        """Serve one file at `path`, for GET and HEAD: with `cache_control` as its Cache-Control, and other options of
        `FileResponse`. ValueError when there is no such file.
        """
        # Imported here: see add_static().
        from levante.web.single_file import file_handler

        handler = file_handler(file, **options)
        return self.add_get(path, handler, name=name, expect_handler=expect_handler, middlewares=middlewares)

    def add_head(self, path: str, handler: "RouteHandler", **options: "Unpack[RouteOptions]") -> AbstractRoute:
        """Add a HEAD route."""
        return self.add_route("HEAD", path, handler, **options)

    def add_options(self, path: str, handler: "RouteHandler", **options: "Unpack[RouteOptions]") -> AbstractRoute:
        """Add an OPTIONS route."""
        return self.add_route("OPTIONS", path, handler, **options)

    def add_get(
        self,
        path: str,
        handler: "RouteHandler | type[AbstractView]",
        *,
        name: str | None = None,
        allow_head: bool = True,
        **options: "Unpack[HandlerOptions]",
    ) -> AbstractRoute:
        """Add a GET route, and with `allow_head` a HEAD route with the same handler on the same resource."""
        resource = self.add_resource(path, name=name)
        if allow_head:
            resource.add_route("HEAD", handler, **options)
        return resource.add_route("GET", handler, **options)

    def add_post(self, path: str, handler: "RouteHandler", **options: "Unpack[RouteOptions]") -> AbstractRoute:
        """Add a POST route."""
        return self.add_route("POST", path, handler, **options)

    def add_put(self, path: str, handler: "RouteHandler", **options: "Unpack[RouteOptions]") -> AbstractRoute:
        """Add a PUT route."""
        return self.add_route("PUT", path, handler, **options)

    def add_patch(self, path: str, handler: "RouteHandler", **options: "Unpack[RouteOptions]") -> AbstractRoute:
        """Add a PATCH route."""
        return self.add_route("PATCH", path, handler, **options)

    def add_delete(self, path: str, handler: "RouteHandler", **options: "Unpack[RouteOptions]") -> AbstractRoute:
        """Add a DELETE route."""
        return self.add_route("DELETE", path, handler, **options)

    def add_query(self, path: str, handler: "RouteHandler", **options: "Unpack[RouteOptions]") -> AbstractRoute:
        """Add a QUERY route: safe and idempotent, with a body (draft-ietf-httpbis-safe-method-w-body)."""
        return self.add_route("QUERY", path, handler, **options)

    def add_connect(
        self, handler: "RouteHandler | type[AbstractView]", **options: "Unpack[HandlerOptions]"
    ) -> AbstractRoute:
        """Handle CONNECT, whose target is no path but `request.target.authority`; see `UpgradeResponse`."""
        resource = ConnectResource()
        self.register_resource(resource)
        return resource.add_route("CONNECT", handler, **options)

    def add_view(self, path: str, handler: type[AbstractView], **options: "Unpack[RouteOptions]") -> AbstractRoute:
        """Add a View class for all methods."""
        return self.add_route(ANY_METHOD, path, handler, **options)

    def add_routes(self, routes: "Iterable[AbstractRouteDef]") -> list[AbstractRoute]:
        """Add route definitions, such as those of a `RouteTableDef`; the routes made."""
        return [route for definition in routes for route in definition.register(self)]

    def freeze(self) -> None:
        """Refuse further routes; an empty path becomes `/`."""
        super().freeze()
        for resource in self._resources:
            resource.freeze()
        self.reindex()
        if not self._matched_subapps:
            self._file_literals()

    def _file_literals(self) -> None:
        """Note the paths that the index gives to a plain resource without another kind having a say before it."""
        for filed in self._index.values():
            for resource, _ in filed:
                if type(resource) is not PlainResource:  # a subclass may have its own way to match
                    break
                if "%" not in resource.path and "?" not in resource.path:
                    self._literal.setdefault(resource.path, resource.routes)


def _inherit(index: Mapping[str, list[Filed]]) -> dict[str, list[Filed]]:
    """The index with, behind what is filed under a beginning of a path, all that is filed under shorter ones: so one
    look finds every resource that may match.
    """
    inherited = {}
    for key, filed in index.items():
        inherited[key] = list(filed)
        above = key
        while above != "/":
            above = above.rpartition("/")[0] or "/"
            inherited[key] += index.get(above, ())
    return inherited


def _index_key(canonical: str) -> str:
    if "{" in canonical:
        canonical = canonical.partition("{")[0].rpartition("/")[0]
    return canonical.rstrip("/") or "/"
