"""The short way of a usual request. What a session does with equal arguments is the same each time: the URL is checked,
the defaults are merged, the head is assembled. A `Plan` keeps what came of it; a request that has one takes an idle
connection, sends the prepared head, and waits for the answer on a single future, without a deadline of its own, for
the connection watches the time.

A plan is made by the very code that makes every other request (requesting.py, journey.py, request.py), and only where
nothing can come in between: `HONOURED` and `EXCLUDING` below name every default of a session, and say whether the short
way heeds it or is closed by it. Redirects that are followed leave the short way for the long one.
"""

from functools import partial
from typing import Any, Final

from multidict import getversion

from levante.http import BytesPayload, Payload, PreparedRequest, hdrs, prepare_request
from levante.http.deadlines import current_deadline

from .connector import BaseConnector
from .cookiejar import CookieJar, DummyCookieJar
from .journey import jar_field
from .options import Arguments, Defaults, RequestOptions, StrOrURL
from .origin import ConnectionKey
from .request import ClientRequest
from .requesting import embark, json_payload
from .sending import SendOptions, connection_key

# How many plans a session keeps. A program that asks for ever new URLs must not fill the memory with them.
MAX_PLANS: Final = 256

# What the short way heeds: by what the plan is made of, or by itself.
HONOURED: Final = frozenset({
    "allow_insecure_redirects", "auth", "auto_decompress", "automatic", "base_url", "cookie_jar", "deadlines",
    "headers", "json_serialize", "json_serialize_bytes", "lenient_responses", "limits", "loop", "raise_for_status",
    "requote_redirect_url", "resolve_charset", "session", "skip_auto_headers", "ssl", "timeout", "transparent_retry",
    "version",
})  # fmt: skip
# What closes it, unless it is empty: it wants to see or change every request.
EXCLUDING: Final = frozenset({
    "cache", "environment", "hsts", "max_body_size", "middlewares", "proxies", "request_class", "resilience",
    "response_class", "trace_configs",
})  # fmt: skip
# Fields that change how a request is framed or put together: a session that sends them has the long way.
_SPECIAL_FIELDS: Final = (hdrs.CONTENT_LENGTH, hdrs.TRANSFER_ENCODING, hdrs.COOKIE, hdrs.EXPECT, hdrs.UPGRADE)

_NO_BODY: Final = "none"
_BYTES: Final = "bytes"
_JSON: Final = "json"
_NO_COOKIES: Final = DummyCookieJar()


class Plan:
    """One kind of request of a session, ready to be sent: `request` is what responses tell of it, but for its length;
    `head` its head, `key` the connections for it."""

    __slots__ = ("_cookies", "_with_cookies", "content_type", "head", "key", "request", "sending", "version")

    def __init__(self, request: ClientRequest, sending: SendOptions, *, version: int) -> None:
        self.request = request
        self.sending = sending
        self.version = version  # of the session's headers
        self.key: ConnectionKey = connection_key(request, sending)
        self.head: PreparedRequest = prepare_request(
            request.method, request.target, tuple(request.headers.items()), request.version
        )
        self.content_type = request.headers.get(hdrs.CONTENT_TYPE, "")
        self._cookies = ""
        self._with_cookies: Plan | None = None

    def with_cookies(self, cookies: str) -> "Plan":
        """The same with a Cookie field; the latest is kept, for cookies seldom change."""
        if self._with_cookies is None or self._cookies != cookies:
            headers = self.request.headers.copy()
            headers[hdrs.COOKIE] = cookies
            self._with_cookies = Plan(self.request.with_headers(headers), self.sending, version=self.version)
            self._cookies = cookies
        return self._with_cookies

    def payload(self, body: bytes) -> Payload:
        """`body` for the long way."""
        return BytesPayload(body, content_type=self.content_type)


class Plans:
    """The plans of one session; `defaults` are its defaults."""

    __slots__ = ("_cookies_for", "_headers", "_known", "_open", "defaults", "time")

    def __init__(self, defaults: Defaults) -> None:
        self.defaults = defaults
        self.time = defaults.loop.time
        self._headers: Any = defaults.headers  # Any: getversion() is typed for MultiDict[object], which is invariant
        jar = defaults.cookie_jar
        self._cookies_for = jar.cookie_header if type(jar) is CookieJar else partial(jar_field, jar)
        self._open = is_usual(defaults)
        self._known: dict[tuple[str, StrOrURL, str], Plan] = {}

    def find(self, method: str, url: StrOrURL, options: RequestOptions, connector: BaseConnector) -> Plan | None:
        """The plan of a request, made if need be; None when it has to go the long way. Raises what `perform` does."""
        if not self._open or current_deadline.get() is not None:  # the deadline of the work at hand goes into the head
            return None
        kind = _kind(options) if options else _NO_BODY
        if not kind:
            return None
        place = (method, url, kind)
        plan = self._known.get(place)
        if plan is None or plan.version != getversion(self._headers):
            plan = self._make(method, url, kind, connector)
            if plan is None:
                return None
            if len(self._known) >= MAX_PLANS:
                del self._known[next(iter(self._known))]
            self._known[place] = plan
        cookies = self._cookies_for(plan.request.url)
        return plan.with_cookies(cookies) if cookies else plan

    def body(self, options: RequestOptions) -> bytes:
        """The body of a request that has a plan."""
        if not options:
            return b""
        json = options.get("json")
        if json is None:
            data: bytes = options["data"]
            return data
        defaults = self.defaults
        if defaults.json_serialize_bytes is not None:
            return defaults.json_serialize_bytes(json)
        return defaults.json_serialize(json).encode("utf-8")

    def _make(self, method: str, url: StrOrURL, kind: str, connector: BaseConnector) -> Plan | None:
        if any(name in self._headers for name in _SPECIAL_FIELDS):
            return None
        journey, sending, _ = embark(Arguments(), self.defaults, connector, method, url)
        request = journey.first_request(_sample(kind, self.defaults), jar=_NO_COOKIES)
        if kind != _NO_BODY:
            request.headers.popall(hdrs.CONTENT_LENGTH, None)  # it comes with each body
        return Plan(request, sending, version=getversion(self._headers))


def is_usual(defaults: Defaults) -> bool:
    """Whether the requests of a session may have plans."""
    given = {name: getattr(defaults, name) for name in EXCLUDING - {"resilience"}}
    idle = defaults.resilience.retry is None and defaults.resilience.breaker is None
    return idle and all(value is None or value in ((), []) for value in given.values())


def _kind(options: RequestOptions) -> str:
    """The kind of body that `options` ask for, "" when there is more to them than a body, or none of a usual kind."""
    if len(options) != 1:
        return ""
    if options.get("json") is not None:
        return _JSON
    return _BYTES if type(options.get("data")) is bytes else ""


def _sample(kind: str, defaults: Defaults) -> object:
    """A body as those of `kind` will be."""
    if kind == _NO_BODY:
        return None
    return b"" if kind == _BYTES else json_payload({}, defaults)
