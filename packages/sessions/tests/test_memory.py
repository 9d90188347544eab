"""Sessions in memory: hashed identities, no adoption of unknown ones, a bounded table."""

import asyncio

import pytest

from levante.sessions import MemoryStorage


@pytest.mark.hardening("S8")
async def test_the_table_opens_nobodys_session(browser):
    visitor = browser(MemoryStorage())
    session = await visitor.visit(user=7)
    assert visitor.value == session.identity
    assert session.identity not in str(visitor.storage.store._entries)
    assert len(visitor.storage.store) == 1


@pytest.mark.parity("L7")
@pytest.mark.hardening("S6")
async def test_a_renewed_session_is_not_found_under_its_old_identity(browser):
    visitor = browser(MemoryStorage())
    await visitor.visit(user=7)
    before = visitor.value
    session = await visitor.load()
    session.renew()
    await visitor.save(session)
    assert len(visitor.storage.store) == 1
    visitor.send(before)
    assert (await visitor.load()).new


async def test_a_deleted_session_is_gone_from_the_table(browser):
    visitor = browser(MemoryStorage())
    await visitor.visit(user=7)
    before = visitor.value
    session = await visitor.load()
    session.invalidate()
    await visitor.save(session)
    assert len(visitor.storage.store) == 0
    visitor.send(before)
    assert (await visitor.load()).new


async def test_an_expired_session_leaves_the_table_when_it_is_asked_for(browser, clock):
    visitor = browser(MemoryStorage(clock=clock))
    await visitor.visit(user=7)
    clock.now += 2 * 3600
    assert (await visitor.load()).new
    assert len(visitor.storage.store) == 0


async def test_the_one_idle_longest_makes_room(browser):
    storage = MemoryStorage(max_sessions=3)
    visitors = [browser(storage) for _ in range(3)]
    for visitor in visitors:
        await visitor.visit(n=1)
    await visitors[0].visit(n=2)
    await browser(storage).visit(n=1)
    assert len(storage.store) == 3
    assert [(await visitor.load()).new for visitor in visitors] == [False, True, False]


async def test_a_record_goes_at_its_end(browser):
    visitor = browser(MemoryStorage(max_age=1))
    session = await visitor.load()
    session.user = "ann"
    session["n"] = 1
    await visitor.save(session)
    assert len(await visitor.storage.sessions_of("ann")) == 1
    await asyncio.sleep(1.01)
    assert await visitor.storage.sessions_of("ann") == []
    assert len(visitor.storage.store) == 0
