import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from yarl import URL

from levante import web
from levante.http.target import decode_path


async def first(request: web.Request) -> web.Response:
    raise NotImplementedError


async def second(request: web.Request) -> web.Response:
    raise NotImplementedError


async def resolve(router: web.UrlDispatcher, method: str, path: str, **headers: str) -> web.UrlMappingMatchInfo:
    request: Any = SimpleNamespace(method=method, match_path=decode_path(path), headers=headers)
    return await router.resolve(request)


@pytest.mark.parity("S5")
async def test_the_literal_path_wins_whatever_the_order() -> None:
    router = web.UrlDispatcher()
    router.add_get("/{tail:.*}", first)
    router.add_get("/a/{x}", first)
    router.add_get("/a/b", second)
    assert (await resolve(router, "GET", "/a/b")).handler is second
    match = await resolve(router, "GET", "/a/c")
    assert match == {"x": "c"}
    assert await resolve(router, "GET", "/z/y/x") == {"tail": "z/y/x"}


@pytest.mark.parity("S5")
async def test_under_one_beginning_the_order_decides() -> None:
    router = web.UrlDispatcher()
    router.add_get("/{x}", first)
    router.add_get(r"/{y:\d+}", second)
    assert (await resolve(router, "GET", "/1")).handler is first


@pytest.mark.parity("S5", "S6")
async def test_404_and_405() -> None:
    router = web.UrlDispatcher()
    router.add_get("/a/b", first)
    router.add_post("/a/{x}", first)
    match = await resolve(router, "PUT", "/a/b")
    error = match.http_exception
    assert isinstance(error, web.HTTPMethodNotAllowed)
    assert error.headers["Allow"] == "GET,HEAD,POST"
    assert (await resolve(router, "POST", "/a/b")).handler is first
    assert isinstance((await resolve(router, "GET", "/nope")).http_exception, web.HTTPNotFound)


@pytest.mark.parity("S5")
async def test_a_path_of_many_slashes_is_cut() -> None:
    router = web.UrlDispatcher()
    router.add_get("/a/b/", first)
    router.add_get("/", second)
    assert (await resolve(router, "GET", "/a/b/")).handler is first
    looks: list[str] = []

    class Index(dict[str, Any]):
        def get(self, key: str, default: Any = None) -> Any:
            looks.append(key)
            return super().get(key, default)

    router._inherited = Index(router._inherited or {})
    assert (await resolve(router, "GET", "/a/b" + "/" * 5000)).http_exception is not None
    assert looks == ["/a/b"]
    assert (await resolve(router, "GET", "/")).handler is second


@pytest.mark.parity("S4")
async def test_encoded_slashes_and_unicode() -> None:
    router = web.UrlDispatcher()
    router.add_get("/a/{x}", first)
    router.add_get("/путь", second)
    assert await resolve(router, "GET", "/a/b%2Fc") == {"x": "b/c"}
    assert (await resolve(router, "GET", "/%D0%BF%D1%83%D1%82%D1%8C")).handler is second


@pytest.mark.hardening("H31")
@pytest.mark.parametrize("path", ["/%zz%", "/%c0%ae", "/%", "/a/%c0%ae%c0%ae/x"])
async def test_odd_escapes_find_nothing(path: str) -> None:
    router = web.UrlDispatcher()
    router.add_get("/a/{x}", first)
    assert (await resolve(router, "GET", path)).http_exception is not None


@pytest.mark.parity("S2")
async def test_get_brings_head() -> None:
    router = web.UrlDispatcher()
    route = router.add_get("/a", first, name="a")
    assert route.method == "GET"
    assert (await resolve(router, "HEAD", "/a")).handler is first
    router.add_get("/b", first, allow_head=False)
    assert isinstance((await resolve(router, "HEAD", "/b")).http_exception, web.HTTPMethodNotAllowed)


@pytest.mark.parity("S1")
async def test_a_method_for_each_verb() -> None:
    router = web.UrlDispatcher()
    for verb in ("head", "options", "post", "put", "patch", "delete"):
        route = getattr(router, f"add_{verb}")(f"/{verb}", first)
        assert route.method == verb.upper()
        assert (await resolve(router, verb.upper(), f"/{verb}")).handler is first
    assert router.add_view("/view", web.View).method == "*"
    assert router.add_route("custom", "/c", first).method == "CUSTOM"


@pytest.mark.parity("S1", "S3")
def test_adding() -> None:
    router = web.UrlDispatcher()
    with pytest.raises(ValueError, match="starts with"):
        router.add_get("a", first)
    resource = router.add_resource("/a", name="n")
    assert router.add_resource("/a", name="n") is resource
    with pytest.raises(ValueError, match="taken"):
        router.add_resource("/b", name="n")
    other = router.add_resource("/a")
    assert other is not resource
    assert router.add_resource("/{x}") is router.add_resource("/{x}")
    with pytest.raises(TypeError):
        router.register_resource(5)  # type: ignore[arg-type]
    router.freeze()
    assert router.frozen
    with pytest.raises(RuntimeError, match="frozen"):
        router.add_get("/late", first)


