"""Where a redirect leads (RFC 9110 section 15.4): a pure decision from the request and the answer. What must not
travel to another origin (credentials, cookies; CVE-2026-34518, CVE-2026-47265) and what ends with the body are
decided here too."""

import re
from collections.abc import Callable
from typing import NamedTuple

from multidict import CIMultiDict
from yarl import URL

from .auth import strip_auth_from_url
from .errors import InvalidUrlRedirectClientError, NonHttpUrlRedirectClientError
from .origin import SECURE_SCHEMES, is_legacy_ipv4, same_origin

# Precedent: aiohttp, curl follows 30, browsers 20; an honest chain is shorter than five.
MAX_REDIRECTS = 10
REDIRECT_STATUSES = frozenset({301, 302, 303, 307, 308})
# Fields that let the receiver act as us: they are for the origin they were given for.
CREDENTIAL_FIELDS = ("Authorization", "Cookie", "Proxy-Authorization")
# Fields that describe a body: they go when it goes (Fetch standard, "request-body-header name").
BODY_FIELDS = (
    "Content-Encoding", "Content-Language", "Content-Length", "Content-Location", "Content-Type", "Expect",
    "Transfer-Encoding",
)  # fmt: skip

_TARGET = re.compile(r"[\x21-\x7e]+")
_RAW_BYTE = re.compile("[\udc80-\udcff]")


class Hop(NamedTuple):
    """The next request: its `method` and `url`, whether the body stays behind, and whether it goes to another
    origin."""

    method: str
    url: URL
    drop_body: bool
    cross_origin: bool


def next_hop(
    method: str,
    url: URL,
    *,
    status: int,
    location: str,
    schemes: frozenset[str],
    requote: bool = True,
    allow_downgrade: bool = False,
    upgrade: Callable[[URL], URL] | None = None,
) -> Hop:
    """The hop that an answer of `status` with `location` asks for.

    InvalidUrlRedirectClientError for a location that is no URL, has no host, cannot be sent as it is, or leads from TLS
    to plain text (unless `allow_downgrade`), after `upgrade` had its say (HSTS); NonHttpUrlRedirectClientError for a
    scheme outside `schemes`.
    """
    target = _target(url, location, requote=requote)
    if upgrade is not None:
        target = upgrade(target)
    if target.scheme not in schemes:
        raise NonHttpUrlRedirectClientError(target, f"expected one of the schemes {sorted(schemes)}")
    if not target.raw_host:
        raise InvalidUrlRedirectClientError(target, "the redirect has no host")
    if is_legacy_ipv4(target.raw_host):
        raise InvalidUrlRedirectClientError(target, "an IPv4 address must be written as four decimal numbers")
    if url.scheme in SECURE_SCHEMES and target.scheme not in SECURE_SCHEMES and not allow_downgrade:
        raise InvalidUrlRedirectClientError(
            target,
            "the redirect leads from TLS to plain text; allow it with ClientSession(allow_insecure_redirects=True)",
        )
    if not _TARGET.fullmatch(target.raw_path_qs):
        raise InvalidUrlRedirectClientError(target, "its path or query is not percent-encoded, and requoting is off")
    try:
        strip_auth_from_url(target)
    except ValueError as exc:
        raise InvalidUrlRedirectClientError(target.with_user(None), f"its credentials cannot be sent: {exc}") from exc
    becomes_get = (status == 303 and method != "HEAD") or (status in (301, 302) and method == "POST")
    return Hop("GET" if becomes_get else method, target, becomes_get, not same_origin(url, target))


def _target(url: URL, location: str, *, requote: bool) -> URL:
    # Bytes that are no UTF-8 arrive as lone surrogates; they stand for themselves, as they would in a browser.
    location = _RAW_BYTE.sub(lambda match: f"%{ord(match[0]) - 0xDC00:02X}", location)
    try:
        parsed = URL(location, encoded=not requote)
        if parsed.scheme == url.scheme and not parsed.raw_host and location.isprintable():
            # "http:/path" from an http URL: a scheme said twice, as RFC 3986 section 5.2.2 and browsers read it.
            rest = location.lstrip()[len(parsed.scheme) + 1 :]
            if not rest.startswith("//"):
                parsed = URL(rest, encoded=not requote)
        return parsed if parsed.scheme else url.with_fragment(None).join(parsed)
    except ValueError as exc:
        raise InvalidUrlRedirectClientError(location, "the server redirects to something that is no URL") from exc


def headers_after(headers: CIMultiDict[str], hop: Hop) -> None:
    """Take from `headers` of the request, in place, what may not go on `hop`: every value, repeated ones included."""
    if hop.cross_origin:
        for name in CREDENTIAL_FIELDS:
            headers.popall(name, None)
    if hop.drop_body:
        for name in BODY_FIELDS:
            headers.popall(name, None)
    headers.popall("Host", None)
