import gc
import weakref
from typing import Any

import pytest

from levante import web
from levante.web.http_exception import refuse_line_breaks
from levante.web.middlewares import problem_details


@pytest.mark.parity("1.8")
def test_what_all_exceptions_have() -> None:
    exc = web.HTTPConflict(text="why", content_type="a/b")
    assert isinstance(exc, Exception)
    assert (exc.status, exc.reason, exc.text, exc.headers["Content-Type"]) == (409, "Conflict", "why", "a/b")
    assert not exc.cookies
    assert not hasattr(exc, "prepare")


@pytest.mark.parity("V32")
def test_line_breaks() -> None:
    refuse_line_breaks("reason", "fine\tthing")
    with pytest.raises(ValueError, match="reason"):
        refuse_line_breaks("reason", "a\rb")


@pytest.mark.parametrize("middlewares", [[], [problem_details]])
async def test_an_instance_that_is_raised_again_keeps_nothing(serve: Any, middlewares: Any) -> None:
    nothing = web.HTTPNotFound(text="nothing here")
    requests: list[weakref.ref[web.Request]] = []

    async def handler(request: web.Request) -> web.Response:
        requests.append(weakref.ref(request))
        raise nothing

    app = web.Application(middlewares=middlewares)
    app.router.add_get("/", handler)
    served = await serve(app)
    for _ in range(3):
        assert (await served.get("/")).status == 404
    assert nothing.__traceback__ is None
    gc.collect()
    assert [request() for request in requests] == [None] * 3


async def test_a_problem_does_not_replace_what_has_begun(serve: Any, caplog: pytest.LogCaptureFixture) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"begun")
        raise web.HTTPBadRequest

    app = web.Application(middlewares=[problem_details])
    app.router.add_get("/", handler)
    peer = await (await serve(app)).connect()
    await peer.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert (await peer.reader.read()).endswith(b"5\r\nbegun\r\n")
    assert caplog.records == []
