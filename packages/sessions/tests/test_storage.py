"""What every storage owes: lifetimes judged by the server, nothing written without need, no error for bad cookies."""

import logging

import pytest

from levante.sessions import AbstractStorage, MemoryStorage, SessionPayloadError, SignedCookieStorage
from levante.sessions.storage import FUTURE_TOLERANCE, IDLE_TIMEOUT, MAX_AGE, REFRESH_PART


@pytest.mark.parity("L3")
def test_parameters_and_properties(make_storage):
    storage = make_storage(cookie_name="shop", path="/app", domain="example.com", max_age=60, samesite="Strict")
    assert storage.cookie_name == "__Secure-shop"
    assert storage.max_age == 60
    assert storage.cookie_params == {
        "domain": "example.com",
        "max_age": 60,
        "path": "/app",
        "secure": True,
        "httponly": True,
        "samesite": "Strict",
    }
    assert isinstance(storage, AbstractStorage)


@pytest.mark.hardening("S11")
def test_defaults_are_the_safe_ones(make_storage):
    storage = make_storage()
    assert storage.cookie_name == "__Host-session"
    assert (storage.max_age, storage.idle_timeout) == (7 * 24 * 3600, 2 * 3600)
    assert storage.cookie_params == {
        "domain": None,
        "max_age": MAX_AGE,
        "path": "/",
        "secure": True,
        "httponly": True,
        "samesite": "Lax",
    }


@pytest.mark.parametrize("name", ["max_age", "idle_timeout"])
@pytest.mark.parametrize("seconds", [0, -1, 401 * 24 * 3600])
def test_lifetimes_that_make_no_sense_are_refused(make_storage, name, seconds):
    with pytest.raises(ValueError, match=f"{name} is {seconds}"):
        make_storage(**{name: seconds})


@pytest.mark.parity("L2")
async def test_a_session_lives_from_request_to_request(make_storage, browser):
    visitor = browser(make_storage())
    first = await visitor.visit(user=7, cart=["a", {"b": None}])
    assert first.new
    second = await visitor.load()
    assert not second.new
    assert dict(second) == {"user": 7, "cart": ["a", {"b": None}]}
    assert second.identity == first.identity
    assert second.created == first.created


@pytest.mark.parity("L1")
@pytest.mark.hardening("S9")
async def test_what_is_unchanged_is_not_written(make_storage, browser, clock):
    visitor = browser(make_storage())
    assert await visitor.save(await visitor.load()) is None
    assert "Cache-Control" not in visitor.response.headers
    await visitor.visit(a=[1])
    session = await visitor.load()
    assert await visitor.save(session) is None
    session["a"].append(2)
    assert await visitor.save(session) is not None
    assert (await visitor.load())["a"] == [1, 2]


@pytest.mark.parity("L2", "L3")
async def test_an_emptied_session_deletes_its_cookie(make_storage, browser):
    for end in (lambda session: session.clear(), lambda session: session.invalidate()):
        visitor = browser(make_storage())
        await visitor.visit(a=1)
        session = await visitor.load()
        end(session)
        cookie = await visitor.save(session)
        assert cookie.value == ""
        assert cookie.max_age == 0
        assert (await visitor.load()).new


@pytest.mark.hardening("S6")
async def test_data_set_after_invalidate_begins_another_session(make_storage, browser):
    visitor = browser(make_storage())
    first = await visitor.visit(a=1)
    session = await visitor.load()
    session.invalidate()
    session["b"] = 2
    await visitor.save(session)
    after = await visitor.load()
    assert dict(after) == {"b": 2}
    assert after.identity != first.identity


@pytest.mark.hardening("S5")
@pytest.mark.parity("L2", "V50")
async def test_the_absolute_lifetime_ends_at_the_second_however_busy(make_storage, browser, clock):
    visitor = browser(make_storage(max_age=5000, idle_timeout=1000))
    await visitor.visit(n=0)
    for n in range(1, 6):
        clock.now += 999
        assert not (await visitor.visit(n=n)).new
    clock.now += 4
    assert not (await visitor.load()).new
    clock.now += 1
    assert (await visitor.load()).new


@pytest.mark.hardening("S5")
async def test_the_idle_lifetime_ends_at_the_second(make_storage, browser, clock):
    visitor = browser(make_storage())
    await visitor.visit(a=1)
    clock.now += IDLE_TIMEOUT - 1
    assert not (await visitor.load()).new
    clock.now += 1
    assert (await visitor.load()).new


@pytest.mark.hardening("S5")
async def test_reading_keeps_a_session_alive_by_a_rare_new_seal(make_storage, browser, clock):
    visitor = browser(make_storage())
    await visitor.visit(a=1)
    clock.now += IDLE_TIMEOUT / REFRESH_PART - 1
    assert await visitor.save(await visitor.load()) is None
    clock.now += 1
    assert await visitor.save(await visitor.load()) is not None
    clock.now += IDLE_TIMEOUT - 1
    assert not (await visitor.load()).new


@pytest.mark.hardening("S5")
async def test_a_session_from_the_future_is_refused(make_storage, browser, clock):
    visitor = browser(make_storage())
    clock.now += FUTURE_TOLERANCE
    await visitor.visit(a=1)
    clock.now -= FUTURE_TOLERANCE
    assert not (await visitor.load()).new
    clock.now -= 1
    assert (await visitor.load()).new


async def test_lifetimes_can_be_switched_off(make_storage, browser, clock):
    visitor = browser(make_storage(max_age=None, idle_timeout=None))
    session = await visitor.load()
    session["a"] = 1
    cookie = await visitor.save(session)
    assert cookie.max_age is None
    assert cookie.expires is None
    clock.now += 10 * 365 * 24 * 3600
    session = await visitor.load()
    assert not session.new
    assert await visitor.save(session) is None


