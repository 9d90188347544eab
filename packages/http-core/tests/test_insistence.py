"""A timeout that comes again where a cancellation is lost."""

import asyncio

import pytest

from levante.http.insistence import insistent_timeout


async def deaf(times: int) -> None:
    """Lose the first few cancellations."""
    for _ in range(times):
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            pass
    await asyncio.Event().wait()


def cancelling() -> int:
    task = asyncio.current_task()
    assert task is not None
    return task.cancelling()


@pytest.mark.parametrize("times", [0, 1, 3])
async def test_a_cancellation_that_is_lost_comes_again(times: int) -> None:
    async with asyncio.timeout(10):
        with pytest.raises(TimeoutError):
            async with insistent_timeout(0.01):
                await deaf(times)
    assert cancelling() == 0
    await asyncio.sleep(0)


async def test_what_ends_in_time_is_left_alone() -> None:
    async with insistent_timeout(0.01):
        await asyncio.sleep(0)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):  # cancelled once, and by this
            await asyncio.Event().wait()
    assert cancelling() == 0


async def test_a_good_end_that_comes_late_is_none_the_worse() -> None:
    async with insistent_timeout(0.01):
        with pytest.raises(asyncio.CancelledError):
            await asyncio.Event().wait()
    assert cancelling() == 0


async def test_who_is_cancelled_by_somebody_else_is_cancelled() -> None:
    async def work() -> None:
        async with insistent_timeout(0.01):
            await deaf(2)

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
