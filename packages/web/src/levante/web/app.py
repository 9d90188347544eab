"""The application: settings, routes, middlewares, signals, and applications below it. It wires them together and
decides nothing else. The chain of middlewares around a handler is built once for each route and kept in a bounded
cache, never for 404 and 405, of which there are as many as there are wrong URLs.
"""

import logging
import warnings
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, MutableMapping
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar, overload

from aiosignal import Signal
from frozenlist import FrozenList

from levante.http.errors import LimitExceeded, ProtocolError, RemoteProtocolError
from levante.http.exchange import Exchange

from .chains import build_chain
from .conversion import ResponseConverter
from .exceptions import HTTPRequestEntityTooLarge, exception_for_status
from .jsoncodec import JSONCodec
from .keys import AppKey
from .lifecycle import AppCallback, CleanupContext
from .request import CLIENT_MAX_SIZE, Request
from .routing.abstract import AbstractRoute
from .routing.dispatcher import UrlDispatcher
from .routing.domains import Domain, MaskDomain
from .routing.match import MatchInfoError
from .routing.subapps import MatchedSubAppResource, PrefixedSubAppResource
from .routing.tables import AbstractRouteDef

if TYPE_CHECKING:
    from .gateway.mount import MountResource
    from .gateway.types import ASGIApplication
    from .lifecycle import AppSignal, PrepareSignal
    from .types import Handler, Middleware, PrepareReceiver, StreamResponse

T = TypeVar("T")
D = TypeVar("D")

MAX_CHAINS = 1024
"""Middleware chains kept; an application with more routes builds the chain of a rare route anew (CVE-2024-52303 kept
them without bound).
"""

web_logger = logging.getLogger("levante.web")


class NotAppKeyWarning(UserWarning):
    """A string was used as a key of an `Application`, where an `AppKey` is typed and free of collisions."""


