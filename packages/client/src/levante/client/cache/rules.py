"""The rules of a private cache (RFC 9111, with the two extensions of RFC 5861): what may be stored, for which request,
how old it is, for how long it is fresh, and what to do with it. Functions of messages and times; no clock, no storage.

A session may act for several users, where a browser acts for one. So what was asked with credentials is only given to
requests with the same credentials, unless the answer says `public`.
"""

from collections.abc import Iterable
from dataclasses import replace
from enum import Enum
from typing import Protocol

from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from levante.client.origin import same_origin
from levante.http import parse_date

from .control import Directives, parse_cache_control
from .entries import Fields, StoredHead, fingerprint

__all__ = [
    "Use",
    "age",
    "conditions",
    "freshened",
    "invalidated",
    "is_cacheable_request",
    "is_same_representation",
    "is_storable",
    "lifetime",
    "may_stand_in",
    "selecting_fields",
    "selects",
    "storable_fields",
    "verdict",
]

# RFC 9110 section 15.1: what may be stored without being told so.
HEURISTIC_STATUSES = frozenset({200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501})
# Of those without a lifetime: a tenth of the time since the last change (RFC 9111 section 4.2.2), and no longer than a
# day, for a guess that is wrong for a week helps nobody.
HEURISTIC_SHARE = 0.1
HEURISTIC_LIMIT = 24 * 3600.0
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "QUERY"})
# Requests with these know of caches themselves, or want a part or another protocol: they are passed on.
CONDITIONS = ("If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since", "If-Range", "Range", "Upgrade")
CREDENTIALS = ("Authorization", "Cookie", "Proxy-Authorization")
# Fields about the connection (RFC 9110 section 7.6.1), and cookies: the jar has those, newer ones too.
UNSTORED = frozenset(
    {
        "connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
        "proxy-authenticate", "proxy-authentication-info", "proxy-authorization", "set-cookie", "set-cookie2",
    }
)  # fmt: skip
# Fields that describe the stored bytes: a 304 does not change them (RFC 9111 section 3.2).
KEPT = frozenset({"content-encoding", "content-length", "content-range", "content-type"})

Headers = CIMultiDict[str] | CIMultiDictProxy[str]


class Asked(Protocol):
    """What the rules look at of a request."""

    method: str
    url: URL
    headers: CIMultiDict[str]

    @property
    def body(self) -> object: ...


class Use(Enum):
    """What to do with a stored response."""

    FRESH = "use it"
    STALE = "use it, and ask in the background whether it still holds"
    VALIDATE = "ask first whether it still holds"


def control(headers: Headers) -> Directives:
    """The directives of a message; `Pragma: no-cache` of old clients counts where there are none."""
    fields = headers.getall("Cache-Control", [])
    if not fields and "no-cache" in headers.get("Pragma", "").lower():
        fields = ["no-cache"]
    return parse_cache_control(fields)


def is_cacheable_request(request: Asked) -> bool:
    """Whether `request` can be answered from a cache, and its answer stored."""
    if request.method != "GET" or request.body is not None:
        return False
    return "no-store" not in control(request.headers) and not any(name in request.headers for name in CONDITIONS)


def is_storable(status: int, headers: Headers) -> bool:
    """Whether a response to a cacheable request may be stored (RFC 9111 section 3), and is of use then: it is fresh for
    a while, or can be validated. Parts (206) are not stored."""
    directives = control(headers)
    if status < 200 or status in (206, 304) or "no-store" in directives or "*" in vary_names(headers):
        return False
    if "must-understand" in directives and status not in HEURISTIC_STATUSES:
        return False
    explicit = any(name in directives for name in ("public", "private", "max-age")) or "Expires" in headers
    if not explicit and status not in HEURISTIC_STATUSES:
        return False
    if "ETag" in headers or "Last-Modified" in headers:
        return True
    return lifetime(status, headers, received_at=0.0) > 0 and "no-cache" not in directives


def storable_fields(headers: Headers) -> Fields:
    """The fields of a response that are stored (RFC 9111 section 3.1)."""
    named = {name.strip().lower() for field in headers.getall("Connection", []) for name in field.split(",")}
    return tuple((name, value) for name, value in headers.items() if name.lower() not in UNSTORED | named)


def vary_names(headers: Headers) -> list[str]:
    """The names in Vary, in lower case."""
    names = (name.strip().lower() for field in headers.getall("Vary", []) for name in field.split(","))
    return [name for name in names if name]


def selecting_fields(request_headers: Headers, headers: Headers) -> Fields:
    """The request fields that chose a response, their values hashed: those in Vary, the Host, which may be another than
    the URL has, and the credentials unless the response is `public`."""
    names = {"host", *vary_names(headers)}
    if "public" not in control(headers):
        names.update(name.lower() for name in CREDENTIALS)
    return tuple((name, _hashed(request_headers, name)) for name in sorted(names))


def selects(request_headers: Headers, selecting: Fields) -> bool:
    """Whether a request has the fields that a stored response was chosen by (RFC 9111 section 4.1)."""
    return all(_hashed(request_headers, name) == value for name, value in selecting)


def age(head: StoredHead, now: float) -> float:
    """The seconds since the origin made or confirmed a response (RFC 9111 section 4.2.3); never negative, whatever the
    clocks say."""
    headers = head.headers
    date = parse_date(headers.get("Date"))
    apparent = 0.0 if date is None else max(0.0, head.received_at - date.timestamp())
    said = headers.get("Age", "").partition(",")[0].strip()
    told = int(said) if said.isascii() and said.isdecimal() and len(said) <= 10 else 0
    corrected = told + max(0.0, head.received_at - head.requested_at)
    return max(apparent, corrected) + max(0.0, now - head.received_at)


