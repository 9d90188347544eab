"""Sessions on a server, in memory and in Redis: writes that meet, sessions that end, lists of a user's sessions."""

import asyncio

import pytest

from levante.sessions import MemoryStorage, get_session
from levante.sessions.errors import SessionConflict, SessionReadOnly, SessionStoreUnavailable
from levante.sessions.memory import MemoryStore
from levante.sessions.records import handle_of
from levante.sessions.serverside import ServerSideStorage
from levante.sessions.store import Outcome
from levante.web import Response


@pytest.fixture
def make_server_side(make_table, clock):
    return lambda **options: make_table(clock=clock, **options)


@pytest.fixture
def make_listing(make_list_table, clock):
    return lambda **options: make_list_table(clock=clock, **options)


async def test_words_that_mean_nothing_are_refused():
    with pytest.raises(ValueError, match="conflict is 'win'; expected 'merge' or 'refuse'"):
        MemoryStorage(conflict="win")
    with pytest.raises(ValueError, match="outage is 'panic'; expected 'refuse' or 'anonymous'"):
        ServerSideStorage(MemoryStore(), outage="panic")


@pytest.mark.hardening("S9")
async def test_two_requests_at_once_lose_no_key(make_server_side, browser):
    visitor = browser(make_server_side())
    await visitor.visit(cart=["a"], old=1, both=0)
    one, other = await visitor.load(), await visitor.load()
    one["user"], one["both"] = "ann", 1
    one["cart"].append("b")
    del other["old"]
    other["seen"], other["both"] = True, 2
    await visitor.save(one)
    await visitor.save(other)
    expected = {"cart": ["a", "b"], "user": "ann", "seen": True, "both": 2}
    assert dict(other) == expected
    assert dict(await visitor.load()) == expected


@pytest.mark.hardening("S9")
async def test_many_at_once_on_two_machines_lose_no_key(make_server_side, browser):
    here = make_server_side()
    there = ServerSideStorage(here.store, clock=here.clock)
    visitor = browser(here)
    await visitor.visit(begun=True)

    async def change(number):
        second = browser([here, there][number % 2], *visitor.cookies)
        session = await second.load()
        session[f"key {number}"] = number
        await second.save(session)

    await asyncio.gather(*(change(number) for number in range(12)))
    assert dict(await visitor.load()) == {"begun": True} | {f"key {number}": number for number in range(12)}


@pytest.mark.hardening("S9")
async def test_strict_mode_refuses_the_later_one(make_server_side, browser):
    visitor = browser(make_server_side(conflict="refuse"))
    await visitor.visit(n=1)
    one, other = await visitor.load(), await visitor.load()
    one["n"] = 2
    other["m"] = 2
    await visitor.save(one)
    with pytest.raises(SessionConflict) as caught:
        await visitor.save(other)
    assert not caught.value.ended
    assert not visitor.response.cookies
    assert dict(await visitor.load()) == {"n": 2}


async def test_a_refresh_that_comes_second_is_no_conflict(make_server_side, browser, clock):
    visitor = browser(make_server_side(conflict="refuse"))
    await visitor.visit(n=1)
    clock.now += 3600
    one, other = await visitor.load(), await visitor.load()
    one["n"] = 2
    await visitor.save(one)
    await visitor.save(other)
    session = await visitor.load()
    assert (dict(session), session.seen) == ({"n": 2}, int(clock()))


async def test_a_lifetime_of_its_own_is_merged_too(make_server_side, browser):
    visitor = browser(make_server_side())
    await visitor.visit(n=1)
    one, other, third = await visitor.load(), await visitor.load(), await visitor.load()
    one.max_age = 60
    other["m"] = 2
    third.max_age = 90
    await visitor.save(one)
    await visitor.save(other)
    assert other.max_age == 60
    await visitor.save(third)
    assert (await visitor.load()).max_age == 90


@pytest.mark.hardening("S7")
async def test_a_request_under_way_does_not_bring_back_what_was_logged_out(make_server_side, browser):
    visitor = browser(make_server_side())
    await visitor.visit(user="ann")
    cookies = list(visitor.cookies)
    leaving, late = await visitor.load(), await visitor.load()
    leaving.invalidate()
    late["n"] = 1
    late_visitor = browser(visitor.storage, *cookies)
    await visitor.save(leaving)
    with pytest.raises(SessionConflict) as caught:
        await late_visitor.save(late)
    assert caught.value.ended
    assert (await browser(visitor.storage, *cookies).load()).new


async def test_what_invalidate_forgot_stays_forgotten(make_server_side, browser):
    visitor = browser(make_server_side())
    await visitor.visit(secret=1)
    session = await visitor.load()
    session.invalidate()
    session["flash"] = "bye"
    await visitor.save(session)
    assert dict(await visitor.load()) == {"flash": "bye"}


