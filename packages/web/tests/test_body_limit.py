"""The size of a request body, for one route."""

from typing import Any

import pytest

from levante import web
from levante.web.middlewares import body_limit


async def echo(request: web.Request) -> web.Response:
    return web.Response(text=str(len(await request.read())))


@pytest.mark.parity("U17")
async def test_smaller_and_larger_than_the_applications(serve: Any) -> None:
    app = web.Application(client_max_size=100)
    app.router.add_post("/", echo)
    app.router.add_post("/small", echo, middlewares=[body_limit(10)])
    app.router.add_post("/large", echo, middlewares=[body_limit(1000)])
    served = await serve(app)
    for path, limit in (("/", 100), ("/small", 10), ("/large", 1000)):
        for size, status in ((limit, 200), (limit + 1, 413), (limit * 10, 413)):
            body = b"x" * size
            assert (await served.request("POST", path, [], body)).status == status, (path, size)
            peer = await served.connect()
            head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
            await peer.send(head.encode() + f"{size:x}\r\n".encode() + body + b"\r\n0\r\n\r\n")
            assert (await peer.answer()).status == status, (path, size)


@pytest.mark.parametrize("limits", [(10, 1000), (1000, 10)])
async def test_of_several_the_smallest_holds(serve: Any, limits: tuple[int, int]) -> None:
    app = web.Application(client_max_size=100)
    app.router.add_post("/", echo, middlewares=[body_limit(limit) for limit in limits])
    served = await serve(app)
    for size, status in ((10, 200), (11, 413)):
        body = b"x" * size
        assert (await served.request("POST", "/", [], body)).status == status
        peer = await served.connect()
        await peer.send(b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
        await peer.send(f"{size:x}\r\n".encode() + body + b"\r\n0\r\n\r\n")
        assert (await peer.answer()).status == status


async def test_what_is_announced_is_refused_before_the_handler_runs(serve: Any) -> None:
    ran = []

    async def handler(request: web.Request) -> web.Response:
        ran.append(request)
        return web.Response()

    app = web.Application()
    app.router.add_post("/", handler, middlewares=[body_limit(10)])
    served = await serve(app)
    answer = await served.request("POST", "/", [], b"x" * 11)
    assert (answer.status, ran) == (413, [])
    assert answer.text == "Maximum request body size 10 exceeded, actual body size 11"


@pytest.mark.parametrize("how", ["read", "post"])
async def test_a_body_that_a_middleware_has_read(serve: Any, how: str) -> None:
    async def reading(request: web.Request, handler: Any) -> web.StreamResponse:
        await getattr(request, how)()
        return await handler(request)  # type: ignore[no-any-return]

    async def form(request: web.Request) -> web.Response:
        return web.Response(text=str((await request.post()).get("a", "nothing")))

    app = web.Application(middlewares=[reading])
    app.router.add_post("/", form, middlewares=[body_limit(10)])
    served = await serve(app)
    head = [("Content-Type", "application/x-www-form-urlencoded")]
    assert (await served.request("POST", "/", head, b"a=bcd")).text == "bcd"
    peer = await served.connect()
    chunked = "Transfer-Encoding: chunked\r\nContent-Type: application/x-www-form-urlencoded"
    await peer.send(f"POST / HTTP/1.1\r\nHost: localhost\r\n{chunked}\r\n\r\nb\r\na=bcdefghij\r\n0\r\n\r\n".encode())
    assert (await peer.answer()).status == 413


def test_a_limit_of_nothing() -> None:
    with pytest.raises(ValueError, match="at least one byte; got 0"):
        body_limit(0)
