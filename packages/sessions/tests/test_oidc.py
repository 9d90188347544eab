"""Logins at a provider that is a process of its own, and misbehaves."""

import asyncio
import copy
import itertools

import pytest
from processes import free_port
from yarl import URL

from levante import web
from levante.client import ClientSession
from levante.sessions import EncryptedCookieStorage, MemoryStorage, get_session
from levante.sessions.oidc import LoginRefused, OAuth2Login, OpenIdLogin, Provider, ProviderFault

pytestmark = pytest.mark.parity("L14")

SHOP = {"client_id": "shop", "client_secret": "s3cret:+ /", "redirect_uri": "https://shop.test/callback"}
numbers = itertools.count()


@pytest.fixture
async def http():
    async with ClientSession() as session:
        yield session


class Shop:
    """A site with a login, its visitor, and the way of his browser through the provider."""

    def __init__(self, http, make_login, storage):
        self.http, self.make_login, self.storage = http, make_login, storage
        self.outcomes = []

    async def start(self, serve):
        self.login = self.make_login()
        self.visitor = await serve({"/login": self.begin, "/callback": self.callback, "/me": self.me}, self.storage)
        return self

    def with_another_visitor(self):
        other = copy.copy(self)
        other.visitor = type(self.visitor)(self.visitor.port)
        return other

    async def begin(self, request):
        options = {"parameters": {"login_hint": request.query["how"]}} if "how" in request.query else {}
        raise web.HTTPSeeOther(await self.login.begin(request, next_page=request.query.get("next", "/me"), **options))

    async def callback(self, request):
        try:
            done = await self.login.finish(request)
        except web.HTTPException as error:
            self.outcomes.append(error)
            raise
        self.outcomes.append(done)
        (await get_session(request)).user = done.subject
        raise web.HTTPSeeOther(done.next_page)

    async def me(self, request):
        return web.Response(text=str((await get_session(request)).user))

    async def to_provider(self, **query):
        answer = await self.visitor.get(str(URL("/login").with_query(query)))
        assert answer.status == 303, answer.text
        return answer.headers["Location"]

    async def back(self, **query):
        """Where the provider sends the browser: a path of the shop."""
        async with self.http.get(URL(await self.to_provider(**query), encoded=True), allow_redirects=False) as answer:
            assert answer.status == 303, await answer.text()
            return URL(answer.headers["Location"])

    async def log_in(self, **query):
        return await self.visitor.get((await self.back(**query)).raw_path_qs)


@pytest.fixture
async def shop(provider, http, serve):
    """`await shop(how)` gives a Shop whose provider misbehaves in that way."""

    async def start(how="good", *, kind=OpenIdLogin, storage=None, **options):
        issuer = f"{provider}/{how}-{next(numbers)}"
        made = Shop(
            http,
            lambda: kind(options.pop("issuer", issuer), http=http, **{**SHOP, **options}),
            storage or MemoryStorage(),
        )
        made.issuer = issuer
        return await made.start(serve)

    return start


async def asked(shop):
    async with shop.http.get(f"{shop.issuer}/facts") as answer:
        return await answer.json()


async def test_a_login(shop):
    shop = await shop()
    before = await shop.visitor.get("/me")
    assert before.text == "None"
    answer = await shop.log_in(next="/me?tab=1")
    assert (answer.status, answer.headers["Location"]) == (303, "/me?tab=1")
    assert (await shop.visitor.get("/me")).text == "ann"
    (done,) = shop.outcomes
    assert (done.issuer, done.subject, done.claims["aud"], done.expires_in) == (shop.issuer, "ann", "shop", 300)
    assert done.refresh_token is None
    assert done.id_token.count(".") == 2
    assert done.access_token not in repr(done)
    assert done.id_token not in repr(done)


