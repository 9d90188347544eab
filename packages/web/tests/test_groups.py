import itertools
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from levante import web
from levante.web.routing.tables import Placement

Seen = list[str]
Mark = Callable[[str], Any]


@pytest.fixture
def seen() -> Seen:
    return []


@pytest.fixture
def mark(seen: Seen) -> Mark:
    """`mark(name)`: a middleware that notes when it was entered and left."""

    def make(name: str) -> Any:
        async def middleware(request: web.Request, handler: web.Handler) -> web.StreamResponse:
            seen.append(name)
            try:
                return await handler(request)
            finally:
                seen.append(f"/{name}")

        return middleware

    return make


async def handler(request: web.Request) -> web.Response:
    return web.Response(text=f"{request.path} {dict(request.match_info)}")


def entered(seen: Seen) -> Seen:
    found = [name for name in seen if not name.startswith("/")]
    assert seen == [*found, *(f"/{name}" for name in reversed(found))]
    seen.clear()
    return found


# Middlewares of a route.


@pytest.mark.parity("U11")
@pytest.mark.parametrize("path", ["/plain", "/items/{id}"])
async def test_middlewares_of_one_route(serve: Any, seen: Seen, mark: Mark, path: str) -> None:
    app = web.Application()
    app.router.add_get(path, handler, middlewares=[mark("outer"), mark("inner")])
    app.router.add_post(path, handler)
    served = await serve(app)
    target = path.replace("{id}", "5")
    assert (await served.get(target)).status == 200
    assert entered(seen) == ["outer", "inner"]
    await served.request("HEAD", target)
    assert entered(seen) == ["outer", "inner"]
    assert (await served.request("POST", target)).status == 200
    assert (await served.request("PUT", target)).status == 405
    assert seen == []


@pytest.mark.parity("U11")
async def test_the_order_is_app_groups_route_view(serve: Any, seen: Seen, mark: Mark) -> None:
    class Page(web.View):
        middlewares = (mark("view"),)

        async def get(self) -> web.Response:
            seen.append("handler")
            seen.append("/handler")
            return web.Response(text=str(self.request.url.path))

    inner = web.RouteGroup("/inner", middlewares=[mark("inner")])
    inner.add_routes([web.view("/page", Page, middlewares=[mark("route")])])
    outer = web.RouteGroup("/outer", middlewares=[mark("outer 1"), mark("outer 2")])
    outer.add_routes([inner])
    below = web.Application(middlewares=[mark("sub-app")])
    below.add_routes([outer])
    app = web.Application(middlewares=[mark("app")])
    app.add_subapp("/below", below)
    answer = await (await serve(app)).get("/below/outer/inner/page")
    assert answer.text == "/below/outer/inner/page"
    assert seen[:9] == ["app", "sub-app", "outer 1", "outer 2", "inner", "route", "view", "handler", "/handler"]
    assert seen[9:] == [f"/{name}" for name in reversed(seen[:7])]


@pytest.mark.parity("U11")
async def test_a_view_class_brings_its_middlewares(serve: Any, seen: Seen, mark: Mark) -> None:
    class Base(web.View):
        middlewares = (mark("view"),)

    class Page(Base):
        async def get(self) -> web.Response:
            return web.Response()

    app = web.Application()
    app.router.add_view("/a", Page)
    app.router.add_view("/b", Page, cancel_on_disconnect=True)
    served = await serve(app)
    assert (await served.get("/a")).status == 200
    assert entered(seen) == ["view"]
    assert (await served.get("/b")).status == 200
    assert entered(seen) == ["view"]
    assert (await served.request("POST", "/a")).status == 405
    assert entered(seen) == ["view"]


