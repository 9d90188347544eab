"""What a reader waits for: it goes on inside the call that wakes it, in its own context, and can be given up."""

import asyncio
import asyncio.tasks
from collections.abc import Callable
from contextvars import ContextVar
from types import ModuleType
from typing import Any

import pytest

whose: ContextVar[str] = ContextVar("whose", default="nobody's")


class Reader:
    """A task that waits for an arrival, and what it has seen."""

    def __init__(self, ws: ModuleType, *, timeout: float | None = None) -> None:
        self.arrival = ws.arrival.Arrival()
        self.seen: list[str] = []
        self.task = asyncio.create_task(self.read(timeout))

    async def read(self, timeout: float | None) -> None:
        whose.set("the reader's")
        self.arrival.begin(asyncio.get_running_loop(), timeout)
        try:
            await self.arrival
            self.seen.append(whose.get())
        finally:
            self.arrival.end()


async def called_by_the_loop(callback: Callable[[], object]) -> None:
    """Call it outside every task, as a protocol is."""
    done = asyncio.get_running_loop().create_future()

    def call() -> None:
        callback()
        done.set_result(None)

    asyncio.get_running_loop().call_soon(call)
    await done


async def test_a_reader_goes_on_inside_the_call_that_wakes_it_in_its_own_context(ws: ModuleType) -> None:
    reader = Reader(ws)
    await asyncio.sleep(0)
    seen_after: list[list[str]] = []

    def wake() -> None:
        reader.arrival.wake()
        seen_after.append([*reader.seen, whose.get()])

    await called_by_the_loop(wake)
    assert seen_after == [["the reader's", "nobody's"]]
    await reader.task


@pytest.mark.parametrize("how", ["wake", "wake_soon"])
async def test_inside_a_task_the_reader_is_woken_by_the_loop(ws: ModuleType, how: str) -> None:
    reader = Reader(ws)
    await asyncio.sleep(0)
    getattr(reader.arrival, how)()
    getattr(reader.arrival, how)()
    assert reader.seen == []
    await reader.task
    assert reader.seen == ["the reader's"]
    getattr(reader.arrival, how)()  # nobody waits any more


async def test_a_task_written_in_python_can_wait_as_well(ws: ModuleType) -> None:
    python_task: Any = asyncio.tasks._PyTask  # type: ignore[attr-defined]  # what there is where C is not
    loop = asyncio.get_running_loop()
    loop.set_task_factory(lambda loop, coro, **options: python_task(coro, loop=loop, **options))
    try:
        reader = Reader(ws)
        await asyncio.sleep(0)
        await called_by_the_loop(reader.arrival.wake)
        await reader.task
        given_up = Reader(ws)
        await asyncio.sleep(0)
        given_up.task.cancel("enough")
        with pytest.raises(asyncio.CancelledError):
            await given_up.task
    finally:
        loop.set_task_factory(None)
    assert reader.seen == ["the reader's"]


async def test_waiting_takes_no_longer_than_it_may(ws: ModuleType) -> None:
    reader = Reader(ws, timeout=0.001)
    with pytest.raises(TimeoutError, match="no message came in time"):
        await reader.task
    in_time = Reader(ws, timeout=30)
    await asyncio.sleep(0)
    in_time.arrival.wake()
    await in_time.task


async def test_cancelling_before_and_after_it_comes(ws: ModuleType) -> None:
    for come in (lambda reader: None, lambda reader: reader.arrival.wake_soon()):
        reader = Reader(ws)
        await asyncio.sleep(0)
        come(reader)
        assert reader.task.cancel("enough")
        reader.arrival.wake()  # what comes now is for the next reader
        with pytest.raises(asyncio.CancelledError):
            await reader.task
        assert reader.seen == []


async def test_it_is_future_enough(ws: ModuleType) -> None:
    reader = Reader(ws)
    await asyncio.sleep(0)
    assert asyncio.isfuture(reader.arrival)
    assert reader.arrival.get_loop() is asyncio.get_running_loop()
    assert iter(reader.arrival) is reader.arrival
    reader.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader.task
    assert reader.arrival.cancel() is False


def test_what_ends_a_program_ends_it_though_the_waker_goes_on(ws: ModuleType) -> None:
    """uvloop takes what a protocol raises for an error of the connection, and goes on."""
    after: list[str] = []

    async def leave() -> None:
        arrival = ws.arrival.Arrival()
        arrival.begin(asyncio.get_running_loop(), None)
        asyncio.get_running_loop().call_soon(lambda: (arrival.wake(), after.append("the waker went on")))
        await arrival
        raise SystemExit(3)

    with pytest.raises(SystemExit) as caught:
        asyncio.run(leave())
    assert caught.value.code == 3
    assert after == ["the waker went on"]
