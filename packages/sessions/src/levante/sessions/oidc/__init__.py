"""Logins at other providers, as their client: OpenID Connect and plain OAuth 2, by the authorization code flow with
PKCE. Needs the extra `oidc` (joserfc), a session, and something that makes requests, such as a
`levante.client.ClientSession`.

login = OpenIdLogin("https://id.example.com", client_id="shop", client_secret=..., http=client,
                    redirect_uri="https://shop.example.com/login/callback")

async def begin(request):
    raise web.HTTPSeeOther(await login.begin(request, next_page=request.query.get("next", "/")))

async def callback(request):
    done = await login.finish(request)
    (await get_session(request)).user = await user_of(done.issuer, done.subject)
    raise web.HTTPSeeOther(done.next_page)
"""

from .backchannel import BackChannelLogout
from .errors import LoginEnded, LoginRefused, LogoutRefused, ProviderFault
from .fetching import Answer, HttpClient
from .keeper import TokenKeeper
from .login import CodeLogin, Login, Tokens
from .logouttoken import LogoutNotice
from .oauth2 import OAuth2Login
from .openid import OpenIdLogin
from .provider import Provider

__all__ = [
    "Answer",
    "BackChannelLogout",
    "CodeLogin",
    "HttpClient",
    "Login",
    "LoginEnded",
    "LoginRefused",
    "LogoutNotice",
    "LogoutRefused",
    "OAuth2Login",
    "OpenIdLogin",
    "Provider",
    "ProviderFault",
    "TokenKeeper",
    "Tokens",
]
