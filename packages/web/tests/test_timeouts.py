import asyncio
from typing import Any

import pytest

from levante import web
from levante.http import deadlines
from levante.web.middlewares import handler_timeout, problem_details


@pytest.mark.parity("S58")
async def test_a_slow_handler_is_504(serve: Any) -> None:
    ended = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        if request.path == "/own":
            async with asyncio.timeout(0.01):
                await asyncio.sleep(5)
        if request.path == "/fast":
            return web.Response(text="fast")
        if request.path == "/stream":
            response = web.StreamResponse()
            await response.prepare(request)
            for _ in range(3):
                await asyncio.sleep(0.1)
                await response.write(b"x")
            return response
        try:
            await asyncio.sleep(5)
        finally:
            ended.set()
        raise AssertionError

    app = web.Application(middlewares=[handler_timeout(0.1)])
    app.router.add_get("/{x}", handler)
    served = await serve(app)
    answer = await served.get("/slow")
    assert (answer.status, answer.text) == (504, "504: the handler took more than 0.1 seconds")
    assert ended.is_set()
    assert (await served.get("/fast")).text == "fast"
    assert (await served.get("/stream")).body == b"xxx"
    assert (await served.get("/own")).status == 504


async def tell_what_is_left(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    left = deadlines.remaining()
    await response.prepare(request)
    assert deadlines.remaining() is None, "the answer has begun: nothing is late any more"
    await response.write(b"none" if left is None else b"%.1f" % left)
    return response


@pytest.mark.parity("U6")
@pytest.mark.hardening("X20")
@pytest.mark.parametrize(
    ("options", "said", "left"),
    [
        ({}, None, "60.0"),
        ({}, "1000", "60.0"),
        ({"deadline_header": deadlines.DEADLINE_HEADER}, None, "60.0"),
        ({"deadline_header": deadlines.DEADLINE_HEADER}, "7000", "7.0"),
        ({"deadline_header": deadlines.DEADLINE_HEADER}, "700000", "60.0"),
        ({"deadline_header": deadlines.DEADLINE_HEADER}, "soon", "60.0"),
        ({"deadline_header": "X-Time-Left"}, "7000", "60.0"),
    ],
)
async def test_what_is_left_is_the_deadline_of_the_context(
    serve: Any, options: Any, said: str | None, left: str
) -> None:
    app = web.Application(middlewares=[handler_timeout(60, **options)])
    app.router.add_get("/", tell_what_is_left)
    headers = [] if said is None else [(deadlines.DEADLINE_HEADER, said)]
    answer = await (await serve(app)).request("GET", "/", headers)
    assert abs(float(answer.text) - float(left)) <= 0.2


@pytest.mark.hardening("X20")
async def test_a_caller_s_deadline_ends_the_handler(serve: Any) -> None:
    app = web.Application(middlewares=[handler_timeout(60, deadline_header="X-Left")])
    app.router.add_get("/", ignore)
    served = await serve(app)
    assert (await served.request("GET", "/", [("X-Left", "50")])).status == 504
    answer = await served.request("GET", "/", [("X-Left", "0")])
    assert (answer.status, answer.text) == (504, "504: the caller's deadline has passed")


async def read(request: web.Request) -> web.Response:
    await request.read()
    raise AssertionError


async def ignore(request: web.Request) -> web.Response:
    await asyncio.sleep(1000)
    raise AssertionError


@pytest.mark.parity("S58")
@pytest.mark.parametrize("middlewares", [[], [problem_details]])
@pytest.mark.parametrize(
    ("handler", "lines", "body", "status"),
    [
        (read, b"Content-Length: 100", b"a", 408),
        (read, b"Transfer-Encoding: chunked", b"5\r\nabcde\r\n", 408),
        (read, b"Content-Length: 100\r\nExpect: 100-continue", b"", 408),
        (ignore, b"Content-Length: 1", b"a", 504),
        (ignore, b"Content-Length: 10000000", b"a" * 2_000_000, 504),
    ],
)
async def test_a_slow_client_is_408(
    serve: Any, middlewares: list[Any], handler: Any, lines: bytes, body: bytes, status: int
) -> None:
    app = web.Application(middlewares=[*middlewares, handler_timeout(0.2)])
    app.router.add_post("/", handler)
    peer = await (await serve(app)).connect()
    peer.writer.write(b"POST / HTTP/1.1\r\nHost: a\r\n" + lines + b"\r\n\r\n" + body)
    answer = await peer.answer()
    if answer.status == 100:
        answer = await peer.answer()
    assert answer.status == status
    assert status != 408 or answer.headers["Connection"] == "close"


def test_some_time_is_needed() -> None:
    with pytest.raises(ValueError, match="0"):
        handler_timeout(0)
