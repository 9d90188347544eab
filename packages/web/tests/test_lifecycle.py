import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from levante import web


def step(name: str, log: list[str], *, fails: str = "") -> Any:
    async def context(app: web.Application) -> AsyncIterator[None]:
        if fails == "enter":
            raise RuntimeError(f"enter {name}")
        log.append(f"+{name}")
        yield
        log.append(f"-{name}")
        if fails == "exit":
            raise RuntimeError(f"exit {name}")

    return context


@pytest.mark.parity("S49")
async def test_contexts_are_exited_in_reverse() -> None:
    log: list[str] = []

    @asynccontextmanager
    async def manager(app: web.Application) -> AsyncIterator[None]:
        log.append("+m")
        yield
        log.append("-m")

    def iterator(app: web.Application) -> AsyncIterator[None]:
        made: AsyncIterator[None] = step("i", log)(app)
        return made

    app = web.Application()
    app.cleanup_ctx.extend([step("a", log), manager, iterator])
    await app.startup()
    assert log == ["+a", "+m", "+i"]
    await app.cleanup()
    assert log[3:] == ["-i", "-m", "-a"]


@pytest.mark.parity("S49")
async def test_only_what_was_entered_is_exited() -> None:
    log: list[str] = []
    app = web.Application()
    app.cleanup_ctx.extend([step("a", log), step("b", log, fails="enter"), step("c", log)])
    with pytest.raises(RuntimeError, match="enter b"):
        await app.startup()
    await app.cleanup()
    assert log == ["+a", "-a"]


@pytest.mark.parity("S49")
async def test_one_error_is_raised_as_it_is_and_several_together() -> None:
    log: list[str] = []
    app = web.Application()
    app.cleanup_ctx.extend([step("a", log), step("b", log, fails="exit")])
    await app.startup()
    with pytest.raises(RuntimeError, match="exit b"):
        await app.cleanup()
    assert log[-2:] == ["-b", "-a"]
    app = web.Application()
    app.cleanup_ctx.extend([step("a", log, fails="exit"), step("b", log, fails="exit")])
    await app.startup()
    with pytest.raises(web.CleanupError) as caught:
        await app.cleanup()
    assert [str(error) for error in caught.value.exceptions] == ["exit b", "exit a"]


@pytest.mark.parity("S49")
async def test_a_generator_that_yields_twice_is_an_error() -> None:
    async def twice(app: web.Application) -> AsyncIterator[None]:
        yield
        yield

    app = web.Application()
    app.cleanup_ctx.append(twice)
    await app.startup()
    with pytest.raises(RuntimeError, match="stop"):
        await app.cleanup()


async def test_what_is_no_context_is_refused() -> None:
    app = web.Application()
    app.cleanup_ctx.append(lambda app: 5)  # type: ignore[arg-type,return-value]
    with pytest.raises(TypeError, match="cleanup context"):
        await app.startup()


async def test_cleanup_before_startup() -> None:
    await web.Application().cleanup()


@pytest.mark.parity("S49")
async def test_a_cancelled_task_does_not_stop_the_others_from_being_exited() -> None:
    exited = []

    async def outer(app: web.Application) -> AsyncIterator[None]:
        yield
        exited.append("outer")

    async def inner(app: web.Application) -> AsyncIterator[None]:
        task = asyncio.ensure_future(asyncio.Event().wait())
        yield
        task.cancel()
        await task

    app = web.Application()
    app.cleanup_ctx.extend([outer, inner])
    await app.startup()
    with pytest.raises(asyncio.CancelledError):
        await app.cleanup()
    assert exited == ["outer"]