@pytest.mark.hardening("S6", "S8")
async def test_a_renewal_moves_the_data_in_one_step(make_server_side, browser):
    visitor = browser(make_server_side())
    await visitor.visit(cart=["a"])
    before = list(visitor.cookies)
    renewing, other = await visitor.load(), await visitor.load()
    other["cart"].append("b")
    await browser(visitor.storage, *before).save(other)
    renewing.renew()
    await visitor.save(renewing)
    assert (await browser(visitor.storage, *before).load()).new
    assert dict(await visitor.load()) == {"cart": ["a", "b"]}


async def test_a_login_that_comes_twice_holds_both_times(make_server_side, browser):
    visitor = browser(make_server_side())
    await visitor.visit(cart=["a"])
    first, second = browser(visitor.storage, *visitor.cookies), browser(visitor.storage, *visitor.cookies)
    one, two = await first.load(), await second.load()
    one.user = two.user = "ann"
    await first.save(one)
    await second.save(two)
    for one_of_them in (first, second):
        session = await one_of_them.load()
        assert (session.user, dict(session)) == ("ann", {"cart": ["a"]})
    assert (await visitor.load()).new


@pytest.mark.parity("V49")
@pytest.mark.hardening("S6")
async def test_setting_the_user_renews_the_session(make_server_side, browser):
    visitor = browser(make_server_side())
    await visitor.visit(cart=["a"])
    before = list(visitor.cookies)
    session = await visitor.load()
    session.user = "ann"
    await visitor.save(session)
    after = await visitor.load()
    assert (after.user, dict(after)) == ("ann", {"cart": ["a"]})
    assert after.identity != before[0].partition("=")[2]
    assert (await browser(visitor.storage, *before).load()).new


@pytest.mark.parity("V49", "L7")
async def test_an_identity_of_the_visitors_choice_is_never_adopted(make_server_side, browser):
    storage = make_server_side()
    chosen = "ab" * 16
    visitor = browser(storage, f"{storage.cookie_name}={chosen}")
    session = await visitor.visit(user="ann")
    assert session.identity != chosen
    assert (await browser(storage, f"{storage.cookie_name}={chosen}").load()).new


@pytest.mark.parity("L2")
async def test_an_identity_that_is_taken_cannot_be_chosen(make_server_side, browser):
    visitor = browser(make_server_side())
    taken = (await visitor.visit(user="ann")).identity
    session = await visitor.storage.new_session()
    session.set_new_identity(taken)
    session["user"] = "bob"
    with pytest.raises(SessionConflict):
        await browser(visitor.storage).save(session)
    assert dict(await visitor.load()) == {"user": "ann"}


@pytest.mark.parity("L7")
@pytest.mark.hardening("S7")
async def test_a_users_sessions_are_listed_and_ended(make_listing, browser, clock):
    storage = make_listing()
    visitors = [browser(storage) for _ in range(4)]
    for visitor, user in zip(visitors, ["ann", "ann", "ann", "bob"], strict=True):
        session = await visitor.load()
        session.user = user
        session["n"] = 1
        await visitor.save(session)
        clock.now += 1
    infos = await storage.sessions_of("ann")
    assert [info.seen for info in infos] == sorted((info.seen for info in infos), reverse=True)
    assert {info.handle for info in infos} == {handle_of(visitor.value) for visitor in visitors[:3]}

    await storage.revoke(infos[0].handle)
    assert [(await visitor.load()).new for visitor in visitors] == [False, False, True, False]
    kept = await visitors[0].load()
    await storage.revoke_user("ann", keep=kept)
    assert [(await visitor.load()).new for visitor in visitors] == [False, True, True, False]
    assert [info.handle for info in await storage.sessions_of("ann")] == [handle_of(visitors[0].value)]
    await storage.revoke_user("ann")
    assert await storage.sessions_of("ann") == []
    assert not (await visitors[3].load()).new


async def test_who_logs_out_or_in_as_somebody_else_leaves_the_list(make_listing, browser):
    visitor = browser(make_listing())
    session = await visitor.load()
    session.user = "ann"
    session["n"] = 1
    await visitor.save(session)
    session = await visitor.load()
    session.user = "bob"
    session["n"] = 2
    await visitor.save(session)
    assert await visitor.storage.sessions_of("ann") == []
    assert len(await visitor.storage.sessions_of("bob")) == 1
    session = await visitor.load()
    session.user = None
    await visitor.save(session)
    assert await visitor.storage.sessions_of("bob") == []
    assert dict(await visitor.load()) == {"n": 2}


