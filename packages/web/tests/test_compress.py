import gzip
from typing import Any

import brotli
import pytest

from levante import web
from levante.web.middlewares import compress_middleware, sets_cookies

pytestmark = pytest.mark.parity("U9")

ALL = [("Accept-Encoding", "gzip, deflate, br, zstd")]
LARGE = "x" * 1024


def make_app(handler: Any, **options: Any) -> web.Application:
    app = web.Application(middlewares=[compress_middleware(**options)])
    app.router.add_get("/{tail:.*}", handler)
    return app


async def coding(serve: Any, response: Any, headers: Any = ALL, **options: Any) -> str | None:
    """The coding in which `response()` is sent."""

    async def handler(_: web.Request) -> web.StreamResponse:
        answer: web.StreamResponse = response()
        return answer

    served = await serve(make_app(handler, **options))
    answer = await served.request("GET", "/", headers)
    found: str | None = answer.headers.get("Content-Encoding")
    return found


@pytest.mark.parametrize(
    ("content_type", "compressed"),
    [
        ("text/html", True),
        ("TEXT/Plain", True),
        ("application/json", True),
        ("application/problem+json", True),
        ("image/svg+xml", True),
        ("application/wasm", True),
        ("image/png", False),
        ("font/woff2", False),
        ("application/zip", False),
        ("application/octet-stream", False),
        ("text/event-stream", False),
    ],
)
async def test_types(serve: Any, content_type: str, compressed: bool) -> None:
    found = await coding(serve, lambda: web.Response(body=LARGE.encode(), headers={"Content-Type": content_type}))
    assert found == ("zstd" if compressed else None)


async def test_sizes(serve: Any) -> None:
    assert await coding(serve, lambda: web.Response(text=LARGE[1:])) is None
    assert await coding(serve, lambda: web.Response(text=LARGE)) == "zstd"
    assert await coding(serve, lambda: web.Response(text="x"), minimum_size=1) == "zstd"
    assert await coding(serve, lambda: web.Response(text="x"), [("Accept-Encoding", "gzip, identity;q=0")]) == "gzip"
    assert await coding(serve, lambda: web.Response(text="x"), [("Accept-Encoding", "gzip, identity;q=0.1")]) is None


async def test_choices(serve: Any) -> None:
    only = [web.ContentCoding.gzip]
    assert await coding(serve, lambda: web.Response(text=LARGE), codings=only) == "gzip"
    assert await coding(serve, lambda: web.Response(text=LARGE), types=["application/json"]) is None
    assert await coding(serve, lambda: web.Response(text=LARGE), types=["TEXT/plain"]) == "zstd"
    assert await coding(serve, lambda: web.Response(text=LARGE), [("Accept-Encoding", "br")], level=1) == "br"
    assert await coding(serve, lambda: web.Response(text=LARGE), []) is None


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Encoding": "own"},
        {"Cache-Control": "public, no-transform"},
        {"Content-Digest": "sha-256=:x:"},
        {"Content-Range": "bytes 0-1023/2000"},
    ],
)
async def test_what_is_left_alone(serve: Any, headers: dict[str, str]) -> None:
    found = await coding(serve, lambda: web.Response(text=LARGE, headers=headers))
    assert found == headers.get("Content-Encoding")


async def test_what_the_handler_has_decided(serve: Any) -> None:
    def response() -> web.Response:
        answer = web.Response(text="small")
        answer.enable_compression(web.ContentCoding.deflate)
        return answer

    assert await coding(serve, response) == "deflate"


async def test_leaving_out_what_is_secret(serve: Any) -> None:
    def response(name: str) -> web.Response:
        answer = web.Response(text=LARGE)
        if name == "cookie":
            answer.set_cookie("a", "b")
        elif name == "header":
            answer.headers.add("Set-Cookie", "a=b")
        return answer

    for name, expected in (("cookie", None), ("header", None), ("none", "zstd")):
        assert await coding(serve, lambda name=name: response(name), skip=sets_cookies) == expected
    assert await coding(serve, lambda: response("cookie")) == "zstd"


async def test_caches_are_told(serve: Any) -> None:
    async def handler(request: web.Request) -> web.Response:
        if request.path == "/304":
            return web.Response(status=304)
        if request.path == "/206":
            return web.Response(status=206, text=LARGE, headers={"Content-Range": "bytes 0-9/99"})
        return web.Response(text=LARGE if request.path == "/large" else "x")

    served = await serve(make_app(handler))
    for path, vary in (("/large", True), ("/304", True), ("/206", True), ("/small", False)):
        for headers in (ALL, []):
            answer = await served.request("GET", path, headers)
            assert answer.headers.get("Vary") == ("Accept-Encoding" if vary else None)


async def test_head_says_what_get_says(serve: Any) -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(text=LARGE)

    served = await serve(make_app(handler))
    get = await served.request("GET", "/", ALL)
    head = await served.request("HEAD", "/", ALL)
    for answer in (get, head):
        del answer.headers["Date"]
    assert head.headers == get.headers


async def test_errors_are_compressed_too(serve: Any) -> None:
    async def handler(_: web.Request) -> web.Response:
        raise web.HTTPNotFound(text=LARGE)

    answer = await (await serve(make_app(handler))).request("GET", "/", [("Accept-Encoding", "gzip")])
    assert (answer.status, gzip.decompress(answer.body).decode()) == (404, LARGE)


async def test_a_stream_is_not_held_back(serve: Any) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await response.prepare(request)
        before = response.body_length
        await response.write(b"line\n")
        assert response.body_length > before
        return response

    answer = await (await serve(make_app(handler))).request("GET", "/", [("Accept-Encoding", "br")])
    assert brotli.decompress(answer.body) == b"line\n"


def test_a_coding_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("levante.web.compression.available_codings", lambda: (web.ContentCoding.gzip,))
    with pytest.raises(ValueError, match="br needs a library"):
        compress_middleware(codings=[web.ContentCoding.br])
