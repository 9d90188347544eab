"""Logouts that the provider tells of, from server to server (OpenID Connect Back-Channel Logout 1.0)."""

import dataclasses
import itertools
import json

import pytest
from yarl import URL

from levante.client import ClientSession
from levante.sessions import MemoryRevocations, MemoryStorage, get_session
from levante.sessions.errors import SessionStoreUnavailable
from levante.sessions.oidc import BackChannelLogout, OpenIdLogin
from levante.web import Response

pytestmark = pytest.mark.parity("L14")

SHOP = {"client_id": "shop", "client_secret": "s3cret:+ /", "redirect_uri": "https://shop.test/callback"}
numbers = itertools.count()


class Shop:
    """A site, visitors who are logged in, and a provider that logs them out."""

    def __init__(self, http, issuer):
        self.http, self.issuer = http, issuer
        self.storage = MemoryStorage(secure=False)
        self.told = []
        self.login = OpenIdLogin(issuer, http=http, **SHOP)
        seen = MemoryRevocations()
        self.logout, self.other = (BackChannelLogout(self.login, self.end, seen=seen) for _ in range(2))

    async def end(self, notice):
        self.told.append(notice)
        await self.storage.revoke_user(f"{notice.subject}@{notice.issuer}")

    async def log_in(self, request):
        (await get_session(request)).user = f"{request.query['sub']}@{self.issuer}"
        return Response()

    async def who(self, request):
        return Response(text=str((await get_session(request)).user))

    async def token(self, **query):
        async with self.http.get(URL(f"{self.issuer}/logout-token").with_query(query)) as answer:
            return await answer.text()

    async def tell(self, *tokens, path="/logout"):
        body = "&".join(f"logout_token={token}" for token in tokens).encode()
        return await self.provider.post(path, body=body, **FORM)


FORM = {"Content_Type": "application/x-www-form-urlencoded"}


@pytest.fixture
async def shop(provider, serve):
    async with ClientSession() as http:
        made = Shop(http, f"{provider}/good-logout{next(numbers)}")
        routes = {"/login": made.log_in, "/who": made.who, "/logout": made.logout.handle, "/other": made.other.handle}
        made.provider = await serve(routes, made.storage)
        yield made


async def visitors(shop, *subjects):
    found = [type(shop.provider)(shop.provider.port) for _ in subjects]
    for visitor, subject in zip(found, subjects, strict=True):
        await visitor.get(f"/login?sub={subject}")
    return found


def is_refused(answer):
    error = json.loads(answer.text)
    return (answer.status, error["error"], answer.headers["Cache-Control"]) == (400, "invalid_request", "no-store")


@pytest.mark.hardening("S7")
@pytest.mark.parametrize("how", ["", "both", "without-exp", "typ-logout+jwt", "typ-application/logout+jwt", "typ-JWT"])
async def test_all_sessions_of_the_user_end(shop, how):
    ann, phone, bob = await visitors(shop, "ann", "ann", "bob")
    answer = await shop.tell(await shop.token(how=how))
    assert (answer.status, answer.text, answer.headers["Cache-Control"]) == (200, "", "no-store")
    assert [(await visitor.get("/who")).text for visitor in (ann, phone)] == ["None", "None"]
    assert (await bob.get("/who")).text == f"bob@{shop.issuer}"
    (notice,) = shop.told
    assert (notice.issuer, notice.subject, notice.sid) == (shop.issuer, "ann", "s1" if how == "both" else None)


@pytest.mark.parametrize(
    "how",
    [
        "other-issuer",
        "other-audience",
        "more-audiences",
        "old",
        "from-tomorrow",
        "without-iat",
        "expired",
        "odd-exp",
        "no-events",
        "other-event",
        "odd-event",
        "list-of-events",
        "nonce",
        "no-id",
        "empty-id",
        "number-as-id",
        "endless-id",
        "nobody",
        "empty-subject",
        "odd-subject",
        "odd-sid",
        "typ-at+jwt",
        "stranger",
        "garbage",
        "alg-none",
        "alg-hs256",
        "alg-rs512",
        "unknown-kid",
        "other-signature",
        "endless",
    ],
)
async def test_what_is_no_logout_token(shop, how):
    (ann,) = await visitors(shop, "ann")
    assert is_refused(await shop.tell(await shop.token(how=how)))
    assert not shop.told
    assert (await ann.get("/who")).text == f"ann@{shop.issuer}"


async def test_one_login_of_a_user_is_the_applications_to_find(shop):
    async def end(notice):
        told.append(notice)

    told = []
    shop.logout._end_sessions = end
    assert (await shop.tell(await shop.token(how="only-sid"))).status == 200
    ((issuer, subject, sid),) = [(notice.issuer, notice.subject, notice.sid) for notice in told]
    assert (issuer, subject, sid) == (shop.issuer, None, "s1")


@pytest.mark.hardening("S8")
async def test_a_token_holds_once(shop):
    token = await shop.token()
    assert (await shop.tell(token)).status == 200
    (ann,) = await visitors(shop, "ann")  # she has logged in again
    assert is_refused(await shop.tell(token))
    assert (await ann.get("/who")).text == f"ann@{shop.issuer}"
    assert len(shop.told) == 1


async def test_ids_are_shared_by_processes(shop):
    token = await shop.token()
    assert (await shop.tell(token)).status == 200
    assert is_refused(await shop.tell(token, path="/other"))
    assert (await shop.tell(await shop.token(), path="/other")).status == 200


async def test_what_could_not_be_ended_ends_when_it_comes_again(shop):
    async def cannot(notice):
        raise SessionStoreUnavailable("TimeoutError")

    (ann,) = await visitors(shop, "ann")
    token = await shop.token()
    shop.logout._end_sessions = cannot
    answer = await shop.tell(token)
    assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
    shop.logout._end_sessions = shop.end
    assert (await shop.tell(token)).status == 200
    assert (await ann.get("/who")).text == "None"


async def test_forms_without_a_token(shop):
    token = await shop.token()
    assert is_refused(await shop.tell())
    assert is_refused(await shop.tell(token, token))
    assert is_refused(await shop.provider.post("/logout", body=b"logout_token=", **FORM))
    assert is_refused(await shop.provider.post("/logout", body=b"x", Content_Type="text/plain"))
    assert not shop.told


async def test_a_provider_that_cannot_be_asked(provider, serve):
    async with ClientSession() as http:
        login = OpenIdLogin(f"{provider}/failing-{next(numbers)}", http=http, **SHOP)
        logout = BackChannelLogout(login, None)
        visitor = await serve({"/logout": logout.handle})
        answer = await visitor.post("/logout", body=b"logout_token=a.b.c", **FORM)
        assert answer.status == 502
        assert "shop" in repr(logout)


async def test_a_provider_without_keys(shop, monkeypatch):
    provider = dataclasses.replace(await shop.login._provider(), jwks_uri=None)

    async def known():
        return provider

    monkeypatch.setattr(shop.login, "_provider", known)
    assert (await shop.tell(await shop.token())).status == 502
    assert not shop.told
