"""What is answered when something fails that nobody expected: nothing of the inside but the id of the request, by which
the log has all of it."""

import asyncio
import contextlib
import errno
import json
import logging
import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from levante import web
from levante.web.middlewares import problem_details, request_id

SECRET = "secret <b>"
INSIDE = (SECRET, "secret", "Traceback", __file__, "RuntimeError", "OSError", "/lost", "?q=")
ACCEPTED = ["text/html", "*/*", "application/json"]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def crash(request: web.Request) -> web.Response:
    raise RuntimeError(SECRET)


async def hello(request: web.Request) -> web.Response:
    return web.Response(text="hello")


def quoted(text: str) -> str:
    """The id that an answer tells, in whichever form."""
    (found,) = re.findall(r"\b[0-9a-f]{32}\b", text)
    return str(found)


def failures(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.levelno >= logging.ERROR]


@pytest.mark.parity("S58")
@pytest.mark.hardening("S22")
@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("text/html", "text/html"),
        ("*/*", "text/plain"),
        ("text/plain", "text/plain"),
        ("text/html;q=0.5, */*;q=0.1", "text/html"),
    ],
)
async def test_500_tells_nothing(serve: Any, accept: str, kind: str) -> None:
    served = await serve(crash)
    peer = await served.connect()
    answer = await peer.request("GET", "/", [("Accept", accept)])
    assert answer.status == 500
    assert answer.headers["Content-Type"] == f"{kind}; charset=utf-8"
    assert answer.headers["Connection"] == "close"
    assert "secret" not in answer.text
    assert "500 Internal Server Error" in answer.text
    assert await peer.is_closed()


@pytest.mark.parity("S58")
@pytest.mark.hardening("S22")
async def test_debug_shows_the_traceback_escaped(serve: Any) -> None:
    asyncio.get_running_loop().set_debug(True)
    served = await serve(crash)
    answer = await served.get("/", Accept="text/html")
    assert "Traceback" in answer.text
    assert "secret &lt;b&gt;" in answer.text
    assert "secret <b>" in (await served.get("/")).text


@pytest.mark.hardening("S22")
@pytest.mark.parametrize("client", ["192.0.2.7", "2001:db8::1", "unknown"])
async def test_debug_shows_it_to_nobody_from_elsewhere(serve: Any, client: str) -> None:
    """Whom the flag was meant for sits at this machine."""
    asyncio.get_running_loop().set_debug(True)
    served = await serve(crash, trusted_proxies=["127.0.0.1"])
    answer = await served.get("/", X_Forwarded_For=client)
    assert answer.status == 500
    assert not [word for word in INSIDE if word in answer.text]
    assert "Traceback" in (await served.get("/", X_Forwarded_For="::1")).text


async def failing_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    await handler(request)
    raise RuntimeError(SECRET)


async def fail_once(request: web.Request, response: web.StreamResponse) -> None:
    if response.status == 200:
        raise RuntimeError(SECRET)


async def fail_always(request: web.Request, response: web.StreamResponse) -> None:
    raise RuntimeError(SECRET)


def failing(where: str, *middlewares: Any) -> web.Application:
    """An application that fails in one place."""
    app = web.Application(middlewares=middlewares)
    if where == "middleware":
        app.middlewares.append(failing_middleware)
    elif where == "signal":
        app.on_response_prepare.append(fail_once)
    elif where == "error page":
        app.on_response_prepare.append(fail_always)
    app.router.add_get("/lost", crash if where == "handler" else hello)
    return app


WAYS: dict[str, tuple[Any, ...]] = {
    "bare": (),
    "with the middleware": (request_id(),),
    "as a problem": (problem_details,),
    "both": (request_id(), problem_details),
}


@pytest.mark.hardening("S22")
@pytest.mark.parity("U25")
@pytest.mark.parametrize("accept", ACCEPTED)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("where", ["handler", "middleware", "signal", "error page"])
async def test_a_failure_is_found_by_what_its_user_quotes(
    serve: Any, caplog: pytest.LogCaptureFixture, where: str, way: str, accept: str
) -> None:
    served = await serve(failing(where, *WAYS[way]))
    answer = await served.get("/lost?q=1", Accept=accept)
    assert answer.status == 500
    told = answer.text + str(answer.headers)
    assert not [word for word in INSIDE if word in told]
    number = quoted(answer.text)
    lines = failures(caplog)
    assert len(lines) == (2 if where == "error page" else 1), "one for each exception"
    assert all(f"(request id {number})" in line.getMessage() for line in lines)
    assert SECRET in str(lines[0].exc_info)
    if way in ("with the middleware", "both") and where != "error page":
        assert answer.headers["X-Request-ID"] == number


@pytest.mark.hardening("S22")
async def test_the_problem_has_a_member_for_it(serve: Any) -> None:
    answer = await (await serve(failing("handler", problem_details))).get("/lost")
    assert json.loads(answer.text) == {
        "title": "Internal Server Error",
        "status": 500,
        "request_id": quoted(answer.text),
    }


@pytest.mark.hardening("S22")
@pytest.mark.parity("U25")
async def test_two_requests_at_once_have_an_id_each(serve: Any, caplog: pytest.LogCaptureFixture) -> None:
    both = asyncio.Barrier(2)

    async def meet(request: web.Request) -> web.Response:
        await both.wait()
        raise RuntimeError(request.path)

    served = await serve(meet)
    one, two = await asyncio.gather(served.get("/one"), served.get("/two"))
    assert quoted(one.text) != quoted(two.text)
    for path, answer in (("/one", one), ("/two", two)):
        (line,) = [line for line in failures(caplog) if f"GET {path}" in line.getMessage()]
        assert quoted(answer.text) in line.getMessage()


@pytest.mark.hardening("S22")
async def test_a_failure_after_the_head_is_told_with_its_id(serve: Any, caplog: pytest.LogCaptureFixture) -> None:
    async def late(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"X-Id": request.id})
        await response.prepare(request)
        await response.write(b"x")
        raise RuntimeError(SECRET)

    peer = await (await serve(late)).connect()
    await peer.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    head = await peer.reader.readuntil(b"\r\n\r\n")
    with contextlib.suppress(ConnectionResetError):
        await asyncio.wait_for(peer.reader.read(), 10)
    (line,) = failures(caplog)
    assert quoted(line.getMessage()) in head.decode()


@pytest.mark.hardening("X9")
@pytest.mark.parametrize("way", ["bare", "as a problem"])
@pytest.mark.parametrize(
    ("number", "status"), [(errno.ENOSPC, 507), (errno.EDQUOT, 507), (errno.EROFS, 500), (errno.EACCES, 500)]
)
async def test_no_room_is_507(serve: Any, caplog: pytest.LogCaptureFixture, number: int, status: int, way: str) -> None:
    async def keep(request: web.Request) -> web.Response:
        raise OSError(number, "No space", "/lost/secret")

    app = web.Application(middlewares=WAYS[way])
    app.router.add_get("/", keep)
    answer = await (await serve(app)).get("/")
    assert answer.status == status
    assert not [word for word in INSIDE if word in answer.text]
    (line,) = failures(caplog)
    assert quoted(answer.text) in line.getMessage()
