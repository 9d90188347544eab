"""The short way of a usual request. What a session does with equal arguments is the same each time: the URL is checked,
the defaults are merged, the head is assembled. A `Plan` keeps what came of it; a request that has one takes an idle
connection, sends the prepared head, and waits for the answer on a single future, without a deadline of its own, for
the connection watches the time.

A plan is made by the very code that makes every other request (requesting.py, journey.py, request.py), and only where
nothing can come in between: `HONOURED` and `EXCLUDING` below name every default of a session, `OPTIONS` every argument
of a request, and say whether the short way heeds it or is closed by it. What differs from one request to the next is
put into the prepared head: the values of the caller's own fields (a plan belongs to their names, so that what they
replace is settled), cookies, the deadline of the work at hand, another path or query at the same origin. What the head
cannot take as it is goes the long way, to be sent or refused there. Redirects that are followed leave the short way.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from multidict import CIMultiDict, CIMultiDictProxy, getversion
from yarl import URL

from levante.http import BytesPayload, PreparedRequest, ProtocolError, hdrs, prepare_request
from levante.http.deadlines import format_remaining

from .auth import strip_auth_from_url
from .connector import BaseConnector
from .cookiejar import CookieJar, DummyCookieJar
from .journey import jar_field
from .options import Arguments, Defaults, RequestOptions, StrOrURL
from .origin import ConnectionKey
from .request import ClientRequest, check_headers, check_url
from .requesting import embark, json_payload, resolve_url
from .sending import SendOptions, connection_key
from .timeouts import ClientTimeout

# How many plans a session keeps for URLs, and how many for origins. A program that asks for ever new ones must not fill
# the memory with them.
MAX_PLANS: Final = 256

# What the short way heeds: by what the plan is made of, or by itself.
HONOURED: Final = frozenset({
    "allow_insecure_redirects", "auth", "auto_decompress", "automatic", "base_url", "cookie_jar", "deadlines",
    "headers", "json_serialize", "json_serialize_bytes", "lenient_responses", "limits", "loop", "raise_for_status",
    "requote_redirect_url", "resolve_charset", "session", "skip_auto_headers", "ssl", "timeout", "transparent_retry",
    "version",
})  # fmt: skip
# What makes of it the way through handlers (handledway.py), unless it is empty: it wants to change requests.
HANDLING: Final = frozenset({"cache", "middlewares", "resilience"})
# What closes it, unless it is empty.
EXCLUDING: Final = frozenset({
    "environment", "hsts", "max_body_size", "proxies", "request_class", "response_class", "trace_configs",
})  # fmt: skip
# The arguments of a request that it heeds; any other closes it.
OPTIONS: Final = frozenset({"allow_redirects", "data", "headers", "json", "params", "raise_for_status", "timeout"})
# Fields that change how a request is framed or put together: with one of them the way is long.
_SPECIAL_FIELDS: Final = (
    hdrs.CONNECTION, hdrs.CONTENT_LENGTH, hdrs.COOKIE, hdrs.EXPECT, hdrs.HOST, hdrs.TRANSFER_ENCODING, hdrs.UPGRADE,
)  # fmt: skip
_SPECIAL_DEFAULTS: Final = frozenset(_SPECIAL_FIELDS) - {hdrs.CONNECTION, hdrs.HOST}
# What can hold the caller's fields: looking at them has no effect, and gives the same each time.
_FIELD_TYPES: Final = frozenset({dict, CIMultiDict, CIMultiDictProxy})
# The value of the caller's fields while a plan for their names is made; no other field has it.
_SAMPLE: Final = "?"

_NO_BODY: Final = "none"
_BYTES: Final = "bytes"
_JSON: Final = "json"
_NO_COOKIES: Final = DummyCookieJar()

Fields = tuple[tuple[str, str], ...]
# What a plan belongs to: method, URL or origin, kind of body, and the names of the caller's fields.
Place = tuple[Any, ...]


@dataclass(slots=True)
class Basis:
    """What the plans for one origin have in common. `version` is that of the session's headers, `gap` where in a head
    the caller's fields belong, `carries` whether there is a body."""

    sending: SendOptions
    key: ConnectionKey
    version: int
    gap: int
    carries: bool


