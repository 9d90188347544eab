"""Tokens that end and are renewed: once at a time, kept whatever happens, and ended when the provider says so."""

import asyncio
import itertools

import pytest
from yarl import URL

from levante import web
from levante.client import ClientSession
from levante.sessions import (
    EncryptedCookieStorage,
    MemoryRevocations,
    MemoryStorage,
    SignedCookieStorage,
    get_session,
)
from levante.sessions.errors import SessionWriteTooLate
from levante.sessions.oidc import LoginEnded, LoginRefused, OpenIdLogin, ProviderFault, TokenKeeper, keeper

pytestmark = pytest.mark.parity("L14")

SHOP = {"client_id": "shop", "client_secret": "s3cret:+ /", "redirect_uri": "https://shop.test/callback"}
numbers = itertools.count()


class Shop:
    """A site that asks for an access token in each request; `at` says which of its processes answers."""

    def __init__(self, http, issuer, *, processes=1, scope="openid offline_access", **options):
        self.http, self.issuer, self.now = http, issuer, [1_790_000_000.0]
        self.login = OpenIdLogin(issuer, http=http, scope=scope, **SHOP)
        self.keepers = [TokenKeeper(self.login, clock=lambda: self.now[0], **options) for _ in range(processes)]

    @property
    def routes(self):
        return {"/login": self.begin, "/callback": self.callback, "/use": self.use, "/me": self.me, "/late": self.late}

    async def begin(self, request):
        raise web.HTTPSeeOther(await self.login.begin(request))

    async def callback(self, request):
        done = await self.login.finish(request)
        (await get_session(request)).user = done.subject
        await self.keepers[0].keep(request, done)
        return web.Response()

    async def use(self, request):
        session = await get_session(request)
        if "wait" in request.query:
            await self.gate.wait()
        token = await self.keepers[int(request.query.get("at", 0))].access_token(request)
        if "fail" in request.query:
            raise ZeroDivisionError
        session["n"] = session.get("n", 0) + 1
        return web.Response(text=token)

    async def late(self, request):
        await get_session(request)
        response = web.StreamResponse()
        await response.prepare(request)
        with pytest.raises(SessionWriteTooLate, match="the tokens were to be renewed"):
            await self.keepers[0].access_token(request)
        await response.write(b"too late")
        return response

    async def me(self, request):
        return web.Response(text=str((await get_session(request)).user))

    async def log_in(self, visitor):
        location = (await visitor.get("/login")).headers["Location"]
        async with self.http.get(URL(location, encoded=True), allow_redirects=False) as answer:
            return await visitor.get(URL(answer.headers["Location"]).raw_path_qs)

    async def asked(self, name):
        async with self.http.get(f"{self.issuer}/facts") as answer:
            return (await answer.json()).get(name, 0)

    async def withdraw(self):
        async with self.http.post(f"{self.issuer}/withdraw"):
            pass


@pytest.fixture
async def start(provider, serve, failures):
    """`await start(how, storage, **options)` gives a Shop and a visitor who has logged in."""
    async with ClientSession() as http:

        async def started(how="rotating", storage=None, **options):
            shop = Shop(http, f"{provider}/{how}-keeper{next(numbers)}", **options)
            visitor = await serve(shop.routes, storage or MemoryStorage(secure=False), outer=[failures.note])
            assert (await shop.log_in(visitor)).status == 200
            return shop, visitor

        yield started


@pytest.fixture(params=["memory", "encrypted"])
def storage(request, keys):
    return MemoryStorage(secure=False) if request.param == "memory" else EncryptedCookieStorage(keys, secure=False)


@pytest.mark.parametrize("how", ["rotating", "keeping"])
async def test_a_token_is_renewed_when_it_ends(start, storage, how):
    shop, visitor = await start(how, storage)
    first = (await visitor.get("/use")).text
    shop.now[0] += 300 - keeper.MARGIN - 1
    assert (await visitor.get("/use")).text == first
    assert await shop.asked("refresh") == 0
    for count in (1, 2, 3):
        shop.now[0] += 300
        assert [(await visitor.get("/use")).text for _ in range(2)] == [f"fresh{count}"] * 2
    assert (await shop.asked("refresh"), await shop.asked("reuse")) == (3, 0)


async def test_requests_that_come_together_renew_once(start, storage):
    shop, visitor = await start("late", storage)
    shop.now[0] += 300
    cookies = dict(visitor.cookies)
    copies = [type(visitor)(visitor.port) for _ in range(8)]
    for copy in copies:
        copy.cookies = dict(cookies)
    answers = await asyncio.gather(*(copy.get("/use") for copy in copies))
    assert {answer.text for answer in answers} == {"fresh1"}
    assert (await copies[0].get("/use")).text == "fresh1"
    visitor.cookies = cookies  # one that was under way with the old session
    assert (await visitor.get("/use")).text == "fresh1"
    assert (await shop.asked("refresh"), await shop.asked("reuse")) == (1, 0)


