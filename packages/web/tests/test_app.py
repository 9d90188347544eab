import asyncio
import contextvars
import gc
import io
import logging
import warnings
from functools import partial
from typing import Any

import pytest

from levante import web

KEY = web.AppKey("key", int)


async def ok(request: web.Request) -> web.Response:
    return web.Response(text="ok")


@pytest.mark.parity("S45")
def test_an_application_is_a_mapping() -> None:
    app = web.Application()
    app[KEY] = 5
    assert app[KEY] == 5
    assert app.get(KEY) == 5
    assert app.get(web.AppKey("other"), 7) == 7
    assert list(app) == [KEY]
    assert len(app) == 1
    del app[KEY]
    assert KEY not in app
    assert app
    assert app != web.Application()
    assert len({app}) == 1
    assert app() is app
    assert repr(app).startswith("<Application 0x")
    with pytest.raises(AttributeError):
        app.ad_hoc = 1  # type: ignore[attr-defined]


@pytest.mark.parity("S45")
def test_a_string_key_warns() -> None:
    app = web.Application()
    with pytest.warns(web.NotAppKeyWarning, match="'name'"):
        app["name"] = 1
    assert app["name"] == 1


@pytest.mark.parity("S45")
async def test_it_freezes() -> None:
    app = web.Application()

    async def late(app: web.Application) -> None:
        app[KEY] = 1

    app.on_startup.append(late)
    await app.startup()
    assert app.pre_frozen
    assert not app.frozen
    app.freeze()
    app.freeze()
    assert app.frozen
    with pytest.raises(RuntimeError, match="frozen"):
        app[KEY] = 2
    with pytest.raises(RuntimeError, match="frozen"):
        del app[KEY]
    with pytest.raises(RuntimeError, match="frozen"):
        app.router.add_get("/", ok)
    with pytest.raises(RuntimeError):
        app.middlewares.append(ok)  # type: ignore[arg-type]
    with pytest.raises(RuntimeError):
        app.on_startup.append(late)


def test_it_is_not_inherited() -> None:
    with pytest.raises(TypeError, match="compose"):

        class Own(web.Application):
            pass


def test_settings() -> None:
    logger = logging.getLogger("x")
    app = web.Application(logger=logger, client_max_size=5, handler_args={"keepalive_timeout": 1})
    assert app.logger is logger
    assert app.client_max_size == 5
    assert dict(app.handler_args) == {"keepalive_timeout": 1}
    assert dict(web.Application().handler_args) == {}


@pytest.mark.parity("S48")
async def test_signals() -> None:
    log: list[str] = []
    app = web.Application()
    for name in ("startup", "shutdown", "cleanup"):

        async def note(app: web.Application, *, name: str = name) -> None:
            log.append(name)

        getattr(app, f"on_{name}").append(note)
    await app.startup()
    await app.shutdown()
    await app.cleanup()
    assert log == ["startup", "shutdown", "cleanup"]


def trace(name: str, log: list[str]) -> Any:
    async def middleware(request: web.Request, handler: Any) -> web.StreamResponse:
        log.append(f"{name}>")
        try:
            response: web.StreamResponse = await handler(request)
        finally:
            log.append(f"<{name}")
        return response

    return middleware


@pytest.mark.parity("S46")
async def test_middlewares_run_outermost_first_also_for_errors(serve: Any) -> None:
    log: list[str] = []
    app = web.Application(middlewares=[trace("a", log), trace("b", log)])
    app.router.add_get("/", ok)
    served = await serve(app)
    for method, target, status in (("GET", "/", 200), ("GET", "/nope", 404), ("PUT", "/", 405)):
        log.clear()
        assert (await served.request(method, target)).status == status
        assert log == ["a>", "b>", "<b", "<a"]


@pytest.mark.parity("S46", "S6", "S58")
async def test_middlewares_see_malformed_requests(serve: Any) -> None:
    seen: list[Any] = []

    async def watch(request: web.Request, handler: Any) -> web.StreamResponse:
        seen.append((request.pre_handler_error, request.match_info.http_exception))
        response: web.StreamResponse = await handler(request)
        return response

    served = await serve(web.Application(middlewares=[watch]))
    peer = await served.connect()
    await peer.send(b"GET / HTTP/1.1\r\n\r\n")
    answer = await peer.answer()
    assert answer.status == 400
    assert await peer.is_closed()
    assert seen[0][0].status == 400
    assert isinstance(seen[0][1], web.HTTPBadRequest)


