"""Which proxy a URL goes through, and what that proxy is told: pure decisions, taken anew for each hop.

The order: what the request says, then what the session says, then the environment if it is trusted. `proxy=` names one
for everything; `proxies=` is a map whose most specific pattern wins, port before host before scheme. Credentials
belong to the proxy that they came with and go to no other one. A plain request to an HTTP proxy is forwarded by it, so
it carries the proxy's fields; everything else (TLS, WebSockets, SOCKS) goes through a tunnel, and then what is meant
for the proxy never enters it.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Protocol

from multidict import CIMultiDict
from yarl import URL

from .auth import BasicAuth
from .tls import SSLArgument

HTTP_SCHEMES = frozenset({"http", "https"})
SOCKS_SCHEMES = frozenset({"socks4", "socks4a", "socks5", "socks5h"})
PROXY_SCHEMES = HTTP_SCHEMES | SOCKS_SCHEMES
# RFC 1928 section 3 names the port; SOCKS 4 is served on the same.
SOCKS_PORT = 1080
PROXY_AUTHORIZATION = "Proxy-Authorization"
# A WebSocket is an HTTP request before it is anything else: without rules of its own it goes where those go.
PLAIN_SCHEMES = {"ws": "http", "wss": "https"}

Fields = tuple[tuple[str, str], ...]
ProxyMap = Mapping[str, str | URL | None]


class Proxy(NamedTuple):
    """A proxy as one request uses it, a part of the key that its connection is kept under. `url` has no credentials;
    `fields` are header fields for it; `ssl` is how an https:// proxy is verified (None: see `ClientSession`);
    `tunnel` says whether it connects us to the origin, or is sent the request itself."""

    url: URL
    auth: BasicAuth | None = None
    fields: Fields = ()
    ssl: SSLArgument | None = None
    tunnel: bool = True

    @property
    def is_socks(self) -> bool:
        """Whether it speaks SOCKS, else HTTP."""
        return self.url.scheme in SOCKS_SCHEMES

    @property
    def host(self) -> str:
        """The host to dial."""
        return self.url.raw_host or ""

    @property
    def port(self) -> int:
        """The port to dial."""
        return self.url.port or SOCKS_PORT

    def headers(self) -> Fields:
        """The fields for the proxy, its credentials among them. A Proxy-Authorization that was given as a field
        counts more than `auth`."""
        if self.auth is None or any(name.lower() == "proxy-authorization" for name, _ in self.fields):
            return self.fields
        return (*self.fields, (PROXY_AUTHORIZATION, self.auth.encode()))

    def __repr__(self) -> str:
        # Keys are shown in errors, and errors in logs: no credentials.
        return f"<Proxy {self.url}{'' if self.auth is None and not self.fields else ' with credentials or fields'}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return Proxy, (self.url, None, (), self.ssl if isinstance(self.ssl, bool) else None, self.tunnel)


def parse_proxy(url: str | URL, auth: BasicAuth | None = None) -> Proxy:
    """The proxy at `url`, whose user info are its credentials. ValueError for a URL that is no proxy's, and for
    credentials that are given twice or cannot be sent."""
    parsed = URL(url)
    if parsed.scheme not in PROXY_SCHEMES or not parsed.raw_host:
        raise ValueError(
            f"a proxy is scheme://host:port with one of the schemes {sorted(PROXY_SCHEMES)}, "
            f"got the scheme {parsed.scheme!r} and the host {parsed.raw_host!r}"
        )
    bare = parsed.origin()
    if parsed.raw_user is not None or parsed.raw_password is not None:
        if auth is not None:
            raise ValueError(f"credentials in the URL of the proxy {bare} and proxy_auth exclude each other")
        auth = BasicAuth(parsed.user or "", parsed.password or "", "utf-8")
    if auth is not None and parsed.scheme in HTTP_SCHEMES:
        auth.encode()  # refuses what cannot be sent, before anything is dialled
    return Proxy(bare, auth)


class Pattern(NamedTuple):
    """A key of a proxy map: "" and None match everything. A host is a name, `*.example.com` (what is below it) or
    `*example.com` (that and what is below it)."""

    scheme: str
    host: str
    port: int | None

    def matches(self, url: URL) -> bool:
        """Whether `url` is meant."""
        scheme = url.scheme
        if self.scheme and self.scheme not in (scheme, PLAIN_SCHEMES.get(scheme)):
            return False
        if self.port is not None and self.port != url.port:
            return False
        return not self.host or _host_matches(self.host, (url.raw_host or "").rstrip(".").lower())

    def weight(self, url: URL) -> tuple[bool, bool, int, int]:
        """How specific it is for `url`."""
        scheme = 0 if not self.scheme else 2 if self.scheme == url.scheme else 1
        return self.port is not None, bool(self.host) and "*" not in self.host, len(self.host), scheme


_KEY = re.compile(
    r"(?P<scheme>all|http|https|ws|wss)(?:://(?P<host>\[[0-9a-f:.]+\]|[^:/@?#\[\]]*)(?::(?P<port>[0-9]{1,5}))?)?"
)


def parse_pattern(key: str) -> Pattern:
    """Read a key of a proxy map: `https`, `all://`, `http://example.com:8080`, `all://*.example.com`. ValueError for
    anything else."""
    match = _KEY.fullmatch(key.lower().rstrip("/") if "://" in key and not key.endswith("://") else key.lower())
    if match is None:
        raise ValueError(
            f"a key of proxies= is all, http, https, ws or wss, with or without ://host:port after it, got {key!r}"
        )
    scheme, host, port = match["scheme"], (match["host"] or "").rstrip("."), match["port"]
    stars = "*." if host.startswith("*.") else "*" if host.startswith("*") else ""
    name = host.removeprefix(stars)
    if "*" in name or (stars == "*." and not name):
        raise ValueError(f"a key of proxies= has its * at the beginning of the host, got {key!r}")
    if name:
        name = URL.build(scheme="http", host=name.strip("[]")).raw_host or ""
    host = stars + name if name else ""
    return Pattern("" if scheme == "all" else scheme, host, None if port is None else int(port))


def _host_matches(pattern: str, host: str) -> bool:
    if pattern.startswith("*."):
        return host.endswith(pattern[1:])
    if pattern.startswith("*"):
        return host == pattern[1:] or host.endswith("." + pattern[1:])
    return host == pattern


Choice = tuple[bool, Proxy | None]
UNDECIDED: Choice = (False, None)


class ProxyTable:
    """A `proxies=` map, read: `look_up` finds what the most specific matching pattern says. ValueError for a key or a
    URL that cannot be understood."""

    def __init__(self, proxies: ProxyMap) -> None:
        self._rows = [(parse_pattern(key), None if url is None else parse_proxy(url)) for key, url in proxies.items()]

    def look_up(self, url: URL) -> Choice:
        """(True, the proxy or None for a direct connection), or `UNDECIDED` when no pattern matches."""
        rows = [(pattern.weight(url), proxy) for pattern, proxy in self._rows if pattern.matches(url)]
        return (True, max(rows, key=lambda row: row[0])[1]) if rows else UNDECIDED


class TrustedEnvironment(Protocol):
    """What the rules ask of the environment; see environment.py."""

    def proxy_for(self, url: URL) -> str | URL | None:
        """The proxy that its variables name for `url`."""
        ...

    def credentials(self, host: str) -> BasicAuth | None:
        """What the netrc file has for exactly `host`."""
        ...


class ProxyRules:
    """Which proxy the hops of a request go through. `proxy` and `table` are the request's own or the session's,
    `beneath` are the session's rules below those of a request. `auth` is for proxies that requests name; `fields` and
    `ssl` are for the proxies of these rules, `override` are the fields for those from beneath, too."""

    __slots__ = ("_beneath", "_override", "_table", "auth", "environment", "fields", "proxy", "ssl")

    def __init__(
        self,
        *,
        proxy: Proxy | None = None,
        table: ProxyTable | None = None,
        auth: BasicAuth | None = None,
        fields: Fields = (),
        ssl: SSLArgument | None = None,
        beneath: "ProxyRules | None" = None,
        override: Fields | None = None,
        environment: TrustedEnvironment | None = None,
    ) -> None:
        self.proxy = proxy
        self.auth = auth
        self.fields = fields
        self.ssl = ssl
        self._table = table
        self._beneath = beneath
        self._override = override
        self.environment: TrustedEnvironment | None = environment if beneath is None else beneath.environment

    @property
    def explicit(self) -> bool:
        """Whether somebody named a proxy, rather than the environment."""
        return (
            self.proxy is not None or self._table is not None or (self._beneath is not None and self._beneath.explicit)
        )

    def choose(self, url: URL, headers: "CIMultiDict[str] | None" = None) -> Proxy | None:
        """The proxy for a request to `url` with `headers`, None for a direct connection. A Proxy-Authorization among
        the headers is meant for it. ValueError when a variable of the environment is no proxy's URL."""
        _, proxy = self.decide(url)
        if proxy is None:
            return None
        fields, auth = proxy.fields, proxy.auth
        if auth is None and self.environment is not None:
            auth = self.environment.credentials(proxy.host)
        given = () if headers is None else headers.getall(PROXY_AUTHORIZATION, ())
        if given:
            kept = [field for field in fields if field[0].lower() != "proxy-authorization"]
            fields = (*kept, *((PROXY_AUTHORIZATION, value) for value in given))
        if proxy.is_socks:
            return Proxy(proxy.url, auth, tunnel=True)
        return proxy._replace(auth=auth, fields=fields, tunnel=url.scheme != "http")

    def decide(self, url: URL) -> Choice:
        """What the rules say about `url`, credentials and fields aside."""
        if self.proxy is not None:
            return True, self._dressed(self.proxy)
        if self._table is not None:
            decided, proxy = self._table.look_up(url)
            if decided:
                return True, self._dressed(proxy)
        if self._beneath is not None:
            decided, proxy = self._beneath.decide(url)
            if proxy is not None and self._override is not None:
                proxy = proxy._replace(fields=self._override)
            return decided, None if proxy is None else proxy._replace(ssl=self.ssl)
        named = None if self.environment is None else self.environment.proxy_for(url)
        return UNDECIDED if named is None else (True, self._dressed(parse_proxy(named)))

    def _dressed(self, proxy: Proxy | None) -> Proxy | None:
        return None if proxy is None else proxy._replace(fields=self.fields, ssl=self.ssl)

    def lends_to(self, proxy: Proxy) -> bool:
        """Whether what the session has for its proxies is meant for `proxy`, which a request names: when the session
        names none itself, or the same."""
        if self.proxy is not None:
            return self.proxy.url == proxy.url
        return self._table is None


