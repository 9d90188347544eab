import asyncio
import gc
import json
import weakref
from typing import Any

import pytest

from levante import web
from levante.http import AbstractStreamWriter

JSON = [("Content-Type", "application/json")]


@pytest.mark.parity("S18")
async def test_identity(make_request: Any) -> None:
    request = make_request()
    assert request
    assert request != make_request()
    assert len({request}) == 1
    with pytest.raises(AttributeError):
        request.ad_hoc = 1
    reference = weakref.ref(request)
    del request
    gc.collect()
    assert reference() is None
    request = make_request("GET", "/x")
    assert repr(request) == "<Request GET /x>"
    with pytest.raises(RuntimeError, match="routed"):
        request.match_info  # noqa: B018
    assert not request.has_prepare_hooks


@pytest.mark.parity("S23")
async def test_reading_a_body(serve: Any) -> None:
    seen: list[Any] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append((request.body_exists, request.can_read_body, await request.read(), await request.read()))
        seen.append((request.can_read_body, await request.text()))
        return web.Response()

    served = await serve(handler)
    await served.request("POST", "/", body=b"abc")
    assert seen == [(True, True, b"abc", b"abc"), (False, "abc")]
    seen.clear()
    await served.get("/")
    assert seen == [(False, False, b"", b""), (False, "")]


@pytest.mark.parity("S23")
async def test_text_in_its_charset(serve: Any) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(text=await request.text())

    served = await serve(handler)
    answer = await served.request("POST", "/", [("Content-Type", "text/plain; charset=latin-1")], "é".encode("latin-1"))
    assert answer.text == "é"
    answer = await served.request("POST", "/", [("Content-Type", "text/plain; charset=nonsense")], b"x")
    assert answer.status == 415
    assert (await served.request("POST", "/", body=b"\xff")).status == 400


@pytest.mark.parity("S23")
async def test_json(serve: Any) -> None:
    async def handler(request: web.Request) -> web.Response:
        kwargs: dict[str, Any] = {"content_type": None} if request.path == "/any" else {}
        if request.path == "/own":
            kwargs = {"content_type": "Application/X-Own", "loads": lambda text: text.upper()}
        return web.json_response(await request.json(**kwargs))

    served = await serve(handler)
    body = b'{"a": [1]}'
    assert json.loads((await served.request("POST", "/", JSON, body)).text) == {"a": [1]}
    for kind in ("application/problem+json", "APPLICATION/JSON; charset=utf-8", "text/x+JSON"):
        assert (await served.request("POST", "/", [("Content-Type", kind)], body)).status == 200
    assert (await served.request("POST", "/", [("Content-Type", "text/plain")], body)).status == 400
    assert (await served.request("POST", "/any", [("Content-Type", "text/plain")], body)).status == 200
    answer = await served.request("POST", "/own", [("Content-Type", "application/x-own")], b"x")
    assert answer.text == '"X"'
    assert (await served.request("POST", "/own", JSON, b"x")).status == 400


@pytest.mark.parity("S23")
@pytest.mark.hardening("M26")
@pytest.mark.parametrize("body", [b"", b"{", b"[" * 100_000, b"1" * 4301, "{}".encode("utf-16")])
async def test_what_is_no_json_is_the_clients_fault(serve: Any, caplog: pytest.LogCaptureFixture, body: bytes) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.json_response(await request.json())

    assert (await (await serve(handler)).request("POST", "/", JSON, body)).status == 400
    assert not caplog.records


@pytest.mark.parity("S23")
async def test_a_handler_may_answer_what_is_no_json_itself(serve: Any) -> None:
    async def handler(request: web.Request) -> web.Response:
        try:
            await request.json()
        except json.JSONDecodeError as exc:
            return web.Response(status=422, text=f"{exc.msg}|{exc.lineno}|{exc}")
        raise AssertionError

    answer = await (await serve(handler)).request("POST", "/", JSON, b"[1,\nx]")
    assert answer.status == 422
    assert answer.text.partition("|")[2].startswith("2|")


