import asyncio
import contextvars
import gc
import logging
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from levante import web
from levante.http import deadlines
from levante.web import background

pytestmark = pytest.mark.parity("L19")


async def returns(value: Any) -> Any:
    await asyncio.sleep(0)
    return value


async def fails() -> None:
    raise RuntimeError("on purpose")


async def test_names_are_changed_at_any_time() -> None:
    gate = asyncio.Event()

    async def name_of_its_task() -> str:
        await gate.wait()
        task = asyncio.current_task()
        return "" if task is None else task.get_name()

    async with asyncio.timeout(5), web.BackgroundTasks(limit=1) as tasks:
        runs, waits = await tasks.spawn(name_of_its_task(), "first"), await tasks.spawn(name_of_its_task(), "second")
        for job, name in ((runs, "one"), (waits, "two")):
            job.set_name(name)
            assert job.get_name() == name
        gate.set()
        assert (await runs.wait(), await waits.wait()) == ("one", "two")


def test_a_set_of_jobs_belongs_to_one_event_loop() -> None:
    tasks = web.BackgroundTasks()

    async def begin() -> None:
        await (await tasks.spawn(returns(1))).wait()
        await tasks.shield(returns(2))

    async def begin_elsewhere() -> None:
        with pytest.raises(RuntimeError, match="belong to another event loop"):
            await tasks.spawn(returns(1))
        with pytest.raises(RuntimeError, match="belong to another event loop"):
            await tasks.shield(asyncio.get_running_loop().create_future())

    asyncio.run(begin())
    asyncio.run(begin_elsewhere())
    asyncio.run(tasks.close())


def test_what_handles_exceptions_can_be_called() -> None:
    assert web.BackgroundTasks().exception_handler is None
    with pytest.raises(TypeError, match="exception_handler is called with"):
        web.BackgroundTasks(exception_handler=1)  # type: ignore[arg-type]


async def test_limits_and_order() -> None:
    order: list[int] = []
    gates = [asyncio.Event() for _ in range(5)]

    async def work(number: int) -> int:
        order.append(number)
        await gates[number].wait()
        return number

    async with asyncio.timeout(5):
        tasks = web.BackgroundTasks(limit=2, pending_limit=2)
        jobs = [await tasks.spawn(work(number), f"work-{number}") for number in range(4)]
        spawning = asyncio.create_task(tasks.spawn(work(4)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert order == [0, 1]
        assert (tasks.active_count, tasks.pending_count, len(tasks)) == (2, 2, 4)
        assert not spawning.done()
        assert [job.active for job in jobs] == [True, True, False, False]
        assert [job.pending for job in jobs] == [False, False, True, True]
        assert list(tasks)[2:] == jobs[2:]
        assert jobs[3] in tasks
        assert jobs[0].get_name() == "work-0"
        assert "running=2 pending=2" in repr(tasks)
        assert "work-3 pending" in repr(jobs[3])
        gates[0].set()
        last = await spawning
        assert jobs[0].closed
        assert jobs[0] not in tasks
        for gate in gates:
            gate.set()
        assert [await job.wait() for job in (*jobs, last)] == [0, 1, 2, 3, 4]
        assert order == [0, 1, 2, 3, 4]
        assert last.get_name() is not None
        await tasks.wait_and_close()
        assert tasks.closed
        assert "closed" in repr(tasks)


@pytest.mark.parametrize("options", [{"limit": 0}, {"pending_limit": -1}])
async def test_limits_that_are_none(options: Any) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        web.BackgroundTasks(**options)


async def test_no_limits() -> None:
    async with web.BackgroundTasks(limit=None, pending_limit=0) as tasks:
        jobs = [await tasks.spawn(returns(number)) for number in range(300)]
        assert tasks.active_count == 300
    assert [await job.wait() for job in jobs] == list(range(300))


async def test_the_context_is_the_spawner_s() -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")

    async def read() -> str:
        return variable.get()

    async with web.BackgroundTasks(limit=1) as tasks:
        variable.set("first")
        first = await tasks.spawn(read())
        variable.set("second")
        second = await tasks.spawn(read())  # it waits for its turn, and remembers
        variable.set("third")
        assert await second.wait() == "second"
        assert await first.wait() == "first"


async def test_the_deadline_of_the_request_is_left_behind() -> None:
    async def read() -> float | None:
        return deadlines.remaining()

    async with web.BackgroundTasks() as tasks:
        with deadlines.within(5):
            job = await tasks.spawn(read())
            assert await tasks.shield(read()) is None
            assert deadlines.remaining() is not None
        assert await job.wait() is None


async def test_failures_are_told_once() -> None:
    told: list[dict[str, Any]] = []
    tasks = web.BackgroundTasks(exception_handler=lambda _, context: told.append(context))
    job = await tasks.spawn(fails())
    await asyncio.wait((job.done,))
    await asyncio.sleep(0)
    (context,) = told
    assert context["job"] is job
    assert str(context["exception"]) == "on purpose"
    with pytest.raises(RuntimeError, match="on purpose"):
        await job.wait()
    awaited = await tasks.spawn(fails())
    with pytest.raises(RuntimeError, match="on purpose"):
        await awaited.wait()
    assert len(told) == 1  # whoever waits has been told
    await tasks.wait_and_close()


async def test_failures_go_to_the_event_loop() -> None:
    told: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))

    def broken(*_: object) -> None:
        raise ValueError("the handler itself")

    for handler in (None, broken):
        async with web.BackgroundTasks(exception_handler=handler) as tasks:
            await tasks.spawn(fails())
    assert [str(context["exception"]) for context in told] == ["on purpose", "the handler itself"]


