"""The session cookie on the wire: its name and attributes, chosen once and checked when the storage is made; found in
requests; set and deleted on responses. A cookie that browsers would drop is an error here, while the old one is still
in place."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Literal, Protocol

from multidict import CIMultiDict, MultiMapping

from .errors import SessionTooLarge

MAX_COOKIE: Final = (
    4096  # bytes that browsers keep (RFC 6265, 6.1); we count name, value and attributes, as the strictest of them do
)
MAX_CANDIDATES: Final = 3  # cookies of one name may come from several paths and domains; more than that is an attack
MAX_PAIRS: Final = 150  # of a Cookie header: what browsers keep for a site, with room
EXPIRES_SIZE: Final = len("; Expires=Thu, 01 Jan 1970 00:00:00 GMT")
SAMESITE: Final = ("Lax", "Strict", "None")

SameSite = Literal["Lax", "Strict", "None"]

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+", re.ASCII)  # RFC 9110, 5.6.2
_PATH = re.compile(r"/[\x21-\x3a\x3c-\x7e]*", re.ASCII)  # no space, control or ";"
_DOMAIN = re.compile(r"\.?[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*", re.ASCII)


class CookieSource(Protocol):
    """What a cookie is read from: a request."""

    @property
    def headers(self) -> MultiMapping[str]: ...


class CookieTarget(Protocol):
    """What a cookie is set on: a response, or an HTTPException."""

    @property
    def headers(self) -> CIMultiDict[str]: ...

    @property
    def set_cookie(self) -> Callable[..., None]: ...  # the attributes, each with a type of its own, are keyword-only

    @property
    def del_cookie(self) -> Callable[..., None]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionCookie:
    """Name and attributes (RFC 6265bis, 4.1). Raises ValueError for what browsers would refuse or what could break the
    header.

    A secure cookie is named `__Host-...` (or `__Secure-...` when it has a domain or another path), so that neither a
    sister host nor plain HTTP can plant one.
    """

    name: str
    domain: str | None = None
    path: str = "/"
    secure: bool = True
    httponly: bool = True
    samesite: SameSite = "Lax"
    _fixed_size: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not _TOKEN.fullmatch(self.name):
            raise ValueError(f"cookie name {self.name!r} is not a token (RFC 9110, 5.6.2)")
        if not _PATH.fullmatch(self.path):
            raise ValueError(f"cookie path {self.path!r}; expected '/...' without spaces, ';' or control characters")
        if self.domain is not None and not _DOMAIN.fullmatch(self.domain):
            raise ValueError(f"cookie domain {self.domain!r}; expected a host name")
        if self.samesite not in SAMESITE:
            raise ValueError(f"samesite is {self.samesite!r}; expected one of {', '.join(SAMESITE)}")
        if self.samesite == "None" and not self.secure:
            raise ValueError("samesite='None' needs secure=True: browsers drop the cookie otherwise")
        self._choose_prefix()
        object.__setattr__(self, "_fixed_size", self._attributes_size())

    def _choose_prefix(self) -> None:
        host_only = self.domain is None and self.path == "/"
        prefix = "__Host-" if host_only else "__Secure-"
        lower = self.name.lower()  # browsers compare the prefixes without case
        if lower.startswith("__host-") and not (self.secure and host_only):
            raise ValueError(f"cookie name {self.name!r} needs secure=True, path='/' and no domain")
        if lower.startswith("__secure-") and not self.secure:
            raise ValueError(f"cookie name {self.name!r} needs secure=True")
        if self.secure and not lower.startswith(("__host-", "__secure-")):
            object.__setattr__(self, "name", prefix + self.name)

    def values(self, request: CookieSource) -> list[str]:
        """The values of the cookies of this name, at most MAX_CANDIDATES, in the order sent. Linear in the header's
        length."""
        headers = request.headers.getall("Cookie", ())
        return [value for header in headers if self.name in header for value in self._scan(header)][:MAX_CANDIDATES]

    def _scan(self, header: str) -> Iterator[str]:
        for pair in header.split(";", MAX_PAIRS)[:MAX_PAIRS]:
            name, equals, value = pair.partition("=")
            if equals and name.strip(" \t") == self.name:
                yield value.strip(" \t")

    def set(self, response: CookieTarget, value: str, *, max_age: int | None, now: float) -> None:
        """Set it on the response. Raises SessionTooLarge, before anything is changed, when browsers would drop it."""
        expires = None if max_age is None else datetime.fromtimestamp(now + max_age, UTC)
        size = self.size(value, max_age=max_age)
        if size > MAX_COOKIE:
            raise SessionTooLarge(cookie_name=self.name, size=size, maximum=MAX_COOKIE)
        response.set_cookie(
            self.name,
            value,
            max_age=max_age,
            expires=expires,
            domain=self.domain,
            path=self.path,
            secure=self.secure,
            httponly=self.httponly,
            samesite=self.samesite,
        )
        forbid_storing(response)

    def delete(self, response: CookieTarget) -> None:
        """Delete it, with the attributes that it was set with: browsers keep it otherwise."""
        response.del_cookie(
            self.name,
            domain=self.domain,
            path=self.path,
            secure=self.secure,
            httponly=self.httponly,
            samesite=self.samesite,
        )
        forbid_storing(response)

    def size(self, value: str, *, max_age: int | None) -> int:
        """Bytes of the Set-Cookie field's value; with a Max-Age goes an Expires."""
        age = 0 if max_age is None else len("; Max-Age=") + len(str(max_age)) + EXPIRES_SIZE
        return self._fixed_size + len(value) + age

    def _attributes_size(self) -> int:
        size = len(f"{self.name}=; Path={self.path}; SameSite={self.samesite}")
        size += len(f"; Domain={self.domain}") if self.domain is not None else 0
        size += len("; Secure") if self.secure else 0
        return size + (len("; HttpOnly") if self.httponly else 0)


def forbid_storing(response: CookieTarget) -> None:
    """No cache may keep a response that carries a session cookie (ASVS 14.3.2). A `private` of the handler's own is
    respected."""
    headers = response.headers
    present = headers.get("Cache-Control")
    if present is None or not ("no-store" in (directives := present.lower()) or "private" in directives):
        headers["Cache-Control"] = "no-store"


def vary_by_cookie(response: CookieTarget) -> None:
    """Say that the response depends on the cookie, so that no shared cache gives one visitor's page to another (RFC
    9110, 12.5.5)."""
    present = ", ".join(response.headers.getall("Vary", ()))
    names = {name.strip(" \t").lower() for name in present.split(",")}
    if names.isdisjoint(("*", "cookie")):
        response.headers["Vary"] = f"{present}, Cookie" if present else "Cookie"