class Plan:
    """One kind of request of a session, ready to be sent: `request` is what responses tell of it, but for its length;
    `head` its head."""

    __slots__ = ("_fields", "_latest", "basis", "head", "request")

    def __init__(self, request: ClientRequest, head: PreparedRequest, basis: Basis) -> None:
        self.request = request
        self.head = head
        self.basis = basis
        self._fields: Fields = ()
        self._latest: Plan | None = None

    def at(self, url: URL) -> "Plan":
        """The same for another URL of the origin, one without user info. IllegalCharacter for what cannot be a
        target."""
        request = self.request.variant(url=url)
        return Plan(request, self.head.with_target(request.target), self.basis)

    def with_fields(self, fields: Fields) -> "Plan":
        """The same with `fields`; the latest is kept, for tokens and cookies seldom change. TypeError and ProtocolError
        for those that cannot be put into a head as they are."""
        if self._latest is not None and self._fields == fields:
            return self._latest
        headers = self.request.headers.copy()
        for name, value in fields:
            if type(value) is not str:
                raise TypeError(f"the value of header {name!r} must be str, got {type(value).__name__}")
            headers[name] = value
        head = self.head.with_fields(list(fields), self.basis.gap)
        self._latest = Plan(self.request.variant(headers=headers), head, self.basis)
        self._fields = fields
        return self._latest

    def payload(self, body: bytes) -> BytesPayload:
        """`body` for the long way."""
        return BytesPayload(body, content_type=self.request.headers.get(hdrs.CONTENT_TYPE, ""))


class Plans:
    """The plans of one session; `defaults` are its defaults."""

    __slots__ = (
        "_cookies_for",
        "_deadline_header",
        "_headers",
        "_homes",
        "_known",
        "_open",
        "defaults",
        "handled",
        "time",
    )

    def __init__(self, defaults: Defaults) -> None:
        self.defaults = defaults
        self.time = defaults.loop.time
        self._headers: Any = defaults.headers  # Any: getversion() is typed for MultiDict[object], which is invariant
        self._deadline_header = defaults.resilience.deadline_header
        jar = defaults.cookie_jar
        self._cookies_for = jar.cookie_header if type(jar) is CookieJar else partial(jar_field, jar)
        self._open = is_usual(defaults)
        self.handled = is_handled(defaults)
        self._known: dict[Place, Plan] = {}
        self._homes: dict[Place, Plan] = {}

    def find(
        self, method: str, url: StrOrURL, options: RequestOptions, connector: BaseConnector, left: float | None
    ) -> Plan | None:
        """The plan of a request, made if need be; None when it has to go the long way. `left` are the seconds that the
        work at hand has. Raises what `perform` does."""
        if not self._open or (left is not None and left <= 0):
            return None
        fields: Fields = ()
        place: Place = (method, url, _NO_BODY)
        if options:
            kind = _kind(options)
            if not kind:
                return None
            headers: Any = options.get("headers")  # Any: a mapping, as _kind() saw
            fields = tuple(headers.items()) if headers else ()
            place = (method, url, kind, *[name for name, _ in fields])
        plan = self._known.get(place)
        if plan is None or plan.basis.version != getversion(self._headers):
            plan = self._make(place, url, connector)
        params = options.get("params") if options else None
        if plan is not None and params:
            plan = _elsewhere(plan, plan.request.original_url.extend_query(params))
        if plan is None:
            return None
        cookies = self._cookies_for(plan.request.url)
        if cookies:
            fields += ((hdrs.COOKIE, cookies),)
        if left is not None and self._deadline_header is not None:
            if self._deadline_header in plan.request.headers:
                return None  # it takes the place of another
            fields += ((self._deadline_header, format_remaining(left)),)
        return _completed(plan, fields) if fields else plan

    def body(self, options: RequestOptions) -> bytes:
        """The body of a request that has a plan."""
        json = options.get("json")
        if json is None:
            data: bytes = options["data"]
            return data
        defaults = self.defaults
        if defaults.json_serialize_bytes is not None:
            return defaults.json_serialize_bytes(json)
        return defaults.json_serialize(json).encode("utf-8")

    def _make(self, place: Place, url: StrOrURL, connector: BaseConnector) -> Plan | None:
        """A plan for `place`, made from one for its origin, which is made first if need be."""
        method, _, *rest = place
        target = check_url(resolve_url(url, base=self.defaults.base_url, params=None), connector.allowed_schemes)
        home = (method, (target.scheme, target.raw_authority), *rest)
        plan = self._homes.get(home)
        if plan is None or plan.basis.version != getversion(self._headers):
            plan = self._make_first(method, target, rest[0], tuple(rest[1:]), connector)
            if plan is None:
                return None
            _keep(self._homes, home, plan)
        plan = _elsewhere(plan, strip_auth_from_url(target)[0])
        if plan is not None:
            _keep(self._known, place, plan)
        return plan

    def _make_first(
        self, method: str, url: URL, kind: str, names: tuple[str, ...], connector: BaseConnector
    ) -> Plan | None:
        if any(name in self._headers for name in _SPECIAL_DEFAULTS):
            return None
        try:
            own = check_headers([(name, _SAMPLE) for name in names])
            if len({name.lower() for name in own}) != len(names) or any(name in own for name in _SPECIAL_FIELDS):
                return None
            journey, sending, _ = embark(Arguments(headers=own), self.defaults, connector, method, url)
            request = journey.first_request(_sample(kind, self.defaults), jar=_NO_COOKIES)
        except (TypeError, ValueError):
            return None  # the long way says what is wrong, perhaps with more than is seen here
        if kind != _NO_BODY:
            request.headers.popall(hdrs.CONTENT_LENGTH, None)  # it comes with each body
        fields = list(request.headers.items())
        first = next((place for place, (name, _) in enumerate(fields) if name in own), len(fields))
        behind = first + len(names)
        if fields[first:behind] != list(own.items()):
            return None  # the session puts something else in the place of a field of the caller's
        head = prepare_request(request.method, request.target, fields[:first] + fields[behind:], request.version)
        gap = sum(len(f"{name}: {value}\r\n") for name, value in fields[:first])
        key = connection_key(request, sending)
        return Plan(request, head, Basis(sending, key, getversion(self._headers), gap, kind != _NO_BODY))


