"""Resolvers and the DNS cache."""

import asyncio
import socket

import pytest

from levante.client import DefaultResolver, ThreadedResolver
from levante.client.resolver import DNSCache, ResolveResult, scoped


def result(host: str) -> ResolveResult:
    return ResolveResult(hostname="h", host=host, port=80, family=socket.AF_INET, proto=0, flags=0)


@pytest.mark.parity("C15")
async def test_threaded() -> None:
    assert DefaultResolver is ThreadedResolver
    resolver = ThreadedResolver()
    found = await resolver.resolve("localhost", 80)
    assert {"127.0.0.1"} == {entry["host"] for entry in found}
    assert found[0]["port"] == 80
    with pytest.raises(OSError, match=r".+"):
        await resolver.resolve("name.invalid", 80)
    for name in ("a..b", "a" * 64 + ".test"):
        with pytest.raises(socket.gaierror, match="no name can be"):
            await resolver.resolve(name, 80)
    await resolver.close()


@pytest.mark.parity("C15")
async def test_localhost_needs_no_configured_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows without a network has nothing for AI_ADDRCONFIG to count."""
    loop = asyncio.get_running_loop()
    lookup = loop.getaddrinfo
    asked: list[tuple[str, int]] = []

    async def getaddrinfo(host: str, port: int, *, flags: int, **options: int) -> list[object]:
        asked.append((host, flags))
        if flags & socket.AI_ADDRCONFIG:
            raise socket.gaierror(socket.EAI_NONAME, "getaddrinfo failed")
        return await lookup("127.0.0.1", port, flags=flags, **options)

    resolver = ThreadedResolver()
    monkeypatch.setattr(type(loop), "getaddrinfo", staticmethod(getaddrinfo))
    assert {"127.0.0.1"} == {entry["host"] for entry in await resolver.resolve("LocalHost.", 80)}
    assert asked == [("LocalHost.", socket.AI_ADDRCONFIG), ("LocalHost.", 0)]
    with pytest.raises(socket.gaierror):
        await resolver.resolve("name.invalid", 80)
    assert asked[2:] == [("name.invalid", socket.AI_ADDRCONFIG)]


@pytest.mark.parity("C15")
def test_scope_ids() -> None:
    index = socket.if_nametoindex("lo")
    assert scoped(("fe80::1", 80, 0, index)) == "fe80::1%lo"
    assert scoped(("::1", 80, 0, 0)) == "::1"


@pytest.mark.parity("C13")
async def test_answers_rotate_and_expire() -> None:
    cache = DNSCache(ttl=10.0)
    key = ("h", 80)

    async def question() -> list[ResolveResult]:
        return [result("1"), result("2"), result("3")]

    now = asyncio.get_running_loop().time()
    assert cache.get(key, now) is None
    orders = [[entry["host"] for entry in await cache.ask(key, question)]]
    orders += [[entry["host"] for entry in cache.get(key, now) or ()] for _ in range(3)]
    assert orders == [["1", "2", "3"], ["2", "3", "1"], ["3", "1", "2"], ["1", "2", "3"]]
    assert key in cache
    assert cache.get(key, now + 11) is None
    assert key not in cache


@pytest.mark.parity("C13", "V26")
async def test_bounded_and_least_recently_used_leaves() -> None:
    cache = DNSCache(ttl=None)

    async def question() -> list[ResolveResult]:
        return [result("1")]

    for number in range(10_000):
        await cache.ask((f"h{number}", 80), question)
        cache.get(("h0", 80), 0.0)
    assert len(cache) == 1000
    assert ("h0", 80) in cache
    assert ("h1", 80) not in cache
    cache.clear(("h0", 80))
    cache.clear(("h0", 80))
    assert len(cache) == 999
    cache.clear()
    assert len(cache) == 0
    with pytest.raises(ValueError, match="at least 1"):
        DNSCache(max_size=0)


@pytest.mark.parity("C13")
async def test_one_question_for_many_and_a_cancelled_one_does_not_stop_it() -> None:
    cache = DNSCache()
    asked = 0
    go = asyncio.Event()

    async def question() -> list[ResolveResult]:
        nonlocal asked
        asked += 1
        await go.wait()
        return [result("1")]

    tasks = [asyncio.create_task(cache.ask(("h", 80), question)) for _ in range(5)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    await asyncio.sleep(0)
    go.set()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(answers[0], asyncio.CancelledError)
    assert answers[1:] == [[result("1")]] * 4
    assert asked == 1


@pytest.mark.parity("C13")
async def test_errors_are_not_cached_and_closing_cancels() -> None:
    cache = DNSCache()

    async def fails() -> list[ResolveResult]:
        raise OSError("no")

    async def nothing() -> list[ResolveResult]:
        return []

    async def forever() -> list[ResolveResult]:
        await asyncio.Event().wait()
        return []

    with pytest.raises(OSError, match="no"):
        await cache.ask(("h", 80), fails)
    assert await cache.ask(("h", 80), nothing) == []
    assert len(cache) == 0
    task = asyncio.create_task(cache.ask(("h", 80), forever))
    await asyncio.sleep(0)
    await cache.close()
    with pytest.raises(asyncio.CancelledError):
        await task