@pytest.mark.parity("S23")
async def test_the_limit(serve: Any) -> None:
    async def handler(request: web.Request) -> web.Response:
        if request.path == "/stream":
            return web.Response(text=str(len(await request.content.read())))
        return web.Response(text=str(len(await request.read())))

    app = web.Application(client_max_size=10)
    app.router.add_post("/{x}", handler)
    served = await serve(app)
    assert (await served.request("POST", "/x", body=b"x" * 10)).text == "10"
    answer = await served.request("POST", "/x", body=b"x" * 11)
    assert answer.status == 413
    assert answer.text == "Maximum request body size 10 exceeded, actual body size 11"
    chunked = [("Transfer-Encoding", "chunked")]
    peer = await served.connect()
    await peer.send(
        b"POST /x HTTP/1.1\r\nHost: a\r\n" + b"Transfer-Encoding: chunked\r\n\r\nb\r\n01234567890\r\n0\r\n\r\n"
    )
    assert (await peer.answer()).status == 413
    assert chunked
    assert (await served.request("POST", "/stream", body=b"x" * 50)).text == "50"


async def test_no_limit(serve: Any) -> None:
    async def handler(request: web.Request) -> web.Response:
        assert request.client_max_size == 0
        return web.Response(text=str(len(await request.read())))

    app = web.Application(client_max_size=0)
    app.router.add_post("/", handler)
    assert (await (await serve(app)).request("POST", "/", body=b"x" * 2_000_000)).text == "2000000"


async def test_releasing_the_body(serve: Any) -> None:
    async def handler(request: web.Request) -> web.Response:
        await request.release()
        return web.Response(text=str(request.can_read_body))

    assert (await (await serve(handler)).request("POST", "/", body=b"x" * 1000)).text == "False"


@pytest.mark.parity("S25")
async def test_clone(make_request: Any) -> None:
    request = make_request("GET", "/a?b=1", [("X-A", "1")])
    request["state"] = "s"
    copy = request.clone(
        method="POST", rel_url="/c?d=2", scheme="https", host="h.example", remote="1.2.3.4", client_max_size=7
    )
    assert (copy.method, copy.path, copy.query["d"], copy.match_path) == ("POST", "/c", "2", "/c")
    assert (copy.scheme, copy.secure, copy.host, copy.remote) == ("https", True, "h.example", "1.2.3.4")
    assert str(copy.url) == "https://h.example/c?d=2"
    assert copy.headers["X-A"] == "1"
    assert copy.client_max_size == 7
    assert copy["state"] == "s"
    copy["state"] = "t"
    assert request["state"] == "s"
    assert request.path == "/a"
    assert request.clone().path == "/a"
    again = copy.clone()
    assert (again.scheme, again.path, again.method) == ("https", "/c", "POST")
    replaced = request.clone(headers={"Host": "x.example", "Cookie": "a=1"})
    assert (replaced.host, replaced.cookies["a"]) == ("x.example", "1")
    assert replaced.raw_headers == ((b"Host", b"x.example"), (b"Cookie", b"a=1"))


@pytest.mark.parity("S25")
async def test_no_clone_after_reading(serve: Any) -> None:
    async def handler(request: web.Request) -> web.Response:
        await request.read()
        clone = request.clone()
        return web.Response(text=clone.path)

    served = await serve(handler)
    assert (await served.get("/a")).text == "/a"
    assert (await served.request("POST", "/a", body=b"x")).status == 500


@pytest.mark.parity("S26")
async def test_the_connection(serve: Any) -> None:
    seen: dict[str, Any] = {}

    async def handler(request: web.Request) -> web.Response:
        seen["transport"] = request.transport is not None
        seen["peername"] = request.get_extra_info("peername")[0]
        seen["nothing"] = request.get_extra_info("nothing", 5)
        seen["task"] = request.task is asyncio.current_task()
        seen["writer"] = isinstance(request.writer, AbstractStreamWriter)
        seen["protocol"] = request.protocol is request.exchange.connection
        seen["error"] = request.pre_handler_error
        seen["content"] = request.content is request.exchange.body
        seen["gone"] = request.is_disconnected()
        return web.Response()

    await (await serve(handler)).get("/")
    assert seen == {
        "transport": True,
        "peername": "127.0.0.1",
        "nothing": 5,
        "task": True,
        "writer": True,
        "protocol": True,
        "error": None,
        "content": True,
        "gone": False,
    }


