import asyncio
from typing import Any

import pytest

from levante import web


@pytest.mark.parity("U22")
async def test_trailers_of_a_request(serve: Any) -> None:
    asked = asyncio.Event()

    async def handler(request: web.Request) -> web.Response:
        early = ""
        if request.path == "/early":
            try:
                _ = request.trailers
            except RuntimeError as exc:
                early = str(exc)
            asked.set()
        body = await request.read()
        return web.json_response([body.decode(), dict(request.trailers), early])

    served = await serve(handler)
    peer = await served.connect()
    head = "POST {} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n"
    await peer.send(head.format("/").encode() + b"0\r\nX-Digest: abc\r\n\r\n")
    assert (await peer.answer()).text == '["one", {"X-Digest": "abc"}, ""]'
    await peer.send(head.format("/early").encode())
    await asked.wait()
    await peer.send(b"0\r\n\r\n")
    assert "trailers come after the body" in (await peer.answer()).text
    await peer.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert (await peer.answer()).text == '["", {}, ""]'


@pytest.mark.parity("U22")
async def test_early_hints(serve: Any) -> None:
    go_on = asyncio.Event()

    async def handler(request: web.Request) -> web.Response:
        await request.send_early_hints(["</a.css>; rel=preload; as=style", "</b.js>; rel=preload"])
        await go_on.wait()
        await request.send_early_hints(["</c.js>; rel=preload"])
        return web.Response(text="page", headers={"Link": "</a.css>; rel=preload; as=style"})

    served = await serve(handler)
    peer = await served.connect()
    await peer.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    first = await peer.answer()
    assert (first.status, first.reason) == (103, "Early Hints")
    assert first.headers.getall("Link") == ["</a.css>; rel=preload; as=style", "</b.js>; rel=preload"]
    go_on.set()
    assert (await peer.answer()).headers.getall("Link") == ["</c.js>; rel=preload"]
    page = await peer.answer()
    assert (page.status, page.text) == (200, "page")
    await peer.send(b"GET / HTTP/1.0\r\n\r\n")
    assert (await peer.answer()).status == 200  # HTTP/1.0 knows no interim responses


@pytest.mark.parity("U22")
async def test_hints_that_are_none(serve: Any) -> None:
    errors: list[str] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        for links in ([], ["</a>\r\nX: y"]):
            try:
                await request.send_early_hints(links)
            except ValueError as exc:
                errors.append(str(exc))
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            await request.send_early_hints(["</a>"])
        except Exception as exc:
            errors.append(type(exc).__name__)
        return response

    served = await serve(handler)
    assert (await served.get("/")).status == 200
    assert "without a link" in errors[0]
    assert "control character" in errors[1]
    assert errors[2:] == ["LocalProtocolError"]


@pytest.mark.parity("U22")
async def test_query_is_a_method_with_a_body(serve: Any) -> None:
    async def search(request: web.Request) -> web.Response:
        form = await request.post()
        return web.Response(text=f"{request.method} {form['q']}")

    class Searching(web.View):
        async def query(self) -> web.Response:
            return web.Response(text=await self.request.text())

    app = web.Application()
    table = web.RouteTableDef()
    table.query("/table")(search)
    app.router.add_query("/added", search)
    app.router.add_view("/view", Searching)
    app.add_routes([web.query("/defined", search, name="defined"), *table])
    served = await serve(app)
    form = [("Content-Type", "application/x-www-form-urlencoded")]
    for path in ("/table", "/added", "/defined"):
        answer = await served.request("QUERY", path, form, b"q=levante")
        assert (answer.status, answer.text) == (200, "QUERY levante")
    assert (await served.request("QUERY", "/view", [], b"select")).text == "select"
    refused = await served.request("GET", "/view")
    assert (refused.status, refused.headers["Allow"]) == (405, "QUERY")
    assert (await served.request("GET", "/added")).headers["Allow"] == "QUERY"
