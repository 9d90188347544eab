from collections.abc import Awaitable
from functools import partial
from typing import Any

import pytest

from levante import web


async def plain(request: web.Request, handler: web.Handler) -> web.StreamResponse:
    return told("plain", handler, await handler(request))


async def with_options(
    request: web.Request, handler: web.Handler, *, name: str = "options", **more: str
) -> web.StreamResponse:
    return told(name, handler, await handler(request))


async def by_keyword(request: web.Request, *, handler: web.Handler) -> web.StreamResponse:
    return told("keyword", handler, await handler(request))


async def third(request: web.Request, mark: str = "third", handler: Any = None) -> web.StreamResponse:
    return told(mark, handler, await handler(request))


def passing_on(request: web.Request, handler: web.Handler) -> Awaitable[web.StreamResponse]:
    return handler(request)


class Keeper:
    def __init__(self, name: str) -> None:
        self.name = name

    async def method(self, request: web.Request, handler: web.Handler) -> web.StreamResponse:
        return told(self.name, handler, await handler(request))

    async def __call__(self, request: web.Request, handler: web.Handler) -> web.StreamResponse:
        return told(self.name, handler, await handler(request))


async def named(name: str, request: web.Request, handler: web.Handler) -> web.StreamResponse:
    return told(name, handler, await handler(request))


def told(by: str, handler: Any, response: web.StreamResponse) -> web.StreamResponse:
    """Note who has had the response, and what could be read off the handler that it came from."""
    response.headers.add("X-By", f"{by}: {handler.__name__} {handler.mark}")
    return response


def closure(name: str) -> Any:
    async def inner(request: web.Request, handler: web.Handler) -> web.StreamResponse:
        return told(name, handler, await handler(request))

    return inner


ANY_KIND = [
    plain,
    with_options,
    by_keyword,
    third,
    passing_on,
    Keeper("method").method,
    Keeper("instance"),
    partial(named, "partial"),
    closure("closure"),
]


@pytest.mark.parity("S47")
async def test_any_kind_of_callable_is_a_middleware(serve: Any) -> None:
    """From the innermost outwards; each sees the name and the marks of the handler, through all others."""

    async def page(_: web.Request) -> web.Response:
        return web.Response(text="x")

    page.mark = "marked"  # type: ignore[attr-defined]
    app = web.Application(middlewares=ANY_KIND)
    app.router.add_get("/", page)
    app.router.add_get("/{any}", page)
    names = ["closure", "partial", "instance", "method", "third", "keyword", "options", "plain"]
    served = await serve(app)
    for path in ("/", "/field"):
        assert (await served.get(path)).headers.getall("X-By") == [f"{name}: page marked" for name in names]


@pytest.mark.parity("S47")
async def test_a_middleware_of_many_handlers_calls_the_right_one(serve: Any) -> None:
    class Page(web.View):
        mark = "of a class"

        async def get(self) -> web.Response:
            return web.Response(text="page")

    async def item(request: web.Request) -> web.Response:
        return web.Response(text=request.match_info["id"])

    item.mark = "of a function"  # type: ignore[attr-defined]
    app = web.Application(middlewares=[plain, plain])
    app.router.add_view("/", Page)
    app.router.add_get("/items/{id}", item)
    served = await serve(app)
    for _ in range(2):
        for path, text, told_by in (("/", "page", "Page of a class"), ("/items/7", "7", "item of a function")):
            answer = await served.get(path)
            assert answer.body == text.encode()
            assert answer.headers.getall("X-By") == [f"plain: {told_by}"] * 2
    assert plain.__defaults__ is None
    assert not hasattr(plain, "mark")


@pytest.mark.parity("S11", "S46")
@pytest.mark.parametrize("json", [None, web.JSONCodec()])
async def test_marks_are_seen_across_applications(serve: Any, json: web.JSONCodec | None) -> None:
    async def page(_: web.Request) -> web.Response:
        return web.Response(text="x")

    async def unmarked(_: web.Request) -> web.Response:
        return web.Response(text="y")

    async def looking(request: web.Request, handler: web.Handler) -> web.StreamResponse:
        response = await handler(request)
        response.headers.add("X-Mark", getattr(handler, "mark", "none"))
        return response

    page.mark = "marked"  # type: ignore[attr-defined]
    app, below, deepest = web.Application(middlewares=[looking]), web.Application(json=json), web.Application()
    deepest.middlewares.append(looking)
    deepest.router.add_get("/", page)
    deepest.router.add_get("/unmarked", unmarked)
    below.add_subapp("/deepest", deepest)
    app.add_subapp("/below", below)
    served = await serve(app)
    for path, mark in (("/", "marked"), ("/unmarked", "none")):
        assert (await served.get(f"/below/deepest{path}")).headers.getall("X-Mark") == [mark, mark]
