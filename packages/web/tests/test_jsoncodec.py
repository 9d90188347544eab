import asyncio
import json
from typing import Any

import pytest

from levante import web


def shout(data: Any) -> bytes:
    """An encoder that gives bytes, as orjson does."""
    return json.dumps(data, separators=(",", ":")).upper().encode()


CODEC = web.JSONCodec(dumps=shout, loads=lambda text: ["loaded", json.loads(text)])


async def both_ways(request: web.Request) -> web.Response:
    data = await request.json() if request.can_read_body else "nothing"
    return web.json_response({"got": data})


def app_of(**options: Any) -> web.Application:
    app = web.Application(**options)
    app.router.add_route("*", "/", both_ways)
    app.router.add_route("*", "/{x}/", both_ways)
    return app


BODY = {"headers": [("Content-Type", "application/json")], "body": b"[1]"}


@pytest.mark.parity("U23")
@pytest.mark.parametrize("path", ["/", "/dynamic/"])
async def test_requests_and_responses(serve: Any, path: str) -> None:
    served = await serve(app_of(json=CODEC))
    answer = await served.request("POST", path, **BODY)
    assert answer.body == b'{"GOT":["LOADED",[1]]}'
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
    served = await serve(app_of())
    answer = await served.request("POST", path, **BODY)
    assert answer.body == b'{"got": [1]}'
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"


@pytest.mark.parity("U23")
async def test_what_is_named_comes_first(serve: Any) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.json_response(await request.json(loads=str), dumps=repr)

    app = web.Application(json=CODEC)
    app.router.add_post("/", handler)
    assert (await (await serve(app)).request("POST", "/", **BODY)).text == "'[1]'"
    assert web.json_response([1], dumps=shout).body == b"[1]"


@pytest.mark.parity("U23")
async def test_each_application_its_own(serve: Any) -> None:
    seen: list[Any] = []

    async def note(request: web.Request, handler: web.Handler) -> web.StreamResponse:
        seen.append(web.json_response("before").body)
        answer = await handler(request)
        seen.append(web.json_response("after").body)
        return answer

    app = app_of(json=CODEC, middlewares=[note])
    app.add_subapp("/own", app_of(json=web.JSONCodec(dumps=lambda _: "own"), middlewares=[note]))
    app.add_subapp("/none", app_of())
    served = await serve(app)
    assert (await served.get("/own/")).text == "own"
    assert seen == [b'"BEFORE"', b"own", b"own", b'"AFTER"']
    assert (await served.get("/none/")).text == '{"GOT":"NOTHING"}'
    assert web.json_response("outside").text == '"outside"'


@pytest.mark.parity("U23")
async def test_converters_use_it(serve: Any) -> None:
    async def handler(request: web.Request) -> dict[str, str]:
        return {"a": "b"}

    app = web.Application(json=CODEC, converter=web.ResponseConverter())
    app.router.add_get("/", handler)
    assert (await (await serve(app)).get("/")).body == b'{"A":"B"}'


@pytest.mark.parity("U23")
async def test_a_body_that_is_no_json_is_400(serve: Any) -> None:
    def refuse(_: str) -> Any:
        raise ValueError("nothing pleases me")

    served = await serve(app_of(json=web.JSONCodec(loads=refuse)))
    answer = await served.request("POST", "/", **BODY)
    assert answer.status == 400
    assert "nothing pleases me" in answer.text


@pytest.mark.parity("U23")
async def test_marks_of_handlers_are_seen_from_outside(serve: Any) -> None:
    async def note(request: web.Request, handler: web.Handler) -> web.StreamResponse:
        answer = await handler(request)
        answer.headers["X-Handler"] = handler.__name__  # type: ignore[attr-defined]
        return answer

    app = web.Application(middlewares=[note])
    below = app_of(json=CODEC, converter=web.ResponseConverter())
    below.router.add_get("/plain", both_ways)
    root = web.Application(middlewares=[note], json=CODEC)
    root.router.add_get("/", both_ways)
    app.add_subapp("/below", below)
    assert (await (await serve(root)).get("/")).headers["X-Handler"] == "both_ways"


@pytest.mark.parity("U23")
async def test_websockets(serve: Any) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        await ws.send_json(await ws.receive_json())
        await ws.send_json(await ws.receive_json(loads=json.loads), dumps=json.dumps)
        return ws

    app = web.Application(json=CODEC)
    app.router.add_get("/", handler)
    served = await serve(app)
    peer = await served.connect()
    answer = await peer.request(
        "GET",
        "/",
        [
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ],
    )
    assert answer.status == 101
    for sent, expected in ((b'"a"', b'["LOADED","A"]'), (b'"b"', b'"b"')):
        await peer.send(bytes([0x81, 0x80 | len(sent), 0, 0, 0, 0]) + sent)
        async with asyncio.timeout(5):
            assert await peer.reader.readexactly(2 + len(expected)) == bytes([0x81, len(expected)]) + expected
