"""The authorization code flow with PKCE (RFC 6749, 7636 and 9700), what OpenID Connect and plain OAuth 2 have in
common: the browser is sent to the provider, comes back with a code, and the code is exchanged for tokens by this
server. A login is bound to the session that began it and to the provider that it began at, can be used once, and ends
after ten minutes."""

import base64
import hashlib
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn
from urllib.parse import quote_plus

from yarl import URL

from levante.sessions.notices import Notices
from levante.sessions.visit import get_session, visit_of
from levante.web import Request
from levante.web.auth import local_page

from . import pending
from .errors import LoginRefused, ProviderFault
from .fetching import PATIENCE, Fetcher, HttpClient
from .pending import PendingLogin
from .provider import Provider, check_url

MAX_PARAMETER: Final = 4096  # characters of a code; Microsoft's have 2,000
OURS: Final = frozenset(
    {"client_id", "code_challenge", "code_challenge_method", "nonce", "redirect_uri", "response_mode", "response_type"}
    | {"scope", "state", "request", "request_uri"}
)
"""Parameters of the authorization request that nobody else sets."""


@dataclass(frozen=True, slots=True)
class Login:
    """Somebody has logged in at a provider. `issuer` and `subject` together name the user for good: store both, and
    never go by an e-mail address, which may pass to others. `claims` are the provider's (Any: JSON); `next_page` is a
    path of ours. Tokens are not shown by repr(); `expires_in` is in seconds."""

    issuer: str
    subject: str
    claims: dict[str, Any] = field(repr=False)
    next_page: str
    access_token: str = field(repr=False)
    refresh_token: str | None = field(repr=False)
    id_token: str | None = field(repr=False)
    expires_in: int | None


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a refresh token was exchanged for. `refresh_token` takes the place of the one before, which is used up; None
    where that one goes on. `expires_in` is in seconds, None where the provider does not say."""

    access_token: str = field(repr=False)
    refresh_token: str | None = field(repr=False)
    expires_in: int | None


class CodeLogin(ABC):
    """Base of OpenIdLogin and OAuth2Login. `redirect_uri` is the absolute URL of the handler that calls finish(), as
    it is registered with the provider; `client_secret` is None for a client that has none; `patience` is in seconds,
    for each answer of the provider. Raises ValueError."""

    def __init__(
        self,
        *,
        client_id: str,
        client_secret: str | None,
        redirect_uri: str,
        http: HttpClient,
        scope: str,
        patience: float = PATIENCE,
    ) -> None:
        check_url("redirect_uri", redirect_uri)
        if not client_id:
            raise ValueError("client_id is empty; expected the name that the provider knows this client by")
        self._client_id = client_id
        self._client_secret = client_secret
        self._redirect_uri = redirect_uri
        self._scope = scope
        self._fetcher = Fetcher(http, patience=patience)
        self._notices = Notices()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._client_id!r}>"

    async def begin(
        self, request: Request, *, next_page: str = "/", parameters: Mapping[str, str] | None = None
    ) -> URL:
        """Where to send the browser: raise HTTPSeeOther with it. `next_page` is where the login leads, a path of this
        site (anything else becomes "/"); `parameters` are more for the provider, such as `prompt` or `login_hint`.

        Raises ProviderFault, ValueError for parameters that are not to be set, RuntimeError where the browser would
        keep the session's cookie back, and what sessions raise.
        """
        taken = OURS.intersection(parameters or ())
        if taken:
            raise ValueError(f"parameters has {sorted(taken)}, which are set here; expected others")
        if visit_of(request).storage.cookie.samesite.lower() == "strict":
            raise RuntimeError('no session would come back from the provider with samesite="Strict"; use "Lax"')
        provider = await self._provider()
        session = await get_session(request)
        next_page = local_page(next_page, longest=pending.MAX_NEXT)
        state, begun = pending.begin(session, provider=provider.issuer, next_page=next_page, now=time.time())
        challenge = base64.urlsafe_b64encode(hashlib.sha256(begun.verifier.encode()).digest()).rstrip(b"=").decode()
        query = {
            **(parameters or {}),
            "response_type": "code",
            "client_id": self._client_id,
            "redirect_uri": self._redirect_uri,
            "scope": self._scope,
            "state": state,
            "nonce": begun.nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        return URL(provider.authorization_endpoint).update_query(query)

    async def finish(self, request: Request) -> Login:
        """Who has logged in, in the handler that the browser comes back to. Set `session.user` then, or call
        `auth.remember`, and raise HTTPSeeOther to `next_page`.

        Raises LoginRefused and ProviderFault, which are answers; the login is used up either way.
        """
        try:
            return await self._finish(request)
        except LoginRefused as error:
            self._notices.warn(error.why, "login refused: %s")
            raise
        except ProviderFault as error:
            self._notices.warn(error.why, "login provider: %s")
            raise

    async def _finish(self, request: Request) -> Login:
        begun = pending.take(await get_session(request), _parameter(request, "state"), now=time.time())
        if begun is None:
            raise LoginRefused("it was not begun in this browser, or too long ago; begin again")
        provider = await self._provider()
        issuer = _parameter(request, "iss") or (None if provider.names_itself else begun.provider)
        if not begun.provider == provider.issuer == issuer:  # mix-up (RFC 9207)
            raise LoginRefused("the answer is not that of the provider that was asked")
        if error := _parameter(request, "error"):
            raise LoginRefused("the provider said no", code=error, description=_parameter(request, "error_description"))
        code = _parameter(request, "code")
        if not code:
            raise LoginRefused("the provider sent no code")
        tokens = await self._redeem(provider, code, begun)
        claims, subject = await self._identified(provider, tokens, begun)
        return Login(
            issuer=provider.issuer,
            subject=subject,
            claims=claims,
            next_page=begun.next_page,
            access_token=tokens["access_token"],
            refresh_token=_text_or_none(tokens, "refresh_token"),
            id_token=_text_or_none(tokens, "id_token"),
            expires_in=_seconds_or_none(tokens),
        )

    async def refresh(self, refresh_token: str) -> Tokens:
        """New tokens for a refresh token (RFC 6749, 6), which most providers take once only: keep the new one before
        anything else, or let a TokenKeeper do it. An ID token that comes along is not looked at. Raises LoginRefused
        for a refresh token that does not hold any more, and ProviderFault."""
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        tokens = await self._ask_for_tokens(await self._provider(), form, what="refresh token")
        return Tokens(tokens["access_token"], _text_or_none(tokens, "refresh_token"), _seconds_or_none(tokens))

    async def _redeem(self, provider: Provider, code: str, begun: PendingLogin) -> dict[str, Any]:
        """The tokens for a code (RFC 6749, 4.1.3)."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._redirect_uri,
            "code_verifier": begun.verifier,
        }
        return await self._ask_for_tokens(provider, form, what="code")

    async def _ask_for_tokens(self, provider: Provider, form: dict[str, str], *, what: str) -> dict[str, Any]:
        headers = {}
        if self._client_secret is None:
            form["client_id"] = self._client_id
        elif provider.secret_in_form:
            form |= {"client_id": self._client_id, "client_secret": self._client_secret}
        else:
            credentials = f"{quote_plus(self._client_id)}:{quote_plus(self._client_secret)}"  # RFC 6749, 2.3.1
            headers["Authorization"] = "Basic " + base64.b64encode(credentials.encode()).decode()
        status, tokens = await self._fetcher.post("token request", provider.token_endpoint, form=form, headers=headers)
        if status != 200 or "error" in tokens:
            _refuse(status, tokens, what)
        kind, access = tokens.get("token_type"), tokens.get("access_token")
        if not isinstance(kind, str) or kind.lower() != "bearer" or not isinstance(access, str) or not access.isascii():
            raise ProviderFault("the token request was answered without a bearer token")
        return tokens

    @abstractmethod
    async def _provider(self) -> Provider: ...

    @abstractmethod
    async def _identified(
        self, provider: Provider, tokens: dict[str, Any], begun: PendingLogin
    ) -> tuple[dict[str, Any], str]:
        """Claims and subject of who has logged in."""


def _refuse(status: int, answer: dict[str, Any], what: str) -> NoReturn:
    code = answer.get("error")
    if code == "invalid_grant":
        raise LoginRefused(f"the provider does not know the {what}, or not any more", code=code)
    known = f" ({LoginRefused('', code=code).code})" if isinstance(code, str) else ""
    raise ProviderFault(f"the token request was answered with {status}{known}")


def _parameter(request: Request, name: str) -> str:
    """A parameter of the answer, "" without it. One that stands there twice is refused (RFC 6749, 3.1)."""
    values = request.query.getall(name, [""])
    if len(values) > 1 or len(values[0]) > MAX_PARAMETER:
        raise LoginRefused("the answer of the provider is malformed")
    return values[0]


def _text_or_none(tokens: dict[str, Any], name: str) -> str | None:
    value = tokens.get(name)
    return value if isinstance(value, str) else None


def _seconds_or_none(tokens: dict[str, Any]) -> int | None:
    value = tokens.get("expires_in")
    return value if isinstance(value, int) and not isinstance(value, bool) else None
