"""Logins at a provider of plain OAuth 2, which has no ID tokens: who it is, is what its user page answers to the token.
The page is asked by this server, over TLS, with a token that was just given for a code of this login."""

from typing import Any

from .errors import ProviderFault
from .fetching import PATIENCE, HttpClient
from .login import CodeLogin
from .pending import PendingLogin
from .provider import Provider
from .signedtokens import is_subject


class OAuth2Login(CodeLogin):
    """`provider` with its `userinfo_endpoint`; `subject` is the member of its answer that names a user for good, a
    string or a whole number. The rest as in CodeLogin. Raises ValueError."""

    def __init__(
        self,
        provider: Provider,
        *,
        client_id: str,
        client_secret: str | None = None,
        redirect_uri: str,
        http: HttpClient,
        scope: str = "",
        subject: str = "id",
        patience: float = PATIENCE,
    ) -> None:
        super().__init__(
            client_id=client_id,
            client_secret=client_secret,
            redirect_uri=redirect_uri,
            http=http,
            scope=scope,
            patience=patience,
        )
        if provider.userinfo_endpoint is None:
            raise ValueError("the provider has no userinfo_endpoint; without an ID token nothing else says who it is")
        self._known = provider
        self._user_page = provider.userinfo_endpoint
        self._subject = subject

    async def _provider(self) -> Provider:
        return self._known

    async def _identified(
        self, provider: Provider, tokens: dict[str, Any], begun: PendingLogin
    ) -> tuple[dict[str, Any], str]:
        del provider, begun
        claims = await self._fetcher.get("userinfo", self._user_page, bearer=tokens["access_token"])
        value = claims.get(self._subject)
        subject = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
        if not is_subject(subject):
            raise ProviderFault(f"the userinfo has no {self._subject!r}")
        return claims, subject
