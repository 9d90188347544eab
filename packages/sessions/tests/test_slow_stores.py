"""A Redis and a memcached that answer, and each time two seconds late (hardening X18): no request waits for that, none
is somebody else's or a stranger's, and when they are quick again everybody is who he was."""

import asyncio
import json
import time

import pytest
from chaos import ChaosProxy

from levante.sessions import EncryptedCookieStorage, get_session
from levante.sessions.redis import RedisRevocations, RedisStorage
from levante.web import Response
from levante.web.patience import REST

pytestmark = pytest.mark.hardening("X18")

SLOW = 2.0  # seconds that every answer is kept back
LONGEST = 0.25  # that a request may wait
ROUNDS = 20  # of which one has to find the machine at leisure
VISITORS = 8


async def log_in(request):
    (await get_session(request)).user = request.query["name"]
    return Response()


async def who(request):
    return Response(text=f"{(await get_session(request)).user}")


async def count(request):
    session = await get_session(request)
    session["n"] = session.get("n", 0) + 1
    return Response(text=str(session["n"]))


async def nothing(request):
    return Response(text="no session asked for")


ROUTES = {"/login": log_in, "/who": who, "/count": count, "/nothing": nothing}


@pytest.fixture(params=["redis", "memcached", "revocations"])
async def slow(request, keys):
    """A proxy before a store, and a storage behind it."""
    if request.param == "memcached":
        from levante.sessions.memcached import MemcachedStorage

        request.getfixturevalue("memcached_address")
        async with ChaosProxy(request.getfixturevalue("memcached_server").port) as proxy:
            yield proxy, MemcachedStorage(f"127.0.0.1:{proxy.port}", secure=False)
        return
    request.getfixturevalue("redis_url")
    async with ChaosProxy(request.getfixturevalue("redis_server").port) as proxy:
        url = f"redis://127.0.0.1:{proxy.port}"
        if request.param == "redis":
            yield proxy, RedisStorage(url, secure=False)
        else:
            yield proxy, EncryptedCookieStorage(keys, secure=False, revocations=RedisRevocations(url))


def is_refused(answer):
    return (answer.status, json.loads(answer.text)["status"], "Set-Cookie" in answer.headers) == (503, 503, False)


async def timed(visitor, path):
    began = time.monotonic()
    answer = await visitor.get(path)
    return answer, time.monotonic() - began


async def test_a_slow_store(slow, serve):
    proxy, storage = slow
    first = await serve(ROUTES, storage)
    visitors = {f"user {number}": type(first)(first.port) for number in range(VISITORS)}
    for name, visitor in visitors.items():
        await visitor.get(f"/login?name={name.replace(' ', '%20')}")
        assert (await visitor.get("/count")).text == "1"
    cookies = [dict(visitor.cookies) for visitor in visitors.values()]

    proxy.delay = SLOW
    for _ in range(ROUNDS):
        asked = proxy.passed["request"]
        paths = ["/count", "/who"] * (VISITORS // 2)
        found = await asyncio.gather(*map(timed, visitors.values(), paths))
        assert all(is_refused(answer) for answer, _ in found)
        waits = [waited for _, waited in found]
        assert max(waits) < SLOW
        assert proxy.passed["request"] > asked  # this round was about the store, and not about its rest
        if max(waits) <= LONGEST:
            break
        await asyncio.sleep(2 * REST)
    assert max(waits) <= LONGEST
    assert (await first.get("/nothing")).status == 200
    assert [dict(visitor.cookies) for visitor in visitors.values()] == cookies

    proxy.delay = 0
    async with asyncio.timeout(20):
        for name, visitor in visitors.items():
            while (answer := await visitor.get("/who")).status != 200:
                assert is_refused(answer)
                await asyncio.sleep(0.05)
            assert answer.text == name
            assert (await visitor.get("/count")).text == "2"
