"""The queue between a driver and one reader."""

import asyncio

import pytest

from levante.http import DataQueue, EofStream

pytestmark = pytest.mark.parity("W10")


async def test_in_order_to_the_end() -> None:
    queue: DataQueue[int] = DataQueue(asyncio.get_running_loop())
    queue.feed_data(1)
    waiting = [await queue.read(), asyncio.ensure_future(queue.read())]
    await asyncio.sleep(0)
    queue.feed_data(2)
    queue.feed_data(3)
    assert await waiting[1] == 2
    assert len(queue) == 1
    queue.feed_eof()
    assert queue.is_eof()
    assert not queue.at_eof()
    assert [item async for item in queue] == [3]
    assert queue.at_eof()
    with pytest.raises(EofStream):
        await queue.read()


async def test_an_error_comes_after_what_was_fed() -> None:
    queue: DataQueue[int] = DataQueue()
    queue.feed_data(1)
    queue.set_exception(ValueError("broken"), KeyError("cause"))
    assert await queue.read() == 1
    with pytest.raises(ValueError, match="broken") as caught:
        await queue.read()
    assert queue.exception() is caught.value
    assert isinstance(caught.value.__cause__, KeyError)


@pytest.mark.parametrize("end", ["eof", "error"])
async def test_whoever_waits_learns_of_the_end(end: str) -> None:
    queue: DataQueue[int] = DataQueue()
    task = asyncio.ensure_future(queue.read())
    await asyncio.sleep(0)
    with pytest.raises(RuntimeError, match="only one"):
        await queue.read()
    if end == "eof":
        queue.feed_eof()
        with pytest.raises(EofStream):
            await task
    else:
        queue.set_exception(ValueError("broken"))
        with pytest.raises(ValueError, match="broken"):
            await task


async def test_a_cancelled_reader_makes_room() -> None:
    queue: DataQueue[int] = DataQueue()
    task = asyncio.ensure_future(queue.read())
    await asyncio.sleep(0)
    task.cancel()
    late = asyncio.ensure_future(queue.read())
    await asyncio.sleep(0)
    queue.feed_data(1)
    assert await late == 1
    assert task.cancelled()