class Application(MutableMapping[str | AppKey[Any], Any]):
    """An application. As a mapping it holds what its handlers share, by `AppKey` (Any: each key says the type of its
    value).

    `middlewares`: the first is the outermost. `handler_args`: keyword arguments for `Server`, which win over those of
    the runner. `client_max_size`: bytes of a request body that `Request.read` and `Request.post` accept, and
    `client_max_fields` the fields of a form (None: as the server's `content_limits` say); 0 is no limit. `json` is the
    encoder and decoder where a handler does not name one. With a `converter` handlers may return data instead of
    responses. Both hold for applications below as well, until one says otherwise.
    """

    __slots__ = (
        "__weakref__",
        "_chain",
        "_cleanup_ctx",
        "_client_max_fields",
        "_client_max_size",
        "_frozen",
        "_handler_args",
        "_literal_chains",
        "_middlewares",
        "_on_cleanup",
        "_on_response_prepare",
        "_on_shutdown",
        "_on_startup",
        "_pre_frozen",
        "_router",
        "_state",
        "_subapps",
        "converter",
        "has_middlewares",
        "json",
        "logger",
        "prepare_receivers",
    )

    def __init__(
        self,
        *,
        logger: logging.Logger = web_logger,
        middlewares: "Iterable[Middleware]" = (),
        handler_args: Mapping[str, Any] | None = None,  # Any: the keyword arguments of Server, each of its own type
        client_max_size: int = CLIENT_MAX_SIZE,
        client_max_fields: int | None = None,
        json: JSONCodec | None = None,
        converter: ResponseConverter | None = None,
    ) -> None:
        self.logger = logger
        self.json = json
        self.converter = converter
        self._router = UrlDispatcher()
        self._handler_args = None if handler_args is None else MappingProxyType(dict(handler_args))
        self._middlewares: FrozenList[Middleware] = FrozenList(middlewares)
        # Known once frozen; the first also whether applications below have any, or something else is around handlers.
        self.has_middlewares = False
        self.prepare_receivers: tuple[PrepareReceiver, ...] = ()
        self._literal_chains: dict[AbstractRoute, Handler] = {}  # as many as there are such routes
        self._chain = lru_cache(maxsize=MAX_CHAINS)(build_chain)
        self._state: dict[str | AppKey[Any], Any] = {}
        self._frozen = False
        self._pre_frozen = False
        self._subapps: list[Application] = []
        self._on_response_prepare: PrepareSignal = Signal(self)
        self._on_startup: AppSignal = Signal(self)
        self._on_shutdown: AppSignal = Signal(self)
        self._on_cleanup: AppSignal = Signal(self)
        self._cleanup_ctx = CleanupContext()
        self._on_startup.append(self._cleanup_ctx.enter)
        self._on_cleanup.append(self._cleanup_ctx.exit)
        self._client_max_size = client_max_size
        self._client_max_fields = client_max_fields

    def __init_subclass__(cls) -> None:
        raise TypeError(
            f"{cls.__name__} cannot inherit from Application: compose it (routes, signals, cleanup_ctx, keys) instead"
        )

    # The mapping.

    def __eq__(self, other: object) -> bool:
        return self is other

    __hash__ = object.__hash__

    @overload
    def __getitem__(self, key: AppKey[T]) -> T: ...
    @overload
    def __getitem__(self, key: str) -> Any: ...
    def __getitem__(self, key: str | AppKey[T]) -> Any:
        return self._state[key]

    @overload  # type: ignore[override]  # typed by key, which MutableMapping cannot say
    def get(self, key: AppKey[T], default: D) -> T | D: ...
    @overload
    def get(self, key: AppKey[T], default: None = ...) -> T | None: ...
    @overload
    def get(self, key: str, default: Any = ...) -> Any: ...
    def get(self, key: str | AppKey[T], default: Any = None) -> Any:
        return self._state.get(key, default)

    @overload
    def __setitem__(self, key: AppKey[T], value: T) -> None: ...
    @overload
    def __setitem__(self, key: str, value: Any) -> None: ...
    def __setitem__(self, key: str | AppKey[T], value: Any) -> None:
        self._check_writable()
        if not isinstance(key, AppKey):
            warnings.warn(f"use a web.AppKey instead of the string {key!r}", category=NotAppKeyWarning, stacklevel=2)
        self._state[key] = value

    def __delitem__(self, key: str | AppKey[Any]) -> None:
        self._check_writable()
        del self._state[key]

    def _check_writable(self) -> None:
        if self._frozen:
            raise RuntimeError(
                "the application has started, its state is frozen; set values before, or during on_startup"
            )

    def __len__(self) -> int:
        return len(self._state)

    def __iter__(self) -> Iterator[str | AppKey[Any]]:
        return iter(self._state)

    def __bool__(self) -> bool:
        return True

    # The parts.

    @property
    def router(self) -> UrlDispatcher:
        """The router."""
        return self._router

    @property
    def middlewares(self) -> "FrozenList[Middleware]":
        """The middlewares, outermost first."""
        return self._middlewares

    @property
    def client_max_size(self) -> int:
        """Bytes of a request body that `Request.read` and `Request.post` accept."""
        return self._client_max_size

    @property
    def handler_args(self) -> Mapping[str, Any]:
        """Keyword arguments for `Server`."""
        return self._handler_args or {}

    @property
    def on_response_prepare(self) -> "PrepareSignal":
        """Called with (request, response) before the head of a response is sent."""
        return self._on_response_prepare

    @property
    def on_startup(self) -> "AppSignal":
        """Called with the application before it serves."""
        return self._on_startup

    @property
    def on_shutdown(self) -> "AppSignal":
        """Called with the application when it stops to accept connections, while requests are still running."""
        return self._on_shutdown

    @property
    def on_cleanup(self) -> "AppSignal":
        """Called with the application after the last request."""
        return self._on_cleanup

    @property
    def cleanup_ctx(self) -> CleanupContext:
        """Resources: entered at startup, exited in reverse at cleanup."""
        return self._cleanup_ctx

    def add_routes(self, routes: Iterable[AbstractRouteDef]) -> list[AbstractRoute]:
        """Add route definitions; the routes made."""
        return self._router.add_routes(routes)

    def add_subapp(self, prefix: str, subapp: "Application") -> PrefixedSubAppResource:
        """Put an application below a path prefix. It takes no more routes, middlewares or signals after that."""
        if not isinstance(prefix, str):
            raise TypeError(f"a prefix is a str; got {prefix!r}")
        prefix = prefix.rstrip("/")
        if not prefix:
            raise ValueError(
                "a prefix cannot be empty or '/': the routes of the sub-application would hide those of the application"
            )
        self._check_joinable(subapp)
        if subapp is self or subapp.pre_frozen:
            raise RuntimeError("the application is below another one already, or is this one; make one for each place")
        resource = PrefixedSubAppResource(prefix, subapp)
        self._join(resource, subapp)
        return resource

    def add_domain(self, domain: str, subapp: "Application") -> MatchedSubAppResource:
        """Put an application behind a Host: exact, or with `*` for any run of characters."""
        if not isinstance(domain, str):
            raise TypeError(f"a domain is a str; got {domain!r}")
        rule = MaskDomain(domain) if "*" in domain else Domain(domain)
        self._check_joinable(subapp)
        resource = MatchedSubAppResource(rule, subapp)
        self._join(resource, subapp)
        return resource

    def mount(self, prefix: str, asgi_app: "ASGIApplication", *, name: str | None = None) -> "MountResource":
        """Hand the paths below a prefix to an ASGI application (Starlette, FastAPI, ...), with all methods and
        WebSockets. Middlewares run around it; its lifespan is a cleanup context of this application.
        """
        # Imported here: few applications mount others.
        from .gateway.mount import mounted

        resource = mounted(prefix, asgi_app, name=name)
        self._router.register_resource(resource)
        self._cleanup_ctx.append(resource.run_lifespan)
        return resource

    def _check_joinable(self, subapp: "Application") -> None:
        if self._pre_frozen:
            raise RuntimeError("a sub-application cannot be added to a frozen application")
        if subapp.frozen:
            raise RuntimeError("a frozen application cannot become a sub-application")

    def _join(self, resource: PrefixedSubAppResource | MatchedSubAppResource, subapp: "Application") -> None:
        self._router.register_resource(resource)
        if subapp in self._subapps:
            return  # behind a second domain: it starts and ends once
        self._on_startup.append(_ignoring_app(subapp.startup))
        self._on_shutdown.append(_ignoring_app(subapp.shutdown))
        self._on_cleanup.append(_ignoring_app(subapp.cleanup))
        self._subapps.append(subapp)
        subapp.pre_freeze()

    # The life.

    @property
    def frozen(self) -> bool:
        """Whether the state can no longer be changed."""
        return self._frozen

    @property
    def pre_frozen(self) -> bool:
        """Whether routes, middlewares and signals can no longer be added."""
        return self._pre_frozen

    def pre_freeze(self) -> None:
        """Refuse further routes, middlewares and signals."""
        if self._pre_frozen:
            return
        self._pre_frozen = True
        self._middlewares.freeze()
        self._router.freeze()
        for part in (
            self._on_response_prepare,
            self._on_startup,
            self._on_shutdown,
            self._on_cleanup,
            self._cleanup_ctx,
        ):
            part.freeze()
        has_own = bool(self._middlewares) or self.json is not None or self.converter is not None
        self.has_middlewares = has_own or any(subapp.has_middlewares for subapp in self._subapps)
        self.prepare_receivers = tuple(self._on_response_prepare)

    def freeze(self) -> None:
        """Refuse further changes of the state as well, here and below."""
        if self._frozen:
            return
        self.pre_freeze()
        self._frozen = True
        for subapp in self._subapps:
            subapp.freeze()

    async def startup(self) -> None:
        """Send `on_startup`: cleanup contexts are entered first."""
        self.pre_freeze()
        await self._on_startup.send(self)

    async def shutdown(self) -> None:
        """Send `on_shutdown`."""
        await self._on_shutdown.send(self)

    async def cleanup(self) -> None:
        """Send `on_cleanup`; after a failed startup only the contexts that were entered are exited."""
        if self._on_cleanup.frozen:
            await self._on_cleanup.send(self)
        else:
            await self._cleanup_ctx.exit(self)

    # A request.

    def make_request(self, exchange: Exchange) -> Request:
        """The request object of an exchange."""
        request = Request(exchange, self._client_max_size)
        if self._client_max_fields is not None:
            request.learn({"client_max_fields": self._client_max_fields})
        return request

    def handle(self, request: Request) -> "Awaitable[StreamResponse]":
        """Route a request and call middlewares and handler; await the result. Also for requests that could not be
        read: middlewares see their errors too.
        """
        route = self._router.find_literal(request.method, request.target_text)
        if route is None or request.head.expect is not None or request.exchange.error is not None:
            return self._handle_any(request)
        request.bind_route(route, self)
        if self.has_middlewares:
            chain = self._literal_chains.get(route)
            if chain is None:
                chain = self._literal_chains[route] = build_chain(route, (self,))
            return chain(request)
        if route.view is not None:
            return route.view(request).dispatch()
        return route.call(request)

    async def _handle_any(self, request: Request) -> "StreamResponse":
        error = request.exchange.error
        if error is None:
            try:
                match_info = self._router.find(request)
                if match_info is None:
                    match_info = await self._router.resolve(request)
            except RemoteProtocolError as exc:
                match_info = _error_match(exc)
        else:
            self.logger.debug("refusing a request with %d: %s", error.status, error.message)
            match_info = _error_match(error)
        match_info.add_app(self)
        match_info.freeze()
        request.bind(match_info)
        if request.head.expect is not None:
            answer = await match_info.expect_handler(request)
            if answer is not None:
                return answer
        handler = match_info.route.call
        if self.has_middlewares:
            chain = self._chain if match_info.http_exception is None else build_chain
            handler = chain(match_info.route, match_info.apps)
        return await handler(request)

    def __call__(self) -> "Application":
        """The application itself, so that it can stand where a factory is expected."""
        return self

    def __repr__(self) -> str:
        return f"<Application 0x{id(self):x}>"


def _error_match(error: ProtocolError) -> MatchInfoError:
    text = f"{error.status}: {error.message}"
    if isinstance(error, LimitExceeded) and error.status == HTTPRequestEntityTooLarge.status_code:
        return MatchInfoError(HTTPRequestEntityTooLarge(error.maximum, error.actual, text=text))
    return MatchInfoError(exception_for_status(error.status)(text=text))


def _ignoring_app(send: Callable[[], Awaitable[None]]) -> AppCallback:
    """Forward a signal to a sub-application, which is told of itself, not of its parent."""

    async def forward(_: Application) -> None:
        await send()

    return forward