@pytest.mark.parity("U11")
async def test_a_middleware_may_answer_and_change_answers(serve: Any) -> None:
    async def closed(request: web.Request, handler: web.Handler) -> web.StreamResponse:
        if "Authorization" not in request.headers:
            raise web.HTTPUnauthorized
        answer = await handler(request)
        answer.headers["X-Route"] = str(getattr(handler, "__name__", ""))
        return answer

    app = web.Application()
    app.router.add_get("/", handler, middlewares=[closed])
    served = await serve(app)
    assert (await served.get("/")).status == 401
    answer = await served.get("/", Authorization="yes")
    assert answer.headers["X-Route"] == "handler"


@pytest.mark.parity("U11")
async def test_files_have_middlewares(serve: Any, seen: Seen, mark: Mark, tmp_path: Path) -> None:
    tmp_path.joinpath("page.html").write_text("page")
    group = web.RouteGroup("/group", middlewares=[mark("group")])
    group.static("/files", tmp_path, middlewares=[mark("static")], name="files")
    group.file("/one", tmp_path / "page.html", middlewares=[mark("file")])
    app = web.Application()
    app.add_routes([group])
    served = await serve(app)
    assert (await served.get("/group/files/page.html")).text == "page"
    assert entered(seen) == ["group", "static"]
    assert (await served.get("/group/one")).text == "page"
    assert entered(seen) == ["group", "file"]


@pytest.mark.parity("U11")
async def test_the_chain_is_built_once(serve: Any, mark: Mark) -> None:
    app = web.Application(middlewares=[mark("app")])
    route = app.router.add_get("/items/{id}", handler, middlewares=[mark("route")])
    behind = route.call
    served = await serve(app)
    for _ in range(3):
        await served.get("/items/1")
    assert route.call is behind
    assert route.handler is handler
    assert len(route.middlewares) == 1


@pytest.mark.parity("U11")
@pytest.mark.parametrize("wrong", [handler, iter(()), {handler}, ["text"], None, 5])
def test_what_is_no_list_of_middlewares(wrong: Any) -> None:
    with pytest.raises(TypeError, match="middleware"):
        web.Application().router.add_get("/", handler, middlewares=wrong)
    with pytest.raises(TypeError, match="middleware"):
        web.RouteGroup("/a", middlewares=wrong)
    with pytest.raises(TypeError, match="middleware"):
        web.Application().router.add_view("/", type("Page", (web.View,), {"middlewares": wrong}))


# Groups.


@pytest.mark.parity("U11")
async def test_prefixes_and_names(serve: Any) -> None:
    group = web.RouteGroup("/users/{user}", name_prefix="users.")
    inner = web.RouteGroup("/items", name_prefix="items.")

    @group.get("", name="one")
    async def user(request: web.Request) -> web.Response:
        return await handler(request)

    @inner.post("/{id}", name="item")
    async def item(request: web.Request) -> web.Response:
        return await handler(request)

    group.add_routes([inner, web.get("/", handler)])
    app = web.Application()
    routes = app.add_routes([group, web.get("/", handler)])
    assert [route.method for route in routes] == ["GET", "POST", "GET", "GET"]
    assert str(app.router["users.items.item"].url_for(user="ann", id="5")) == "/users/ann/items/5"
    assert app.router["users.one"].canonical == "/users/{user}"
    served = await serve(app)
    assert (await served.get("/users/ann")).text == "/users/ann {'user': 'ann'}"
    assert (await served.get("/users/ann/")).status == 200
    answer = await served.request("POST", "/users/ann/items/5")
    assert answer.text == "/users/ann/items/5 {'user': 'ann', 'id': '5'}"


@pytest.mark.parity("U11")
def test_a_group_in_two_places() -> None:
    group = web.RouteGroup("/items", name_prefix="items.")
    group.add_routes([web.get("/all", handler, name="all")])
    app = web.Application()
    for version in ("v1", "v2"):
        outer = web.RouteGroup(f"/{version}", name_prefix=f"{version}.")
        outer.add_routes([group])
        app.add_routes([outer])
    assert app.router["v1.items.all"].canonical == "/v1/items/all"
    assert app.router["v2.items.all"].canonical == "/v2/items/all"