async def test_waiting_ends_no_job() -> None:
    go_on = asyncio.Event()

    async def work() -> str:
        await go_on.wait()
        return "done"

    async with asyncio.timeout(5), web.BackgroundTasks() as tasks:
        job = await tasks.spawn(work())
        with pytest.raises(TimeoutError):
            await job.wait(0.01)
        waiter = asyncio.create_task(job.wait())
        await asyncio.sleep(0)
        waiter.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiter
        assert job.active
        go_on.set()
        assert await job.wait() == "done"
        await job.close()  # nothing is left to do


async def test_closing_jobs() -> None:
    ran: list[str] = []

    async def work(name: str) -> None:
        ran.append(name)
        try:
            await asyncio.Event().wait()
        finally:
            ran.append(f"{name} cleaned up")

    tasks = web.BackgroundTasks(limit=1)
    running, pending = await tasks.spawn(work("one")), await tasks.spawn(work("two"))
    await asyncio.sleep(0)
    await pending.close()
    assert pending.closed
    await running.close()
    assert ran == ["one", "one cleaned up"]
    for job in (running, pending):
        with pytest.raises(asyncio.CancelledError):
            await job.wait()
    await tasks.close()


async def test_what_waits_to_be_spawned() -> None:
    tasks = web.BackgroundTasks(limit=1, pending_limit=1)
    for _ in range(2):
        await tasks.spawn(asyncio.Event().wait())
    given_up, refused = (asyncio.create_task(tasks.spawn(returns(1))) for _ in range(2))
    await asyncio.sleep(0)
    given_up.cancel()
    await asyncio.wait((given_up,))
    await tasks.close()
    with pytest.raises(RuntimeError, match="the background tasks are closed"):
        await refused
    with pytest.raises(RuntimeError, match="the background tasks are closed"):
        await tasks.spawn(returns(1))
    with pytest.raises(RuntimeError, match="the background tasks are closed"):
        await tasks.shield(returns(1))
    gc.collect()  # no coroutine is left that was never awaited: that would be an error


async def test_a_room_that_is_given_to_a_cancelled_spawner() -> None:
    async with asyncio.timeout(5):
        tasks = web.BackgroundTasks(limit=1, pending_limit=1)
        gate = asyncio.Event()
        for _ in range(2):
            await tasks.spawn(gate.wait())
        first, second = (asyncio.create_task(tasks.spawn(returns(number))) for number in range(2))
        await asyncio.sleep(0)
        gate.set()
        tasks._wake_spawner()
        first.cancel()
        job = await second
        assert await job.wait() == 1
        await tasks.wait_and_close()


async def test_jobs_may_spawn_jobs_until_the_end() -> None:
    ran: list[str] = []

    async def second() -> None:
        ran.append("second")

    async def first() -> None:
        await asyncio.sleep(0.01)
        ran.append("first")
        await tasks.spawn(second())

    tasks = web.BackgroundTasks()
    await tasks.spawn(first())
    await tasks.wait_and_close()
    assert ran == ["first", "second"]


async def test_what_does_not_end_in_time() -> None:
    told: list[str] = []
    stubborn_ended = asyncio.Event()
    may_end = asyncio.Event()

    async def stubborn() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await may_end.wait()
            stubborn_ended.set()

    tasks = web.BackgroundTasks(
        close_timeout=0.01, wait_timeout=0.01, exception_handler=lambda _, context: told.append(context["message"])
    )
    await tasks.spawn(stubborn())
    shielding = asyncio.create_task(tasks.shield(stubborn()))
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await tasks.wait_and_close()
        assert told == [
            "a background job does not end although it was cancelled",
            "what was shielded does not end although it was cancelled",
        ]
        may_end.set()
        await stubborn_ended.wait()
        await asyncio.wait((shielding,))


async def test_shielding() -> None:
    told: list[str] = []
    gate = asyncio.Event()
    ended: list[str] = []

    async def work(*, broken: bool) -> str:
        await gate.wait()
        ended.append("ended")
        if broken:
            raise RuntimeError("on purpose")
        return "done"

    tasks = web.BackgroundTasks(exception_handler=lambda _, context: told.append(str(context["exception"])))
    callers = [asyncio.create_task(tasks.shield(work(broken=broken))) for broken in (False, True)]
    await asyncio.sleep(0)
    for caller in callers:
        caller.cancel()
    await asyncio.wait(callers)
    assert not ended
    gate.set()
    await tasks.wait_and_close()
    assert ended == ["ended", "ended"]
    assert told == ["on purpose"]
    other = web.BackgroundTasks()
    assert await other.shield(work(broken=False)) == "done"