@pytest.mark.hardening("H31")
async def test_a_target_that_cannot_be_read_is_400(serve: Any) -> None:
    served = await serve(ok)
    assert (await served.get("/a%00b")).status == 400
    assert (await served.get("/%zz%")).status == 200


@pytest.mark.parity("S46")
async def test_the_chain_is_kept_for_each_route(serve: Any) -> None:
    app = web.Application(middlewares=[trace("a", [])])
    app.router.add_get("/{x}", ok)
    served = await serve(app)
    for n in range(5):
        await served.get(f"/{n}")
    info = app._chain.cache_info()
    assert (info.misses, info.hits, info.maxsize) == (1, 4, 1024)


@pytest.mark.parity("V14", "S46")
async def test_nothing_is_kept_for_wrong_urls(serve: Any) -> None:
    app = web.Application(middlewares=[trace("a", [])])
    app.router.add_get("/x", ok)
    served = await serve(app)
    peer = await served.connect()
    gc.collect()
    before = count_system_routes()
    for n in range(300):
        await peer.request("GET", f"/{n}")
        await peer.request("PUT", "/x")
    assert app._chain.cache_info().currsize == 0
    gc.collect()
    assert count_system_routes() - before < 10


def count_system_routes() -> int:
    return sum(isinstance(each, web.SystemRoute) for each in gc.get_objects())


async def test_without_middlewares_there_is_no_chain(serve: Any) -> None:
    app = web.Application()
    app.router.add_get("/", ok)
    served = await serve(app)
    await served.get("/")
    assert app._chain.cache_info().misses == 0


@pytest.mark.parity("S11")
async def test_sub_applications(serve: Any) -> None:
    log: list[str] = []
    sub = web.Application(middlewares=[trace("sub", log)])
    sub.router.add_get("/thing/{x}", ok, name="thing")
    sub.router.add_get("", ok)
    app = web.Application(middlewares=[trace("root", log)])
    app.router.add_get("/api/fallback", ok)
    resource = app.add_subapp("/api/", sub)
    app.router.add_get("/{tail:.*}", ok)
    assert resource.canonical == "/api"
    served = await serve(app)
    assert (await served.get("/api/thing/1")).text == "ok"
    assert log == ["root>", "sub>", "<sub", "<root"]
    assert str(sub.router["thing"].url_for(x="1")) == "/api/thing/1"
    assert (await served.get("/api")).status == 200
    assert (await served.get("/api/nope")).status == 404
    assert (await served.request("PUT", "/api/thing/1")).headers["Allow"] == "GET,HEAD"
    assert (await served.get("/api/fallback")).status == 200
    assert (await served.get("/apix")).status == 200


@pytest.mark.parity("S11")
async def test_sub_applications_hear_signals_as_themselves(serve: Any) -> None:
    heard: list[tuple[str, bool]] = []
    sub, app = web.Application(), web.Application()
    for name in ("startup", "shutdown", "cleanup"):

        async def note(each: web.Application, *, name: str = name) -> None:
            heard.append((name, each is sub))

        getattr(sub, f"on_{name}").append(note)

    async def prepare(request: web.Request, response: web.StreamResponse) -> None:
        response.headers["X-Order"] = response.headers.get("X-Order", "") + "s"

    async def prepare_root(request: web.Request, response: web.StreamResponse) -> None:
        response.headers["X-Order"] = response.headers.get("X-Order", "") + "r"

    sub.on_response_prepare.append(prepare)
    app.on_response_prepare.append(prepare_root)
    sub.router.add_get("/", ok)
    app.add_subapp("/sub", sub)
    served = await serve(app)
    assert (await served.get("/sub/")).headers["X-Order"] == "rs"
    assert (await served.get("/")).headers["X-Order"] == "r"
    assert app.frozen
    assert sub.frozen
    await served.close()
    assert heard == [("startup", True), ("shutdown", True), ("cleanup", True)]