async def test_the_authorization_request(shop):
    shop = await shop(scope="openid email")
    query = URL(await shop.to_provider(how="x")).query
    assert {name: query[name] for name in ("response_type", "client_id", "redirect_uri", "scope")} == {
        "response_type": "code",
        "client_id": "shop",
        "redirect_uri": "https://shop.test/callback",
        "scope": "openid email",
    }
    assert query["code_challenge_method"] == "S256"
    assert len({query["state"], query["nonce"], query["code_challenge"]}) == 3
    assert min(len(query[name]) for name in ("state", "nonce", "code_challenge")) == 43
    again = URL(await shop.to_provider(how="x")).query
    assert all(query[name] != again[name] for name in ("state", "nonce", "code_challenge"))


async def test_what_the_provider_says_about_itself_is_asked_once(shop):
    shop = await shop()
    for _ in range(3):
        assert (await shop.log_in()).status == 303
    assert await asked(shop) == {"discovery": 1, "keys": 1, "token": 3}


@pytest.mark.parametrize("storage", ["encrypted", "memory"])
@pytest.mark.hardening("S6")
async def test_the_session_is_renewed(shop, storage, keys):
    shop = await shop(storage=EncryptedCookieStorage(keys) if storage == "encrypted" else None)
    back = await shop.back()
    before = dict(shop.visitor.cookies)
    await shop.visitor.get(back.raw_path_qs)
    after, shop.visitor.cookies = shop.visitor.cookies, before
    assert (await shop.visitor.get("/me")).text == "None"  # what an attacker may have fixed is worth nothing
    shop.visitor.cookies = after
    assert (await shop.visitor.get("/me")).text == "ann"


@pytest.mark.parametrize("how", ["post", "unnamed"])
async def test_providers_that_differ(shop, how):
    shop = await shop(how)
    assert (await shop.log_in()).status == 303


async def test_a_client_without_a_secret(shop):
    shop = await shop(client_secret=None)
    assert (await shop.log_in()).status == 303


async def test_a_wrong_secret_is_the_operators_fault(shop):
    shop = await shop(client_secret="wrong")
    assert (await shop.log_in()).status == 502
    assert str(shop.outcomes[0]) == "the token request was answered with 401 (invalid_client)"


async def test_userinfo(shop):
    shop = await shop(userinfo=True)
    assert (await shop.log_in()).status == 303
    assert shop.outcomes[0].claims["name"] == "Ann"
    assert shop.outcomes[0].claims["iss"] == shop.issuer  # what is signed counts for more
    assert (await shop.log_in(how="userinfo-of-bob")).status == 400


WRONG_TOKENS = {
    "is not signed in a way that is accepted": "alg-none alg-hs256 alg-rs512 garbage endless",
    "is signed with a key that it does not publish": "unknown-kid",
    "does not hold": "stranger other-signature",
    "belongs to another login": "other-nonce no-nonce",
    "that of another issuer": "other-issuer",
    "is meant for others": "other-audience no-audience more-audiences audiences-without-azp trusted-audience",
    "was asked for by others": "other-azp",
    "has expired": "expired",
    "is not valid yet": "from-tomorrow without-iat not-yet",
    "names nobody": "nobody empty-subject endless-subject",
    "belongs to another access token": "other-at-hash",
}


@pytest.mark.parametrize(("why", "how"), [(why, how) for why, hows in WRONG_TOKENS.items() for how in hows.split()])
async def test_an_id_token_that_does_not_hold(shop, why, how):
    shop = await shop()
    answer = await shop.log_in(how=how if how != "endless" else "token-endless")
    assert answer.status == 400
    assert why in shop.outcomes[0].why
    assert (await shop.visitor.get("/me")).text == "None"


async def test_an_id_token_without_end(shop):
    shop = await shop()
    assert (await shop.log_in(how="endless")).status == 400


async def test_audiences_that_are_trusted(shop):
    shop = await shop(trusted_audiences=["trusted"])
    assert (await shop.log_in(how="trusted-audience")).status == 303
    assert (await shop.log_in(how="audiences-without-azp")).status == 400


async def test_a_token_without_a_key_id(shop):
    shop = await shop()
    assert (await shop.log_in(how="no-kid")).status == 303  # one key of the set fits