def is_usual(defaults: Defaults) -> bool:
    """Whether the requests of a session may have plans."""
    return all(getattr(defaults, name) in (None, (), []) for name in EXCLUDING)


def is_handled(defaults: Defaults) -> bool:
    """Whether a session has something between its requests and the wire."""
    resilience = defaults.resilience
    given = (defaults.cache, resilience.retry, resilience.breaker)
    return bool(defaults.middlewares) or any(one is not None for one in given)


def _keep(known: dict[Place, Plan], place: Place, plan: Plan) -> None:
    if len(known) >= MAX_PLANS:
        del known[next(iter(known))]
    known[place] = plan


def _elsewhere(plan: Plan, url: URL) -> Plan | None:
    """`plan` for `url`, None where the long way must say what is wrong with it."""
    try:
        return plan.at(url)
    except ProtocolError:
        return None


def _completed(plan: Plan, fields: Fields) -> Plan | None:
    """`plan` with `fields`, None where the long way must say what is wrong with them."""
    try:
        return plan.with_fields(fields)
    except (TypeError, ProtocolError):
        return None


def _kind(options: RequestOptions) -> str:
    """The kind of body that `options` ask for, "" when they ask for what the short way does not do."""
    kind = _NO_BODY
    for name, value in options.items():
        if value is None:
            fits = name in OPTIONS
        elif name == "json":
            fits, kind = kind == _NO_BODY, _JSON
        elif name == "data":
            fits, kind = kind == _NO_BODY and type(value) is bytes, _BYTES
        elif name == "headers":
            fits = type(value) in _FIELD_TYPES
        elif name == "timeout":
            fits = type(value) is ClientTimeout
        else:
            fits = name in OPTIONS
        if not fits:
            return ""
    return kind


def _sample(kind: str, defaults: Defaults) -> object:
    """A body as those of `kind` will be."""
    if kind == _NO_BODY:
        return None
    return b"" if kind == _BYTES else json_payload({}, defaults)