@pytest.mark.parity("L2", "L3")
async def test_max_age_counts_from_the_beginning_and_may_be_the_sessions_own(make_storage, browser, clock):
    visitor = browser(make_storage())
    session = await visitor.load()
    session["a"] = 1
    assert (await visitor.save(session)).max_age == MAX_AGE
    clock.now += 100
    session = await visitor.load()
    session["a"] = 2
    assert (await visitor.save(session)).max_age == MAX_AGE - 100
    session = await visitor.load()
    session.max_age = 150
    assert (await visitor.save(session)).max_age == 50
    clock.now += 49
    assert (await visitor.load()).max_age == 150
    clock.now += 1
    assert (await visitor.load()).new


@pytest.mark.hardening("S6")
async def test_renew_changes_the_cookie_and_keeps_the_data(make_storage, browser):
    visitor = browser(make_storage())
    first = await visitor.visit(cart=[1])
    before = visitor.value
    session = await visitor.load()
    session.renew()
    session["user"] = 7
    await visitor.save(session)
    assert visitor.value != before
    after = await visitor.load()
    assert dict(after) == {"cart": [1], "user": 7}
    assert after.identity == session.identity != first.identity
    visitor.send(before)  # the cookie from before the login
    assert "user" not in await visitor.load()


@pytest.mark.hardening("S6")
async def test_an_attackers_cookie_is_not_adopted(make_storage, browser):
    visitor = browser(make_storage())
    visitor.send("0123456789abcdef" * 2)
    session = await visitor.visit(user=7)
    assert session.new
    assert session.identity != "0123456789abcdef" * 2
    assert visitor.value != "0123456789abcdef" * 2


BAD = {
    "empty": "",
    "one character": "A",
    "not base64": "%%%%",
    "quoted": '"AAAA"',
    "not ascii": "ñandú",
    "surrogate": "\udcff\udcfe",
    "control": "a\x01b",
    "huge": "A" * 100_000,
    "old format": "gAAAAABm",
    "json": '{"created":1,"session":{"user":1}}',
    "zeros": "A" * 200,
    "version only": "AQ",
    "version and key id": "AQAAAAA",
}


@pytest.mark.hardening("S12")
@pytest.mark.parity("L5")
@pytest.mark.parametrize("value", BAD.values(), ids=BAD)
async def test_a_bad_cookie_is_a_fresh_session_and_is_cleared(make_storage, browser, value):
    visitor = browser(make_storage())
    visitor.send(value)
    session = await visitor.load()
    assert session.new
    assert session.empty
    cookie = await visitor.save(session)
    assert cookie.value == ""
    assert cookie.max_age == 0


@pytest.mark.hardening("S12", "S15")
async def test_a_rejection_is_logged_once_without_the_value(make_storage, browser, caplog):
    visitor = browser(make_storage())
    visitor.send("SEALED-BY-NOBODY")
    with caplog.at_level(logging.DEBUG):
        for _ in range(20):
            await visitor.load()
    (record,) = [record for record in caplog.records if record.name == "levante.sessions"]
    assert record.levelname == "WARNING"
    assert record.message.startswith("session cookie rejected (")
    assert record.message.endswith("); a fresh session was started")
    assert "SEALED" not in record.message


@pytest.mark.hardening("M31")
async def test_the_first_cookie_that_opens_is_used(make_storage, browser, caplog):
    visitor = browser(make_storage())
    await visitor.visit(user="me")
    name, good = visitor.storage.cookie_name, visitor.value
    visitor.cookies = [f"{name}=junk; other=1; {name}=junk2", f"{name}={good}"]
    assert (await visitor.load())["user"] == "me"
    visitor.cookies = [f"{name}=junk; {name}=junk; {name}=junk; {name}={good}"]
    assert (await visitor.load()).new


async def test_data_that_json_cannot_carry_is_refused_with_the_response_untouched(make_storage, browser):
    visitor = browser(make_storage())
    session = await visitor.load()
    session["a"] = {1, 2}
    with pytest.raises(SessionPayloadError):
        await visitor.save(session)
    assert not visitor.response.cookies
    assert not visitor.response.headers.get("Cache-Control")


@pytest.mark.parity("L3")
async def test_another_json_library_can_be_used(make_storage, browser):
    import json

    visitor = browser(make_storage(encoder=lambda data: json.dumps(data, indent=1), decoder=json.loads))
    await visitor.visit(a=[1])
    session = await visitor.load()
    assert session["a"] == [1]
    assert await visitor.save(session) is None


@pytest.mark.parity("L3")
def test_load_cookie_and_save_cookie(make_storage, browser):
    from levante.web import Response

    visitor = browser(make_storage())
    assert visitor.storage.load_cookie(visitor.request) is None
    visitor.send("abc")
    assert visitor.storage.load_cookie(visitor.request) == "abc"
    response = Response()
    visitor.storage.save_cookie(response, "value", max_age=60)
    assert response.cookies[visitor.storage.cookie_name].value == "value"
    visitor.storage.save_cookie(response, "")
    assert response.cookies[visitor.storage.cookie_name].value == ""


@pytest.mark.hardening("S15")
def test_no_repr_shows_a_secret(keys):
    assert repr(SignedCookieStorage(keys)) == "<SignedCookieStorage '__Host-session', <SigningSealer of 3 keys>>"
    assert repr(MemoryStorage()) == "<MemoryStorage '__Host-session' on <MemoryStore of 0 sessions>>"
