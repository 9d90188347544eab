"""Sealed cookies that end before their time: at logout, at renewal, and all of a user's at once."""

import asyncio

import pytest
from redis import Redis

from levante.sessions import EncryptedCookieStorage, MemoryRevocations, SessionConflict, SignedCookieStorage
from levante.sessions.redis import RedisRevocations


@pytest.fixture(params=["memory", "redis"])
async def revocations(request, redis_url):
    made = MemoryRevocations() if request.param == "memory" else RedisRevocations(redis_url, patience=10)
    yield made
    await made.close()


@pytest.fixture(params=[SignedCookieStorage, EncryptedCookieStorage])
def storage(request, keys, clock, revocations):
    return request.param(keys, clock=clock, revocations=revocations)


async def log_in(visitor, user, **data):
    session = await visitor.load()
    session.user = user
    session.update(data)
    await visitor.save(session)


async def is_ended(browser, storage, cookies):
    return (await browser(storage, *cookies).load()).new


@pytest.mark.hardening("S7")
async def test_a_copy_of_a_cookie_is_worth_nothing_after_logout(storage, browser):
    visitor = browser(storage)
    await log_in(visitor, "ann", n=1)
    copy = list(visitor.cookies)
    assert not await is_ended(browser, storage, copy)
    session = await visitor.load()
    session.invalidate()
    await visitor.save(session)
    assert await is_ended(browser, storage, copy)


@pytest.mark.hardening("S7")
async def test_so_it_is_when_the_last_key_was_deleted(storage, browser):
    visitor = browser(storage)
    await visitor.visit(user=7)
    copy = list(visitor.cookies)
    session = await visitor.load()
    del session["user"]
    await visitor.save(session)
    assert await is_ended(browser, storage, copy)


@pytest.mark.hardening("S6")
@pytest.mark.parametrize("how", ["renew", "user", "new_session"])
async def test_the_cookie_from_before_a_login_is_worth_nothing_after_it(storage, browser, how):
    visitor = browser(storage)
    await visitor.visit(cart=1)
    before = list(visitor.cookies)
    session = await visitor.load()
    if how == "renew":
        session.renew()
    elif how == "user":
        session.user = "ann"
    else:
        session = await storage.new_session()
        session["cart"] = 2
    await visitor.save(session)
    assert await is_ended(browser, storage, before)
    assert not await is_ended(browser, storage, visitor.cookies)


@pytest.mark.hardening("S7")
async def test_all_sessions_of_a_user_end_but_the_one_kept(storage, browser):
    phone, laptop, other = browser(storage), browser(storage), browser(storage)
    for visitor, user in ((phone, "ann"), (laptop, "ann"), (other, "bob")):
        await log_in(visitor, user, n=1)
    before = list(laptop.cookies)
    kept = await laptop.load()
    await storage.revoke_user("ann", keep=kept)
    await laptop.save(kept)
    assert await is_ended(browser, storage, phone.cookies)
    assert await is_ended(browser, storage, before)
    assert dict(await laptop.load()) == {"n": 1}
    assert not await is_ended(browser, storage, other.cookies)


async def test_who_logs_in_again_gets_the_new_generation(storage, browser):
    visitor = browser(storage)
    await log_in(visitor, "ann", n=1)
    for _ in range(3):
        await storage.revoke_user("ann")
        assert await is_ended(browser, storage, visitor.cookies)
        visitor.cookies = []
        await log_in(visitor, "ann", n=1)
        session = await visitor.load()
        assert session.user == "ann"
        session["n"] = 2  # an ordinary write keeps the generation
        await visitor.save(session)
        assert not await is_ended(browser, storage, visitor.cookies)


async def test_a_session_of_nobody_has_no_generation(storage, browser):
    visitor = browser(storage)
    await visitor.visit(n=1)
    await storage.revoke_user("ann")
    assert not await is_ended(browser, storage, visitor.cookies)


async def test_a_foreign_cookie_beside_ours_is_no_matter(storage, browser):
    visitor = browser(storage)
    await visitor.visit(n=1)
    ours = visitor.cookies[0]
    session = await visitor.load()
    session.invalidate()
    visitor.cookies.append(f"{storage.cookie_name}=garbage")
    await visitor.save(session)
    assert await is_ended(browser, storage, [ours])


