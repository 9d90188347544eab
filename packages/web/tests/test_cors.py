"""Cross-origin requests: what browsers are told."""

import re
from pathlib import Path
from typing import Any

import pytest

from levante import web
from levante.web.middlewares import Cors, CorsPolicy, security_headers, with_cors

pytestmark = pytest.mark.parity("L13")

SHOP = "https://shop.example"
PREFLIGHT_VARY = (
    "Origin, Access-Control-Request-Method, Access-Control-Request-Headers, Access-Control-Request-Private-Network"
)


async def hello(request: web.Request) -> web.Response:
    return web.Response(text="hello", headers={"X-Total": "1", "X-Page": "2", "Set-Cookie": "a=1"})


def application(policy: CorsPolicy | list[CorsPolicy] | None, *middlewares: Any) -> web.Application:
    app = web.Application(middlewares=[*middlewares, Cors(policy)])
    app.router.add_get("/", hello)
    app.router.add_put("/", hello)
    app.router.add_get("/items/{id}", hello)
    return app


async def preflight(served: Any, path: str = "/", method: str = "GET", *, origin: str = SHOP, **more: str) -> Any:
    headers = [("Origin", origin), ("Access-Control-Request-Method", method)]
    headers += [(f"Access-Control-Request-{name.replace('_', '-')}", value) for name, value in more.items()]
    return await served.request("OPTIONS", path, headers)


def cors_headers(answer: Any) -> dict[str, str]:
    return {name[15:]: value for name, value in answer.headers.items() if name.startswith("Access-Control-")}


async def test_a_named_origin(serve: Any) -> None:
    served = await serve(application(CorsPolicy([SHOP])))
    answer = await served.get("/", Origin=SHOP)
    assert (answer.status, answer.text, cors_headers(answer)) == (200, "hello", {"Allow-Origin": SHOP})
    assert answer.headers["Vary"] == "Origin"
    for headers in ({"Origin": "https://evil.example"}, {"Origin": "null"}, {"Origin": "HTTPS://SHOP.EXAMPLE"}, {}):
        answer = await served.get("/", **headers)
        assert (answer.status, cors_headers(answer), answer.headers["Vary"]) == (200, {}, "Origin")


async def test_anybody(serve: Any) -> None:
    served = await serve(application(CorsPolicy("*")))
    for headers in ({"Origin": SHOP}, {"Origin": "null"}, {}):
        answer = await served.get("/", **headers)
        assert cors_headers(answer) == {"Allow-Origin": "*"}
        assert "Vary" not in answer.headers
    assert cors_headers(await preflight(served))["Allow-Origin"] == "*"


@pytest.mark.parametrize(
    ("origin", "is_allowed"),
    [
        ("https://a.shop.example", True),
        ("https://a.b.shop.example", False),
        ("https://a.shop.example.evil.example", False),
        ("https://evil.example/https://a.shop.example", False),
        ("https://a.shop.example\u00e9", False),
        ("http://localhost:3000", True),
    ],
)
async def test_patterns_match_the_whole(serve: Any, origin: str, is_allowed: bool) -> None:
    policy = CorsPolicy([re.compile(r"https://[a-z]+\.shop\.example"), "http://localhost:3000"], credentials=True)
    served = await serve(application(policy))
    answer = await served.get("/", Origin=origin)
    expected = {"Allow-Origin": origin, "Allow-Credentials": "true"} if is_allowed else {}
    assert cors_headers(answer) == expected


async def test_a_preflight(serve: Any) -> None:
    policy = CorsPolicy([SHOP], headers=["Content-Type", "X-Token"], max_age=600, credentials=True)
    served = await serve(application(policy))
    answer = await preflight(served, "/", "PUT", Headers="content-type,x-token")
    assert (answer.status, answer.body) == (204, b"")
    assert cors_headers(answer) == {
        "Allow-Origin": SHOP,
        "Allow-Credentials": "true",
        "Allow-Methods": "GET, HEAD, PUT",
        "Allow-Headers": "content-type, x-token",
        "Max-Age": "600",
    }
    assert answer.headers["Vary"] == PREFLIGHT_VARY
    assert (await preflight(served, "/items/1", "GET")).status == 204


