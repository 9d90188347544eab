"""The circuit breaker: on a clock of the test, and in a session."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from yarl import URL

from levante import client
from levante.client import (
    CircuitBreaker,
    CircuitOpenError,
    CircuitState,
    ClientConnectionError,
    ClientSession,
    ClientTimeout,
    Retry,
    breaker,
)

HERE = URL("http://one.test/path")


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


async def call(circuits: CircuitBreaker, outcome: Any = 200, url: URL = HERE, ends: float | None = None) -> Any:
    """One request that ends in a status or an error; a future is waited for."""

    async def handler(_request: Any) -> Any:
        result = await outcome if isinstance(outcome, asyncio.Future) else outcome
        if isinstance(result, BaseException):
            raise result
        return SimpleNamespace(status=result)

    request: Any = SimpleNamespace(url=url)
    return await circuits.send(request, handler, ends=ends)


async def fail(circuits: CircuitBreaker, times: int, error: BaseException | None = None) -> None:
    for _ in range(times):
        with pytest.raises((ClientConnectionError, TimeoutError)):
            await call(circuits, error or ClientConnectionError())


@pytest.mark.parity("U6")
@pytest.mark.hardening("X20")
@pytest.mark.parametrize("outcome", [ClientConnectionError(), TimeoutError(), 500, 502, 503, 504])
async def test_it_opens_lets_one_try_and_closes(outcome: Any) -> None:
    clock = Clock()
    circuits = CircuitBreaker(clock=clock)
    for _ in range(9):
        await asyncio.gather(call(circuits, outcome), return_exceptions=True)
    assert circuits.state(HERE) is CircuitState.CLOSED, "nine calls are no measure"
    await asyncio.gather(call(circuits, outcome), return_exceptions=True)
    assert circuits.state(HERE) is CircuitState.OPEN
    clock.now += 2
    with pytest.raises(CircuitOpenError, match=r"one\.test.*3\.0 s") as caught:
        await call(circuits)
    assert (caught.value.origin, caught.value.retry_after) == (HERE.origin(), 3.0)
    assert circuits.retry_after(HERE) == 3.0
    await call(circuits, url=URL("http://other.test/"))
    clock.now += 3
    assert circuits.state(HERE) is CircuitState.HALF_OPEN
    assert circuits.retry_after(HERE) == 0
    assert (await call(circuits)).status == 200
    assert circuits.state(HERE) is CircuitState.CLOSED
    await fail(circuits, 9)
    assert circuits.state(HERE) is CircuitState.CLOSED, "it began anew"


@pytest.mark.parity("U6")
async def test_half_open_is_decided_by_its_probe() -> None:
    clock = Clock()
    circuits = CircuitBreaker(minimum_calls=1, clock=clock)
    await fail(circuits, 1)
    clock.now += 5
    probe = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(call(circuits, probe))
    await asyncio.sleep(0)
    with pytest.raises(CircuitOpenError) as caught:
        await call(circuits)
    assert caught.value.retry_after == 0
    probe.set_result(503)
    await task
    assert circuits.retry_after(HERE) == 5


@pytest.mark.parity("U6")
async def test_who_cancels_says_nothing() -> None:
    clock = Clock()
    circuits = CircuitBreaker(minimum_calls=1, clock=clock)
    loop = asyncio.get_running_loop()

    async def cancelled(ends: float | None) -> None:
        task = asyncio.create_task(call(circuits, loop.create_future(), ends=ends))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    await cancelled(None)
    await cancelled(loop.time() + 100)
    assert circuits.state(HERE) is CircuitState.CLOSED
    await cancelled(loop.time())
    assert circuits.state(HERE) is CircuitState.OPEN, "that was the timeout of the request"
    clock.now += 5
    await cancelled(None)
    assert (await call(circuits)).status == 200, "a probe that is cancelled makes room for the next"
    assert circuits.state(HERE) is CircuitState.CLOSED


async def test_our_own_mistakes_and_deadlines_say_nothing() -> None:
    circuits = CircuitBreaker(minimum_calls=1)
    with pytest.raises(ValueError, match="mine"):
        await call(circuits, ValueError("mine"))
    with pytest.raises(client.ExpiredDeadlineError):
        await call(circuits, client.ExpiredDeadlineError(0.0))
    assert circuits.state(HERE) is CircuitState.CLOSED


@pytest.mark.parity("U6")
async def test_it_is_the_share_that_counts_and_old_failures_do_not() -> None:
    clock = Clock()
    circuits = CircuitBreaker(clock=clock)
    await fail(circuits, 9)
    clock.now += 11
    for _ in range(8):
        await call(circuits)
    await fail(circuits, 7)
    assert circuits.state(HERE) is CircuitState.CLOSED
    clock.now += 5
    await fail(circuits, 1)
    assert circuits.state(HERE) is CircuitState.OPEN
    assert len(circuits._circuits[HERE.origin()].slices) == 0


async def test_a_window_costs_the_same_at_any_rate() -> None:
    clock = Clock()
    circuits = CircuitBreaker(clock=clock)
    for _ in range(5000):
        await call(circuits)
        clock.now += 0.01
    assert len(circuits._circuits[HERE.origin()].slices) <= 10


@pytest.mark.parity("U6")
async def test_what_began_before_says_nothing_about_after() -> None:
    circuits = CircuitBreaker(minimum_calls=2, clock=(clock := Clock()))
    late = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(call(circuits, late))
    await asyncio.sleep(0)
    await fail(circuits, 2)
    clock.now += 5
    assert (await call(circuits)).status == 200
    late.set_result(503)
    await task
    await fail(circuits, 1)
    assert circuits.state(HERE) is CircuitState.CLOSED


@pytest.mark.parity("U6")
@pytest.mark.hardening("X20")
async def test_what_hangs_has_failed_before_it_ends() -> None:
    circuits = CircuitBreaker(minimum_calls=3, slow=0.02)
    hanging = [asyncio.create_task(call(circuits, asyncio.get_running_loop().create_future())) for _ in range(3)]
    async with asyncio.timeout(5):
        while circuits.state(HERE) is CircuitState.CLOSED:
            await asyncio.sleep(0.01)
    assert not any(task.done() for task in hanging)
    for task in hanging:
        task.cancel()
    await asyncio.gather(*hanging, return_exceptions=True)


async def test_origins_are_not_kept_for_ever() -> None:
    circuits = CircuitBreaker()
    for number in range(breaker.MAX_ORIGINS + 5):
        await call(circuits, url=URL(f"http://{number}.test"))
    assert len(circuits._circuits) == breaker.MAX_ORIGINS


@pytest.mark.parametrize(
    "wrong",
    [
        {"failure_share": 0}, {"failure_share": 1.1}, {"minimum_calls": 0}, {"probes": 0}, {"window": 0},
        {"open_for": 0}, {"slow": 0},
    ],
)  # fmt: skip
def test_numbers_that_make_no_sense(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="got"):
        CircuitBreaker(**wrong)


@pytest.mark.parity("U6")
@pytest.mark.hardening("X20")
async def test_in_a_session(serve) -> None:
    server = await serve(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")
    circuits = CircuitBreaker(minimum_calls=4)
    async with ClientSession(breaker=circuits, retry=Retry(wait=lambda _: 0, attempts=3)) as session:
        assert (await session.get(server.url)).status == 503
        with pytest.raises(CircuitOpenError):
            await session.get(server.url)
        assert len(server.seen) == 4, "each attempt counts, and an open circuit is not tried again"


@pytest.mark.hardening("X20")
async def test_the_total_timeout_is_a_failure(serve) -> None:
    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    server = await serve(talk=hang)
    circuits = CircuitBreaker(minimum_calls=2)
    async with ClientSession(breaker=circuits, timeout=ClientTimeout(total=0.3)) as session:
        for _ in range(2):
            with pytest.raises(TimeoutError):
                await session.get(server.url)
        with pytest.raises(CircuitOpenError):
            await session.get(server.url)
