"""Where a provider is asked, as it is told by hand or found by discovery (OpenID Connect Discovery 1.0). Everything is
HTTPS, but for a provider on this machine: what it says is believed because of who says it."""

import asyncio
import ipaddress
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from yarl import URL

from .errors import ProviderFault
from .fetching import Fetcher

DISCOVERY_PATH: Final = "/.well-known/openid-configuration"
DISCOVERY_AGE: Final = 3600.0  # seconds: endpoints that moved are found within the hour
MAX_URL: Final = 2048  # characters of an endpoint


@dataclass(frozen=True, slots=True)
class Provider:
    """`issuer` names the provider; its endpoints are absolute URLs. `secret_in_form` sends the client's secret in the
    form, for providers that do not know Basic; `names_itself` says that it sends `iss` with every code (RFC 9207), so
    that an answer without it is refused. Raises ValueError for URLs that are not HTTPS (or HTTP on loopback)."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str | None = None
    userinfo_endpoint: str | None = None
    end_session_endpoint: str | None = None
    secret_in_form: bool = False
    names_itself: bool = False

    def __post_init__(self) -> None:
        check_url("issuer", self.issuer)
        check_url("authorization_endpoint", self.authorization_endpoint)
        check_url("token_endpoint", self.token_endpoint)
        for name in ("jwks_uri", "userinfo_endpoint", "end_session_endpoint"):
            value = getattr(self, name)
            if value is not None:
                check_url(name, value)


class Discovery:
    """Finds out about an issuer when it is first asked, and again after an hour."""

    def __init__(self, issuer: str, fetcher: Fetcher, *, clock: Callable[[], float] = time.monotonic) -> None:
        check_url("issuer", issuer)
        self._issuer = issuer
        self._fetcher = fetcher
        self._clock = clock
        self._turn = asyncio.Lock()
        self._found: Provider | None = None
        self._since = 0.0

    async def provider(self) -> Provider:
        """What the issuer says about itself. Raises ProviderFault."""
        async with self._turn:
            if self._found is None or self._clock() - self._since >= DISCOVERY_AGE:
                url = self._issuer.removesuffix("/") + DISCOVERY_PATH
                self._found = described(await self._fetcher.get("discovery document", url), self._issuer)
                self._since = self._clock()
            return self._found


def described(document: dict[str, Any], issuer: str) -> Provider:
    """The provider of a discovery document (Any: JSON), which must be that of `issuer`. Raises ProviderFault."""
    if document.get("issuer") != issuer:
        raise ProviderFault("the discovery document is that of another issuer")
    methods = document.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
    try:
        return Provider(
            issuer,
            _text(document, "authorization_endpoint"),
            _text(document, "token_endpoint"),
            jwks_uri=_text(document, "jwks_uri"),
            userinfo_endpoint=_optional(document, "userinfo_endpoint"),
            end_session_endpoint=_optional(document, "end_session_endpoint"),
            secret_in_form="client_secret_basic" not in methods and "client_secret_post" in methods,
            names_itself=document.get("authorization_response_iss_parameter_supported") is True,
        )
    except (ValueError, TypeError) as error:
        raise ProviderFault(f"the discovery document cannot be used: {error}") from error


def check_url(name: str, url: str) -> None:
    """Raise ValueError unless it is absolute, HTTPS (or HTTP on loopback), and without credentials and fragment."""
    try:
        parsed = URL(url) if len(url) <= MAX_URL else URL()
    except ValueError:
        parsed = URL()
    secure = parsed.scheme == "https" or (parsed.scheme == "http" and _is_loopback(parsed.host))
    if not secure or not parsed.host or parsed.user is not None or parsed.password is not None or "#" in url:
        raise ValueError(f"{name} is no https URL without credentials and fragment (http is for loopback only)")


def _is_loopback(host: str | None) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


def _text(document: dict[str, Any], name: str) -> str:
    value = document.get(name)
    if not isinstance(value, str):
        raise TypeError(f"{name} is missing")
    return value


def _optional(document: dict[str, Any], name: str) -> str | None:
    return None if document.get(name) is None else _text(document, name)
