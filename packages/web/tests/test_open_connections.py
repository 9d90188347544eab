"""How a server that has a successor lets go of its clients. Its ordinary shutdown is in test_runner.py."""

import asyncio
import time
from typing import Any

import pytest

from levante import web


async def hello(request: web.Request) -> web.Response:
    return web.Response(text="hello")


@pytest.mark.parity("U10")
async def test_idle_clients_get_one_more_answer(serve: Any) -> None:
    served = await serve(hello)
    asked, silent, fresh = [await served.connect() for _ in range(3)]
    for peer in (asked, silent):
        assert "Connection" not in (await peer.request("GET", "/")).headers
    retiring = asyncio.create_task(served.runner.retire(1000.0))
    await asyncio.sleep(0)
    with pytest.raises(OSError, match=r".*"):
        await served.connect()
    for peer in (asked, fresh):
        answer = await peer.request("GET", "/")
        assert (answer.text, answer.headers["Connection"]) == ("hello", "close")
        assert await peer.is_closed()
    assert not retiring.done()
    assert "close" in (await silent.request("GET", "/")).headers["Connection"]
    async with asyncio.timeout(10):
        await retiring


@pytest.mark.parity("U10")
async def test_patience_has_an_end(serve: Any) -> None:
    served = await serve(hello)
    idle = await served.connect()
    await idle.request("GET", "/")
    began = time.monotonic()
    await served.runner.retire(0.1)
    assert time.monotonic() - began >= 0.09
    assert len(served.server.connections) == 1
    await served.runner.cleanup()
    assert await idle.is_closed()


@pytest.mark.parity("U10")
async def test_a_running_request_says_goodbye(serve: Any) -> None:
    entered, go = asyncio.Event(), asyncio.Event()

    async def held(request: web.Request) -> web.Response:
        entered.set()
        await go.wait()
        return web.Response(text="done")

    served = await serve(held)
    peer = await served.connect()
    await peer.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    await entered.wait()
    retiring = asyncio.create_task(served.runner.retire(1000.0))
    await asyncio.sleep(0)
    go.set()
    answer = await peer.answer()
    assert (answer.text, answer.headers["Connection"]) == ("done", "close")
    async with asyncio.timeout(10):
        await retiring


@pytest.mark.parity("U10")
async def test_a_response_that_has_begun_is_followed_by_one_that_says_goodbye(serve: Any) -> None:
    begun, go = asyncio.Event(), asyncio.Event()

    async def stream(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "4"})
        await response.prepare(request)
        await response.write(b"be")
        begun.set()
        await go.wait()
        await response.write(b"un")
        return response

    served = await serve(stream)
    peer = await served.connect()
    await peer.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    await begun.wait()
    retiring = asyncio.create_task(served.runner.retire(1000.0))
    await asyncio.sleep(0)
    go.set()
    answer = await peer.answer()
    assert (answer.text, answer.headers.get("Connection")) == ("beun", None)
    answer = await peer.request("GET", "/")  # who was not told may go on
    assert (answer.text, answer.headers["Connection"]) == ("beun", "close")
    async with asyncio.timeout(10):
        await retiring


@pytest.mark.parity("U10")
async def test_websockets_do_not_hold_it_up(serve: Any) -> None:
    async def chat(request: web.Request) -> web.WebSocketResponse:
        websocket = web.WebSocketResponse()
        await websocket.prepare(request)
        async for _ in websocket:
            pass
        return websocket

    served = await serve(chat)
    peer = await served.connect()
    opening = [("Upgrade", "websocket"), ("Connection", "upgrade"), ("Sec-WebSocket-Version", "13")]
    opening.append(("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="))
    assert (await peer.request("GET", "/", opening)).status == 101
    async with asyncio.timeout(10):
        await served.runner.retire(1000.0)
    ending = asyncio.create_task(served.runner.cleanup())
    assert (await peer.reader.readexactly(4))[2:] == (1001).to_bytes(2, "big")
    peer.reset()
    await ending


async def test_nothing_to_retire() -> None:
    runner = web.AppRunner(web.Application())
    await runner.retire(1000.0)
    await runner.setup()
    await runner.retire(1000.0)
    await runner.cleanup()
