from functools import partial
from typing import Any

import pytest

from levante import web
from levante.web.routing.abstract import checked_handler


async def handler(request: web.Request, more: int = 0) -> web.Response:
    raise NotImplementedError


class Handlers:
    async def method(self, request: web.Request) -> web.Response:
        raise NotImplementedError

    async def __call__(self, request: web.Request) -> web.Response:
        raise NotImplementedError


@pytest.mark.parity("S1", "S68")
@pytest.mark.parametrize(
    "good", [handler, partial(handler, more=1), partial(partial(handler)), Handlers().method, Handlers(), web.View]
)
def test_what_can_be_a_handler(good: Any) -> None:
    assert checked_handler(good) is good


@pytest.mark.parity("S1")
@pytest.mark.parametrize("bad", [lambda request: None, Handlers, 5, None])
def test_what_cannot(bad: Any) -> None:
    with pytest.raises(TypeError, match="handler"):
        checked_handler(bad)


@pytest.mark.parity("S1")
@pytest.mark.parametrize("method", ["", "G ET", "GÉT", "GET\r\n"])
def test_a_method_is_a_token(method: str) -> None:
    with pytest.raises(ValueError, match="method"):
        web.PlainResource("/").add_route(method, handler)


@pytest.mark.parity("S51")
def test_an_expect_handler_is_a_coroutine_function() -> None:
    with pytest.raises(TypeError, match="expect"):
        web.PlainResource("/").add_route("GET", handler, expect_handler=lambda request: None)  # type: ignore[arg-type,return-value]


@pytest.mark.parity("S6")
async def test_the_system_route_raises_its_error() -> None:
    error = web.HTTPNotFound()
    route = web.SystemRoute(error)
    assert (route.status, route.reason, route.name, route.resource) == (404, "Not Found", None, None)
    assert route.get_info() == {"http_exception": error}
    assert repr(route) == "<SystemRoute 404: Not Found>"
    with pytest.raises(RuntimeError):
        route.url_for()
    with pytest.raises(web.HTTPNotFound):
        await route.handler(None)  # type: ignore[arg-type]
