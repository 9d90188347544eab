import asyncio
from types import SimpleNamespace
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


class Watched:
    """A handler that waits, and how it ended; `swallow` answers all the same, `others` cancels the task as well."""

    def __init__(self, *, swallow: bool = False, others: bool = False) -> None:
        self.ended: list[str] = []
        self._swallow = swallow
        self._others = others

    async def __call__(self, request: web.Request) -> web.Response:
        try:
            if self._others:
                task = asyncio.current_task()
                assert task is not None
                asyncio.get_running_loop().call_later(LIMIT / 2, task.cancel)
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            self.ended.append("cancelled")
            if self._others:
                await asyncio.sleep(LIMIT)  # long enough for the limit to cancel, too
            if not self._swallow:
                raise
        return web.Response(text="all the same")


LIMIT = 0.2


def limited(handler: Any, *limits: float) -> web.Application:
    app = web.Application(middlewares=[handler_timeout(seconds) for seconds in limits])
    app.router.add_get("/", handler)
    return app


async def test_a_handler_that_swallows_its_cancellation_answers(serve: Any) -> None:
    async def is_cancelling(request: web.Request, handler: Any) -> web.StreamResponse:
        response: web.StreamResponse = await handler(request)
        task = asyncio.current_task()
        response.headers["X-Cancelling"] = str(task is not None and task.cancelling())
        return response

    app = limited(Watched(swallow=True), LIMIT)
    app.middlewares.insert(0, is_cancelling)
    answer = await (await serve(app)).get("/")
    assert (answer.text, answer.headers["X-Cancelling"]) == ("all the same", "0")


@pytest.mark.parametrize("limits", [(LIMIT, 1000), (1000, LIMIT), (LIMIT, LIMIT)])
async def test_the_shorter_of_two_limits_holds(serve: Any, limits: tuple[float, float]) -> None:
    watched = Watched()
    answer = await (await serve(limited(watched, *limits))).get("/")
    assert (answer.status, answer.text) == (504, "504: the handler took more than 0.2 seconds")
    assert watched.ended == ["cancelled"]


async def test_who_cancels_a_task_besides_is_heard(serve: Any) -> None:
    """The connection is dropped then, as for any handler that somebody else cancels: no 504 hides it."""
    watched = Watched(others=True)
    peer = await (await serve(limited(watched, LIMIT))).connect()
    await peer.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert await peer.is_closed()
    assert watched.ended == ["cancelled"]


async def test_each_request_has_its_own_time(serve: Any) -> None:
    """One timer serves them all: those that end early do not hide one that does not, nor does an older stream."""
    begun = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        if request.query_string == "stream":
            response = web.StreamResponse()
            await response.prepare(request)
            begun.set()
            await asyncio.sleep(3 * LIMIT)
            return response
        await asyncio.sleep(float(request.query_string))
        return web.Response()

    served = await serve(limited(handler, LIMIT))
    stream = asyncio.ensure_future(served.get("/?stream"))
    await begun.wait()
    loop = asyncio.get_running_loop()
    taken: list[tuple[int, float]] = []

    async def ask(seconds: float) -> None:
        start = loop.time()
        answer = await served.get(f"/?{seconds}")
        taken.append((answer.status, loop.time() - start))

    asking = []
    for number in range(20):
        asking.append(asyncio.ensure_future(ask(1000 if number % 4 == 0 else LIMIT / 10)))
        await asyncio.sleep(LIMIT / 10)
    await asyncio.gather(*asking)
    late = [seconds for status, seconds in taken if status == 504]
    assert len(late) == 5
    assert all(LIMIT - 0.01 < seconds < 2 * LIMIT for seconds in late)
    assert [status for status, _ in taken].count(200) == 15
    assert (await stream).status == 200


def test_an_application_may_be_served_by_one_loop_after_another() -> None:
    limit = handler_timeout(LIMIT)

    async def late(_: Any) -> web.StreamResponse:
        await asyncio.sleep(1000)
        raise AssertionError

    async def ask(make_request: Any) -> None:
        with pytest.raises(web.HTTPGatewayTimeout):
            await limit(make_request(), handler=late)

    for _ in range(2):
        asyncio.run(ask(_request))


def _request() -> Any:
    exchange = SimpleNamespace(head_sent=False, body=SimpleNamespace(is_eof=lambda: True))
    return SimpleNamespace(exchange=exchange, server=None)


def test_some_time_is_needed() -> None:
    with pytest.raises(ValueError, match="0"):
        handler_timeout(0)
