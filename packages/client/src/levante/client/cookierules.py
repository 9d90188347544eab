"""The rules of cookies at a client (RFC 6265bis section 5): which host may set what, and which request gets it. No I/O,
no storage.

Stricter than aiohttp where 6265bis is: a Secure cookie is not taken from plain HTTP, `__Host-` and `__Secure-` mean
what they say, a top-level domain cannot be a cookie's domain, sizes and lifetimes are bounded.
"""

import ipaddress
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http.cookies import Morsel
from typing import Any

from yarl import URL

from .origin import SECURE_SCHEMES

# RFC 6265bis section 5.6: name and value together; longer ones are dropped.
MAX_COOKIE_SIZE = 4096
# RFC 6265bis section 5.6: longer Path and Domain attributes are ignored.
MAX_ATTRIBUTE_SIZE = 1024
# RFC 6265bis section 5.5: 400 days; also keeps the arithmetic far from overflow.
MAX_LIFETIME = 400 * 24 * 3600.0


@dataclass(slots=True)
class Cookie:
    """A cookie as stored. `coded` is the value as it goes over the wire; `expires` is POSIX seconds, None for a
    session cookie."""

    name: str
    value: str
    coded: str
    domain: str
    path: str
    host_only: bool
    secure: bool = False
    httponly: bool = False
    samesite: str = ""
    expires: float | None = None

    def morsel(self) -> "Morsel[str]":
        """The same as the standard library's type, which the public API speaks."""
        morsel = make_morsel(self.name, self.value, self.coded)
        morsel["path"] = self.path
        morsel["domain"] = self.domain
        morsel["secure"] = self.secure or ""
        morsel["httponly"] = self.httponly or ""
        morsel["samesite"] = self.samesite
        return morsel


def make_morsel(name: str, value: str, coded: str) -> "Morsel[str]":
    """A morsel of any name: servers set names that `Morsel.set` refuses, and expect them back."""
    morsel: Morsel[str] = Morsel()
    morsel.__setstate__({"key": name, "value": value, "coded_value": coded})  # type: ignore[attr-defined]
    return morsel


def is_ip_address(host: str) -> bool:
    """Whether `host` is an IPv4 or IPv6 address, brackets and scope aside."""
    try:
        ipaddress.ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return False
    return True


def domain_matches(domain: str, host: str) -> bool:
    """RFC 6265bis section 5.1.3: equal, or `host` is below `domain` and no address."""
    return host == domain or (host.endswith("." + domain) and not is_ip_address(host))


def path_matches(request_path: str, cookie_path: str) -> bool:
    """RFC 6265bis section 5.1.4."""
    if request_path == cookie_path:
        return True
    return request_path.startswith(cookie_path) and (cookie_path.endswith("/") or request_path[len(cookie_path)] == "/")


def default_path(request_path: str) -> str:
    """RFC 6265bis section 5.1.4: the directory of the request."""
    if not request_path.startswith("/"):
        return "/"
    return request_path[: request_path.rfind("/")] or "/"


def has_no_dot(domain: str) -> bool:
    """Whether `domain` is a top-level one or a local name: the public suffixes of those who have no list of them."""
    return "." not in domain


def domain_for(
    attribute: str | None, host: str, is_public: Callable[[str], bool] = has_no_dot
) -> tuple[str, bool] | None:
    """The domain of a cookie that `host` sets with Domain=`attribute`, and whether it is for that host alone; None:
    refuse it. `is_public` tells the public suffixes, which are no domain of a cookie."""
    if not attribute or len(attribute) > MAX_ATTRIBUTE_SIZE or attribute.endswith("."):
        return host, True
    domain = attribute.removeprefix(".").lower()
    if domain == host:
        # Below a public suffix there is nobody that the host may speak for, below an address nothing at all.
        return host, is_public(host) or is_ip_address(host)
    if is_public(domain) or not domain_matches(domain, host):
        return None
    return domain, False


def scope_of_shared(attribute: str | None, is_public: Callable[[str], bool]) -> tuple[str, bool]:
    """As `domain_for`, of a cookie that no host has set: "" goes everywhere. The caller may name any domain; one that
    is a public suffix is meant as a host (`localhost`)."""
    if not attribute or attribute.endswith("."):
        return "", False
    domain = attribute.removeprefix(".").lower()
    return domain, is_public(domain) or is_ip_address(domain)


def deadline_for(max_age: int | None, expires: float | None, now: float) -> float | None:
    """When a cookie ends, in POSIX seconds: Max-Age before Expires, at most MAX_LIFETIME away; None: with the
    session."""
    if max_age is not None:
        return now + min(max_age, MAX_LIFETIME) if max_age > 0 else now
    return None if expires is None else min(expires, now + MAX_LIFETIME)


def acceptable(cookie: Cookie, *, secure_origin: bool) -> bool:
    """The checks of RFC 6265bis section 5.6 on a cookie that is otherwise understood."""
    if not cookie.name or len(cookie.name) + len(cookie.coded) > MAX_COOKIE_SIZE:
        return False
    if cookie.secure and not secure_origin:
        return False
    prefix = cookie.name.lower()
    if prefix.startswith("__secure-"):
        return cookie.secure
    if prefix.startswith("__host-"):
        return cookie.secure and cookie.host_only and cookie.path == "/"
    return True


def sendable(cookie: Cookie, path: str, *, host: str, secure_origin: bool) -> bool:
    """Whether `cookie`, whose domain is `host` or above it, goes with a request for `path` (RFC 6265bis section
    5.7.3)."""
    if cookie.expires is not None and cookie.expires <= time.time():
        return False
    if cookie.host_only and cookie.domain and cookie.domain != host:
        return False
    return (secure_origin or not cookie.secure) and path_matches(path, cookie.path)


def is_secure(url: URL, treat_as_secure: frozenset[URL]) -> bool:
    """Whether `url` is safe for Secure cookies: TLS, or an origin that the user declared safe."""
    return url.scheme in SECURE_SCHEMES or (bool(treat_as_secure) and url.absolute and url.origin() in treat_as_secure)


def from_record(record: dict[str, Any]) -> Cookie:
    """A cookie from a file, its types checked: what is in a file is not more to be trusted than what a server sends."""
    cookie = Cookie(**record)
    texts = (cookie.name, cookie.value, cookie.coded, cookie.domain, cookie.path, cookie.samesite)
    flags = (cookie.host_only, cookie.secure, cookie.httponly)
    if not all(isinstance(text, str) for text in texts) or not all(isinstance(flag, bool) for flag in flags):
        raise ValueError("a field has the wrong type")
    if cookie.expires is not None and not isinstance(cookie.expires, (int, float)):
        raise ValueError("a field has the wrong type")
    if any(ord(char) < 0x20 or ord(char) == 0x7F or char == ";" for char in cookie.name + cookie.coded):
        raise ValueError("a cookie has control characters")
    return cookie


def whole_seconds(text: str) -> int | None:
    """The number of a Max-Age; None for none."""
    try:
        return int(text) if text else None
    except ValueError:
        return None


def time_of(text: str) -> float | None:
    """The POSIX time of an Expires; None for none."""
    try:
        return parsedate_to_datetime(text).timestamp() if text else None
    except (ValueError, OverflowError):
        return None