@pytest.mark.parity("U11")
async def test_three_groups_deep(serve: Any, seen: Seen, mark: Mark) -> None:
    groups = [web.RouteGroup(f"/{name}", middlewares=[mark(name)], name_prefix=f"{name}.") for name in "abc"]
    for outer, inner in itertools.pairwise(groups):
        outer.add_routes([inner])
    groups[2].get("", name="here")(handler)
    app = web.Application()
    app.add_routes([groups[0]])
    assert str(app.router["a.b.c.here"].url_for()) == "/a/b/c"
    assert (await (await serve(app)).get("/a/b/c")).status == 200
    assert entered(seen) == ["a", "b", "c"]


@pytest.mark.parity("U11")
def test_a_table_in_a_group() -> None:
    table = web.RouteTableDef()
    table.get("/a")(handler)
    group = web.RouteGroup("/group")
    group.add_routes(table)
    app = web.Application()
    (route,) = app.add_routes([group])
    assert route.resource is not None
    assert route.resource.canonical == "/group/a"
    assert repr(group) == "<RouteGroup '/group' count=1>"


@pytest.mark.parity("U11")
def test_nothing_is_added_too_late() -> None:
    inner = web.RouteGroup("/inner")
    outer = web.RouteGroup("/outer")
    outer.add_routes([inner])
    web.Application().add_routes([outer])
    for group in (inner, outer):
        with pytest.raises(RuntimeError, match="would not get"):
            group.get("/late")(handler)


@pytest.mark.parity("U11")
def test_groups_are_no_circle() -> None:
    outer, middle, inner = (web.RouteGroup(prefix) for prefix in ("/a", "/b", "/c"))
    outer.add_routes([middle])
    middle.add_routes([inner])
    for group in (outer, middle, inner):
        with pytest.raises(ValueError, match="is inside it"):
            inner.add_routes([group])


@pytest.mark.parity("U11")
@pytest.mark.parametrize("prefix", ["a", "/", "/a/"])
def test_bad_prefixes(prefix: str) -> None:
    with pytest.raises(ValueError, match="prefix"):
        web.RouteGroup(prefix)


@pytest.mark.parity("U11")
def test_what_cannot_be_in_a_group() -> None:
    class Own(web.AbstractRouteDef):
        def register(self, router: web.UrlDispatcher) -> list[web.AbstractRoute]:
            return []

    group = web.RouteGroup("/a")
    with pytest.raises(TypeError, match="got 5"):
        group.add_routes([5])  # type: ignore[list-item]
    group.add_routes([Own()])
    with pytest.raises(TypeError, match="Own cannot be in a group"):
        web.Application().add_routes([group])
    bad = web.RouteGroup("/a")
    bad.add_routes([web.get("b", handler)])
    with pytest.raises(ValueError, match="got 'b' in the group '/a'"):
        web.Application().add_routes([bad])


def test_a_definition_of_ones_own_says_how() -> None:
    class Own(web.AbstractRouteDef):
        def __init__(self, path: str) -> None:
            self.path = path

        def within(self, place: Placement, /) -> "Own":
            return Own(place.path(self.path))

        def register(self, router: web.UrlDispatcher) -> list[web.AbstractRoute]:
            return [router.add_get(self.path, handler)]

    group = web.RouteGroup("/a")
    group.add_routes([Own("/b")])
    (route,) = web.Application().add_routes([group])
    assert route.resource is not None
    assert route.resource.canonical == "/a/b"


@pytest.mark.parity("U11")
async def test_the_current_application_is_that_of_the_route(serve: Any) -> None:
    seen: list[web.Application] = []

    async def note(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        seen.append(request.app)
        return await handler(request)

    below = web.Application()
    below.router.add_get("/", handler, middlewares=[note])
    app = web.Application(middlewares=[note])
    app.add_subapp("/below", below)
    assert (await (await serve(app)).get("/below/")).status == 200
    assert seen == [app, below]
