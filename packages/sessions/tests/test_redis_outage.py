"""Redis in trouble (hardening X18): nobody waits for long, nobody is logged out or somebody else, and it heals by
itself."""

import asyncio
import contextlib
import json
import time
from contextlib import asynccontextmanager

import pytest
from redis.asyncio import Redis
from redis_servers import RedisServer

from levante.sessions import EncryptedCookieStorage, get_session
from levante.sessions.redis import RedisRevocations, RedisStorage
from levante.web import Response

pytestmark = pytest.mark.hardening("X18")

PATIENCE = 0.2  # of the storage, its default
BUSY = 10  # times as long may take on a busy machine what an idle one does at once


@pytest.fixture
def durable_redis(tmp_path):
    with RedisServer(tmp_path, durable=True) as server:
        yield server


async def count(request):
    session = await get_session(request)
    session["n"] = session.get("n", 0) + 1
    return Response(text=str(session["n"]))


async def look(request):
    session = await get_session(request)
    return Response(text=f"{session.get('n', 'nobody')}")


async def late(request):
    """Begins to answer, and only then looks at the session."""
    response = Response(text="begun")
    await response.prepare(request)
    await get_session(request)
    return response


async def nothing(request):
    return Response(text="no session asked for")


ROUTES = {"/count": count, "/look": look, "/late": late, "/nothing": nothing}


def is_refused(answer):
    """503 as a problem that a program can read, and the cookie left alone."""
    problem = json.loads(answer.text)
    return (
        answer.status == 503
        and answer.headers["Content-Type"] == "application/problem+json"
        and answer.headers["Retry-After"] == "1"
        and problem["status"] == 503
        and "Set-Cookie" not in answer.headers
    )


@asynccontextmanager
async def killed(server, _visitor):
    server.kill()
    yield
    server.start()


@asynccontextmanager
async def stopped(server, _visitor):
    server.hang()
    yield
    server.go_on()


@asynccontextmanager
async def another_password(server, _visitor):
    async with Redis.from_url(server.url) as client:
        await client.config_set("requirepass", "secret")
        await client.client_kill_filter(_type="normal", skipme=True)
        yield
        await client.config_set("requirepass", "")


@pytest.mark.parametrize("trouble", [killed, stopped, another_password])
async def test_an_outage_is_told_and_heals(durable_redis, serve, trouble):
    visitor = await serve(ROUTES, RedisStorage(durable_redis.url, secure=False))
    assert [(await visitor.get("/count")).text for _ in range(3)] == ["1", "2", "3"]
    cookies = dict(visitor.cookies)
    async with trouble(durable_redis, visitor):
        started = time.monotonic()
        answers = [await visitor.get(path) for path in ("/count", "/look", "/count")]
        waited = time.monotonic() - started
        assert all(map(is_refused, answers))
        assert waited < 3 * PATIENCE * BUSY
        assert (await visitor.get("/nothing")).status == 200
        assert visitor.cookies == cookies
    await healed(visitor)
    assert (await visitor.get("/look")).text == "3"
    assert (await visitor.get("/count")).text == "4"


async def healed(visitor, text=""):
    deadline = time.monotonic() + 20
    while (answer := await visitor.get("/look")).status != 200 or text not in answer.text:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


async def test_a_redis_that_takes_no_writes(durable_redis, serve):
    visitor = await serve(ROUTES, RedisStorage(durable_redis.url, secure=False))
    await visitor.get("/count")
    async with Redis.from_url(durable_redis.url) as client:
        await client.execute_command("REPLICAOF", "127.0.0.1", "1")  # a replica of nobody: it is read-only
        assert (await visitor.get("/look")).text == "1"
        assert is_refused(await visitor.get("/count"))
        await client.execute_command("REPLICAOF", "NO", "ONE")
    await healed(visitor)
    assert (await visitor.get("/count")).text == "2"


async def test_while_it_hangs_only_the_first_wait(redis_server, redis_url, serve):
    visitor = await serve(ROUTES, RedisStorage(redis_url, secure=False, patience=1.0))
    await visitor.get("/count")
    redis_server.hang()
    try:
        started = time.monotonic()
        assert is_refused(await visitor.get("/look"))
        first = time.monotonic() - started
        started = time.monotonic()
        assert is_refused(await visitor.get("/look"))
        second = time.monotonic() - started
    finally:
        redis_server.go_on()
    assert first >= 1.0
    assert second < first / 2
    await healed(visitor)


async def test_a_redis_that_lost_everything_makes_visitors_strangers(tmp_path, serve):
    with RedisServer(tmp_path) as server:
        visitor = await serve(ROUTES, RedisStorage(server.url, secure=False))
        await visitor.get("/count")
        server.kill()
        server.start()
        assert (await visitor.get("/look")).text == "nobody"
        assert not visitor.cookies


