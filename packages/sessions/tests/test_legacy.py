"""Cookies that aiohttp-session 2.12.1 wrote, at the clock's time, with the key 00 01 ... 1f: they are read, replaced by
ours, and deleted."""

import base64
import json

import pytest
from cryptography.fernet import Fernet

from levante.sessions import EncryptedCookieStorage, FernetCookies, MemoryRevocations, NaClCookies, WeakKey
from levante.sessions.errors import SealRejected
from levante.web import Response

KEY = bytes(range(32))
FERNET = (
    "AIOHTTP_SESSION=gAAAAABqsTuAYLg3He952XV308Xm9c1sYiwh7Qz3OAyfe_Dg0zpFMr1tCh0kQTBBKBfC8CuDiG97NQvRrOYQuploox1EnYd1kSz"
    "25d2OLXXHX9tqj_61pUcYKAcGxOqSCkuVnQgHxsIijNerXPpBE3etU-Uja7OFHojgN3dADCywAyu2UW2egURYB67SXlCElu-8Hj9WMadj"
)
NACL = (
    'AIOHTTP_SESSION="VuAxqxx/U0jViDg1eLheIYv1y+rSqODQQrWO6GJriIlayXOaBPozfIPjD4UKIubu5JfgfhX3A/+gaipuf/SBwEmxITD3z35+D+'
    'YWuk+x+h6G9mDz+lGc4SxK/NjEkVzXPz/lIZb5u4Ga6HPgLVINAgd00RS3hhr3LjvT"'
)
DATA = {"user": "José", "cart": [1, {"n": None}]}


@pytest.fixture(params=["fernet", "fernet as text", "nacl"])
def old(request):
    """The reader of old cookies, and one of them."""
    if request.param == "nacl":
        return NaClCookies(KEY), NACL
    key = KEY if request.param == "fernet" else base64.urlsafe_b64encode(KEY).decode()
    return FernetCookies(key), FERNET


@pytest.fixture
def make(keys, clock):
    return lambda reader, **options: EncryptedCookieStorage(keys, clock=clock, legacy=[reader], **options)


def fernet(data):
    content = json.dumps({"session": data, "created": 1_790_000_000})
    return Fernet(base64.urlsafe_b64encode(KEY)).encrypt(content.encode()).decode()


@pytest.mark.parity("L5", "L6")
async def test_an_old_session_goes_on_in_our_cookie(make, browser, old, clock):
    reader, cookie = old
    visitor = browser(make(reader), cookie)
    clock.now += 60
    session = await visitor.load()
    assert dict(session) == DATA
    assert session.created == int(clock()) - 60
    written = await visitor.save(session)
    assert written is not None
    assert dict(await visitor.load()) == DATA
    assert visitor.response.cookies["AIOHTTP_SESSION"].max_age == 0  # deleted


@pytest.mark.parity("L5", "V50")
async def test_an_old_session_expires_like_ours(make, browser, old, clock):
    reader, cookie = old
    clock.now += 7200
    assert (await browser(make(reader), cookie).load()).new
    assert dict(await browser(make(reader, idle_timeout=None), cookie).load()) == DATA
    clock.now += 7 * 24 * 3600 - 7200
    session = await browser(make(reader, idle_timeout=None), cookie).load()
    assert session.empty


async def test_ours_is_preferred(make, browser, old):
    reader, cookie = old
    visitor = browser(make(reader))
    await visitor.visit(n=1)
    visitor.cookies.append(cookie)
    assert dict(await visitor.load()) == {"n": 1}


@pytest.mark.hardening("S7")
async def test_a_logout_deletes_the_old_cookie(make, browser, old):
    reader, cookie = old
    visitor = browser(make(reader), cookie)
    session = await visitor.load()
    session.invalidate()
    await visitor.save(session)
    assert visitor.response.cookies["AIOHTTP_SESSION"].max_age == 0


@pytest.mark.parity("L5", "L14")
@pytest.mark.parametrize("key", ["AIOHTTP_SECURITY", None])
async def test_who_had_logged_in_is_logged_in(make, browser, key):
    token = fernet({"AIOHTTP_SECURITY": "ann", "n": 1})
    revocations = MemoryRevocations()
    storage = make(FernetCookies(KEY, user_key=key), revocations=revocations)
    visitor = browser(storage, f"AIOHTTP_SESSION={token}")
    session = await visitor.load()
    if key is None:
        assert (session.user, dict(session)) == (None, {"AIOHTTP_SECURITY": "ann", "n": 1})
        return
    assert (session.user, dict(session)) == ("ann", {"n": 1})
    await visitor.save(session)
    assert (await visitor.load()).user == "ann"
    await storage.revoke_user("ann")  # copies of the old cookie end with all that are hers
    assert (await visitor.load()).empty
    assert (await browser(storage, f"AIOHTTP_SESSION={token}").load()).empty