@pytest.mark.parametrize(
    ("path", "method", "options", "reason"),
    [
        ("/", "GET", {"origin": "https://evil.example"}, "origin"),
        ("/", "GET", {"origin": "null"}, "origin"),
        ("/", "DELETE", {}, "method"),
        ("/", "put", {}, "method"),
        ("/items/1", "PUT", {}, "method"),
        ("/", "PUT", {"Headers": "x-token, x-other"}, "header"),
        ("/", "PUT", {"Private_Network": "true"}, "public network"),
    ],
)
async def test_a_preflight_that_is_refused(serve: Any, path: str, method: str, options: Any, reason: str) -> None:
    served = await serve(application(CorsPolicy([SHOP], headers=["X-Token"])))
    answer = await preflight(served, path, method, **options)
    assert (answer.status, cors_headers(answer), answer.headers["Vary"]) == (403, {}, PREFLIGHT_VARY)
    assert reason in answer.text


async def test_any_header_and_any_method(serve: Any) -> None:
    served = await serve(application(CorsPolicy([SHOP], headers="*", methods="*", credentials=True)))
    answer = await preflight(served, "/", "PURGE", Headers="authorization, x-any")
    assert cors_headers(answer)["Allow-Headers"] == "authorization, x-any"
    assert cors_headers(answer)["Allow-Methods"] == "PURGE"
    assert (await preflight(served, "/", "A(B", Headers="x")).status == 403
    assert (await preflight(served, "/", "PUT", Headers="x, a(b")).status == 403


async def test_methods_that_are_named(serve: Any) -> None:
    served = await serve(application(CorsPolicy([SHOP], methods=["get"])))
    assert (await preflight(served, "/", "PUT")).status == 403
    assert cors_headers(await preflight(served, "/", "GET"))["Allow-Methods"] == "GET"


async def test_private_networks(serve: Any) -> None:
    served = await serve(application(CorsPolicy([SHOP], private_network=True)))
    answer = await preflight(served, Private_Network="true")
    assert cors_headers(answer)["Allow-Private-Network"] == "true"
    assert "Allow-Private-Network" not in cors_headers(await preflight(served))


@pytest.mark.parametrize(
    ("options", "exposed"),
    [
        ({}, None),
        ({"expose_headers": ["X-Total"]}, "X-Total"),
        ({"expose_headers": "*"}, "*"),
        ({"expose_headers": "*", "credentials": True}, "vary, x-page, x-total"),
    ],
)
async def test_headers_that_pages_may_read(serve: Any, options: Any, exposed: str | None) -> None:
    served = await serve(application(CorsPolicy([SHOP], **options)))
    assert cors_headers(await served.get("/", Origin=SHOP)).get("Expose-Headers") == exposed


async def test_errors_have_them_too(serve: Any) -> None:
    app = application(CorsPolicy([SHOP]))

    async def crash(request: web.Request) -> web.Response:
        raise ZeroDivisionError

    app.router.add_get("/crash", crash)
    served = await serve(app)
    for path, status in (("/crash", 500), ("/none", 404)):
        answer = await served.get(path, Origin=SHOP)
        assert (answer.status, cors_headers(answer)) == (status, {"Allow-Origin": SHOP})
    answer = await served.request("POST", "/", [("Origin", SHOP)])
    assert (answer.status, cors_headers(answer)) == (405, {"Allow-Origin": SHOP})
    assert (await preflight(served, "/none", "PUT")).status == 204
    peer = await served.connect()
    await peer.send(b"GET / HTTP/1.1\r\nHost: a\r\nbad header\r\n\r\n")
    assert (await peer.answer()).status == 400


async def test_one_policy_for_a_route_another_for_the_rest(serve: Any) -> None:
    cors = Cors(CorsPolicy([SHOP]))
    app = web.Application(middlewares=[cors])
    opened = CorsPolicy("*")
    get = app.router.add_get("/one", hello)
    put = app.router.add_put("/one", hello)
    whole = app.router.add_resource("/whole")
    whole.add_route("GET", hello)
    cors.add(get, opened)
    cors.add(put, None)
    cors.add(whole, opened)

    @with_cors(opened)
    async def marked(request: web.Request) -> web.Response:
        return web.Response()

    app.router.add_get("/marked", marked)
    app.router.add_get("/rest", hello)
    served = await serve(app)
    origins = [
        cors_headers(await served.get(path, Origin=SHOP)).get("Allow-Origin")
        for path in ("/one", "/whole", "/marked", "/rest")
    ]
    assert origins == ["*", "*", "*", SHOP]
    assert cors_headers(await served.request("PUT", "/one", [("Origin", SHOP)])) == {}
    assert (await preflight(served, "/one", "GET")).status == 204
    assert (await preflight(served, "/one", "PUT")).status == 405


