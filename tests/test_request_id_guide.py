"""The programs of the page about finding requests: an id that goes from the answer to the logs of two services."""

import io
import json
import logging
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from levante import web
from levante.client import ClientSession
from levante.http.requestids import REQUEST_ID_HEADER, current_request_id

pytestmark = [pytest.mark.parity("U25"), pytest.mark.hardening("S22")]

PAGE = Path(__file__).resolve().parents[1] / "docs" / "how-to" / "find-a-request.md"


@pytest.fixture(scope="module")
def guide() -> dict[str, Any]:
    """What the programs define, one run after the other."""
    names: dict[str, Any] = {"__name__": "guide"}
    for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL):
        exec(compile(block, PAGE.name, "exec"), names)  # our own page
    return names


@pytest.fixture
def log(guide: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """`log()`: logger, id and message of each line so far, as the page has them written."""
    root, stream = logging.getLogger(), io.StringIO()
    level = root.level
    monkeypatch.setattr(root, "handlers", [])
    guide["set_up_logging"]()
    (handler,) = root.handlers
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(stream)
    yield lambda: [
        line.split(" ", 5)[3:] for line in stream.getvalue().splitlines() if re.match(r"[0-9]{4}-[0-9]{2}-", line)
    ]
    root.setLevel(level)


@asynccontextmanager
async def served(app: web.Application) -> AsyncIterator[str]:
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{site.port}/"
    finally:
        await runner.cleanup()


async def test_a_request_and_a_failure(guide: dict[str, Any], log: Any) -> None:
    async with served(guide["shop"]) as url, ClientSession() as session:
        async with session.get(url + "order", headers={REQUEST_ID_HEADER: "of-a-stranger"}) as response:
            number = (await response.json())["id"]
            assert response.headers[REQUEST_ID_HEADER] == number != "of-a-stranger"
        assert log() == [["shop", f"{number}:", "an order comes in"]]
        async with session.get(url + "cancel") as response:
            failed = json.loads(await response.text())
            assert failed == {
                "title": "Internal Server Error",
                "status": 500,
                "request_id": response.headers[REQUEST_ID_HEADER],
            }
    name, number, message = log()[1]
    assert (name, number) == ("levante.web", f"{failed['request_id']}:")
    assert message == f"error handling <Request GET /cancel> (request id {failed['request_id']})"


async def test_one_id_in_two_services(guide: dict[str, Any], log: Any) -> None:
    async with served(guide["make_stock"]()) as stock, served(guide["make_front"](stock)) as front:
        numbers = []
        async with ClientSession() as session:
            for _ in range(2):
                async with session.get(front) as response:
                    assert await response.json() == {"lamps": 3}
                    numbers.append(response.headers[REQUEST_ID_HEADER])
    assert numbers[0] != numbers[1]
    assert log() == [
        ["shop", f"{number}:", message] for number in numbers for message in ("asking for the stock", "counting")
    ]


def test_a_processor(guide: dict[str, Any]) -> None:
    token = current_request_id.set("one")
    assert guide["add_request_id"](None, "info", {"event": "x"}) == {"event": "x", "request_id": "one"}
    current_request_id.reset(token)
