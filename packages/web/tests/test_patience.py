"""Waiting for what may hang: not for long, not all at once, and whatever becomes of a cancellation."""

import asyncio
from typing import Any

import pytest
from redis.asyncio import Redis
from redis_servers import RedisServer

from levante.web.patience import AT_ONCE, REST, Patience


def deaf(times: int) -> Any:
    """Something that loses the first few cancellations."""

    async def call() -> None:
        for _ in range(times):
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                pass
        await asyncio.Event().wait()

    return call


@pytest.mark.parametrize("times", [0, 1, 3])
async def test_a_cancellation_that_is_lost_comes_again(times: int) -> None:
    async with asyncio.timeout(10):
        with pytest.raises(TimeoutError):
            await Patience(0.01).wait(deaf(times))
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    await asyncio.sleep(0)


async def test_who_is_cancelled_meanwhile_is_cancelled() -> None:
    task = asyncio.create_task(Patience(0.01).wait(deaf(2)))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_what_came_late_after_all_is_an_answer() -> None:
    async def late() -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "late"

    assert await Patience(0.01).wait(late) == "late"


async def test_only_so_many_at_once() -> None:
    now = most = 0

    async def call() -> None:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0)
        now -= 1

    patience = Patience(10)
    await asyncio.gather(*(patience.wait(call) for _ in range(3 * AT_ONCE)))
    assert most == AT_ONCE


@pytest.mark.hardening("X18")
async def test_no_answer_is_somebody_elses(tmp_path: Any) -> None:
    """A Redis that stops and goes on, and questions that are given up and cancelled meanwhile."""
    with RedisServer(tmp_path) as server:
        client = Redis.from_url(server.url)
        patience, answers, given_up = Patience(0.05), 0, 0
        for number in range(150):
            await client.set(f"key {number}", number)

        async def ask(number: int) -> None:
            nonlocal answers, given_up
            try:
                answer = await patience.wait(lambda: client.get(f"key {number}"))
            except TimeoutError:
                given_up += 1
            else:
                answers += 1
                assert int(answer) == number

        for _ in range(6):
            server.hang()
            tasks = [asyncio.create_task(ask(number)) for number in range(150)]
            await asyncio.sleep(0.02)
            for task in tasks[::3]:
                task.cancel()
            server.go_on()
            await asyncio.gather(*tasks, return_exceptions=True)
            server.hang()
            await asyncio.gather(*(ask(number) for number in range(150)))
            server.go_on()
            await asyncio.sleep(REST)
            found = await asyncio.gather(*(ask(number) for number in range(150)), return_exceptions=True)
            assert not [one for one in found if isinstance(one, BaseException)]
        assert answers > 0
        assert given_up > 0
        assert not client.connection_pool._in_use_connections  # type: ignore[attr-defined]
        await client.aclose()