@pytest.mark.hardening("S14")
@pytest.mark.parametrize("user", ["", "x" * 256, 5, "\ud800", ["ann"]])
async def test_an_old_user_who_cannot_be_one_is_nobody(make, browser, user):
    reader = FernetCookies(KEY, user_key="AIOHTTP_SECURITY")
    token = fernet({"AIOHTTP_SECURITY": user, "n": 1})
    assert (await browser(make(reader), f"AIOHTTP_SESSION={token}").load()).empty


async def test_an_old_session_of_nobody_has_no_user(make, browser):
    reader = FernetCookies(KEY, user_key="AIOHTTP_SECURITY")
    session = await browser(make(reader), f"AIOHTTP_SESSION={fernet({'n': 1})}").load()
    assert (session.user, dict(session)) == (None, {"n": 1})


@pytest.mark.hardening("S12")
@pytest.mark.parametrize("value", ["", '"', '""', "gAAAAA", "é\udcff", "x" * 5000, FERNET[16:-1] + "A", NACL[17:-2]])
async def test_a_bad_old_cookie_is_a_fresh_session(make, browser, old, value):
    reader, _ = old
    session = await browser(make(reader), f"AIOHTTP_SESSION={value}").load()
    assert (session.new, session.empty) == (True, True)


@pytest.mark.hardening("S14")
@pytest.mark.parametrize(
    "content",
    [
        [],
        {"session": {}},
        {"session": [], "created": 1},
        {"session": {}, "created": "1"},
        {"session": {}, "created": 2.5},
    ],
)
async def test_what_is_sealed_but_no_session_is_refused(make, browser, clock, content):
    token = Fernet(base64.urlsafe_b64encode(KEY)).encrypt(json.dumps(content).encode()).decode()
    assert (await browser(make(FernetCookies(KEY)), f"AIOHTTP_SESSION={token}").load()).new


async def test_an_empty_old_session_is_none(make, browser):
    token = Fernet(base64.urlsafe_b64encode(KEY)).encrypt(b"{}").decode()
    visitor = browser(make(FernetCookies(Fernet(base64.urlsafe_b64encode(KEY)))), f"AIOHTTP_SESSION={token}")
    assert (await visitor.load()).empty


def test_other_names_are_read_and_nothing_is_deleted_unasked(browser):
    reader = FernetCookies(KEY, cookie_name="SHOP")
    response, request = Response(), browser(None, FERNET).request
    assert reader.read(request) is None
    reader.delete(request, response)
    assert not response.cookies


@pytest.mark.parametrize("key", [b"short", "short", "!" * 44])
def test_a_key_of_no_use_is_refused(key):
    with pytest.raises(WeakKey, match="it is no key of aiohttp-session's EncryptedCookieStorage"):
        FernetCookies(key)


def test_a_short_nacl_key_is_refused():
    with pytest.raises(WeakKey, match="it is no key of aiohttp-session's NaClCookieStorage"):
        NaClCookies(b"short")


@pytest.mark.hardening("S7")
@pytest.mark.parametrize("how", ["invalidate", "login"])
@pytest.mark.parametrize("adopted", [False, True])
async def test_a_copy_of_an_old_cookie_ends_with_its_session(make, browser, old, how, adopted):
    reader, cookie = old
    storage = make(reader, revocations=MemoryRevocations())
    visitor, at_once = browser(storage, cookie), browser(storage, cookie)
    if adopted:  # by two requests of a page; the second one still has the old cookie
        for one in (visitor, at_once):
            await one.visit(n=1)
            assert dict(await one.load()) == {**DATA, "n": 1}
        visitor.cookies.append(cookie)
    session = await visitor.load()
    if how == "login":
        session.user = "ann"
    else:
        session.invalidate()
    await visitor.save(session)
    for copy in (cookie, cookie.replace("=", "=!", 1)):  # spelled otherwise
        assert (await browser(storage, copy).load()).empty
    assert not adopted or (await at_once.load()).empty
    if how == "login":
        assert (await visitor.load()).user == "ann"


def test_a_time_before_all_times_is_no_session(make, browser):
    cookie = Fernet(base64.urlsafe_b64encode(KEY)).encrypt(b'{"session": {"n": 1}, "created": -5}').decode()
    with pytest.raises(SealRejected, match="bad payload"):
        FernetCookies(KEY).read(browser(make(FernetCookies(KEY)), f"AIOHTTP_SESSION={cookie}").request)