async def test_without_a_list_nobody_can_be_logged_out(make_sealed):
    with pytest.raises(RuntimeError, match="give the storage revocations="):
        await make_sealed().revoke_user("ann")


async def test_revocations_are_forgotten_when_they_have_no_use(revocations):
    await revocations.revoke("a" * 64, 1)
    assert await revocations.is_revoked("a" * 64, None, 0)
    await asyncio.sleep(1.1)
    await revocations.revoke("b" * 64, 100)
    assert not await revocations.is_revoked("a" * 64, None, 0)
    assert await revocations.is_revoked("b" * 64, None, 0)
    assert "levante" in repr(revocations) or "of 1 sessions" in repr(revocations)


async def test_a_generation_is_later_than_any_before(revocations):
    await revocations.revoke_user("ann", 100)
    first = await revocations.generation("ann")
    await revocations.revoke_user("ann", 100)
    assert await revocations.generation("ann") > first > 1_700_000_000_000


@pytest.mark.hardening("S7")
async def test_a_renewal_under_way_ends_with_all_others(storage, browser):
    visitor = browser(storage)
    await log_in(visitor, "ann", n=1)
    late = await visitor.load()
    await storage.revoke_user("ann")
    late.renew()
    await visitor.save(late)
    assert await is_ended(browser, storage, visitor.cookies)


@pytest.mark.hardening("S7")
@pytest.mark.parametrize("how", ["logout", "renew"])
async def test_a_renewal_under_way_does_not_bring_back_what_ended(storage, browser, how):
    visitor = browser(storage)
    await log_in(visitor, "ann", n=1)
    copy = list(visitor.cookies)
    first, late = await visitor.load(), await visitor.load()
    if how == "logout":
        first.invalidate()
    else:
        first.renew()
    late.renew()
    await visitor.save(first)
    with pytest.raises(SessionConflict) as caught:
        await browser(storage, *copy).save(late)
    assert caught.value.ended
    assert (how == "logout") == await is_ended(browser, storage, visitor.cookies)


@pytest.mark.parametrize("how", ["login", "invalidate"])
async def test_what_depends_on_nothing_before_may_come_twice(storage, browser, how):
    visitor = browser(storage)
    await visitor.visit(n=1)
    copies = [browser(storage, *visitor.cookies) for _ in range(2)]
    sessions = [await copy.load() for copy in copies]
    for session in sessions:
        if how == "login":
            session.user = "ann"
        else:
            session.invalidate()
            session["n"] = 2
    for copy, session in zip(copies, sessions, strict=True):
        await copy.save(session)
        assert not await is_ended(browser, storage, copy.cookies)


async def test_the_answer_of_an_outer_middleware_is_no_second_renewal(storage, browser):
    visitor = browser(storage)
    await visitor.visit(n=1)
    session = await visitor.load()
    session.renew()
    copy = browser(storage, *visitor.cookies)
    await copy.save(session)
    await visitor.save(session)
    assert not await is_ended(browser, storage, visitor.cookies)


@pytest.mark.hardening("S7")
async def test_sessions_without_end_stay_ended(keys, browser, revocations, clock, redis_url):
    storage = SignedCookieStorage(keys, clock=clock, revocations=revocations, max_age=None, idle_timeout=None)
    one, other = browser(storage), browser(storage)
    for visitor in (one, other):
        await log_in(visitor, "ann")
    copy = list(one.cookies)
    session = await one.load()
    session.invalidate()
    await one.save(session)
    await storage.revoke_user("ann")
    if isinstance(revocations, RedisRevocations):
        with Redis.from_url(redis_url) as client:
            names = client.keys("*")
            assert [client.ttl(name) for name in names] == [-1] * 2
    else:
        assert "1 sessions and 1 users" in repr(revocations)
    assert await is_ended(browser, storage, copy)
    assert await is_ended(browser, storage, other.cookies)


async def test_a_revocation_lasts_as_long_as_the_longest_copy(revocations):
    assert await revocations.revoke("a" * 64, 1)
    assert not await revocations.revoke("a" * 64, 100)
    await asyncio.sleep(1.1)
    await revocations.revoke("b" * 64, 100)
    assert await revocations.is_revoked("a" * 64, None, 0)
    assert not await revocations.revoke("a" * 64, None)