def lifetime(status: int, headers: Headers, *, received_at: float) -> float:
    """The seconds for which a response is fresh (RFC 9111 section 4.2.1): max-age, else Expires, else a guess from
    Last-Modified."""
    seconds = control(headers).seconds("max-age")
    if seconds is not None:
        return float(seconds)
    parsed = parse_date(headers.get("Date"))
    date = received_at if parsed is None else parsed.timestamp()
    if "Expires" in headers:
        expires = [parse_date(field) for field in headers.getall("Expires")]
        return min(0.0 if moment is None else max(0.0, moment.timestamp() - date) for moment in expires)
    modified = parse_date(headers.get("Last-Modified"))
    if modified is None or not (status in HEURISTIC_STATUSES or "public" in control(headers)):
        return 0.0
    return min(max(0.0, date - modified.timestamp()) * HEURISTIC_SHARE, HEURISTIC_LIMIT)


def verdict(request_headers: Headers, head: StoredHead, now: float) -> Use:
    """What to do with a stored response that fits a request (RFC 9111 section 4.2, RFC 5861 section 3)."""
    wants, headers = control(request_headers), head.headers
    says = control(headers)
    if "no-cache" in wants or "no-cache" in says:
        return Use.VALIDATE
    if now < head.received_at:  # the clock was set back since: nobody knows how old it is
        return Use.VALIDATE
    old, fresh_for = age(head, now), lifetime(head.status, headers, received_at=head.received_at)
    at_most, in_reserve = wants.seconds("max-age"), wants.seconds("min-fresh") or 0
    if at_most is not None and old > at_most and "max-stale" not in wants:
        return Use.VALIDATE
    if old + in_reserve < fresh_for:
        return Use.FRESH
    if "must-revalidate" in says or "min-fresh" in wants:
        return Use.VALIDATE
    if "max-stale" in wants and old - fresh_for <= _tolerance(wants):
        return Use.FRESH
    window = says.seconds("stale-while-revalidate")
    return Use.STALE if at_most is None and window and old - fresh_for < window else Use.VALIDATE


def may_stand_in(request_headers: Headers, head: StoredHead, now: float) -> bool:
    """Whether a stale response may be used when the server fails (stale-if-error, RFC 5861 section 4)."""
    wants, headers = control(request_headers), head.headers
    says = control(headers)
    if any(name in says for name in ("must-revalidate", "no-cache")) or "no-cache" in wants or now < head.received_at:
        return False
    windows = [seconds for seconds in (wants.seconds("stale-if-error"), says.seconds("stale-if-error")) if seconds]
    return bool(windows) and age(head, now) - lifetime(head.status, headers, received_at=head.received_at) < max(
        windows
    )


def conditions(head: StoredHead) -> dict[str, str]:
    """The request fields that ask whether a stored response still holds (RFC 9111 section 4.3.1)."""
    headers = head.headers
    pairs = (("If-None-Match", headers.get("ETag")), ("If-Modified-Since", headers.get("Last-Modified")))
    return {name: value for name, value in pairs if value is not None}


def is_same_representation(head: StoredHead, headers: Headers) -> bool:
    """Whether a 304 with `headers` is about the stored response (RFC 9111 section 4.3.4): it names no other tag."""
    mine, theirs = head.headers.get("ETag"), headers.get("ETag")
    return theirs is None or (mine is not None and mine.removeprefix("W/") == theirs.removeprefix("W/"))


def freshened(
    head: StoredHead, request_headers: Headers, headers: Headers, *, requested_at: float, received_at: float
) -> StoredHead:
    """The stored head after a 304 with `headers` to a request with `request_headers` confirmed it (RFC 9111 section
    3.2). It may say anew for whom the response is."""
    updates = [(name, value) for name, value in storable_fields(headers) if name.lower() not in KEPT]
    replaced = {name.lower() for name, _ in updates} | {"age"}
    kept = [(name, value) for name, value in head.fields if name.lower() not in replaced]
    fields = (*kept, *updates)
    return replace(
        head,
        fields=fields,
        selecting=selecting_fields(request_headers, CIMultiDict(fields)),
        requested_at=requested_at,
        received_at=received_at,
    )


def invalidated(method: str, url: URL, *, status: int, headers: Headers) -> Iterable[URL]:
    """The URLs whose stored responses a request has made doubtful (RFC 9111 section 4.4): its own after an unsafe
    method that succeeded, and those of the same origin that Location and Content-Location name."""
    if method in SAFE_METHODS or not 200 <= status < 400:
        return []
    found = [url]
    for name in ("Location", "Content-Location"):
        try:
            target = url.join(URL(headers[name])) if name in headers else None
        except ValueError:
            continue  # no URL: it names nothing that could be stored
        if target is not None and same_origin(target, url):
            found.append(target)
    return found


def _tolerance(wants: Directives) -> float:
    """The seconds of staleness that a request takes; max-stale without a value takes any."""
    return wants.seconds("max-stale") or (float("inf") if wants.is_bare("max-stale") else 0.0)


def _hashed(headers: Headers, name: str) -> str:
    values = headers.getall(name, None)
    if values is None:
        return ""
    return fingerprint(", ".join(value.strip() for value in values))
