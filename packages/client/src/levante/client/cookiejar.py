"""The cookie jar: what servers set, kept by domain, and handed out with the requests it belongs to. The rules are in
cookierules.py; this file is the storage, its bounds, and its file. The file is JSON, readable by its owner only, and
loading it goes through the same rules as receiving does: a pickle is refused (CVE-2026-34993), host-only flags and
deadlines survive (CVE-2026-54279)."""

import abc
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from http.cookies import BaseCookie, Morsel, SimpleCookie
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from yarl import URL

from levante.http import format_date, is_token, parse_set_cookie

from .atomicfile import replace_file
from .cookierules import (
    MAX_ATTRIBUTE_SIZE,
    Cookie,
    acceptable,
    deadline_for,
    default_path,
    domain_for,
    from_record,
    has_no_dot,
    is_ip_address,
    is_secure,
    make_morsel,
    scope_of_shared,
    sendable,
    time_of,
    whole_seconds,
)
from .sites import Site, SuffixList

# Precedent: browsers keep 150 to 200 a host; RFC 6265bis section 6.1 asks for at least 50.
MAX_COOKIES_PER_HOST = 200
# RFC 6265bis section 6.1 asks for at least 3000 in all; more is a server filling our memory.
MAX_COOKIES = 3000
FILE_VERSION = 1

LooseCookies = Mapping[str, "str | Morsel[str]"] | Iterable[tuple[str, "str | Morsel[str]"]] | BaseCookie[str]
ClearPredicate = Callable[["Morsel[str]"], bool]
_CODEC: SimpleCookie = SimpleCookie()


class AbstractCookieJar(abc.ABC, Sized, Iterable["Morsel[str]"]):
    """The seam: what a session needs of a jar."""

    @property
    @abc.abstractmethod
    def unsafe(self) -> bool:
        """Whether hosts that are IP addresses may set cookies."""

    @property
    @abc.abstractmethod
    def quote_cookie(self) -> bool:
        """Whether values are quoted where they need it."""

    @property
    @abc.abstractmethod
    def cookies(self) -> Mapping[tuple[str, str], SimpleCookie]:
        """The cookies by (domain, path)."""

    @property
    @abc.abstractmethod
    def host_only_cookies(self) -> frozenset[tuple[str, str]]:
        """(domain, name) of those that go to that very host only."""

    @abc.abstractmethod
    def clear(self, predicate: ClearPredicate | None = None) -> None:
        """Remove all cookies, or those that `predicate` is true of."""

    @abc.abstractmethod
    def clear_domain(self, domain: str) -> None:
        """Remove the cookies of `domain` and below."""

    @abc.abstractmethod
    def update_cookies(self, cookies: LooseCookies, response_url: URL = URL()) -> None:  # noqa: B008 - URL is immutable
        """Store `cookies` as if `response_url` had set them; without a host in it they are shared: they go
        everywhere."""

    @abc.abstractmethod
    def filter_cookies(self, request_url: URL) -> "BaseCookie[str]":
        """The cookies that go with a request to `request_url`."""

    def update_cookies_from_headers(self, headers: Sequence[str], response_url: URL) -> None:
        """Store the cookies of the Set-Cookie values `headers`."""
        for header in parse_set_cookie(headers):
            morsel = make_morsel(header.name, header.value, header.raw_value or header.value)
            for attribute in ("path", "domain", "secure", "httponly", "samesite", "max_age"):
                value = getattr(header, attribute)
                if value is not None:
                    morsel[attribute.replace("_", "-")] = value
            if header.expires is not None:
                morsel["expires"] = format_date(header.expires)
            self.update_cookies([(header.name, morsel)], response_url)


