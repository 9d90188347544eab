"""Steps of a coder, at once and in threads."""

import asyncio
import threading

import pytest

from levante.http.orderedwork import OrderedWork


class Slow:
    """Work that waits in its thread until it is let go."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.threads: list[int] = []

    def __call__(self, data: bytes) -> bytes:
        self.threads.append(threading.get_ident())
        assert self.go.wait(10)
        return data.upper()


async def test_small_steps_stay_and_large_ones_leave() -> None:
    slow = Slow()
    slow.go.set()
    work = OrderedWork()
    assert await work.run(slow, b"a", in_thread=False) == b"A"
    assert await work.run(slow, b"b", in_thread=True) == b"B"
    assert slow.threads[0] == threading.get_ident() != slow.threads[1]
    assert not work.is_running


async def test_a_step_waits_for_the_one_before() -> None:
    slow = Slow()
    work = OrderedWork()
    order: list[bytes] = []

    async def run(data: bytes, *, in_thread: bool) -> None:
        order.append(await work.run(slow if in_thread else bytes.upper, data, in_thread=in_thread))

    tasks = [asyncio.ensure_future(run(data, in_thread=data == b"a")) for data in (b"a", b"b", b"c")]
    await asyncio.sleep(0.01)
    assert work.is_running
    assert order == []
    slow.go.set()
    await asyncio.gather(*tasks)
    assert order == [b"A", b"B", b"C"]


async def test_what_a_cancelled_caller_did_not_get_goes_to_the_next() -> None:
    slow = Slow()
    work = OrderedWork()
    task = asyncio.ensure_future(work.run(slow, b"a", in_thread=True))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert work.is_running
    slow.go.set()
    assert await work.run(bytes.upper, b"b", in_thread=False) == b"AB"
    task = asyncio.ensure_future(work.run(slow, b"c", in_thread=True))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert await work.settle() == b"C"
    assert await work.settle() == b""


async def test_what_is_left_over_comes_before_a_step_in_a_thread() -> None:
    work = OrderedWork()
    for data in (b"a", b"b"):
        slow = Slow()
        task = asyncio.ensure_future(work.run(slow, data, in_thread=True))
        while not slow.threads:
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        assert work.is_running
        slow.go.set()
        while work.is_running:
            await asyncio.sleep(0)
    assert await work.run(slow, b"c", in_thread=True) == b"ABC"


async def test_errors_of_the_work() -> None:
    slow = Slow()

    def fail(_: bytes) -> bytes:
        assert slow.go.wait(10)
        raise ValueError("broken")

    work = OrderedWork()
    slow.go.set()
    for in_thread in (False, True):
        with pytest.raises(ValueError, match="broken"):
            await work.run(fail, b"", in_thread=in_thread)
    slow.go.clear()
    task = asyncio.ensure_future(work.run(fail, b"", in_thread=True))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    slow.go.set()
    with pytest.raises(ValueError, match="broken"):
        await work.run(bytes.upper, b"b", in_thread=False)
    assert await work.run(bytes.upper, b"c", in_thread=False) == b"C"
