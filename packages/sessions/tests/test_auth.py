"""Identities in sessions and in signed tokens."""

import time

import pytest

from levante.sessions import MemoryStorage, SessionTooLarge, get_session
from levante.sessions.auth import SessionIdentityPolicy, SignedTokenIdentityPolicy
from levante.web import Response, auth, json_response

pytestmark = pytest.mark.parity("L14")

POLICY = auth.RoleAuthorizationPolicy(lambda _: ["user"], {"user": ["items.read"]})


async def tell(request):
    return json_response([await auth.authorized_userid(request), await auth.permits(request, "items.read")])


async def log_in(request):
    response = Response(text="in")
    options = {"max_age": int(request.query["max_age"])} if "max_age" in request.query else {}
    await auth.remember(request, response, request.query["name"], **options)
    return response


async def log_out(request):
    response = Response(text="out")
    await auth.forget(request, response)
    return response


ROUTES = {"/": tell, "/login": log_in, "/logout": log_out}


@pytest.fixture
def tokens(keys):
    return SignedTokenIdentityPolicy(keys, secure=False)


@pytest.fixture(params=["session", "token"])
async def visitor(request, serve, tokens):
    policy = SessionIdentityPolicy() if request.param == "session" else tokens
    return await serve(ROUTES, MemoryStorage(secure=False), configure=lambda app: auth.setup(app, policy, POLICY))


async def test_login_and_logout(visitor):
    assert (await visitor.get("/")).text == "[null, false]"
    await visitor.get("/login?name=ann")
    assert (await visitor.get("/")).text == '["ann", true]'
    await visitor.get("/logout")
    assert not visitor.cookies
    assert (await visitor.get("/")).text == "[null, false]"


async def test_a_lifetime_of_ones_own(visitor):
    answer = await visitor.get("/login?name=ann&max_age=77")
    assert "Max-Age=77;" in answer.headers["Set-Cookie"]
    assert (await visitor.get("/")).text == '["ann", true]'


@pytest.mark.hardening("S6", "S7")
async def test_the_session_of_a_login_is_a_new_one_and_ends_with_the_logout(serve):
    async def cart(request):
        (await get_session(request))["cart"] = 1
        return Response()

    async def show(request):
        return json_response(dict(await get_session(request)))

    visitor = await serve(
        {**ROUTES, "/cart": cart, "/show": show},
        MemoryStorage(secure=False),
        configure=lambda app: auth.setup(app, SessionIdentityPolicy(), POLICY),
    )
    await visitor.get("/cart")
    before = dict(visitor.cookies)
    await visitor.get("/login?name=ann")
    during = dict(visitor.cookies)
    assert before != during
    assert (await visitor.get("/show")).text == '{"cart": 1}'
    await visitor.get("/logout")
    for cookies in (before, during):
        visitor.cookies = dict(cookies)
        assert (await visitor.get("/")).text == "[null, false]"


async def test_a_program_sends_it_as_a_bearer_token(serve, tokens):
    visitor = await serve(ROUTES, configure=lambda app: auth.setup(app, tokens, POLICY))
    answer = await visitor.get("/", Authorization=f"BEARER {tokens.token('Zoë')}")
    assert answer.text == '["Zo\\u00eb", true]'
    assert (await visitor.get("/", Authorization="Bearer nonsense")).text == "[null, false]"


@pytest.mark.hardening("S12", "S13")
async def test_every_byte_of_a_token_counts(tokens, keys, browser, caplog):
    token = tokens.token("ann")
    for index in range(len(token)):
        changed = token[:index] + ("A" if token[index] != "A" else "B") + token[index + 1 :]
        assert await tokens.identify(browser(None, f"login={changed}").request) is None
    assert await tokens.identify(browser(None, f"login={token}").request) == "ann"
    assert len(caplog.records) <= 4  # one of a kind
    other = SignedTokenIdentityPolicy(keys, secure=False, app="other")
    assert await other.identify(browser(None, f"login={token}").request) is None


@pytest.mark.hardening("S5")
async def test_a_token_has_an_end(tokens, browser, monkeypatch):
    token, now = tokens.token("ann", max_age=60), time.time()
    for passed, identity in ((0, "ann"), (58, "ann"), (61, None), (-59, "ann"), (-62, None)):
        monkeypatch.setattr(time, "time", lambda passed=passed: now + passed)
        assert await tokens.identify(browser(None, f"login={token}").request) == identity


@pytest.mark.hardening("S3")
async def test_keys_rotate(keys, browser):
    old, both = SignedTokenIdentityPolicy(keys[:1]), SignedTokenIdentityPolicy([keys[1], keys[0]])
    request = browser(None, f"__Host-login={old.token('ann')}").request
    assert await both.identify(request) == "ann"
    assert await SignedTokenIdentityPolicy(keys[1]).identify(request) is None


async def test_what_is_sealed_but_no_token(tokens, browser):
    for body in (b"", b"short", b"\0" * 12, b"\0" * 12 + b"\xff"):
        request = browser(None, f"login={tokens._sealer.seal(body)}").request
        assert await tokens.identify(request) is None
    assert await tokens.identify(browser(None, f"login={'A' * 5000}").request) is None


async def test_what_is_asked_of_options(tokens, browser):
    request, response = browser(None).request, Response()
    with pytest.raises(TypeError, match="got path; expected max_age, in seconds, and nothing else"):
        await tokens.remember(request, response, "ann", path="/")
    with pytest.raises(ValueError, match="max_age is 0"):
        await tokens.remember(request, response, "ann", max_age=0)
    with pytest.raises(SessionTooLarge):
        await tokens.remember(request, response, "a" * 4000)
    with pytest.raises(ValueError, match="max_age is -1"):
        SignedTokenIdentityPolicy([bytes(range(32, 64))[::-1]], max_age=-1)
    assert not response.cookies