@pytest.mark.parametrize("user", ["", "x" * 256, "é" * 128])
async def test_a_users_id_has_a_length(make_server_side, browser, user):
    session = await browser(make_server_side()).load()
    with pytest.raises(ValueError, match="has 1 to 255 bytes of UTF-8"):
        session.user = user


async def test_a_write_that_always_loses_gives_up(make_server_side, browser, monkeypatch):
    visitor = browser(make_server_side())
    await visitor.visit(n=1)
    session = await visitor.load()
    session["n"] = 2
    record = await visitor.storage.store.get(handle_of(visitor.value))

    async def always_somebody_else(handle, record_, **_):
        return record

    monkeypatch.setattr(visitor.storage.store, "put", always_somebody_else)
    with pytest.raises(SessionConflict):
        await visitor.save(session)


async def test_the_store_compares_before_it_sets(make_server_side, browser):
    visitor = browser(make_server_side())
    await visitor.visit(n=1)
    store, handle = visitor.storage.store, handle_of(visitor.value)
    record = await store.get(handle)
    assert record.version == 1
    write = {"seconds": 60, "replaces": handle}
    assert await store.put(handle, record._replace(version=2), expected=1, **write) is Outcome.WRITTEN
    assert await store.put(handle, record._replace(version=2), expected=1, **write) is Outcome.WRITTEN  # repeated
    found = await store.put(handle, record._replace(version=2, text="{}"), expected=1, **write)
    assert found == record._replace(version=2)
    moved = handle_of("moved")
    for _ in range(2):
        put = store.put(moved, record._replace(version=3), seconds=60, replaces=handle, expected=2)
        assert await put is Outcome.WRITTEN
    assert await store.get(handle) is None
    handle, write = moved, {"seconds": 60, "replaces": moved}
    await store.delete([handle])
    assert await store.put(handle, record, expected=1, **write) is Outcome.GONE
    assert await store.put(handle, record, expected=0, **write) is Outcome.WRITTEN


@pytest.mark.hardening("S5")
async def test_a_session_without_an_end_is_kept(make_listing, browser):
    visitor = browser(make_listing(max_age=None, idle_timeout=None))
    session = await visitor.load()
    session.user = "ann"
    session["n"] = 1
    cookie = await visitor.save(session)
    assert cookie.max_age is None
    assert len(await visitor.storage.sessions_of("ann")) == 1


class Silent(type(MemoryStorage().store)):
    """A table that cannot be asked."""

    async def get(self, handle):
        raise SessionStoreUnavailable("TimeoutError")


async def test_an_outage_is_no_new_session(browser):
    storage = MemoryStorage()
    storage.store = Silent()
    with pytest.raises(SessionStoreUnavailable, match="neither lost nor new"):
        await browser(storage, f"{storage.cookie_name}={'ab' * 16}").load()


async def test_an_outage_can_make_visitors_anonymous_and_read_only(browser, caplog):
    storage = MemoryStorage()
    storage.store, storage.outage = Silent(), "anonymous"
    visitor = browser(storage, f"{storage.cookie_name}={'ab' * 16}")
    session = await visitor.load()
    assert (session.new, session.empty, session.read_only) == (True, True, True)
    for change in (
        lambda: session.__setitem__("n", 1),
        lambda: session.__delitem__("n"),
        session.changed,
        session.renew,
        session.invalidate,
        lambda: setattr(session, "user", "ann"),
    ):
        with pytest.raises(SessionReadOnly, match="try again"):
            change()
    assert await visitor.save(session) is None
    assert [record.getMessage() for record in caplog.records] == [
        "session storage unavailable: TimeoutError; visitors are anonymous for now"
    ]


@pytest.mark.hardening("S9")
async def test_a_conflict_is_answered_with_409(serve):
    storage = MemoryStorage(secure=False)

    async def change(request):
        session = await get_session(request)
        session["n"] = 1
        if "ended" in request.query:
            await storage.revoke_user("ann")
        return Response(text="done")

    async def log_in(request):
        session = await get_session(request)
        session.user = "ann"
        session["n"] = 0
        return Response(text="in")

    visitor = await serve({"/change": change, "/login": log_in}, storage)
    await visitor.get("/login")
    answer = await visitor.get("/change?ended")
    assert (answer.status, answer.headers["Content-Type"]) == (409, "application/problem+json")
    assert "Set-Cookie" not in answer.headers


async def test_no_csrf_token_can_be_checked_during_an_outage(serve):
    storage = MemoryStorage(secure=False)
    storage.outage = "anonymous"

    async def change(request):
        return Response(text="done")

    visitor = await serve({"/change": change}, storage)
    storage.store = Silent()
    visitor.cookies["session"] = "ab" * 16
    answer = await visitor.post("/change", X_CSRF_Token="A" * 86)
    assert answer.status == 503
