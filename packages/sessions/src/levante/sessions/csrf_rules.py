"""Who may send a request that changes something: the whole decision as a table, and how a browser's words become its
entries. Nothing here touches a request, so that every combination can be tried.

Sec-Fetch-Site decides where it is there: every browser since 2023 sends it over https and to loopback, and no page can
forge it. Origin decides where it is not. Where the browser says nothing, a token decides."""

import enum
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeAlias

from yarl import URL

LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})

Triple: TypeAlias = tuple[str, str, int]  # scheme, host, port: what makes two origins the same (RFC 6454, section 5)


class Fetch(enum.Enum):
    """What Sec-Fetch-Site says (W3C Fetch Metadata)."""

    ABSENT = "absent"
    SAME_ORIGIN = "same-origin"
    NONE = "none"  # the visitor's own doing: address bar, bookmark
    SAME_SITE = "same-site"  # another origin of the same registrable domain
    CROSS_SITE = "cross-site"
    UNKNOWN = "unknown"  # a value that no specification has yet


class Origin(enum.Enum):
    """What the Origin header says (RFC 6454)."""

    ABSENT = "absent"
    OWN = "own"
    TRUSTED = "trusted"  # configured
    NULL = "null"  # an opaque origin: a sandboxed frame, or a page with Referrer-Policy: no-referrer
    OTHER = "other"


class Verdict(enum.Enum):
    PASS = "pass"  # noqa: S105  # a verdict, not a password
    TOKEN = "a token is needed"  # noqa: S105  # as above
    REFUSE = "refused"


class Rule(NamedTuple):
    """One row of the decision: None means any. `cookie`: whether the request carries a session cookie, valid or not."""

    fetch: Fetch | None
    origin: Origin | None
    cookie: bool | None
    verdict: Verdict
    reason: str


# The first row that fits decides. Only requests with an unsafe method, to routes that are not exempt, come here.
RULES: Final = (
    Rule(Fetch.SAME_ORIGIN, None, None, Verdict.PASS, "the browser says that a page of the same origin sent it"),
    Rule(Fetch.NONE, None, None, Verdict.PASS, "the browser says that the visitor sent it"),
    Rule(None, Origin.TRUSTED, None, Verdict.PASS, "the origin is configured as trusted"),
    Rule(Fetch.SAME_SITE, None, None, Verdict.REFUSE, "the browser says that another origin of the same site sent it"),
    Rule(Fetch.CROSS_SITE, None, None, Verdict.REFUSE, "the browser says that another site sent it"),
    Rule(Fetch.UNKNOWN, None, None, Verdict.REFUSE, "Sec-Fetch-Site has an unknown value"),
    Rule(Fetch.ABSENT, Origin.OWN, None, Verdict.PASS, "the origin is our own"),
    Rule(Fetch.ABSENT, Origin.OTHER, None, Verdict.REFUSE, "the origin is another one"),
    Rule(Fetch.ABSENT, Origin.NULL, None, Verdict.TOKEN, "the origin is null"),
    Rule(Fetch.ABSENT, Origin.ABSENT, True, Verdict.TOKEN, "the browser does not say who sent it"),
    Rule(Fetch.ABSENT, Origin.ABSENT, False, Verdict.PASS, "there is no session to abuse"),
)


def judge(fetch: Fetch, origin: Origin, *, cookie: bool) -> Rule:
    """The row of RULES that decides."""
    return next(
        rule
        for rule in RULES
        if rule.fetch in (None, fetch) and rule.origin in (None, origin) and rule.cookie in (None, cookie)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CsrfRules:
    """Settings. `trusted_origins`: other origins ("https://admin.example.com") whose pages may send. Raises ValueError
    for anything else."""

    trusted_origins: Collection[str] = ()
    _trusted: frozenset[Triple] = field(init=False, repr=False, default=frozenset())

    def __post_init__(self) -> None:
        origins = [(text, _parse_origin(text)) for text in self.trusted_origins]
        for text, origin in origins:
            if origin is None:
                raise ValueError(f"trusted origin {text!r}; expected scheme://host or scheme://host:port")
        object.__setattr__(self, "_trusted", frozenset(origin for _, origin in origins))

    def classify(self, text: str | None, own: Collection[Triple]) -> Origin:
        """What an Origin header says, given our own origins."""
        if text is None:
            return Origin.ABSENT
        if text == "null":
            return Origin.NULL
        origin = _parse_origin(text)
        if origin is None:
            return Origin.OTHER
        if origin in own:
            return Origin.OWN
        return Origin.TRUSTED if origin in self._trusted else Origin.OTHER


def fetch_site(text: str | None) -> Fetch:
    """What a Sec-Fetch-Site header says."""
    if text is None:
        return Fetch.ABSENT
    try:
        found = Fetch(text)
    except ValueError:
        return Fetch.UNKNOWN
    return Fetch.UNKNOWN if found is Fetch.ABSENT else found


def own_origins(scheme: str, host: str, *, secure: bool) -> tuple[Triple, ...]:
    """The origins of a service that answers to `host`: https always (a proxy may end TLS before us), http only where
    nothing promises https. `secure`: whether its session cookie is Secure."""
    https, http = _parse_origin(f"https://{host}"), _parse_origin(f"http://{host}")
    if https is None or http is None:
        return ()
    plain = scheme == "http" and (not secure or https[1] in LOOPBACK)
    return (https, http) if plain else (https,)


def _parse_origin(text: str) -> Triple | None:
    """The triple of scheme://host[:port]; None for what is no origin."""
    try:
        url = URL(text)
        host, port = url.host, url.port
    except ValueError:
        return None
    bare = url.raw_path in ("", "/") and not (url.query_string or url.fragment or url.user)
    return (url.scheme, host, port) if bare and url.scheme in ("http", "https") and host and port else None
