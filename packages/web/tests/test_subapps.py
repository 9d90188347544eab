from collections.abc import AsyncIterator
from typing import Any

import pytest

from levante import web


async def handler(request: web.Request) -> web.Response:
    raise NotImplementedError


@pytest.mark.parity("S7", "S8")
def test_prefixed_applications_describe_themselves() -> None:
    app, sub, inner = web.Application(), web.Application(), web.Application()
    inner.router.add_get("/x", handler, name="x")
    sub.add_subapp("/inner", inner)
    resource = app.add_subapp("/sub", sub)
    assert resource.get_info() == {"app": sub, "prefix": "/sub"}
    assert len(resource) == 2
    assert [route.method for route in resource] == ["HEAD", "GET"]
    assert repr(resource).startswith("<PrefixedSubAppResource /sub -> ")
    assert not resource.raw_match("/sub")
    assert str(inner.router["x"].url_for()) == "/sub/inner/x"
    with pytest.raises(RuntimeError, match="URL"):
        resource.url_for()
    with pytest.raises(RuntimeError):
        resource.find("GET", "/sub")


@pytest.mark.parity("S8", "S12")
def test_applications_of_a_domain_describe_themselves() -> None:
    app, sub = web.Application(), web.Application()
    sub.router.add_post("/x", handler)
    resource = app.add_domain("a.example", sub)
    info = resource.get_info()
    assert info["app"] is sub
    assert isinstance(info["rule"], web.Domain)
    assert resource.canonical == "a.example"
    assert len(resource) == 1
    assert [route.method for route in resource] == ["POST"]
    assert repr(resource).startswith("<MatchedSubAppResource <Domain a.example> -> ")
    assert not resource.raw_match("/x")
    with pytest.raises(RuntimeError, match="URL"):
        resource.url_for()
    with pytest.raises(RuntimeError, match="prefix"):
        resource.add_prefix("/x")


async def test_an_application_behind_two_domains_starts_once(serve: Any) -> None:
    happened: list[str] = []

    async def resource(_: web.Application) -> AsyncIterator[None]:
        happened.append("enter")
        yield
        happened.append("exit")

    app, sub = web.Application(), web.Application()
    sub.cleanup_ctx.append(resource)
    sub.router.add_get("/", handler)
    app.add_domain("a.example", sub)
    app.add_domain("b.example", sub)
    served = await serve(app)
    await served.close()
    assert happened == ["enter", "exit"]


def test_an_application_is_in_one_place() -> None:
    app, sub = web.Application(), web.Application()
    app.add_subapp("/a", sub)
    for prefix, each in (("/b", sub), ("/c", app)):
        with pytest.raises(RuntimeError, match="make one for each place"):
            app.add_subapp(prefix, each)
