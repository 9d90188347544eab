import gzip
import random
import tracemalloc
import zlib
from typing import Any

import pytest

from levante import web
from levante.http import ACCEPTABLE, MultipartReader, encoder
from levante.http.decoders import GzipDecoder


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
    async def streamed(request: web.Request) -> web.Response:
        sizes = [len(piece) async for piece in request.content.iter_any()]
        assert not request.can_read_body
        return web.Response(text=str(sum(sizes)))

    for handler in (echo_size, streamed):
        served = await serve(handler)
        assert (await served.request("POST", "/", [("Content-Encoding", coding)], body)).text == "5000"


@pytest.mark.parity("S27", "U9")
@pytest.mark.parametrize("coding", ACCEPTABLE)
async def test_forms_and_parts_are_decoded_too(serve: Any, coding: str) -> None:
    async def handler(request: web.Request) -> web.Response:
        if request.path == "/parts":
            names = []
            async for part in await request.multipart():
                assert not isinstance(part, MultipartReader)
                names.append(f"{part.name}={await part.text()}")
            return web.Response(text=",".join(names))
        form = await request.post()
        return web.Response(text=",".join(f"{name}={value}" for name, value in form.items()))

    served = await serve(handler)

    def packed(data: bytes) -> bytes:
        packer = encoder(coding)
        return packer.compress(data) + packer.finish()

    body = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--x--\r\n'
    multipart = [("Content-Type", "multipart/form-data; boundary=x"), ("Content-Encoding", coding)]
    for path in ("/parts", "/post"):
        assert (await served.request("POST", path, multipart, packed(body))).text == "a=1"
    urlencoded = [("Content-Type", "application/x-www-form-urlencoded"), ("Content-Encoding", coding)]
    assert (await served.request("POST", "/post", urlencoded, packed(b"a=1&b=2"))).text == "a=1,b=2"


@pytest.mark.parity("S27", "S53")
async def test_bodies_as_they_were_sent(serve: Any) -> None:
    async def handler(request: web.Request) -> web.Response:
        if request.path == "/content":
            return web.Response(body=await request.content.read())
        return web.Response(body=await request.read())

    body = gzip.compress(b"x" * 5000)
    served = await serve(handler, auto_decompress=False)
    for path in ("/content", "/read"):
        assert (await served.request("POST", path, [("Content-Encoding", "gzip")], body)).body == body
        assert (await served.request("POST", path, [("Content-Encoding", "own")], body)).body == body


@pytest.mark.parity("S27")
async def test_several_fields_are_one(serve: Any) -> None:
    served = await serve(echo_size)
    body = gzip.compress(zlib.compress(b"x" * 5000))
    headers = [("Content-Encoding", "deflate"), ("Content-Encoding", "gzip")]
    assert (await served.request("POST", "/", headers, body)).text == "5000"


@pytest.mark.parity("S27", "S19")
async def test_a_clone_shares_the_decoder(serve: Any) -> None:
    async def handler(request: web.Request) -> web.Response:
        clone = request.clone(headers={"X": "y"})
        first = await request.content.readexactly(10)
        assert clone.content is request.content
        return web.Response(body=first + await clone.read())

    body = bytes(range(256)) * 20
    answer = await (await serve(handler)).request("POST", "/", [("Content-Encoding", "gzip")], gzip.compress(body))
    assert answer.body == body


@pytest.mark.parity("S23")
async def test_release_decodes_nothing(serve: Any) -> None:
    async def handler(request: web.Request) -> web.Response:
        content = request.content
        await content.readexactly(1)
        decoded = content.total_bytes
        await request.release()
        assert not request.can_read_body
        assert await request.content.read() == b""
        return web.Response(text=str(content.total_bytes == decoded))

    body = gzip.compress(random.Random(1).randbytes(300_000))
    answer = await (await serve(handler)).request("POST", "/", [("Content-Encoding", "gzip")], body)
    assert answer.text == "True"


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