@pytest.mark.hardening("S7")
@pytest.mark.parametrize("ends_session", [True, False])
async def test_a_login_that_is_renewed_no_more_ends(start, storage, monkeypatch, ends_session):
    monkeypatch.setattr(keeper, "TRIES", 1)
    shop, visitor = await start("rotating", storage, ends_session=ends_session)
    shop.now[0] += 300
    await shop.withdraw()
    answer = await visitor.get("/use")
    assert (answer.status, answer.text) == (401, "401: log in again: the provider renews it no more")
    assert (await visitor.get("/me")).text == ("None" if ends_session else "ann")
    assert "nobody has logged in" in (await visitor.get("/use")).text
    assert await shop.asked("refresh") == 1


async def test_without_a_refresh_token_it_ends_with_its_token(start):
    shop, visitor = await start(scope="openid")
    shop.now[0] += 299
    assert (await visitor.get("/use")).status == 200
    shop.now[0] += 1
    assert (await visitor.get("/use")).status == 401
    assert (await visitor.get("/me")).text == "None"


async def test_a_provider_that_is_away_ends_nothing(start, monkeypatch):
    shop, visitor = await start()

    async def away(refresh_token):
        raise ProviderFault("away")

    first = (await visitor.get("/use")).text
    with monkeypatch.context() as patched:
        patched.setattr(shop.login, "refresh", away)
        shop.now[0] += 299
        assert (await visitor.get("/use")).text == first
        shop.now[0] += 1
        assert (await visitor.get("/use")).status == 502
    assert (await visitor.get("/use")).text == "fresh1"


async def test_new_tokens_are_kept_though_the_request_fails(start, failures):
    shop, visitor = await start(processes=2)
    shop.now[0] += 300
    assert (await visitor.get("/use?fail=1")).status == 500
    assert [type(failure) for failure in failures] == [ZeroDivisionError]
    assert (await visitor.get("/use?at=1")).text == "fresh1"
    assert await shop.asked("refresh") == 1


@pytest.mark.parametrize("shared", [True, False])
async def test_two_processes(start, shared):
    """Both have the old session; the second finds what the first has saved, and only asks if it knows of no list."""
    shop, visitor = await start(processes=2, shared=MemoryRevocations() if shared else None)
    shop.now[0] += 300
    shop.gate = asyncio.Event()
    late = asyncio.create_task(visitor.get("/use?wait=1&at=1"))
    while not late.done() and (await visitor.get("/use")).text != "fresh1":
        pass
    shop.gate.set()
    assert (await late).text == "fresh1"
    assert await shop.asked("reuse") == (0 if shared else 1)


async def test_what_another_process_never_saves(start, monkeypatch):
    monkeypatch.setattr(keeper, "TRIES", 1)
    shared = MemoryRevocations()
    shop, visitor = await start(shared=shared)

    async def taken(handle, seconds):
        return False

    shop.now[0] += 300
    monkeypatch.setattr(shared, "revoke", taken)
    assert (await visitor.get("/use")).status == 502
    assert (await visitor.get("/me")).text == "ann"
    assert await shop.asked("refresh") == 0


async def test_who_gives_up_does_not_end_the_exchange(start):
    shop, visitor = await start("late")
    waiting = asyncio.create_task(shop.keepers[0]._exchanged(keeper._Kept("a", "none", 1), "none"))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    (task,) = shop.keepers[0]._exchanges.values()
    with pytest.raises(LoginRefused):
        await task
    await asyncio.sleep(0.01)
    assert not shop.keepers[0]._exchanges  # a failure is not remembered
    assert (await visitor.get("/use")).status == 200


async def test_after_the_head_nothing_is_exchanged(start):
    shop, visitor = await start()
    shop.now[0] += 300
    assert "too late" in (await visitor.get("/late")).text
    assert await shop.asked("refresh") == 0


async def test_a_store_that_refuses_conflicts_has_none_with_itself(start):
    shop, visitor = await start(storage=MemoryStorage(secure=False, conflict="refuse"))
    shop.now[0] += 300
    assert [(await visitor.get("/use")).text for _ in range(2)] == ["fresh1", "fresh1"]
    assert await shop.asked("refresh") == 1


async def test_a_signed_cookie_would_show_them(start, keys, failures):
    with pytest.raises(AssertionError):
        await start(storage=SignedCookieStorage(keys, secure=False))
    assert "a signed cookie shows the tokens" in str(failures[0])


async def test_nothing_that_is_kept_is_shown(start):
    shop, visitor = await start()
    tokens = await shop.login.refresh((await refresh_tokens(visitor, shop)).pop())
    assert tokens.access_token not in repr(tokens)
    assert "shop" in repr(shop.keepers[0])
    assert issubclass(LoginEnded, web.HTTPUnauthorized)


async def refresh_tokens(visitor, shop):
    """Those in the session, seen by an exchange that fails."""
    seen = set()

    async def note(refresh_token):
        seen.add(refresh_token)
        raise ProviderFault("noted")

    original, shop.login.refresh = shop.login.refresh, note
    shop.now[0] += 300
    await visitor.get("/use")
    shop.login.refresh = original
    return seen