class DummyCookieJar(AbstractCookieJar):
    """Stores nothing: for sessions that want no cookies, a proxy for instance."""

    unsafe = False
    quote_cookie = True
    cookies: Mapping[tuple[str, str], SimpleCookie] = MappingProxyType({})
    host_only_cookies: frozenset[tuple[str, str]] = frozenset()

    def __iter__(self) -> "Iterator[Morsel[str]]":
        return iter(())

    def __len__(self) -> int:
        return 0

    def clear(self, predicate: ClearPredicate | None = None) -> None:
        """Nothing to remove."""

    def clear_domain(self, domain: str) -> None:
        """Nothing to remove."""

    def update_cookies(self, cookies: LooseCookies, response_url: URL = URL()) -> None:  # noqa: B008 - URL is immutable
        """Store nothing."""

    def update_cookies_from_headers(self, headers: Sequence[str], response_url: URL) -> None:
        """Store nothing."""

    def filter_cookies(self, request_url: URL = URL()) -> "BaseCookie[str]":  # noqa: ARG002, B008 - the seam
        """No cookies."""
        return SimpleCookie()


class _Origin(NamedTuple):
    """Who sets cookies: `host` is "" for shared ones; `url` is None for a file."""

    host: str
    path: str
    secure: bool
    url: URL | None