@pytest.mark.parity("S11")
def test_what_cannot_become_a_sub_application() -> None:
    app, sub = web.Application(), web.Application()
    with pytest.raises(TypeError, match="prefix"):
        app.add_subapp(5, sub)  # type: ignore[arg-type]
    for prefix in ("", "/", "//"):
        with pytest.raises(ValueError, match="prefix"):
            app.add_subapp(prefix, sub)
    with pytest.raises(ValueError, match="starts"):
        app.add_subapp("x", sub)
    frozen = web.Application()
    frozen.freeze()
    with pytest.raises(RuntimeError, match="frozen"):
        app.add_subapp("/x", frozen)
    with pytest.raises(RuntimeError, match="frozen"):
        frozen.add_subapp("/x", sub)
    app.add_subapp("/x", sub)
    with pytest.raises(RuntimeError, match="frozen"):
        sub.router.add_get("/late", ok)
    with warnings.catch_warnings():
        sub[KEY] = 1


@pytest.mark.parity("S12")
async def test_domains(serve: Any) -> None:
    async def whose(request: web.Request, name: str) -> web.Response:
        return web.Response(text=name)

    app = web.Application()
    app.router.add_get("/", partial(whose, name="root"))
    for domain in ("a.example", "*.b.example"):
        sub = web.Application()
        sub.router.add_get("/", partial(whose, name=domain))
        app.add_domain(domain, sub)
    with pytest.raises(TypeError):
        app.add_domain(5, web.Application())  # type: ignore[arg-type]
    served = await serve(app)
    for host, name in (("a.example", "a.example"), ("x.b.example", "*.b.example"), ("c.example", "root")):
        peer = await served.connect()
        await peer.send(f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        assert (await peer.answer()).text == name


@pytest.mark.parity("S50")
async def test_context_variables(serve: Any) -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="default")
    seen: list[str] = []

    async def started(app: web.Application) -> None:
        variable.set("started")

    async def handler(request: web.Request) -> web.Response:
        seen.append(variable.get())
        variable.set("handler")
        return web.Response()

    app = web.Application()
    app.on_startup.append(started)
    app.router.add_get("/", handler)
    served = await serve(app)
    await served.get("/")
    await served.get("/")
    assert seen == ["started", "started"]


