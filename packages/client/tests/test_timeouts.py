"""Settings and deadlines."""

import asyncio
import gc
import weakref

import pytest

from levante.client import ClientSession, ClientTimeout, ClientWSTimeout, TCPConnector
from levante.client.timeouts import DEFAULT_TIMEOUT, Deadline, DeadlineWheel


@pytest.mark.parity("C8", "C9")
def test_settings() -> None:
    default = ClientTimeout()
    assert (default.total, default.connect, default.sock_connect, default.sock_read) == (300, None, None, None)
    assert default.ceil_threshold == 5
    assert (DEFAULT_TIMEOUT.total, DEFAULT_TIMEOUT.sock_connect) == (300, 30)
    assert ClientTimeout(total=10, sock_read=20, connect=15).total == 20
    assert ClientTimeout(total=None, sock_read=20).total is None
    assert (ClientWSTimeout().ws_receive, ClientWSTimeout().ws_close) == (None, 10)
    for name in ("total", "connect", "sock_connect", "sock_read"):
        for value in (0, -1, float("inf"), float("nan")):
            with pytest.raises(ValueError, match=name):
                ClientTimeout(**{name: value})


async def expire(deadline: Deadline) -> None:
    asyncio.get_running_loop().call_soon(deadline.expire)


@pytest.mark.parity("C8")
async def test_a_near_deadline_cancels_and_converts() -> None:
    wheel = DeadlineWheel(asyncio.get_running_loop())
    deadline = wheel.start(ClientTimeout(total=0.01))
    with pytest.raises(TimeoutError, match="total"), deadline:
        await asyncio.Event().wait()
    assert not asyncio.current_task().cancelling()
    with pytest.raises(TimeoutError), deadline:
        pass
    assert wheel.start(ClientTimeout(total=None)) is None


@pytest.mark.parity("C8")
async def test_distant_deadlines_share_a_timer_rounded_up() -> None:
    loop = asyncio.get_running_loop()
    wheel = DeadlineWheel(loop)
    deadlines = [wheel.start(ClientTimeout(total=100)) for _ in range(10)]
    ((when, (handle, bucket)),) = wheel._buckets.items()
    assert when == int(when)
    assert when >= loop.time() + 99
    assert len(bucket) == 10
    deadlines[0].cancel()
    deadlines[0].cancel()
    assert len(bucket) == 9
    called = []
    for deadline in deadlines[:2]:
        deadline.hand_over(lambda: called.append(1))
    wheel._expire(when)
    handle.cancel()
    assert called == [1]
    assert not wheel._buckets
    late = deadlines[2]
    late.hand_over(lambda: called.append(2))
    assert called == [1, 2]
    wheel.start(ClientTimeout(total=100))
    wheel.close()
    assert not wheel._buckets


@pytest.mark.parity("C8")
async def test_somebody_elses_cancellation_wins() -> None:
    wheel = DeadlineWheel(asyncio.get_running_loop())
    deadline = wheel.start(ClientTimeout(total=50))

    async def work() -> None:
        with deadline:
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    deadline.expire()
    with pytest.raises(asyncio.CancelledError):
        await task
    wheel.close()


@pytest.mark.parity("C8")
async def test_other_errors_pass() -> None:
    deadline = DeadlineWheel(asyncio.get_running_loop()).start(ClientTimeout(total=1))
    with pytest.raises(KeyError), deadline:
        raise KeyError
    deadline.cancel()


def test_needs_a_task() -> None:
    with pytest.raises(RuntimeError):
        Deadline().__enter__()

    loop = asyncio.new_event_loop()
    failures = []

    def enter() -> None:
        try:
            Deadline().__enter__()
        except RuntimeError as exc:
            failures.append(str(exc))
        loop.stop()

    loop.call_soon(enter)
    loop.run_forever()
    loop.close()
    assert "inside a task" in failures[0]


async def test_a_cancelled_deadline_is_collected() -> None:
    wheel = DeadlineWheel(asyncio.get_running_loop())
    deadline = wheel.start(ClientTimeout(total=100))
    reference = weakref.ref(deadline)
    deadline.cancel()
    del deadline
    gc.collect()
    assert reference() is None
    wheel.close()


@pytest.mark.parity("C8")
async def test_requests_that_outlive_their_session_keep_their_deadline(serve) -> None:
    async def stall(reader, _writer) -> None:
        await reader.read()

    server = await serve(talk=stall)
    async with TCPConnector() as connector:
        session = ClientSession(connector=connector, connector_owner=False)
        timeout = ClientTimeout(total=0.1, ceil_threshold=0)
        running = asyncio.ensure_future(session.get(server.url, timeout=timeout))
        async with asyncio.timeout(5):
            while not server.connections:
                await asyncio.sleep(0.001)
        await session.close()
        done, _ = await asyncio.wait([running], timeout=5)
        assert done
        with pytest.raises(TimeoutError):
            running.result()