async def test_keys_are_rotated(shop):
    shop = await shop()
    assert (await shop.log_in()).status == 303
    async with shop.http.post(f"{shop.issuer}/rotate"):
        pass
    answers = await asyncio.gather(*(shop.with_another_visitor().log_in() for _ in range(3)))
    assert [answer.status for answer in answers] == [303] * 3
    assert (await asked(shop))["keys"] == 2
    for _ in range(3):
        assert (await shop.log_in(how="unknown-kid")).status == 400
    assert (await asked(shop))["keys"] == 2  # strangers' keys are no reason to ask again and again


@pytest.mark.parametrize("how", ["nokeys", "manykeys"])
async def test_a_key_set_that_is_none(shop, how):
    shop = await shop(how)
    assert (await shop.log_in()).status == 502


@pytest.mark.parametrize(
    "how", ["foreign", "plain", "partial", "list", "numbers", "slow", "moved", "failing", "huge", "deep", "html"]
)
async def test_a_provider_that_makes_no_sense(shop, how):
    shop = await shop(how, patience=0.5 if how == "slow" else 10)
    answer = await shop.visitor.get("/login")
    assert answer.status == 502
    assert answer.text == "502: the login provider cannot be used at the moment; try again later"


NO_TOKENS = {
    "kind": "was answered without a bearer token",
    "no-access": "was answered without a bearer token",
    "no-id": "was answered without an ID token",
    "odd-error": "was answered with 200 (unknown)",
    "slow": "did not come (TimeoutError)",
    "moved": "was answered with 302 and no JSON",  # and nobody followed
    "failing": "was answered with 500 and no JSON",
    "huge": "is larger than 262144 bytes",
    "deep": "was answered with 200 and no JSON",
    "html": "was answered with 200 and no JSON",
}


@pytest.mark.parametrize("how", NO_TOKENS)
async def test_tokens_that_are_none(shop, how):
    shop = await shop(patience=0.5 if how == "slow" else 10)
    answer = await shop.log_in(how=f"token-{how}")
    assert answer.status == 502
    assert isinstance(shop.outcomes[0], ProviderFault)
    assert str(shop.outcomes[0]) == f"the token request {NO_TOKENS[how]}"
    assert "script" not in answer.text


async def test_a_provider_that_is_away(shop):
    shop = await shop(issuer=f"http://127.0.0.1:{free_port()}")
    assert (await shop.visitor.get("/login")).status == 502


async def test_odd_facts_about_tokens(shop):
    shop = await shop()
    assert (await shop.log_in(how="token-odd-expiry")).status == 303
    assert (shop.outcomes[0].expires_in, shop.outcomes[0].refresh_token) == (None, "r")


@pytest.mark.hardening("S17")
async def test_a_login_that_was_begun_elsewhere(shop, serve):
    """Login CSRF: an attacker's own code, brought to somebody else's browser."""
    shop = await shop()
    back = await shop.back()
    shop.visitor.cookies, attackers = {}, shop.visitor.cookies
    assert (await shop.visitor.get(back.raw_path_qs)).status == 400
    assert (await asked(shop)).get("token") is None  # the code was not even shown to the provider
    await shop.to_provider()  # one of the victim's own under way changes nothing
    assert (await shop.visitor.get(back.raw_path_qs)).status == 400
    shop.visitor.cookies = attackers
    assert (await shop.visitor.get(back.raw_path_qs)).status == 303


async def test_a_login_is_used_once(shop):
    shop = await shop()
    back = await shop.back()
    assert (await shop.visitor.get(back.raw_path_qs)).status == 303
    assert (await shop.visitor.get(back.raw_path_qs)).status == 400
    assert (await asked(shop))["token"] == 1
    refused = await shop.back(how="other-nonce")  # and one that failed is used up as well
    assert [(await shop.visitor.get(refused.raw_path_qs)).status for _ in range(2)] == [400, 400]
    assert "not begun in this browser" in shop.outcomes[-1].why