@pytest.mark.parity("V17", "S27")
@pytest.mark.hardening("M27")
@pytest.mark.parametrize("coding", [*ACCEPTABLE, "gzip, gzip"])
async def test_a_bomb_that_is_streamed(serve: Any, coding: str) -> None:
    """With a ratio it is refused; without one it costs one piece of memory at a time, however it is read."""
    body = bytes(1 << 25)
    for name in coding.split(", "):
        packer = encoder(name)
        body = packer.compress(body) + packer.finish()
    peaks: list[int] = []

    async def handler(request: web.Request) -> web.Response:
        size = 0
        tracemalloc.start()
        try:
            async for piece in request.content.iter_any():
                size += len(piece)
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
        return web.Response(text=str(size))

    headers = [("Content-Encoding", coding)]
    assert (await (await serve(handler)).request("POST", "/", headers, body)).status == 413
    served = await serve(handler, max_coding_ratio=None)
    assert (await served.request("POST", "/", headers, body)).text == str(1 << 25)
    assert peaks[0] < 1 << 22


@pytest.mark.hardening("M27")
@pytest.mark.parametrize(("over", "status"), [(-1, 200), (0, 200), (1, 413), (9 << 20, 413)])
async def test_the_decoded_size_at_its_limit(serve: Any, over: int, status: int) -> None:
    served = await serve(echo_size)
    size = (1 << 20) + over
    body = gzip.compress(random.Random(2).randbytes(size // 2 + 1).hex().encode()[:size], 1)
    answer = await served.request("POST", "/", [("Content-Encoding", "gzip")], body)
    assert answer.status == status
    if status == 200:
        assert answer.text == str(size)


@pytest.mark.hardening("M27")
@pytest.mark.parametrize(("ratio", "status"), [(None, 200), (2000, 200), (100, 413), (10, 413)])
async def test_the_ratio(serve: Any, ratio: int | None, status: int) -> None:
    served = await serve(echo_size, max_coding_ratio=ratio)
    body = gzip.compress(bytes(1 << 20))
    assert (await served.request("POST", "/", [("Content-Encoding", "gzip")], body)).status == status


@pytest.mark.parity("V43")
@pytest.mark.parametrize("touch", [False, True])
async def test_a_body_that_nobody_reads_is_not_inflated(
    serve: Any, monkeypatch: pytest.MonkeyPatch, touch: bool
) -> None:
    inflated: list[int] = []
    plain = GzipDecoder.decompress

    def decompress(self: GzipDecoder, *args: Any, **kwargs: Any) -> bytes:
        output = plain(self, *args, **kwargs)
        inflated.append(len(output))
        return output

    monkeypatch.setattr(GzipDecoder, "decompress", decompress)

    async def handler(request: web.Request) -> web.Response:
        if touch:
            assert request.can_read_body
            assert request.content.total_bytes == 0
        return web.Response(text="unread")

    served = await serve(handler)
    peer = await served.connect()
    body = gzip.compress(bytes(1 << 25))
    for _ in range(2):  # the body is drained, and the connection goes on
        assert (await peer.request("POST", "/", [("Content-Encoding", "gzip")], body)).text == "unread"
    assert inflated == []


@pytest.mark.parity("S23")
@pytest.mark.parametrize(
    ("coding", "body", "status"),
    [("nonsense", b"x", 415), ("gzip", b"no gzip at all", 400), ("gzip", gzip.compress(b"x" * 500, mtime=0)[:-9], 400)],
)
async def test_bad_codings(serve: Any, coding: str, body: bytes, status: int) -> None:
    async def streamed(request: web.Request) -> web.Response:
        async for _ in request.content.iter_chunked(100):
            pass
        return web.Response()

    async def form(request: web.Request) -> web.Response:
        return web.Response(text=str(len(await request.post())))

    for handler in (echo_size, streamed, form):
        served = await serve(handler)
        headers = [("Content-Encoding", coding), ("Content-Type", "multipart/form-data; boundary=x")]
        answer = await served.request("POST", "/", headers, body)
        assert answer.status == status
        assert ("gzip" in answer.headers.get("Accept-Encoding", "")) == (status == 415)


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
