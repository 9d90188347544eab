import asyncio
import logging
from typing import Any

import pytest

from levante import web
from levante.web.sampled_log import INTERVAL, SampledLog


@pytest.mark.hardening("X7")
def test_one_line_a_second_of_each_kind(caplog: pytest.LogCaptureFixture) -> None:
    now = 100.0
    log = SampledLog(logging.getLogger("test.sampled"), clock=lambda: now)
    for _ in range(1000):
        log.tell("a", "refused %s", "one")
        log.tell("b", "full")
    now = 101.5
    log.tell("a", "refused %s", "two")
    now = 103.0
    log.tell("a", "refused %s", "three")
    assert [record.getMessage() for record in caplog.records] == [
        "refused one",
        "full",
        "refused two (and 999 more since the last line)",
        "refused three",
    ]


@pytest.mark.hardening("X7")
async def test_the_last_line_of_a_burst_is_told_when_its_second_is_over(caplog: pytest.LogCaptureFixture) -> None:
    """With the number of those before it: nothing else may happen for a day."""
    loop = asyncio.get_running_loop()
    log = SampledLog(logging.getLogger("test.sampled"), clock=loop.time)
    start = loop.time()
    for number in range(5):
        log.tell("a", "refused %d", number)
    log.tell("b", "full")
    while len(caplog.records) < 3:
        await asyncio.sleep(0.01)
    assert loop.time() - start > INTERVAL * 0.9
    log.tell("a", "refused %d", 5)  # counted from the line that was just told
    log.tell_rest()
    log.tell_rest()
    assert [record.getMessage() for record in caplog.records] == [
        "refused 0",
        "full",
        "refused 4 (and 3 more since the last line)",
        "refused 5",
    ]


@pytest.mark.hardening("X7")
def test_what_one_loop_left_out_the_next_one_tells(caplog: pytest.LogCaptureFixture) -> None:
    now = 100.0
    log = SampledLog(logging.getLogger("test.sampled"), clock=lambda: now)

    async def tell(text: str) -> None:
        log.tell("a", text)

    for text in ("first", "second"):
        asyncio.run(tell(text))
    now += INTERVAL
    asyncio.run(tell("third"))
    assert [record.getMessage() for record in caplog.records] == ["first", "third (and 1 more since the last line)"]


@pytest.mark.hardening("X7")
async def test_a_server_tells_the_rest_at_its_end(serve: Any, caplog: pytest.LogCaptureFixture) -> None:
    async def late(request: web.Request) -> web.Response:
        raise TimeoutError

    served = await serve(late)
    for _ in range(3):
        await served.get("/")
    await served.runner.cleanup()
    lines = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert [line.getMessage().endswith(" (and 1 more since the last line)") for line in lines] == [False, True]
    assert [line.exc_info is not None for line in lines] == [True, False]