@pytest.mark.parametrize("way", ["default", "route", "mark"])
async def test_origins_that_may_do_different_things(serve: Any, way: str) -> None:
    policies = [CorsPolicy([SHOP], headers=["X-Token"], credentials=True), CorsPolicy("*", methods=["GET"], max_age=9)]
    cors = Cors(policies if way == "default" else None)
    app = web.Application(middlewares=[cors])

    async def own(request: web.Request) -> web.Response:
        return web.Response()

    handler = with_cors(iter(policies))(own) if way == "mark" else own
    for method in ("GET", "PUT"):
        route = app.router.add_route(method, "/", handler)
        if way == "route":
            cors.add(route, policies)
    served = await serve(app)
    answer = await served.get("/", Origin=SHOP)
    assert cors_headers(answer) == {"Allow-Origin": SHOP, "Allow-Credentials": "true"}
    assert answer.headers["Vary"] == "Origin"
    for headers in ({"Origin": "https://other.example"}, {}):
        answer = await served.get("/", **headers)
        assert (cors_headers(answer), answer.headers["Vary"]) == ({"Allow-Origin": "*"}, "Origin")
    assert (await preflight(served, "/", "PUT", Headers="x-token")).status == 204
    assert (await preflight(served, "/", "PUT", origin="https://other.example")).status == 403
    assert cors_headers(await preflight(served, "/", "GET", origin="https://other.example"))["Max-Age"] == "9"


async def test_several_policies_that_let_nobody_in(serve: Any) -> None:
    served = await serve(application([CorsPolicy([SHOP]), CorsPolicy(["https://b.example"])]))
    for headers in ({"Origin": "https://evil.example"}, {}):
        answer = await served.get("/", **headers)
        assert (cors_headers(answer), answer.headers["Vary"]) == ({}, "Origin")
    assert (await preflight(served, "/", "GET", origin="https://evil.example")).status == 403
    assert (await preflight(served, "/", "GET", origin="https://b.example")).status == 204


async def test_a_preflight_whose_body_was_read(serve: Any) -> None:
    async def read(request: web.Request, handler: Any) -> web.StreamResponse:
        await request.read()
        return await handler(request)  # type: ignore[no-any-return]

    served = await serve(application(CorsPolicy([SHOP]), read))
    asked = [("Origin", SHOP), ("Access-Control-Request-Method", "GET")]
    answer = await served.request("OPTIONS", "/", asked, b"body")
    assert (answer.status, cors_headers(answer)["Allow-Origin"]) == (204, SHOP)


def test_what_is_no_policy_is_refused() -> None:
    for given in ("*", [None], ["https://shop.example"]):
        with pytest.raises(TypeError, match="expected a CorsPolicy, several of them, or None"):
            Cors(given)  # type: ignore[arg-type]


class Items(web.View):
    async def get(self) -> web.Response:
        return web.Response(text="get")

    @with_cors(CorsPolicy("*"))
    async def post(self) -> web.Response:
        return web.Response(text="post")

    @with_cors(None)
    async def delete(self) -> web.Response:
        return web.Response(text="delete")


@with_cors(CorsPolicy("*"))
class Open(web.View):
    async def get(self) -> web.Response:
        return web.Response()

    async def options(self) -> web.Response:
        return web.Response(text="own")


async def test_views(serve: Any) -> None:
    app = web.Application(middlewares=[Cors(CorsPolicy([SHOP]))])
    app.router.add_view("/items", Items)
    app.router.add_view("/open", Open)
    served = await serve(app)
    for path, method, origin in (
        ("/items", "GET", SHOP),
        ("/items", "HEAD", SHOP),
        ("/items", "POST", "*"),
        ("/items", "DELETE", None),
        ("/open", "GET", "*"),
    ):
        answer = await served.request(method, path, [("Origin", SHOP)])
        assert cors_headers(answer).get("Allow-Origin") == origin, method
        answer = await preflight(served, path, method)
        assert (answer.status, cors_headers(answer).get("Allow-Origin")) == (204 if origin else 405, origin)
    assert cors_headers(await preflight(served, "/items", "GET"))["Allow-Methods"] == "DELETE, GET, HEAD, POST"
    assert (await preflight(served, "/items", "PUT")).status == 403
    assert (await served.request("OPTIONS", "/open")).text == "own"
    assert (await served.request("OPTIONS", "/open", [("Origin", SHOP)])).text == "own"


async def test_a_view_with_middlewares(serve: Any) -> None:
    async def passing(request: web.Request, handler: web.Handler) -> web.StreamResponse:
        return await handler(request)

    app = web.Application(middlewares=[Cors(CorsPolicy([SHOP]))])
    app.router.add_view("/items", Items, middlewares=[passing])
    served = await serve(app)
    assert (await preflight(served, "/items", "GET")).status == 204
    assert cors_headers(await preflight(served, "/items", "POST"))["Allow-Origin"] == "*"
    assert (await preflight(served, "/items", "PUT")).status == 403