@pytest.mark.parity("S7")
@pytest.mark.parametrize("name", ["class", "a.b.import", "1a", "a b", "a..b", ""])
def test_bad_names(name: str) -> None:
    with pytest.raises(ValueError, match="route name"):
        web.UrlDispatcher().add_get("/", first, name=name)


@pytest.mark.parity("S7", "S8")
def test_the_router_is_a_mapping_of_names() -> None:
    router = web.UrlDispatcher()
    router.add_get("/items/{id}", first, name="shop.items:one-item")
    router.add_get("/", second)
    assert router["shop.items:one-item"].url_for(id="5") == URL("/items/5")
    assert len(router) == 1
    assert list(router) == ["shop.items:one-item"]
    assert "shop.items:one-item" in router
    assert list(router.keys()) == ["shop.items:one-item"]
    assert [resource.canonical for resource in router.values()] == ["/items/{id}"]
    assert [name for name, _ in router.items()] == ["shop.items:one-item"]
    assert list(router.named_resources()) == ["shop.items:one-item"]
    with pytest.raises(TypeError):
        router.named_resources()["x"] = None  # type: ignore[index]


@pytest.mark.parity("S8")
def test_views_of_resources_and_routes() -> None:
    router = web.UrlDispatcher()
    route = router.add_get("/a", first)
    resources, routes = router.resources(), router.routes()
    assert len(resources) == 1
    assert route.resource in resources
    assert [resource.canonical for resource in resources] == ["/a"]
    assert len(routes) == 2
    assert route in routes
    assert [each.method for each in routes] == ["HEAD", "GET"]


class Foreign(web.AbstractResource):
    """A resource of a kind that the router does not know."""

    @property
    def canonical(self) -> str:
        return "/foreign/{x}"

    def url_for(self, **kwargs: str) -> URL:
        raise NotImplementedError

    async def resolve(self, request: Any) -> tuple[web.UrlMappingMatchInfo | None, set[str]]:
        route = web.ResourceRoute("GET", first, self)
        if request.match_path.startswith("/foreign/"):
            return web.UrlMappingMatchInfo({"x": "?"}, route), {"GET"}
        return None, set()

    def add_prefix(self, prefix: str) -> None:
        raise NotImplementedError

    def get_info(self) -> Any:
        return {}

    def raw_match(self, path: str) -> bool:
        return False

    def __len__(self) -> int:
        return 0

    def __iter__(self) -> Iterator[web.AbstractRoute]:
        return iter(())


@pytest.mark.parity("S3")
async def test_a_resource_of_another_kind() -> None:
    router = web.UrlDispatcher()
    router.register_resource(Foreign())
    router.freeze()
    assert await resolve(router, "GET", "/foreign/a") == {"x": "?"}


class InnerFirst(web.PlainResource):
    """Answers requests from the inside by a route of its own."""

    async def resolve(self, request: web.Request) -> tuple[web.UrlMappingMatchInfo | None, set[str]]:
        if "X-Inside" in request.headers:
            return web.UrlMappingMatchInfo({}, web.ResourceRoute("GET", inside, self)), {"GET"}
        return await super().resolve(request)


async def inside(_: web.Request) -> web.Response:
    return web.Response(text="inside")


async def outside(_: web.Request) -> web.Response:
    return web.Response(text="outside")


@pytest.mark.parity("S3")
async def test_a_resource_with_its_own_way_to_match(serve: Any) -> None:
    """No shortcut passes it by: neither for literal paths nor for resources that need no awaiting."""
    app = web.Application()
    resource = InnerFirst("/a")
    resource.add_route("GET", outside)
    app.router.register_resource(resource)
    served = await serve(app)
    assert (await served.get("/a")).body == b"outside"
    assert (await served.get("/a", X_Inside="1")).body == b"inside"


@pytest.mark.parity("S1", "S2")
def test_a_mistyped_option_is_an_error() -> None:
    router = web.UrlDispatcher()
    with pytest.raises(TypeError, match="nmae"):
        router.add_get("/", web.View, nmae="root")  # type: ignore[call-arg]


@pytest.mark.hardening("H20")
async def test_no_tunnel_is_opened(serve: Any) -> None:
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", first)
    served = await serve(app)
    peer = await served.connect()
    await peer.send(b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n")
    assert (await peer.answer()).status == 501


@pytest.mark.parity("S5")
@pytest.mark.parametrize("target", ["/plain7", "/items7/5", "/nowhere/at/all"])
async def test_a_route_among_a_thousand_is_found_as_among_ten(target: str) -> None:
    """The same lines of ours run, however many routes there are."""

    async def lines(count: int) -> int:
        router = web.UrlDispatcher()
        for number in range(count):
            router.add_get(f"/plain{number}", first)
            router.add_get(f"/items{number}/{{id}}", first)
        router.freeze()
        await resolve(router, "GET", target)  # what is made once is there
        ran = 0

        def trace(frame: Any, event: str, _: object) -> Any:
            nonlocal ran
            ran += event == "line"
            return trace if "levante" in frame.f_code.co_filename else None

        before = sys.gettrace()
        sys.settrace(trace)
        try:
            router.find_literal("GET", target)
            match = await resolve(router, "GET", target)
        finally:
            sys.settrace(before)
        assert (match.http_exception is None) == (target != "/nowhere/at/all")
        return ran

    assert await lines(10) == await lines(1000) > 5
