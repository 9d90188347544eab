import asyncio
from typing import Any

import pytest

from levante import web
from levante.web.middlewares import handler_timeout


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


def test_some_time_is_needed() -> None:
    with pytest.raises(ValueError, match="0"):
        handler_timeout(0)