class CookieJar(AbstractCookieJar):
    """Cookies in memory (RFC 6265bis).

    `unsafe`: take cookies from hosts that are IP addresses. `quote_cookie`: quote values where they need it; those
    that a server quoted are sent back verbatim either way. `treat_as_secure_origin`: origins that get Secure cookies
    without TLS. `public_suffixes`: which domains no cookie may be for, such as `PublicSuffixes()`; without it, those
    that have no dot. `site`: the URL of the page that requests are made for. A client acts for no page as a rule, and
    SameSite means nothing then; with a `site`, cookies with SameSite=Lax or Strict come from and go to that site only.
    """

    def __init__(
        self,
        *,
        unsafe: bool = False,
        quote_cookie: bool = True,
        treat_as_secure_origin: URL | str | Sequence[URL | str] | None = None,
        public_suffixes: SuffixList | None = None,
        site: URL | str | None = None,
    ) -> None:
        given = treat_as_secure_origin
        origins = [given] if isinstance(given, (URL, str)) else list(given or ())
        self._unsafe = unsafe
        self._quote_cookie = quote_cookie
        self._secure_origins = frozenset(URL(origin).origin() for origin in origins)
        self._is_public = has_no_dot if public_suffixes is None else _strict(public_suffixes)
        self._site = None if site is None else Site(site, public_suffixes)
        self._domains: dict[str, dict[tuple[str, str], Cookie]] = {}
        self._count = 0

    @property
    def unsafe(self) -> bool:
        """Whether hosts that are IP addresses may set cookies."""
        return self._unsafe

    @property
    def quote_cookie(self) -> bool:
        """Whether values are quoted where they need it."""
        return self._quote_cookie

    @property
    def treat_as_secure_origin(self) -> frozenset[URL]:
        """The origins that get Secure cookies without TLS."""
        return self._secure_origins

    @property
    def cookies(self) -> Mapping[tuple[str, str], SimpleCookie]:
        """The cookies by (domain, path), a copy."""
        grouped: dict[tuple[str, str], SimpleCookie] = {}
        for cookie in self._living():
            grouped.setdefault((cookie.domain, cookie.path), SimpleCookie())[cookie.name] = cookie.morsel()
        return MappingProxyType(grouped)

    @property
    def host_only_cookies(self) -> frozenset[tuple[str, str]]:
        """(domain, name) of those that go to that very host only."""
        return frozenset((cookie.domain, cookie.name) for cookie in self._living() if cookie.host_only)

    def __iter__(self) -> "Iterator[Morsel[str]]":
        return iter([cookie.morsel() for cookie in self._living()])

    def __len__(self) -> int:
        return len(self._living())

    def clear(self, predicate: ClearPredicate | None = None) -> None:
        """Remove all cookies, or those that `predicate` is true of."""
        self._remove(lambda cookie: predicate is None or predicate(cookie.morsel()))

    def clear_domain(self, domain: str) -> None:
        """Remove the cookies of `domain` and below."""
        self._remove(lambda cookie: cookie.domain == domain or cookie.domain.endswith("." + domain))

    def update_cookies(self, cookies: LooseCookies, response_url: URL = URL()) -> None:  # noqa: B008 - URL is immutable
        """Store `cookies` as if `response_url` had set them; without a host in it they are shared: they go everywhere,
        but for a Morsel with a domain, which goes there and below. A Morsel goes by its own name."""
        origin = self._origin(response_url)
        if origin is None:
            return
        for name, value in cookies.items() if isinstance(cookies, Mapping) else cookies:
            if isinstance(value, Morsel):
                if value.key is None:
                    raise ValueError(f"cookie {name!r} is a Morsel that nothing was put into: call its set()")
                self._accept_morsel(value, origin)
            else:
                if not is_token(name.encode()):
                    raise ValueError(f"the name of a cookie is a token, got {name!r}")
                text, coded = _CODEC.value_encode(value)
                coded = coded if self._quote_cookie else text
                self._store(self._cookie(name, text, coded, origin, domain=None, path=None), origin)

    def update_cookies_from_headers(self, headers: Sequence[str], response_url: URL) -> None:
        """Store the cookies of the Set-Cookie values `headers`, each judged by itself; what the rules refuse is
        dropped."""
        origin = self._origin(response_url)
        if origin is None:
            return
        now = time.time()
        for header in parse_set_cookie(headers):
            coded = header.value if header.raw_value is None else header.raw_value
            cookie = self._cookie(header.name, header.value, coded, origin, domain=header.domain, path=header.path)
            if cookie is None:
                continue
            cookie.secure, cookie.httponly, cookie.samesite = header.secure, header.httponly, header.samesite or ""
            expires = None if header.expires is None else header.expires.timestamp()
            cookie.expires = deadline_for(header.max_age, expires, now)
            self._store(cookie, origin)

    def filter_cookies(self, request_url: URL = URL()) -> "BaseCookie[str]":  # noqa: B008 - URL is immutable
        """The cookies that go with a request to `request_url`, by default those that go everywhere; of equal names the
        one with the more specific domain and path. They are without attributes, as they are sent."""
        found: SimpleCookie = SimpleCookie()
        for cookie in self._for(URL(request_url)).values():
            found[cookie.name] = make_morsel(cookie.name, cookie.value, cookie.coded)
        return found

    def cookie_header(self, request_url: URL) -> str:
        """The value of the Cookie field of a request to `request_url`, "" without cookies: `filter_cookies` without
        the detour."""
        if not self._count:
            return ""
        return "; ".join([f"{cookie.name}={cookie.coded}" for cookie in self._for(request_url).values()])

    def save(self, file_path: str | os.PathLike[str]) -> None:
        """Write the cookies to a JSON file with mode 0600, replacing it as a whole."""
        records = [{slot: getattr(cookie, slot) for slot in Cookie.__slots__} for cookie in self._living()]
        replace_file(Path(file_path), json.dumps({"version": FILE_VERSION, "cookies": records}).encode())

    def load(self, file_path: str | os.PathLike[str]) -> None:
        """Replace the contents by those of a file that `save` wrote. ValueError for anything else, the contents then
        unchanged."""
        try:
            data = json.loads(Path(file_path).read_bytes())
            if data["version"] != FILE_VERSION:
                raise ValueError(f"version {data['version']!r}, expected {FILE_VERSION}")
            cookies = [from_record(record) for record in data["cookies"]]
        except (ValueError, KeyError, TypeError) as exc:
            raise ValueError(f"{file_path!r} is not a cookie file that CookieJar.save wrote: {exc}") from exc
        self.clear()
        for cookie in cookies:
            if (self._unsafe or not is_ip_address(cookie.domain)) and (
                cookie.host_only or not cookie.domain or not self._is_public(cookie.domain)
            ):
                self._store(cookie, _Origin(cookie.domain, cookie.path, True, None))

    def _origin(self, url: URL) -> _Origin | None:
        host = (url.raw_host or "").lower().removesuffix(".")
        if host and not self._unsafe and is_ip_address(host):
            return None
        return _Origin(host, url.raw_path, not host or is_secure(url, self._secure_origins), url)

    def _cookie(
        self, name: str, value: str, coded: str, origin: _Origin, *, domain: str | None, path: str | None
    ) -> Cookie | None:  # fmt: skip
        public = self._is_public
        scope = domain_for(domain, origin.host, public) if origin.host else scope_of_shared(domain, public)
        if scope is None:
            return None
        if not path or not path.startswith("/") or len(path) > MAX_ATTRIBUTE_SIZE:
            path = default_path(origin.path) if origin.host else "/"
        return Cookie(name, value, coded, scope[0], path, scope[1])

    def _accept_morsel(self, morsel: "Morsel[str]", origin: _Origin) -> None:
        coded = morsel.coded_value
        if not (coded.startswith('"') and coded.endswith('"')) and not self._quote_cookie:
            coded = morsel.value
        cookie = self._cookie(morsel.key, morsel.value, coded, origin, domain=morsel["domain"], path=morsel["path"])
        if cookie is None:
            return
        cookie.secure, cookie.httponly, cookie.samesite = (
            bool(morsel["secure"]),
            bool(morsel["httponly"]),
            morsel["samesite"],
        )
        cookie.expires = deadline_for(whole_seconds(morsel["max-age"]), time_of(morsel["expires"]), time.time())
        self._store(cookie, origin)

    def _store(self, cookie: Cookie | None, origin: _Origin) -> None:
        if cookie is None or not acceptable(cookie, secure_origin=origin.secure):
            return
        if self._site is not None and origin.host and origin.url is not None:
            if self._site.keeps_from(origin.url, cookie.samesite):
                return
        bucket = self._domains.get(cookie.domain, {})
        place = (cookie.path, cookie.name)
        old = bucket.get(place)
        if old is not None and old.secure and not origin.secure:
            return  # RFC 6265bis section 5.6, step 19: plain HTTP does not touch a Secure cookie
        if cookie.expires is not None and cookie.expires <= time.time():
            if old is not None:
                self._drop(cookie.domain, place)
            return
        if old is None:
            self._make_room(cookie.domain)
            self._count += 1
        self._domains.setdefault(cookie.domain, {})[place] = cookie

    def _make_room(self, domain: str) -> None:
        if len(self._domains.get(domain, ())) >= MAX_COOKIES_PER_HOST or self._count >= MAX_COOKIES:
            self._living()
        bucket = self._domains.get(domain, {})
        if len(bucket) >= MAX_COOKIES_PER_HOST:
            self._drop(domain, next(iter(bucket)))
        elif self._count >= MAX_COOKIES:
            fullest = max(self._domains, key=lambda name: len(self._domains[name]))
            self._drop(fullest, next(iter(self._domains[fullest])))

    def _drop(self, domain: str, place: tuple[str, str]) -> None:
        bucket = self._domains[domain]
        del bucket[place]
        self._count -= 1
        if not bucket:
            del self._domains[domain]

    def _remove(self, predicate: Callable[[Cookie], bool]) -> None:
        doomed = [
            (domain, place) for domain, bucket in self._domains.items() for place, it in bucket.items() if predicate(it)
        ]
        for domain, place in doomed:
            self._drop(domain, place)

    def _living(self) -> list[Cookie]:
        now = time.time()
        self._remove(lambda cookie: cookie.expires is not None and cookie.expires <= now)
        return [cookie for bucket in self._domains.values() for cookie in bucket.values()]

    def _for(self, url: URL) -> dict[str, Cookie]:
        """By name, from the general to the specific, so that the specific wins."""
        host = (url.raw_host or "").lower().removesuffix(".")
        if host and not self._unsafe and is_ip_address(host):
            domains = [""]
        else:
            labels = host.split(".")
            domains = ["", *(".".join(labels[start:]) for start in range(len(labels) - 1, -1, -1))] if host else [""]
        secure_origin = is_secure(url, self._secure_origins)
        path = url.raw_path or "/"
        found: dict[str, Cookie] = {}
        for domain in domains:
            bucket = self._domains.get(domain)
            if bucket:
                fitting = [it for it in bucket.values() if sendable(it, path, host=host, secure_origin=secure_origin)]
                if self._site is not None:
                    fitting = [it for it in fitting if not self._site.keeps_from(url, it.samesite)]
                for cookie in sorted(fitting, key=lambda it: len(it.path)):
                    found[cookie.name] = cookie
        return found


def _strict(suffixes: SuffixList) -> Callable[[str], bool]:
    """A list does not know every name without a dot: local ones are no domain of a cookie all the same."""
    return lambda domain: has_no_dot(domain) or suffixes.is_public(domain)