async def test_anonymous_by_setting(redis_server, redis_url, serve):
    visitor = await serve(ROUTES, RedisStorage(redis_url, secure=False, outage="anonymous", patience=0.2))
    await visitor.get("/count")
    cookies = dict(visitor.cookies)
    redis_server.hang()
    try:
        answer = await visitor.get("/look")
        assert (answer.status, answer.text) == (200, "nobody")
        assert is_refused(await visitor.get("/count"))
        assert visitor.cookies == cookies
    finally:
        redis_server.go_on()
    await healed(visitor, text="1")


async def test_after_the_head_an_outage_is_the_handlers_error(redis_server, redis_url, serve, failures):
    visitor = await serve(ROUTES, RedisStorage(redis_url, secure=False), outer=[failures.note])
    await visitor.get("/count")
    redis_server.hang()
    try:
        with contextlib.suppress(IndexError):  # the answer is cut off
            await visitor.get("/late")
    finally:
        redis_server.go_on()
    assert [type(failure).__name__ for failure in failures] == ["SessionStoreUnavailable"]


async def test_sealed_cookies_do_not_know_of_it(redis_server, redis_url, serve, keys):
    visitor = await serve(ROUTES, EncryptedCookieStorage(keys, secure=False))
    redis_server.hang()
    try:
        assert [(await visitor.get("/count")).text for _ in range(2)] == ["1", "2"]
    finally:
        redis_server.go_on()


async def test_sealed_cookies_whose_revocation_is_not_known_are_refused(redis_server, redis_url, serve, keys):
    storage = EncryptedCookieStorage(keys, secure=False, revocations=RedisRevocations(redis_url))
    visitor = await serve(ROUTES, storage)
    assert (await visitor.get("/count")).text == "1"
    redis_server.hang()
    try:
        assert is_refused(await visitor.get("/look"))
    finally:
        redis_server.go_on()
    await healed(visitor)
    assert (await visitor.get("/look")).text == "1"


async def test_killed_and_started_under_load_nobody_is_logged_out(durable_redis, serve):
    first = await serve(ROUTES, RedisStorage(durable_redis.url, secure=False))
    visitors = [type(first)(first.port) for _ in range(10)]
    done, outage = asyncio.Event(), asyncio.Event()
    saved = []

    async def keep_counting(visitor):
        """Count what was confirmed: it must never go back."""
        confirmed = 0
        while not (done.is_set() and confirmed > 0):
            answer = await visitor.get("/count")
            if answer.status == 503:
                outage.set()
                continue
            # A write whose confirmation was lost may have happened: then one is skipped, and none is missing.
            assert int(answer.text) > confirmed
            confirmed = int(answer.text)
        saved.append(confirmed)

    tasks = [asyncio.create_task(keep_counting(visitor)) for visitor in visitors]
    for _ in range(3):
        await asyncio.sleep(0.2)
        outage.clear()
        await asyncio.to_thread(durable_redis.kill)
        await asyncio.wait_for(outage.wait(), 20)
        await asyncio.to_thread(durable_redis.start)
    done.set()
    await asyncio.gather(*tasks)
    for visitor in visitors:
        assert int((await visitor.get("/look")).text) in saved


@pytest.mark.hardening("S15")
async def test_no_repr_or_error_shows_the_password(serve):
    storage = RedisStorage("redis://:hunter2@127.0.0.1:1", secure=False)
    visitor = await serve(ROUTES, storage)
    visitor.cookies["session"] = "ab" * 16
    answer = await visitor.get("/look")
    assert is_refused(answer)
    assert "hunter2" not in answer.text + repr(storage) + repr(storage.store) + repr(storage.store._link)


async def test_somebody_elses_client_stays_open(redis_url, browser):
    for decode in (False, True):
        async with Redis.from_url(redis_url, decode_responses=decode) as client:
            storage = RedisStorage(client)
            session = await storage.new_session()
            session.user = "José"
            session["n"] = "ñ"
            response = Response()
            await storage.save_session(browser(storage).request, response, session)
            (info,) = await storage.sessions_of("José")
            record = await storage.store.get(info.handle)
            assert (record.text, record.user, record.max_age) == ('{"n":"ñ"}', "José", None)
            await storage.close()
            assert await client.ping()
            await storage.revoke_user("José")
            assert await storage.sessions_of("José") == []


async def test_what_is_no_record_is_no_session(redis_url, browser):
    storage = RedisStorage(redis_url, patience=10)
    visitor = browser(storage)
    await visitor.visit(n=1)
    async with Redis.from_url(redis_url) as client:
        (key,) = await client.keys("levante:sessions:session:*")
        assert visitor.value.encode() not in key  # hashed: a dump of Redis opens nobody's session
        assert 0 < await client.pttl(key) <= 7_200_000
        await client.hset(key, "created", "soon")
    assert (await visitor.load()).new
    await storage.close()
