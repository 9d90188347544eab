"""Whose a session is: nobody finds what another user left, and nothing that was ended comes back by itself."""

import asyncio
import time

import pytest
from redis import Redis

from levante.sessions import SignedCookieStorage, get_session, session_middleware
from levante.sessions.merging import Changes
from levante.sessions.records import Record, handle_of
from levante.sessions.redis import RedisStorage
from levante.web import HTTPForbidden, HTTPSeeOther, Response


async def log_in(visitor, user, **data):
    session = await visitor.load()
    session.user = user
    session.update(data)
    await visitor.save(session)


@pytest.mark.hardening("S6")
async def test_a_user_finds_nothing_of_the_one_before(make_storage, browser):
    visitor = browser(make_storage())
    session = await visitor.load()
    session["cart"] = 1
    session.user = "ann"
    session.max_age = 60
    await visitor.save(session)
    assert dict(await visitor.load()) == {"cart": 1}  # of nobody before, so it is hers
    await log_in(visitor, "bob", n=1)
    session = await visitor.load()
    assert (session.user, dict(session), session.max_age) == ("bob", {"n": 1}, None)


@pytest.mark.hardening("S6")
async def test_nor_what_another_request_adds_meanwhile(make_table, browser):
    visitor = browser(make_table())
    await log_in(visitor, "ann")
    session, late = await visitor.load(), await visitor.load()
    late["secret"] = 1
    await browser(visitor.storage, *visitor.cookies).save(late)
    session.user = "bob"
    await visitor.save(session)
    assert dict(await visitor.load()) == {}


@pytest.mark.hardening("S6")
async def test_who_logs_in_again_has_a_new_identity(make_storage, browser):
    visitor = browser(make_storage())
    await log_in(visitor, "ann", n=1)
    before = (await visitor.load()).identity
    await log_in(visitor, "ann")
    session = await visitor.load()
    assert session.identity != before
    assert (session.user, dict(session)) == ("ann", {"n": 1})


async def test_nobody_stays_nobody(make_storage, browser):
    visitor = browser(make_storage())
    await visitor.visit(n=1)
    session = await visitor.load()
    before = session.identity
    session.user = None
    assert session.identity == before


async def test_an_ended_session_takes_its_lifetime_along(make_storage, browser):
    visitor = browser(make_storage())
    session = await visitor.load()
    session.max_age = 60
    session.invalidate()
    assert session.max_age is None


@pytest.mark.parametrize(("before", "after"), [(1, True), (0, False), (1, 1.0), ({"a": [1]}, {"a": [True]})])
def test_what_python_takes_for_equal_is_a_change(before, after):
    changes = Changes.between({"k": before, "l": 2}, {"k": after, "l": 2})
    assert list(changes.put) == ["k"]
    assert repr(changes.applied_to({"k": before, "m": 3})) == repr({"k": after, "m": 3})


@pytest.mark.hardening("S7")
async def test_a_logout_that_comes_twice_is_no_conflict(make_table, browser):
    visitor = browser(make_table())
    await log_in(visitor, "ann", n=1)
    copies = [browser(visitor.storage, *visitor.cookies) for _ in range(2)]
    sessions = [await copy.load() for copy in copies]
    for copy, session in zip(copies, sessions, strict=True):
        session.invalidate()
        session["flash"] = "bye"
        await copy.save(session)
        assert dict(await copy.load()) == {"flash": "bye"}
    assert (await visitor.load()).new


@pytest.mark.hardening("S7")
async def test_the_end_of_all_meets_renewals(make_list_table, browser):
    storage = make_list_table()
    visitors = [browser(storage) for _ in range(40)]
    for visitor in visitors:
        await log_in(visitor, "ann")
    sessions = [await visitor.load() for visitor in visitors]

    async def renew(visitor, session):
        for _ in range(3):
            session.renew()
            await visitor.save(session)
            session = await visitor.load()

    tasks = [asyncio.create_task(renew(*each)) for each in zip(visitors, sessions, strict=True)]
    await asyncio.sleep(0)
    await storage.revoke_user("ann")
    await asyncio.gather(*tasks, return_exceptions=True)
    assert await storage.sessions_of("ann") == []
    assert all([(await visitor.load()).user is None for visitor in visitors])


