"""Whose a session is: nobody finds what another user left, and nothing that was ended comes back by itself."""

import pytest

from levante.sessions.merging import Changes


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
