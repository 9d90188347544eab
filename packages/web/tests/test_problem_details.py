import json
import logging
from typing import Any

import pytest

from levante import web
from levante.web.middlewares import problem_details
from levante.web.problems import PROBLEM_JSON, problem_text


async def handler(request: web.Request) -> web.StreamResponse:
    match request.path:
        case "/404":
            raise web.HTTPNotFound(text="no such thing", headers={"X-A": "1"})
        case "/401":
            exc = web.HTTPUnauthorized()
            exc.set_cookie("a", "1")
            raise exc
        case "/302":
            raise web.HTTPFound("/")
        case "/own":
            raise web.HTTPConflict(text=problem_text(409, own=1), content_type=PROBLEM_JSON)
        case "/crash":
            raise ZeroDivisionError("secret")
        case "/timeout":
            raise TimeoutError
        case "/refused":
            raise ConnectionRefusedError("by the database")
        case "/read":
            await request.read()
        case "/begun":
            response = web.StreamResponse()
            await response.prepare(request)
            raise RuntimeError
    return web.Response(text="fine")


async def serving(serve: Any) -> Any:
    app = web.Application(middlewares=[problem_details])
    app.router.add_route("*", "/{tail:.*}", handler)
    return await serve(app)


async def test_errors_are_problems(serve: Any, caplog: pytest.LogCaptureFixture) -> None:
    served = await serving(serve)
    answer = await served.get("/404")
    assert answer.status == 404
    assert answer.headers["Content-Type"] == PROBLEM_JSON
    assert answer.headers["X-A"] == "1"
    assert json.loads(answer.text) == {"title": "Not Found", "status": 404, "detail": "no such thing"}
    answer = await served.get("/401")
    assert json.loads(answer.text) == {"title": "Unauthorized", "status": 401}
    assert answer.headers["Set-Cookie"] == "a=1; Path=/"
    caplog.set_level(logging.ERROR)
    answer = await served.get("/crash")
    told = json.loads(answer.text)
    assert told == {"title": "Internal Server Error", "status": 500, "request_id": told["request_id"]}
    assert answer.headers["Connection"] == "close"
    assert "secret" in caplog.text
    answer = await served.get("/own")
    assert json.loads(answer.text)["own"] == 1
    answer = await served.get("/timeout")
    assert (answer.status, json.loads(answer.text)["status"]) == (504, 504)
    assert answer.headers["Vary"] == "Accept"
    answer = await served.get("/refused")
    assert (answer.status, json.loads(answer.text)["status"]) == (500, 500)


async def test_a_malformed_request_is_a_problem_that_says_its_status_once(serve: Any) -> None:
    peer = await (await serving(serve)).connect()
    await peer.send(b"GET / HTTP/1.1\r\n\r\n")
    problem = json.loads((await peer.answer()).text)
    assert (problem["title"], problem["status"]) == ("Bad Request", 400)
    assert problem["detail"].startswith("no Host header")


async def test_a_slow_body_is_408(serve: Any) -> None:
    app = web.Application(middlewares=[problem_details])
    app.router.add_post("/read", handler)
    peer = await (await serve(app, body_timeout=0.05)).connect()
    await peer.send(b"POST /read HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab")
    answer = await peer.answer()
    assert (answer.status, answer.headers["Connection"]) == (408, "close")
    assert json.loads(answer.text)["detail"] == "the body of the request did not come in time"


async def test_what_is_none_passes(serve: Any) -> None:
    served = await serving(serve)
    assert (await served.get("/")).text == "fine"
    assert (await served.get("/302")).headers["Location"] == "/"
    assert b"Content-Type" in (await served.get("/404", Accept="text/html")).head
    answer = await served.get("/404", Accept="text/html, */*;q=0.1")
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    answer = await served.get("/crash", Accept="text/html")
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"


@pytest.mark.parametrize("accept", ["*/*", "text/html"])
async def test_malformed_requests(serve: Any, accept: str) -> None:
    served = await serving(serve)
    peer = await served.connect()
    await peer.send(b"GET / HTTP/1.1\r\n\r\n")
    answer = await peer.answer()
    assert (answer.status, answer.headers["Content-Type"]) == (400, PROBLEM_JSON)
    peer = await served.connect()
    await peer.send(
        f"POST /read HTTP/1.1\r\nHost: a\r\nAccept: {accept}\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n".encode()
    )
    answer = await peer.answer()
    assert answer.status == 400
    assert (answer.headers["Content-Type"] == PROBLEM_JSON) == (accept == "*/*")
    assert await peer.is_closed()


async def test_what_has_begun_is_not_replaced(serve: Any) -> None:
    peer = await (await serving(serve)).connect()
    await peer.send(b"GET /begun HTTP/1.1\r\nHost: a\r\n\r\n")
    assert b"problem" not in await peer.reader.read()
