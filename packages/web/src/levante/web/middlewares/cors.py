"""Cross-origin requests (the CORS protocol of the Fetch standard): which pages of other origins may use what. A policy
is the application's, a sub-application's, a route's, a view's or that of one method of a view; the innermost one
counts. There may be several policies in the place of one: the first that lets an origin in decides about it.

Preflights are answered here, for every route that has a policy, static files and views among them; those that are
refused get 403 and the reason. An OPTIONS route sees what is no preflight, and those of routes without a policy.
Headers are added when a response is about to be sent, so that errors have them as well.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from levante.http.parameters import is_token
from levante.web.abc import AbstractView
from levante.web.exceptions import HTTPMethodNotAllowed
from levante.web.request import Request
from levante.web.response import Response
from levante.web.routing.abstract import AbstractResource, AbstractRoute
from levante.web.routing.match import UrlMappingMatchInfo
from levante.web.vary import vary_by
from levante.web.views import VERBS

from .elsewhere import found_by

if TYPE_CHECKING:
    from multidict import CIMultiDict

    from levante.web.types import Handler, StreamResponse

F = TypeVar("F", bound="Callable[..., object]")

ANYBODY = "*"
"""For origins, methods and headers: any."""

SAFE_RESPONSE_HEADERS = frozenset(
    {"cache-control", "content-language", "content-length", "content-type", "expires", "last-modified", "pragma"}
)
"""Response headers that pages may read in any case (Fetch, "CORS-safelisted response-header name")."""

FORBIDDEN_RESPONSE_HEADERS = frozenset({"set-cookie", "set-cookie2"})
"""Those that they never may."""

STRANGERS = ("null", "http://stranger.invalid", "https://stranger.invalid")
"""Origins that nobody means: a pattern that lets one of them in lets everybody in."""

_MARK = "__levante_cors__"
_ORIGIN = re.compile(r"[a-z][a-z0-9+.\-]*://(?:[^\s/?#@:\[\]*A-Z]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?")
_DEFAULT_PORTS = ("http:80", "https:443")


@dataclass(frozen=True, slots=True)
class CorsPolicy:
    """Who may do what. `origins` are origins as browsers send them (`https://shop.example`, `null`), patterns that have
    to match the whole of one, or `*` for any; `methods` None are those that the route has.

    `headers` may be sent with a request, `expose_headers` may be read of a response, `*` for all. `max_age` is how many
    seconds a browser may remember a preflight (None: 5, the browsers' default). `credentials` lets it send cookies and
    use the answer: to origins that are named, never to `*`. `private_network` lets pages of public sites in where this
    is served at a private address.

    Raises ValueError for what is no origin, and for credentials with any origin, with a pattern of any, or with `null`,
    which every page can make itself.
    """

    origins: Iterable[str | re.Pattern[str]]
    methods: Iterable[str] | None = None
    headers: Iterable[str] = ()
    expose_headers: Iterable[str] = ()
    max_age: int | None = None
    credentials: bool = False
    private_network: bool = False

    def __post_init__(self) -> None:
        for name in ("origins", "methods", "headers", "expose_headers"):
            value = getattr(self, name)
            if isinstance(value, str) and value != ANYBODY:
                raise TypeError(f"{name} is '*' or a list; got {value!r}")
            if value is not None:
                object.__setattr__(self, name, tuple(value))
        object.__setattr__(self, "methods", None if self.methods is None else tuple(m.upper() for m in self.methods))
        object.__setattr__(self, "headers", tuple(name.lower() for name in self.headers))
        for origin in self.origins:
            _check_origin(origin, credentials=self.credentials)
        for name in (*self.headers, *self.expose_headers, *(self.methods or ())):
            if not is_token(name):
                raise ValueError(f"expected the name of a header or method, or '*'; got {name!r}")
        if self.max_age is not None and self.max_age < 0:
            raise ValueError(f"max_age is a number of seconds, 0 for none; got {self.max_age!r}")

    @property
    def is_for_anybody(self) -> bool:
        """Whether every origin gets the same answer."""
        return ANYBODY in self.origins

    def allows(self, origin: str) -> bool:
        """Whether pages of that origin are let in."""
        return any(
            each in (origin, ANYBODY) if isinstance(each, str) else each.fullmatch(origin) is not None
            for each in self.origins
        )

    def refusal(self, origin: str, asked: "Preflight", methods: Iterable[str]) -> str | None:
        """Why a preflight is refused, None if it is not; `methods` are those of the route."""
        if not self.allows(origin):
            return "this origin is not allowed"
        permitted = methods if self.methods is None else self.methods
        if not ({asked.method, ANYBODY} & set(permitted) and is_token(asked.method)):
            return "this method is not allowed"
        if ANYBODY not in self.headers and not asked.headers <= set(self.headers):
            return "a header is not allowed"
        if not all(is_token(name) for name in asked.headers):
            return "a header has a name that is none"
        if asked.private_network and not self.private_network:
            return "requests from the public network are not allowed"
        return None

    def permit(self, origin: str, asked: "Preflight", methods: Iterable[str]) -> "dict[str, str]":
        """The headers that allow what was asked for."""
        permitted = set(methods if self.methods is None else self.methods) - {ANYBODY} | {asked.method}
        found = self.admit(origin)
        found["Access-Control-Allow-Methods"] = ", ".join(sorted(permitted))
        # Named one by one: `*` means nothing with credentials, and never Authorization.
        names = asked.headers if ANYBODY in self.headers else self.headers
        if names:
            found["Access-Control-Allow-Headers"] = ", ".join(sorted(names))
        if self.max_age is not None:
            found["Access-Control-Max-Age"] = str(self.max_age)
        if asked.private_network:
            found["Access-Control-Allow-Private-Network"] = "true"
        return found

    def admit(self, origin: str) -> "dict[str, str]":
        """The headers that every answer to an allowed origin has."""
        found = {"Access-Control-Allow-Origin": ANYBODY if self.is_for_anybody else origin}
        if self.credentials:
            found["Access-Control-Allow-Credentials"] = "true"
        return found

    def exposed(self, headers: "CIMultiDict[str]") -> str:
        """The value of Access-Control-Expose-Headers for a response with these headers."""
        if ANYBODY not in self.expose_headers:
            return ", ".join(self.expose_headers)
        if not self.credentials:
            return ANYBODY
        names = {name.lower() for name in headers} - SAFE_RESPONSE_HEADERS - FORBIDDEN_RESPONSE_HEADERS
        return ", ".join(sorted(name for name in names if not name.startswith("access-control-")))


Policies: TypeAlias = CorsPolicy | Iterable[CorsPolicy] | None
"""Who may do what: by one policy; by the first of several that lets the origin in; nobody."""


@dataclass(frozen=True, slots=True)
class Preflight:
    """What a browser asks before a request: its method, the names of its headers, and whether it would come from a
    public site to a private address.
    """

    method: str
    headers: frozenset[str]
    private_network: bool


def with_cors(policy: Policies) -> Callable[[F], F]:
    """Mark a handler, a View or a method of one with a policy of its own; None lets nobody in. `Cors` has to be among
    the middlewares.
    """
    policies = _listed(policy)

    def mark(function: F) -> F:
        setattr(function, _MARK, policies)
        return function

    return mark


class Cors:
    """The middleware: `Application(middlewares=[Cors(policy)])`. Without a policy only what has one of its own, by
    `add` or `with_cors`, is open to other origins. That of a sub-application has the say for its routes.
    """

    def __init__(self, policy: Policies = None) -> None:
        self._default = _listed(policy)
        self._policies: dict[AbstractRoute | AbstractResource, tuple[CorsPolicy, ...]] = {}

    def add(self, route: AbstractRoute | AbstractResource, policy: Policies) -> None:
        """Give a route, or all routes of a resource, a policy of its own; None lets nobody in."""
        self._policies[route] = _listed(policy)

    async def __call__(self, request: Request, handler: "Handler") -> "StreamResponse":
        """Answer a preflight, or see to the headers of the answer."""
        if _is_anothers(self, request):
            return await handler(request)
        origin = request.headers.get("Origin")
        asked = _preflight(request) if origin is not None else None
        if origin is not None and asked is not None:
            match = await _resolve(request, asked.method)
            policies = self._policies_of(match, asked.method)
            if policies:
                return _answer(_decisive(policies, origin), origin, asked, match)
            return await handler(request)
        policies = self._policies_of(request.match_info, request.method)
        if policies:
            request.add_prepare_hook(_header_setter(policies, origin))
        return await handler(request)

    def _policies_of(self, match: UrlMappingMatchInfo, method: str) -> tuple[CorsPolicy, ...]:
        route = match.route
        if route in self._policies:
            return self._policies[route]
        handler = route.handler
        of_method = _method_of_view(handler, method)
        for marked in (of_method, handler):
            if hasattr(marked, _MARK):
                policies: tuple[CorsPolicy, ...] = getattr(marked, _MARK)
                return policies
        if route.resource is not None and route.resource in self._policies:
            return self._policies[route.resource]
        return self._default


def _listed(policy: Policies) -> tuple[CorsPolicy, ...]:
    if policy is None:
        return ()
    policies = (policy,) if isinstance(policy, CorsPolicy) else tuple(policy)
    if not all(isinstance(each, CorsPolicy) for each in policies):
        raise TypeError(f"expected a CorsPolicy, several of them, or None; got {policy!r}")
    return policies


def _decisive(policies: tuple[CorsPolicy, ...], origin: str) -> CorsPolicy:
    """The policy that lets the origin in; where none does, any of them refuses it."""
    return next((policy for policy in policies if policy.allows(origin)), policies[0])


def _is_anothers(cors: Cors, request: Request) -> bool:
    """Whether an application further in has a `Cors` of its own."""
    apps = request.match_info.apps
    inner = [middleware for app in apps[apps.index(request.app) + 1 :] for middleware in app.middlewares]
    return any(isinstance(middleware, Cors) and middleware is not cors for middleware in inner)


def _preflight(request: Request) -> Preflight | None:
    method = request.headers.get("Access-Control-Request-Method")
    if request.method != "OPTIONS" or method is None:
        return None
    names = ",".join(request.headers.getall("Access-Control-Request-Headers", ())).lower().split(",")
    return Preflight(
        method,
        frozenset(name.strip() for name in names if name.strip()),
        request.headers.get("Access-Control-Request-Private-Network") == "true",
    )


async def _resolve(request: Request, method: str) -> UrlMappingMatchInfo:
    """What the request that is asked about would find."""
    match = await found_by(request, method=method)
    match.add_app(request.match_info.apps[0])
    return match


def _methods(match: UrlMappingMatchInfo, asked: str) -> set[str]:
    """The methods of the path; where there is no such path, the one that was asked for, and it will get its 404."""
    error, handler = match.http_exception, match.route.handler
    if error is not None:
        return error.allowed_methods if isinstance(error, HTTPMethodNotAllowed) else {asked}
    if match.route.method == ANYBODY and isinstance(handler, type) and issubclass(handler, AbstractView):
        return {verb for verb in VERBS if _method_of_view(handler, verb) is not None}
    return {route.method for route in match.route.resource or ()}


def _method_of_view(handler: object, method: str) -> object:
    """The function of a View that answers a method, HEAD by that for GET; None where there is none."""
    if not (isinstance(handler, type) and issubclass(handler, AbstractView)):
        return None
    found: object = getattr(handler, VERBS.get(method, ""), None)
    return getattr(handler, "get", None) if found is None and method == "HEAD" else found


def _answer(policy: CorsPolicy, origin: str, asked: Preflight, match: UrlMappingMatchInfo) -> Response:
    methods = _methods(match, asked.method)
    reason = policy.refusal(origin, asked, methods)
    if reason is None:
        response = Response(status=204, headers=policy.permit(origin, asked, methods))
    else:
        response = Response(status=403, text=f"CORS preflight refused: {reason}\n")
    vary_by(
        response.headers,
        "Origin",
        "Access-Control-Request-Method",
        "Access-Control-Request-Headers",
        "Access-Control-Request-Private-Network",
    )
    return response


def _header_setter(policies: tuple[CorsPolicy, ...], origin: str | None) -> "Callable[[StreamResponse], None]":
    policy = _decisive(policies, origin or "")

    def add(response: "StreamResponse") -> None:
        headers = response.headers
        if len(policies) > 1 or not policy.is_for_anybody:
            vary_by(headers, "Origin")  # also where there is none: a cache must not give that answer to others
        if "Access-Control-Allow-Origin" in headers:
            return  # somebody has decided already
        if not policy.is_for_anybody and (origin is None or not policy.allows(origin)):
            return
        headers.update(policy.admit(origin or ANYBODY))
        exposed = policy.exposed(headers)
        if exposed:
            headers["Access-Control-Expose-Headers"] = exposed

    return add


def _check_origin(origin: str | re.Pattern[str], *, credentials: bool) -> None:
    if not isinstance(origin, str):
        if credentials and any(origin.fullmatch(stranger) for stranger in STRANGERS):
            raise ValueError(f"credentials are for origins that are named; {origin.pattern!r} lets anybody in")
        return
    if origin in (ANYBODY, "null"):
        if credentials:
            raise ValueError(f"credentials are for origins that are named, not for {origin!r}: name them")
        return
    scheme, _, rest = origin.partition("://")
    if _ORIGIN.fullmatch(origin) is None or f"{scheme}:{rest.rpartition(':')[2]}" in _DEFAULT_PORTS:
        raise ValueError(
            f"expected an origin as browsers send it, such as 'https://shop.example' or 'http://localhost:3000': in "
            f"lower case, without a path or a default port; got {origin!r}"
        )