async def test_a_code_is_used_once(shop):
    shop = await shop()
    first, second = await shop.back(), await shop.back()
    assert (await shop.visitor.get(first.raw_path_qs)).status == 303
    stolen = second.update_query(code=first.query["code"])
    assert (await shop.visitor.get(stolen.raw_path_qs)).status == 400
    assert shop.outcomes[-1].code == "invalid_grant"


async def test_a_stolen_code_lacks_the_verifier(shop):
    """PKCE: a code from another browser's login is worth nothing here."""
    shop = await shop()
    victims = await shop.back()
    shop.visitor.cookies = {}
    mine = await shop.back()
    assert (await shop.visitor.get(mine.update_query(code=victims.query["code"]).raw_path_qs)).status == 400
    assert shop.outcomes[-1].code == "invalid_grant"


async def test_a_login_ends(shop, monkeypatch):
    shop = await shop()
    back = await shop.back()
    monkeypatch.setattr("levante.sessions.oidc.pending.SECONDS", -1)
    late = await shop.back()
    assert (await shop.visitor.get(late.raw_path_qs)).status == 400
    assert (await shop.visitor.get(back.raw_path_qs)).status == 303


async def test_few_logins_are_kept(shop):
    shop = await shop()
    backs = [await shop.back() for _ in range(5)]
    statuses = [(await shop.visitor.get(back.raw_path_qs)).status for back in backs]
    assert statuses == [400, 303, 303, 303, 303]


@pytest.mark.parametrize("how", ["mixed-up", "no-iss"])
async def test_mix_up(shop, how):
    shop = await shop()
    assert (await shop.log_in(how=how)).status == 400
    assert "not that of the provider that was asked" in shop.outcomes[0].why
    assert (await asked(shop)).get("token") is None


async def test_an_answer_for_another_provider(shop, provider, http):
    shop = await shop("unnamed")
    back = await shop.back()
    other = f"{provider}/unnamed-other"
    shop.login = OpenIdLogin(other, http=http, **SHOP)
    assert (await shop.visitor.get(back.raw_path_qs)).status == 400
    back = (await shop.back()).update_query(iss=f"{provider}/unnamed-third")
    assert (await shop.visitor.get(back.raw_path_qs)).status == 400
    shop.login = OpenIdLogin(f"{provider}/unnamed-third", http=http, **SHOP)
    back = await shop.back()
    shop.login = OpenIdLogin(other, http=http, **SHOP)  # the answer says that it is of the one that is asked now
    assert (await shop.visitor.get(back.update_query(iss=other).raw_path_qs)).status == 400
    assert {outcome.why for outcome in shop.outcomes} == {"the answer is not that of the provider that was asked"}


@pytest.mark.parametrize(
    ("code", "kept"), [("access_denied", "access_denied"), ("<script>alert(1)</script>", "unknown")]
)
async def test_the_provider_says_no(shop, code, kept):
    shop = await shop()
    answer = await shop.log_in(how=f"error:{code}")
    assert answer.status == 400
    assert answer.text == f"400: the login did not come about: the provider said no ({kept})"
    assert shop.outcomes[0].description == ("<b>no</b>" + "x" * 300)[:200]


@pytest.mark.parametrize("change", [{"code": ""}, {"code": "c" * 4097}, {"state": "s"}, {"state": ""}])
async def test_malformed_answers(shop, change):
    shop = await shop()
    back = (await shop.back()).update_query(change)
    assert (await shop.visitor.get(back.raw_path_qs)).status == 400
    assert (await shop.visitor.get("/callback")).status == 400
    assert (await shop.visitor.get(back.extend_query(code="2", state="2").raw_path_qs)).status == 400
    assert all(isinstance(outcome, LoginRefused) for outcome in shop.outcomes)


@pytest.mark.hardening("S21")
@pytest.mark.parametrize(
    "page", ["https://evil.test/", "//evil.test", "/\\evil.test", "/\t/evil.test", "me", "/" * 600]
)
async def test_a_login_leads_to_this_site(shop, page):
    shop = await shop()
    assert (await shop.log_in(next=page)).headers["Location"] == "/"