async def test_sub_applications(serve: Any) -> None:
    inherits = web.Application()
    decides = web.Application(middlewares=[Cors(CorsPolicy("*"))])
    closed = web.Application(middlewares=[Cors()])
    app = web.Application(middlewares=[Cors(CorsPolicy([SHOP]))])
    for prefix, sub in (("/inherits", inherits), ("/decides", decides), ("/closed", closed)):
        sub.router.add_get("/x", hello)
        app.add_subapp(prefix, sub)
    served = await serve(app)
    for prefix, origin in (("/inherits", SHOP), ("/decides", "*"), ("/closed", None)):
        assert cors_headers(await served.get(f"{prefix}/x", Origin=SHOP)).get("Allow-Origin") == origin
        answer = await preflight(served, f"{prefix}/x")
        assert (answer.status, cors_headers(answer).get("Allow-Origin")) == (204 if origin else 405, origin)
        assert (await preflight(served, f"{prefix}/x", "PUT")).status == (403 if origin else 405)


@pytest.mark.parity("S17")
async def test_static_files(serve: Any, tmp_path: Path) -> None:
    (tmp_path / "font.woff2").write_bytes(b"font")
    calls: list[str] = []

    async def options(request: web.Request) -> web.Response:
        calls.append(request.path)
        return web.Response()

    cors = Cors()
    app = web.Application(middlewares=[cors])
    resource = app.router.add_static("/static", tmp_path)
    plain = app.router.add_static("/plain", tmp_path)
    for each in (resource, plain):
        each.set_options_route(options)
    cors.add(resource, CorsPolicy([SHOP]))
    served = await serve(app)
    answer = await served.get("/static/font.woff2", Origin=SHOP)
    assert (answer.body, cors_headers(answer)) == (b"font", {"Allow-Origin": SHOP})
    answer = await preflight(served, "/static/font.woff2")
    assert cors_headers(answer)["Allow-Methods"] == "GET, HEAD, OPTIONS"
    assert calls == []
    assert (await preflight(served, "/plain/font.woff2")).status == 200
    assert (await served.request("OPTIONS", "/static/font.woff2")).status == 200
    assert calls == ["/plain/font.woff2", "/static/font.woff2"]


async def test_beside_others(serve: Any) -> None:
    async def own(request: web.Request) -> web.Response:
        return web.Response(headers={"Access-Control-Allow-Origin": "https://own.example", "Vary": "Accept"})

    app = application(CorsPolicy([SHOP]), security_headers())
    app.router.add_get("/own", own)
    served = await serve(app)
    answer = await served.get("/own", Origin=SHOP)
    assert cors_headers(answer) == {"Allow-Origin": "https://own.example"}
    assert answer.headers.getall("Vary") == ["Accept, Origin"]
    assert (await preflight(served)).headers["X-Content-Type-Options"] == "nosniff"


async def test_an_options_request_that_is_no_preflight(serve: Any) -> None:
    served = await serve(application(CorsPolicy([SHOP])))
    assert (await served.request("OPTIONS", "/", [("Origin", SHOP)])).status == 405
    assert (await served.request("OPTIONS", "/", [("Access-Control-Request-Method", "GET")])).status == 405


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"origins": "*", "credentials": True}, "named"),
        ({"origins": ["null"], "credentials": True}, "named"),
        ({"origins": [SHOP, "*"], "credentials": True}, "named"),
        ({"origins": ["https://shop.example/"]}, "without a path"),
        ({"origins": ["https://shop.example:443"]}, "default port"),
        ({"origins": ["http://shop.example:80"]}, "default port"),
        ({"origins": ["https://Shop.example"]}, "lower case"),
        ({"origins": ["https://*.shop.example"]}, "as browsers send it"),
        ({"origins": ["shop.example"]}, "https://shop.example"),
        ({"origins": ["https://*.shop.example/x"]}, "origin"),
        ({"origins": [SHOP], "headers": ["a b"]}, "name of a header"),
        ({"origins": [SHOP], "methods": ["G T"]}, "name of a header or method"),
        ({"origins": [SHOP], "expose_headers": ["a\nb"]}, "name of a header"),
        ({"origins": [SHOP], "max_age": -1}, "seconds"),
    ],
)
def test_what_cannot_be(options: Any, error: str) -> None:
    with pytest.raises(ValueError, match=error):
        CorsPolicy(**options)


def test_one_in_the_place_of_several() -> None:
    with pytest.raises(TypeError, match=r"origins is '\*' or a list"):
        CorsPolicy(SHOP)
    with pytest.raises(TypeError, match="headers is"):
        CorsPolicy([SHOP], headers="X-Token")