@pytest.mark.hardening("S7")
async def test_thousands_of_sessions_of_one_user_end_in_time(redis_url, browser):
    """Who logs in again and again cannot have so many sessions that they could not be ended any more."""
    maker = RedisStorage(redis_url, patience=10)
    record = Record("{}", int(time.time()), int(time.time()), None, "ann", 1)
    many = 5_000

    async def put(number):
        handle = handle_of(f"session {number}")
        await maker.store.put(handle, record, seconds=100, replaces=handle, expected=0)

    await asyncio.gather(*(put(number) for number in range(many)))
    visitor = browser(maker)
    await log_in(visitor, "ann")
    storage = RedisStorage(redis_url, patience=2)
    assert len(await storage.sessions_of("ann")) == many + 1
    kept = await visitor.load()
    await storage.revoke_user("ann", keep=kept)
    await visitor.save(kept)
    assert [info.handle for info in await storage.sessions_of("ann")] == [handle_of(kept.identity)]
    await storage.close()
    await maker.close()


async def test_the_list_of_a_users_sessions_ends_with_them(redis_url, browser):
    storage = RedisStorage(redis_url, patience=10)
    visitor = browser(storage)
    await log_in(visitor, "ann")
    with Redis.from_url(redis_url) as client:
        [name] = client.keys("*:user:*")
        for max_age in (7000, 60):
            session = await visitor.load()
            session.max_age = max_age
            if max_age == 60:
                session.renew()
            await visitor.save(session)
            assert 0 < client.ttl(name) <= 7200
    await storage.close()


@pytest.mark.hardening("S7", "S11")
async def test_an_exception_that_is_raised_again_gives_nobodys_session_away(make_storage, serve):
    """Careless, and easily done: one exception for all visitors."""
    denied = HTTPForbidden()

    async def log_in(request):
        session = await get_session(request)
        session.user = "ann"
        session["n"] = 1
        raise denied

    async def look(_request):
        raise denied

    async def me(request):
        return Response(text=str((await get_session(request)).user))

    visitor = await serve({"/log-in": log_in, "/look": look, "/me": me}, make_storage(secure=False))
    answer = await visitor.get("/log-in")
    assert (answer.status, answer.headers["Cache-Control"], answer.headers["Vary"]) == (403, "no-store", "Cookie")
    assert (await visitor.get("/me")).text == "ann"
    visitor.cookies.clear()
    assert "Set-Cookie" not in (await visitor.get("/look")).headers
    assert (await visitor.get("/me")).text == "None"
    assert "Set-Cookie" not in denied.headers
    assert not denied.cookies


@pytest.mark.hardening("S7")
async def test_a_clock_that_is_ahead_hides_no_session_from_its_end(redis_url, browser, monkeypatch):
    storage = RedisStorage(redis_url, patience=10)
    phone, laptop = browser(storage), browser(storage)
    await log_in(phone, "ann")
    session = await laptop.load()
    session.user = "ann"
    with monkeypatch.context() as patch:
        now = time.time()
        patch.setattr(time, "time", lambda: now + 24 * 3600)
        await laptop.save(session)
    assert len(await storage.sessions_of("ann")) == 2
    await storage.revoke_user("ann")
    assert (await phone.load()).new
    await storage.close()


@pytest.mark.hardening("S7")
async def test_a_copy_of_the_session_that_is_kept_ends_as_well(make_list_table, browser):
    storage = make_list_table()
    visitor = browser(storage)
    await log_in(visitor, "ann", n=1)
    thief = browser(storage, *visitor.cookies)
    kept = await visitor.load()
    await storage.revoke_user("ann", keep=kept)
    await visitor.save(kept)
    assert (await thief.load()).new
    session = await visitor.load()
    assert (session.user, dict(session)) == ("ann", {"n": 1})


@pytest.mark.parametrize("by_hand", [False, True])
async def test_a_session_is_saved_once_for_an_exception(keys, serve, by_hand, monkeypatch):
    storage = SignedCookieStorage(keys, secure=False)
    saved, save = [], storage.save_session

    async def count(request, response, session):
        saved.append(response)
        await save(request, response, session)

    monkeypatch.setattr(storage, "save_session", count)

    async def log_in(request):
        (await get_session(request)).user = "ann"
        raise HTTPSeeOther("/me")

    async def me(request):
        return Response(text=str((await get_session(request)).user))

    routes = {"/log-in": log_in, "/me": me}
    visitor = await (
        serve(routes, middlewares=[session_middleware(storage)]) if by_hand else serve(routes, storage, csrf=None)
    )
    answer = await visitor.get("/log-in")
    assert (answer.status, len(answer.headers.getall("Set-Cookie")), len(saved)) == (303, 1, 1)
    assert (answer.headers["Cache-Control"], answer.headers["Vary"]) == ("no-store", "Cookie")
    assert (await visitor.get("/me")).text == "ann"
