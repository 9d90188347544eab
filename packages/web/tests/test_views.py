from typing import Any

import pytest

from levante import web


class Thing(web.View):
    async def get(self) -> web.Response:
        return web.Response(text=f"got {self.request.path}")

    async def post(self) -> web.Response:
        raise web.HTTPCreated


@pytest.mark.parity("S10")
async def test_the_method_of_the_verb_answers(serve: Any) -> None:
    app = web.Application()
    app.router.add_view("/thing", Thing)
    served = await serve(app)
    assert (await served.get("/thing")).text == "got /thing"
    assert (await served.request("POST", "/thing")).status == 201
    for method in ("PUT", "BREW"):
        answer = await served.request(method, "/thing")
        assert answer.status == 405
        assert answer.headers["Allow"] == "GET,HEAD,POST"


@pytest.mark.parity("S10")
async def test_head_is_answered_as_get_is(serve: Any) -> None:
    class OwnHead(Thing):
        async def head(self) -> web.Response:
            return web.Response(headers={"X-Own": "1"})

    class Sink(web.View):
        async def post(self) -> web.Response:
            raise AssertionError

    app = web.Application()
    app.router.add_view("/thing", Thing)
    app.router.add_view("/own", OwnHead)
    app.router.add_view("/sink", Sink)
    served = await serve(app)
    answer = await served.request("HEAD", "/thing")
    assert (answer.status, answer.headers["Content-Length"], answer.body) == (200, "10", b"")
    assert (await served.request("HEAD", "/own")).headers["X-Own"] == "1"
    answer = await served.request("HEAD", "/sink")
    assert (answer.status, answer.headers["Allow"]) == (405, "POST")


def test_a_view_knows_its_request(make_request: Any) -> None:
    with pytest.raises(TypeError):
        web.AbstractView(None)  # type: ignore[abstract,arg-type]
