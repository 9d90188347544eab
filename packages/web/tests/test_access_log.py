import asyncio
import logging
import os
import re
from types import SimpleNamespace
from typing import Any

import pytest

from levante import web

LOGGER = logging.getLogger("test.access")


def a_request(**changes: Any) -> Any:
    facts: dict[str, Any] = {
        "method": "GET",
        "remote": "1.2.3.4",
        "head": SimpleNamespace(target="/a?b"),
        "version": SimpleNamespace(major=1, minor=1),
        "headers": {"Referer": 'http://x/"\n', "User-Agent": "me"},
    }
    return SimpleNamespace(**facts | changes)


RESPONSE: Any = SimpleNamespace(status=200, body_length=42, headers={"X-Out": "out"})


def line(caplog: pytest.LogCaptureFixture, log_format: str, request: Any = None, time: float = 1.5) -> Any:
    caplog.set_level(logging.INFO, "test.access")
    caplog.clear()
    web.AccessLogger(LOGGER, log_format).log(request or a_request(), RESPONSE, time)
    return caplog.records[0]


@pytest.mark.parity("S62")
def test_the_atoms(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME", "value")
    record = line(caplog, "%a|%P|%r|%s|%b|%O|%T|%Tf|%D|%%|%{X-Out}o|%{SOME}e|%{NONE}e|%{None}i")
    assert record.message == (f"1.2.3.4|<{os.getpid()}>|GET /a?b HTTP/1.1|200|42|42|2|1.500000|1500000|%|out|value|-|-")
    assert record.remote_address == "1.2.3.4"
    assert record.response_status == 200
    assert record.environ == {"SOME": "value", "NONE": "-"}
    assert record.response_header == {"X-Out": "out"}


@pytest.mark.parity("S62")
def test_the_default_format(caplog: pytest.LogCaptureFixture) -> None:
    from levante.web.access_log import ACCESS_LOG_FORMAT

    record = line(caplog, ACCESS_LOG_FORMAT, a_request(remote=None))
    assert re.fullmatch(
        r'- \[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\] "GET /a\?b HTTP/1.1" 200 42 "http://x/\\"\\n" "me"',
        record.message,
    )


@pytest.mark.parity("S62")
@pytest.mark.parametrize("log_format", ["%", "%x", "%{X}z", "%{X Y}i"])
def test_bad_formats(log_format: str) -> None:
    with pytest.raises(ValueError, match="expected one of"):
        web.AccessLogger(LOGGER, log_format)


@pytest.mark.parity("S62")
async def test_a_line_for_each_response(serve: Any, caplog: pytest.LogCaptureFixture) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(text="x")

    caplog.set_level(logging.INFO, "levante.access")
    served = await serve(handler, access_log_format="%s %r %b")
    await served.get("/a")
    await served.close()
    assert re.fullmatch(r"200 GET /a HTTP/1.1 \d{3}", caplog.records[-1].message)


@pytest.mark.parity("S57", "S62")
@pytest.mark.parametrize("begun", [False, True])
async def test_a_cancelled_handler_leaves_a_line(serve: Any, caplog: pytest.LogCaptureFixture, begun: bool) -> None:
    """499 where its client has gone, whether or not it had seen the beginning of a response."""
    entered = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        if begun:
            await response.prepare(request)
            await response.write(b"x")
        entered.set()
        await asyncio.sleep(1000)
        raise AssertionError

    caplog.set_level(logging.INFO, "levante.access")
    served = await serve(handler, access_log_format="%s %r", handler_cancellation=True)
    peer = await served.connect()
    await peer.send(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n")
    await entered.wait()
    peer.reset()
    async with asyncio.timeout(10):
        while not caplog.records:
            await asyncio.sleep(0.01)
    assert [record.message for record in caplog.records] == ["499 GET /a HTTP/1.1"]


@pytest.mark.parity("S56", "S62")
async def test_a_handler_that_is_cancelled_at_shutdown_leaves_a_line(
    serve: Any, caplog: pytest.LogCaptureFixture
) -> None:
    entered = asyncio.Event()

    async def handler(_: web.Request) -> web.Response:
        entered.set()
        await asyncio.sleep(1000)
        raise AssertionError

    caplog.set_level(logging.INFO, "levante.access")
    served = await serve(handler, access_log_format="%s %r", shutdown_timeout=0.1)
    peer = await served.connect()
    await peer.send(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n")
    await entered.wait()
    await served.runner.cleanup()
    assert [record.message for record in caplog.records if record.name == "levante.access"] == ["503 GET /a HTTP/1.1"]


@pytest.mark.parity("S62")
async def test_a_disabled_log_is_not_called(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(text="x")

    monkeypatch.setattr(web.AccessLogger, "log", lambda *args: pytest.fail("called"))
    logger = logging.getLogger("test.access.silent")
    logger.setLevel(logging.WARNING)
    assert (await (await serve(handler, access_log=logger)).get("/")).status == 200
    assert (await (await serve(handler, access_log=None)).get("/")).status == 200


class Waiting(web.AbstractAsyncAccessLogger):
    lines: "list[Any]" = []  # noqa: RUF012

    async def log(self, request: Any, response: Any, request_start: float) -> None:
        await asyncio.sleep(0)
        self.lines.append((response.status, request_start <= asyncio.get_running_loop().time()))


class Broken(web.AbstractAccessLogger):
    def log(self, request: Any, response: Any, time: float) -> None:
        raise ZeroDivisionError


@pytest.mark.parity("S62")
async def test_other_classes(serve: Any, caplog: pytest.LogCaptureFixture) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(text="x")

    served = await serve(handler, access_log_class=Waiting)
    await served.get("/")
    await served.close()
    assert Waiting.lines == [(200, True)]
    served = await serve(handler, access_log_class=Broken)
    assert (await served.get("/")).status == 200
    await served.close()
    assert "error in the access log" in caplog.text
    with pytest.raises(TypeError, match="access_log_class"):
        await serve(handler, access_log_class=int)


def test_no_address_forges_a_line(caplog: pytest.LogCaptureFixture) -> None:
    record = line(caplog, "%a", a_request(remote='/tmp/x\n6.6.6.6 "'))
    assert record.message == r"/tmp/x\n6.6.6.6 \""
