"""Logins at a provider of OpenID Connect: found by its issuer, believed because of its ID token."""

from collections.abc import Collection
from typing import Any, Final

from yarl import URL

from .errors import LoginRefused, ProviderFault
from .fetching import PATIENCE, HttpClient
from .idtoken import IdTokenRules
from .keys import ProviderKeys
from .login import CodeLogin
from .logouttoken import LogoutNotice, LogoutTokenRules
from .pending import PendingLogin
from .provider import Discovery, Provider, check_url

ALGORITHMS: Final = ("RS256", "PS256", "ES256")


class OpenIdLogin(CodeLogin):
    """`issuer` is the provider's name, a URL below which its discovery document lies. `algorithms` are those that an ID
    token may be signed with; `trusted_audiences` are others whom it may be meant for as well. `userinfo=True` asks the
    provider for more claims than the ID token has. The rest as in CodeLogin. Raises ValueError."""

    def __init__(
        self,
        issuer: str,
        *,
        client_id: str,
        client_secret: str | None = None,
        redirect_uri: str,
        http: HttpClient,
        scope: str = "openid",
        userinfo: bool = False,
        algorithms: Collection[str] = ALGORITHMS,
        trusted_audiences: Collection[str] = (),
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
        if "openid" not in scope.split():
            raise ValueError(f"scope is {scope!r}; expected `openid` among it, or there is no ID token")
        self._rules = IdTokenRules(issuer, client_id, tuple(algorithms), tuple(trusted_audiences))
        self._logout_rules = LogoutTokenRules(issuer, client_id, tuple(algorithms), tuple(trusted_audiences))
        self._discovery = Discovery(issuer, self._fetcher)
        self._keys = ProviderKeys(self._fetcher)
        self._userinfo = userinfo

    async def logout_url(self, *, id_token: str | None = None, return_to: str | None = None) -> URL | None:
        """Where to send the browser for a logout at the provider as well (OpenID Connect RP-Initiated Logout 1.0), None
        where it has no such page. `return_to` is an absolute URL of ours that is registered there. Log out here
        first. Raises ProviderFault and ValueError."""
        provider = await self._provider()
        if provider.end_session_endpoint is None:
            return None
        query = {"client_id": self._client_id}
        if id_token is not None:
            query["id_token_hint"] = id_token
        if return_to is not None:
            check_url("return_to", return_to)
            query["post_logout_redirect_uri"] = return_to
        return URL(provider.end_session_endpoint).update_query(query)

    async def logout_notice(self, token: str) -> LogoutNotice:
        """What a logout token tells that the provider has sent (OpenID Connect Back-Channel Logout 1.0, 2.6): its
        signature and its claims hold, whether it comes for the first time is not asked. Raises LogoutRefused and
        ProviderFault."""
        keys = (await self._provider()).jwks_uri
        if keys is None:
            raise ProviderFault("the provider publishes no keys")
        return await self._logout_rules.notice(token, find_key=lambda header: self._keys.find(keys, header))

    async def _provider(self) -> Provider:
        return await self._discovery.provider()

    async def _identified(
        self, provider: Provider, tokens: dict[str, Any], begun: PendingLogin
    ) -> tuple[dict[str, Any], str]:
        token, keys = tokens.get("id_token"), provider.jwks_uri
        if not isinstance(token, str) or keys is None:
            raise ProviderFault("the token request was answered without an ID token")
        access_token: str = tokens["access_token"]
        claims = await self._rules.claims(
            token,
            find_key=lambda header: self._keys.find(keys, header),
            nonce=begun.nonce,
            access_token=access_token,
        )
        if self._userinfo and provider.userinfo_endpoint is not None:
            more = await self._fetcher.get("userinfo", provider.userinfo_endpoint, bearer=access_token)
            if more.get("sub") != claims["sub"]:
                raise LoginRefused("the provider's userinfo is that of somebody else")
            claims = {**more, **claims}
        return claims, claims["sub"]