def session_rules(
    *,
    proxy: str | URL | None = None,
    proxies: ProxyMap | None = None,
    auth: BasicAuth | None = None,
    fields: Fields = (),
    ssl: SSLArgument | None = None,
    environment: TrustedEnvironment | None = None,
) -> ProxyRules:
    """The rules of a session. ValueError for what cannot be a proxy, and for arguments that exclude each other."""
    return ProxyRules(
        proxy=None if proxy is None else parse_proxy(proxy, _checked_auth(auth)),
        table=_table(proxies, proxy=proxy, auth=auth),
        auth=_checked_auth(auth),
        fields=fields,
        ssl=ssl,
        environment=environment,
    )


def request_rules(
    session: ProxyRules,
    *,
    proxy: str | URL | None = None,
    proxies: ProxyMap | None = None,
    auth: BasicAuth | None = None,
    fields: Fields | None = None,
    ssl: SSLArgument | None = None,
) -> ProxyRules:
    """The rules of one request over those of its session, None of an argument meaning the session's. The session's
    credentials and fields go to a proxy that the request names only if the session names no other one. ValueError as
    for `session_rules`, and for credentials without a proxy to send them to."""
    one = None
    if proxy is not None:
        one = parse_proxy(proxy, _checked_auth(auth))
        if one.auth is None and session.lends_to(one):
            one = one._replace(auth=session.auth if session.proxy is None else session.proxy.auth)
    elif auth is not None and proxies is None:
        if session.proxy is None:
            raise ValueError("proxy_auth= belongs to proxy=, and neither the request nor the session has that")
        one = session.proxy._replace(auth=_checked_auth(auth))
    lent = session.fields if one is not None and session.lends_to(one) else ()
    return ProxyRules(
        proxy=one,
        table=_table(proxies, proxy=proxy, auth=auth),
        fields=lent if fields is None else fields,
        override=fields,
        ssl=session.ssl if ssl is None else ssl,
        beneath=session,
    )


def _table(proxies: ProxyMap | None, *, proxy: object, auth: object) -> ProxyTable | None:
    if proxies is None:
        return None
    if proxy is not None:
        raise ValueError("proxy= and proxies= exclude each other: give one of them, such as proxies={'all': ...}")
    if auth is not None:
        raise ValueError("proxy_auth= belongs to proxy=; in proxies= write the credentials into the URLs")
    return ProxyTable(proxies)


def _checked_auth(auth: object) -> BasicAuth | None:
    if auth is None or isinstance(auth, BasicAuth):
        return auth
    raise TypeError(f"proxy_auth must be a BasicAuth, got {type(auth).__name__}")


def headers_beyond(headers: "CIMultiDict[str]", proxy: Proxy | None) -> "CIMultiDict[str]":
    """The fields of a request as they leave, where proxies are in play: with those for a proxy that forwards it, and
    without any Proxy-Authorization where that would reach the origin."""
    sent = headers.copy()
    sent.popall(PROXY_AUTHORIZATION, None)
    if proxy is not None and not proxy.tunnel:
        fields: Iterable[tuple[str, str]] = proxy.headers()
        for name in {name for name, _ in fields}:
            sent.popall(name, None)
        sent.extend(fields)
    return sent
