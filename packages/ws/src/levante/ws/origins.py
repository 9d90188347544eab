"""Which web pages may open a WebSocket: the defence against cross-site hijacking (RFC 6455 section 10.2).

Browsers send cookies with a WebSocket to any site, from any page, and no CORS rule stops them; only the Origin field
tells.
"""

from collections.abc import Collection
from urllib.parse import urlsplit

from multidict import CIMultiDictProxy

__all__ = ["origin_refusal"]

_DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
ANY = "*"


def origin_refusal(headers: CIMultiDictProxy[str], *, origins: Collection[str] | None, host: str | None) -> str | None:
    """None when the request's origin is allowed, else the reason for the refusal. `accept_handshake` explains
    `origins`."""
    sent = headers.getall("Origin", ())
    if origins is not None and ANY in origins:
        return None
    if not sent:
        if "Cookie" in headers:
            return "got cookies and no Origin; who sends cookies must name one, as every browser does"
        return None
    if len(sent) > 1:
        return f"got {len(sent)} Origin fields; expected one"
    origin = _parse(sent[0])
    if origin is None:
        return f"got Origin: {sent[0]!r}, which names no site"
    if origins is None:
        own = host if host is not None else headers.get("Host", "")
        if _same_site(origin, own):
            return None
        return f"got Origin: {sent[0]!r} on host {own!r}; add it to `origins` if pages from there may connect"
    if any(origin == _parse(allowed) for allowed in origins):
        return None
    return f"got Origin: {sent[0]!r}, which is not among the allowed origins"


def _same_site(origin: tuple[str, str, int], host: str) -> bool:
    """Host and port are compared; the scheme is not known here when TLS ends at a proxy, so it only gives the default
    port."""
    own = _parse(f"{origin[0]}://{host}")
    return own is not None and own == origin


def _parse(origin: str) -> tuple[str, str, int] | None:
    """Scheme, host and port of an origin; None for `null` and for what is none."""
    try:
        parts = urlsplit(origin.strip())
        port = parts.port or _DEFAULT_PORTS.get(parts.scheme)
    except ValueError:
        return None
    if (
        not parts.hostname
        or port is None
        or "@" in parts.netloc
        or parts.path.strip("/")
        or parts.query
        or parts.fragment
    ):
        return None
    return parts.scheme, parts.hostname, port