async def test_what_begin_refuses(shop, serve, keys):
    shop = await shop()

    async def begin(request):
        try:
            await shop.login.begin(request, parameters={"state": "mine", "prompt": "login"})
        except (ValueError, RuntimeError) as error:
            return web.Response(text=str(error))

    visitor = await serve({"/": begin}, MemoryStorage())
    assert (await visitor.get("/")).text == "parameters has ['state'], which are set here; expected others"

    async def begin_strictly(request):
        with pytest.raises(RuntimeError, match='samesite="Strict"'):
            await shop.login.begin(request)
        return web.Response(text="refused")

    visitor = await serve({"/": begin_strictly}, MemoryStorage(samesite="Strict"))
    assert (await visitor.get("/")).text == "refused"


async def test_logout_at_the_provider(shop):
    good, bare = await shop(), await shop("bare")
    url = await good.login.logout_url(id_token="t", return_to="https://shop.test/bye")
    assert url.path == URL(good.issuer).path + "/logout"
    assert dict(url.query) == {
        "client_id": "shop",
        "id_token_hint": "t",
        "post_logout_redirect_uri": "https://shop.test/bye",
    }
    assert dict((await good.login.logout_url()).query) == {"client_id": "shop"}
    assert await bare.login.logout_url() is None
    with pytest.raises(ValueError, match="return_to is no https URL"):
        await good.login.logout_url(return_to="http://evil.test")


def plain(issuer, **options):
    endpoints = {"authorization_endpoint": f"{issuer}/authorize", "token_endpoint": f"{issuer}/token"}
    return OAuth2Login(Provider(issuer, userinfo_endpoint=f"{issuer}/userinfo", **endpoints), **options)


async def test_plain_oauth2(shop):
    shop = await shop("unnamed", kind=plain)
    assert (await shop.log_in()).status == 303
    assert (shop.outcomes[0].subject, shop.outcomes[0].claims["name"]) == ("7", "Ann")
    assert await asked(shop) == {"token": 1, "userinfo": 1}


async def test_plain_oauth2_that_tells_nobody(shop):
    shop = await shop("nameless", kind=plain)
    assert (await shop.log_in()).status == 502
    assert str(shop.outcomes[0]) == "the userinfo has no 'id'"


BAD_URLS = [
    "",
    "http://id.test",
    "https://",
    "https://ann:pw@id.test",
    "https://id.test/#a",
    "ftp://id.test",
    "https://[",
    "https://" + "x" * 2048,
]


@pytest.mark.parametrize("url", BAD_URLS)
async def test_urls_that_are_not_safe(http, url):
    with pytest.raises(ValueError, match="issuer is no https URL"):
        OpenIdLogin(url, http=http, **SHOP)
    with pytest.raises(ValueError, match="redirect_uri is no https URL"):
        OpenIdLogin("https://id.test", http=http, **{**SHOP, "redirect_uri": url})
    with pytest.raises(ValueError, match="userinfo_endpoint is no https URL"):
        Provider("http://localhost:1", "http://[::1]/a", "https://id.test/t", userinfo_endpoint=url)


async def test_settings_that_are_not_safe(http):
    for algorithms in (["HS256"], ["none"], [], ["RS256", "HS512"]):
        with pytest.raises(ValueError, match="algorithms is"):
            OpenIdLogin("https://id.test", http=http, algorithms=algorithms, **SHOP)
    with pytest.raises(ValueError, match="expected `openid` among it"):
        OpenIdLogin("https://id.test", http=http, scope="email", **SHOP)
    with pytest.raises(ValueError, match="client_id is empty"):
        OpenIdLogin("https://id.test", http=http, **{**SHOP, "client_id": ""})
    with pytest.raises(ValueError, match="no userinfo_endpoint"):
        OAuth2Login(Provider("https://a.test", "https://a.test", "https://a.test"), http=http, **SHOP)
    assert "s3cret" not in repr(OpenIdLogin("https://id.test", http=http, **SHOP))