@pytest.mark.hardening("H81a", "H81b")
@pytest.mark.parity("S51")
async def test_expectations(serve: Any) -> None:
    async def refuse(request: web.Request) -> web.Response:
        return web.Response(status=403, text="no")

    async def accept(request: web.Request) -> None:
        return None

    async def handler(request: web.Request) -> web.Response:
        return web.Response(text=str(len(await request.read())))

    app = web.Application()
    app.router.add_post("/default", handler)
    app.router.add_post("/refuse", handler, expect_handler=refuse)
    app.router.add_post("/accept", handler, expect_handler=accept)
    served = await serve(app)
    for path, expect, statuses in (
        ("/default", "100-continue", [100, 200]),
        ("/default", "something", [417]),
        ("/refuse", "100-continue", [403]),
        ("/accept", "100-continue", [100, 200]),
    ):
        peer = await served.connect()
        await peer.send(f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: {expect}\r\n\r\n".encode())
        answer = await peer.answer()
        assert answer.status == statuses[0]
        if answer.status == 100:
            await peer.send(b"ab")
            answer = await peer.answer()
            assert (answer.status, answer.text) == (200, "2")


@pytest.mark.parity("S48")
async def test_response_prepare(serve: Any) -> None:
    seen: list[Any] = []

    async def look(request: web.Request, response: web.StreamResponse) -> None:
        seen.append((type(response).__name__, response.prepared, response.headers.get("Content-Type")))
        response.headers["X-Seen"] = "1"
        if isinstance(response, web.Response) and response.text == "change me":
            response.text = "changed, and longer"

    async def change(request: web.Request) -> web.Response:
        return web.Response(text="change me")

    app = web.Application()
    app.on_response_prepare.append(look)
    app.router.add_get("/", ok)
    app.router.add_get("/change", change)
    served = await serve(app)
    assert (await served.get("/")).headers["X-Seen"] == "1"
    assert (await served.get("/nope")).headers["X-Seen"] == "1"
    assert (await served.get("/change")).text == "changed, and longer"
    assert seen[0] == ("Response", False, "text/plain; charset=utf-8")


async def test_a_failing_signal_is_500(serve: Any) -> None:
    async def fail(request: web.Request, response: web.StreamResponse) -> None:
        raise ZeroDivisionError

    app = web.Application()
    app.on_response_prepare.append(fail)
    app.router.add_get("/", ok)
    answer = await asyncio.wait_for((await serve(app)).get("/"), 5)
    assert (answer.status, answer.text[:25]) == (500, "500 Internal Server Error")


@pytest.mark.parity("S48", "S30")
@pytest.mark.parametrize("given", [{}, {"text": "at first"}, {"status": 204}])
async def test_a_body_given_before_the_head_is_sent_has_its_type(serve: Any, given: dict[str, Any]) -> None:
    async def give(request: web.Request, response: web.StreamResponse) -> None:
        assert isinstance(response, web.Response)
        response.set_status(200)
        response.body = b"a body"

    async def handler(request: web.Request) -> web.Response:
        return web.Response(**given)

    app = web.Application()
    app.on_response_prepare.append(give)
    app.router.add_get("/", handler)
    answer = await (await serve(app)).get("/")
    kind = "text/plain; charset=utf-8" if "text" in given else "application/octet-stream"
    assert (answer.body, answer.headers.getall("Content-Type")) == (b"a body", [kind])


@pytest.mark.parity("S48", "S30")
@pytest.mark.parametrize("path", ["/text", "/stream", "/payload", "/missing"])
@pytest.mark.parametrize("server_header", ["ours", ""])
async def test_what_is_seen_before_the_head_is_sent(serve: Any, path: str, server_header: str) -> None:
    """The headers of the response with Date and Server; framing and Connection are added below."""
    seen: list[dict[str, str]] = []

    async def look(request: web.Request, response: web.StreamResponse) -> None:
        seen.append(dict(response.headers))
        match request.query_string:
            case "replace":
                response.headers["Server"] = "mine"
            case "remove":
                response.headers.popall("Server", None)
                del response.headers["Date"]

    async def answer(request: web.Request) -> web.StreamResponse:
        if request.path == "/text":
            return web.Response(text="x")
        if request.path == "/payload":
            return web.Response(body=io.BytesIO(b"x"), content_type="text/plain", charset="utf-8")
        response = web.StreamResponse(headers={"Content-Type": "text/plain; charset=utf-8"})
        await response.prepare(request)
        await response.write(b"x")
        return response

    app = web.Application()
    app.on_response_prepare.append(look)
    for each in ("/text", "/stream", "/payload"):
        app.router.add_get(each, answer)
    served = await serve(app, server_header=server_header)
    peer = await served.connect()  # one connection: what one response leaves out is there in the next
    for query, servers in (("replace", ["mine"]), ("remove", []), ("", [server_header] if server_header else [])):
        headers = (await peer.request("GET", f"{path}?{query}")).headers
        assert headers.getall("Server", []) == servers
        assert len(headers.getall("Date")) == 1
        assert seen[-1].pop("Date")
        given = {"Server": server_header} if server_header else {}
        assert seen[-1] == {"Content-Type": "text/plain; charset=utf-8", **given}


@pytest.mark.parity("S48", "S30")
async def test_who_does_not_look_finds_date_and_server_sent(serve: Any) -> None:
    """They are there for the second receiver, whether or not a middleware has touched the headers before."""
    seen: list[dict[str, str]] = []

    async def pass_by(_: web.Request, response: web.StreamResponse) -> None:
        assert response.status == 200

    async def look(request: web.Request, response: web.StreamResponse) -> None:
        if request.query_string == "look":
            seen.append(dict(response.headers))

    async def touch(request: web.Request, handler: web.Handler) -> web.StreamResponse:
        response = await handler(request)
        if request.path == "/touched":
            response.headers["X-Touched"] = "1"
        return response

    async def answer(_: web.Request) -> web.Response:
        return web.Response(text="x")

    app = web.Application(middlewares=[touch])
    app.on_response_prepare.extend([pass_by, look])
    app.router.add_get("/", answer)
    app.router.add_get("/touched", answer)
    served = await serve(app, server_header="ours")
    for target in ("/", "/touched", "/?look", "/touched?look"):
        headers = (await served.get(target)).headers
        assert headers.getall("Server") == ["ours"]
        assert len(headers.getall("Date")) == 1
        assert ("X-Touched" in headers) == ("touched" in target)
    added = {"Date", "Server", "Content-Type"}
    assert [set(each) for each in seen] == [added, {*added, "X-Touched"}]
