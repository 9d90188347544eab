import gzip
import zlib
from typing import Any

import pytest

from levante import web


async def echo_size(request: web.Request) -> web.Response:
    return web.Response(text=str(len(await request.read())))


@pytest.mark.parity("S27")
@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("gzip", gzip.compress(b"x" * 5000, mtime=0)),
        ("deflate", zlib.compress(b"x" * 5000)),
        ("identity", b"x" * 5000),
        ("deflate, gzip", gzip.compress(zlib.compress(b"x" * 5000), mtime=0)),
    ],
)
async def test_content_codings_are_undone(serve: Any, coding: str, body: bytes) -> None:
    served = await serve(echo_size)
    assert (await served.request("POST", "/", [("Content-Encoding", coding)], body)).text == "5000"


@pytest.mark.parity("S23", "V17")
async def test_the_limit_is_on_what_comes_out(serve: Any) -> None:
    served = await serve(echo_size)
    body = gzip.compress(b"".join(f"{n:032x}".encode() for n in range(50_000)))
    assert len(body) < 1024 * 1024
    assert (await served.request("POST", "/", [("Content-Encoding", "gzip")], body)).status == 413


@pytest.mark.parity("V17")
async def test_a_bomb(serve: Any) -> None:
    app = web.Application(client_max_size=0)
    app.router.add_post("/", echo_size)
    served = await serve(app)
    body = gzip.compress(b"\0" * 100_000_000)
    assert (await served.request("POST", "/", [("Content-Encoding", "gzip")], body)).status == 413


@pytest.mark.parity("S23")
@pytest.mark.parametrize(
    ("coding", "body", "status"),
    [("nonsense", b"x", 415), ("gzip", b"no gzip at all", 400), ("gzip", gzip.compress(b"x" * 500, mtime=0)[:-9], 400)],
)
async def test_bad_codings(serve: Any, coding: str, body: bytes, status: int) -> None:
    served = await serve(echo_size)
    assert (await served.request("POST", "/", [("Content-Encoding", coding)], body)).status == status


async def test_a_malformed_body_is_400(serve: Any) -> None:
    served = await serve(echo_size)
    peer = await served.connect()
    await peer.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n")
    assert (await peer.answer()).status == 400
    assert await peer.is_closed()


@pytest.mark.parity("S23")
@pytest.mark.parametrize("charset", ["idna", "punycode", "zlib", "undefined", "no-such"])
async def test_a_charset_that_is_none(serve: Any, charset: str) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(text=await request.text())

    served = await serve(handler)
    headers = [("Content-Type", f"text/plain; charset={charset}")]
    assert (await served.request("POST", "/", headers, b"xn--" + b"\xe9" * 10)).status in {400, 415}