async def test_of_an_application(serve: Any) -> None:
    ended: list[str] = []
    app = web.Application()

    async def database(_: web.Application) -> Any:
        yield
        ended.append("database closed")

    async def work() -> None:
        await asyncio.sleep(0.05)
        ended.append("job")

    async def handler(request: web.Request) -> web.Response:
        job = await background.spawn(request, work(), "work")
        assert job in background.get_tasks(request)
        return web.Response(text=str(await background.shield(request, returns("shielded"))))

    app.cleanup_ctx.append(database)
    tasks = background.setup(app, limit=5)
    below = web.Application()
    below.router.add_get("/", handler)
    app.add_subapp("/below", below)
    served = await serve(app)
    assert (await served.get("/below/")).text == "shielded"
    assert ended == []
    await served.close()
    assert ended == ["job", "database closed"]
    assert tasks.closed


async def test_an_application_without(serve: Any, caplog: pytest.LogCaptureFixture) -> None:
    async def handler(request: web.Request) -> web.Response:
        await background.spawn(request, returns(1))
        raise NotImplementedError

    served = await serve(handler)
    with caplog.at_level(logging.ERROR):
        assert (await served.get("/")).status == 500
    assert "call levante.web.background.setup(app) first" in caplog.text


@pytest.mark.parametrize("as_view", [False, True])
async def test_an_atomic_handler_outlives_its_client(serve: Any, as_view: bool) -> None:
    started, go_on = asyncio.Event(), asyncio.Event()
    ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def work() -> web.Response:
        started.set()
        try:
            await go_on.wait()
        except asyncio.CancelledError:
            ended.set_result("cancelled")
            raise
        ended.set_result("complete")
        return web.Response(text="saved")

    @web.atomic
    async def handler(request: web.Request) -> web.Response:
        return await work()

    class Saving(web.View):
        @web.atomic
        async def get(self) -> web.Response:
            return await work()

    app = web.Application()
    background.setup(app)
    app.router.add_get("/", Saving if as_view else handler)
    assert handler.__name__ == "handler"
    served = await serve(app, handler_cancellation=True)
    peer = await served.connect()
    await peer.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    async with asyncio.timeout(5):
        await started.wait()
        peer.reset()
        while served.server.connections:
            await asyncio.sleep(0)
        go_on.set()
        assert await ended == "complete"
        ended = asyncio.get_running_loop().create_future()
        assert (await served.get("/")).text == "saved"


PROGRAM = """
import asyncio, os, sys
from levante import web
from levante.web import background

def say(line):
    os.write(1, line)  # in one go: two processes share the pipe

async def work(stopping):
    say(b"BEGUN\\n")
    await stopping.wait()
    await asyncio.sleep(0.3)
    say(b"ENDED\\n")

def make():
    app = web.Application()
    background.setup(app)
    stopping = asyncio.Event()

    async def begin(app):
        await app[background.TASKS].spawn(work(stopping))

    async def stop(app):
        stopping.set()

    app.on_startup.append(begin)
    app.on_shutdown.append(stop)
    return app

if __name__ == "__main__":
    web.run_app(make, path=sys.argv[1], workers=int(sys.argv[2]), print=None)
"""


@pytest.mark.parametrize("workers", [1, 2])
def test_a_program_waits_for_its_jobs(tmp_path: Path, workers: int) -> None:
    script = tmp_path / "program.py"
    script.write_text(textwrap.dedent(PROGRAM))
    program = subprocess.Popen(
        [sys.executable, str(script), str(tmp_path / "socket"), str(workers)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert program.stdout is not None
        said = [program.stdout.readline().strip() for _ in range(workers)]
        assert said == ["BEGUN"] * workers
        program.send_signal(signal.SIGTERM)
        rest, _ = program.communicate(timeout=30)
    finally:
        program.kill()
        program.wait()
    assert rest.split() == ["ENDED"] * workers
    assert program.returncode == 0


async def test_thousands_that_wait_cost_each_other_nothing() -> None:
    done: list[int] = []

    async def work(number: int) -> None:
        done.append(number)

    async with asyncio.timeout(10):  # a look at all that wait for each one that ends would take longer
        async with web.BackgroundTasks(limit=1) as tasks:
            for number in range(10_000):
                await tasks.spawn(work(number))
    assert done == list(range(10_000))


@pytest.mark.parametrize("what", [returns, None, asyncio.Event().wait])
async def test_what_is_no_coroutine_takes_no_place(what: Any) -> None:
    async with asyncio.timeout(5), web.BackgroundTasks(limit=1) as tasks:
        with pytest.raises(TypeError, match="a job is a coroutine"):
            await tasks.spawn(what)
        assert len(tasks) == 0
        assert await (await tasks.spawn(returns(1))).wait() == 1