async def test_waiting_for_the_client_to_go(serve: Any) -> None:
    gone: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    async def handler(request: web.Request) -> web.Response:
        await request.disconnected()
        gone.set_result(request.is_disconnected())
        return web.Response()

    served = await serve(handler)
    peer = await served.connect()
    await peer.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    await peer.close()
    assert await asyncio.wait_for(gone, 5)


@pytest.mark.parity("S18")
async def test_app_and_config_dict(serve: Any) -> None:
    key, other = web.AppKey("key", str), web.AppKey("other", str)
    seen: list[Any] = []

    async def handler(request: web.Request) -> web.Response:
        seen.extend([request.app is sub, request.config_dict[key], request.config_dict[other]])
        with pytest.raises(KeyError):
            request.app[other]
        return web.Response()

    app, sub = web.Application(), web.Application()
    app[key], app[other], sub[key] = "root", "root only", "sub"
    sub.router.add_get("/", handler)
    app.add_subapp("/sub", sub)
    assert (await (await serve(app)).get("/sub/")).status == 200
    assert seen == [True, "sub", "root only"]


async def test_prepare_hooks_see_every_response(serve: Any) -> None:
    async def handler(request: web.Request) -> web.Response:
        request.add_prepare_hook(lambda response: response.headers.add("X-Hook", "1"))
        request.clone().add_prepare_hook(lambda response: response.headers.add("X-Hook", "2"))
        if request.path == "/stream":
            stream = web.StreamResponse()
            await stream.prepare(request)
            return stream  # type: ignore[return-value]
        if request.path == "/error":
            raise web.HTTPForbidden
        if request.path == "/crash":
            raise ZeroDivisionError
        return web.Response()

    served = await serve(handler)
    for path in ("/", "/stream", "/error", "/crash"):
        assert (await served.get(path)).headers.getall("X-Hook") == ["1", "2"]


@pytest.mark.parity("S25")
async def test_a_clone_is_the_same_request_to_its_response(serve: Any) -> None:
    files = []

    async def behind_a_proxy(request: web.Request, handler: Any) -> web.StreamResponse:
        answer: web.StreamResponse = await handler(request.clone(scheme="https", client_max_size=10_000))
        return answer

    async def handler(request: web.Request) -> web.StreamResponse:
        request.add_prepare_hook(lambda response: response.headers.add("X-Hook", request.scheme))
        if request.path == "/form":
            fields = await request.post()
            files.append(fields["f"].file)  # type: ignore[union-attr]
            return web.Response(text=str(len(files[0].read())))
        stream = web.StreamResponse()
        await stream.prepare(request)
        await stream.write(b"piece")
        return stream

    app = web.Application(middlewares=[behind_a_proxy])
    app.router.add_route("*", "/{tail:.*}", handler)
    served = await serve(app)
    answer = await served.get("/")
    assert (answer.status, answer.headers["X-Hook"], answer.text) == (200, "https", "piece")

    body = b'--x\r\nContent-Disposition: form-data; name="f"; filename="n"\r\n\r\n' + b"1" * 2000 + b"\r\n--x--\r\n"
    answer = await served.request("POST", "/form", [("Content-Type", "multipart/form-data; boundary=x")], body)
    assert (answer.status, answer.headers["X-Hook"], answer.text) == (200, "https", "2000")
    assert files[0].closed


@pytest.mark.parametrize("what", ["text", "urlencoded", "multipart"])
@pytest.mark.parametrize("first", ["copy", "original"])
async def test_what_one_copy_reads_is_there_for_all(serve: Any, what: str, first: str) -> None:
    async def handler(request: web.Request) -> web.Response:
        copy = request.clone(client_max_size=10_000)
        texts = []
        for each in (copy, request) if first == "copy" else (request, copy):
            assert each.kept_body == (b"a=b" if texts and what != "multipart" else None)
            texts.append(await each.text() if what == "text" else str((await each.post())["a"]))
        return web.Response(text=" ".join(texts))

    served = await serve(handler)
    kind, body = "application/x-www-form-urlencoded", b"a=b"
    if what == "multipart":
        kind = "multipart/form-data; boundary=x"
        body = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n--x--\r\n'
    answer = await served.request("POST", "/", [("Content-Type", kind)], body)
    assert (answer.status, answer.text) == (200, "a=b a=b" if what == "text" else "b b")
