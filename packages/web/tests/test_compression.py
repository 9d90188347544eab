import asyncio
import gzip
import sys
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import brotli
import pytest

from levante import web
from levante.web.compression import Compression, available_codings

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

UNDO = {
    "gzip": gzip.decompress,
    "deflate": zlib.decompress,
    "br": brotli.decompress,
    "zstd": zstd.decompress,
    None: bytes,
}
TEXT = "some text that is repeated, " * 500


@pytest.mark.parity("S33", "U9")
@pytest.mark.parametrize(
    ("accepts", "coding"),
    [
        ("gzip, deflate", "gzip"),
        ("gzip", "gzip"),
        ("deflate", "deflate"),
        ("gzip, deflate, br", "br"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("deflate;q=0.1, gzip;q=0.5", "gzip"),
        ("zstd;q=0.5, br;q=0.6, gzip;q=0.9", "gzip"),
        ("gzip;q=0", None),
        ("gzip;q=0.1, identity;q=0.5", None),
        ("*", "zstd"),
        ("zstd;q=0, *;q=0.5", "br"),
        ("identity;q=0, deflate", "deflate"),
        ("identity;q=0", None),
        ("", None),
        ("xgzip", None),
    ],
)
@pytest.mark.parametrize("kind", ["stream", "whole"])
async def test_negotiating_a_coding(serve: Any, accepts: str, coding: str | None, kind: str) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        headers = {"Vary": "Cookie"}
        response = web.Response(text=TEXT, headers=headers) if kind == "whole" else web.StreamResponse(headers=headers)
        response.enable_compression()
        assert response.compression
        if kind == "stream":
            await response.prepare(request)
            await response.write(TEXT.encode())
        return response

    answer = await (await serve(handler)).get("/", Accept_Encoding=accepts)
    assert answer.headers.get("Content-Encoding") == coding
    assert answer.headers["Vary"] == "Cookie, Accept-Encoding"
    assert UNDO[coding](answer.body).decode() == TEXT


@pytest.mark.parity("U9")
async def test_several_fields_are_one(serve: Any) -> None:
    async def handler(_: web.Request) -> web.Response:
        response = web.Response(text=TEXT)
        response.enable_compression()
        return response

    headers = [("Accept-Encoding", "gzip;q=0.5"), ("Accept-Encoding", "deflate")]
    answer = await (await serve(handler)).request("GET", "/", headers)
    assert answer.headers["Content-Encoding"] == "deflate"


@pytest.mark.parity("S33", "U9")
async def test_what_a_handler_may_ask_for(serve: Any) -> None:
    asked: dict[str, dict[str, Any]] = {
        "/force": {"force": web.ContentCoding.br},
        "/plain": {"force": web.ContentCoding.identity},
        "/codings": {"codings": [web.ContentCoding.deflate, web.ContentCoding.gzip]},
        "/strategy": {"strategy": zlib.Z_HUFFMAN_ONLY},
        "/level": {"force": web.ContentCoding.zstd, "level": 19},
    }

    async def handler(request: web.Request) -> web.Response:
        response = web.Response(text=TEXT)
        response.enable_compression(**asked[request.path])
        return response

    served = await serve(handler)
    for path, coding, vary in [
        ("/force", "br", None),
        ("/plain", None, None),
        ("/codings", "deflate", "Accept-Encoding"),
        ("/strategy", "gzip", "Accept-Encoding"),
        ("/level", "zstd", None),
    ]:
        answer = await served.get(path, Accept_Encoding="gzip, deflate, br, zstd")
        assert (answer.headers.get("Content-Encoding"), answer.headers.get("Vary")) == (coding, vary)
        assert UNDO[coding](answer.body).decode() == TEXT


@pytest.mark.parity("S33")
def test_what_cannot_be_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    response = web.StreamResponse()
    for wrong in ({"force": True}, {"codings": ["gzip"]}):
        with pytest.raises(TypeError, match="ContentCoding"):
            response.enable_compression(**wrong)  # type: ignore[arg-type]
    available_codings.cache_clear()
    monkeypatch.setattr("levante.http.codings.ACCEPTABLE", ("gzip", "deflate"))
    try:
        with pytest.raises(ValueError, match="br needs a library"):
            response.enable_compression(web.ContentCoding.br)
        assert Compression().choose("br, zstd, deflate") is web.ContentCoding.deflate
    finally:
        available_codings.cache_clear()


@pytest.mark.parity("S33")
async def test_a_body_that_is_coded_or_a_part_stays_as_it_is(serve: Any) -> None:
    async def handler(request: web.Request) -> web.Response:
        headers = {"Content-Encoding": "own"} if request.path == "/coded" else {"Content-Range": "bytes 0-2/9"}
        response = web.Response(body=b"abc", headers=headers, status=200 if request.path == "/coded" else 206)
        response.enable_compression()
        return response

    served = await serve(handler)
    for path, coding, vary in (("/coded", "own", None), ("/part", None, "Accept-Encoding")):
        answer = await served.get(path, Accept_Encoding="gzip")
        assert (answer.headers.get("Content-Encoding"), answer.body) == (coding, b"abc")
        assert answer.headers.get("Vary") == vary


@pytest.mark.parity("S33")
async def test_lengths(serve: Any) -> None:
    async def pieces() -> Any:
        yield TEXT.encode()
        yield b""
        yield TEXT.encode()

    async def handler(request: web.Request) -> web.StreamResponse:
        if request.path == "/length":
            response = web.StreamResponse(headers={"Content-Length": "3", "Accept-Ranges": "bytes"})
            response.enable_compression()
            await response.prepare(request)
            await response.write_eof(b"abc")
            return response
        body = pieces() if request.path == "/payload" else None if request.path == "/none" else TEXT.encode()
        whole = web.Response(body=body, status=204 if request.path == "/204" else 200)
        if request.path == "/chunked":
            whole.enable_chunked_encoding()
        whole.enable_compression()
        return whole

    served = await serve(handler)
    for path, text in (("/whole", TEXT), ("/payload", TEXT * 2), ("/chunked", TEXT), ("/length", "abc")):
        answer = await served.get(path, Accept_Encoding="gzip")
        assert answer.headers["Content-Encoding"] == "gzip"
        assert gzip.decompress(answer.body).decode() == text
        assert ("Content-Length" in answer.headers) == (path == "/whole")
        assert "Accept-Ranges" not in answer.headers
        if path == "/whole":
            assert int(answer.headers["Content-Length"]) == len(answer.body)
        head = await served.request("HEAD", path, [("Accept-Encoding", "gzip")])
        same = {"Content-Encoding", "Content-Length", "Vary", "Content-Type", "Transfer-Encoding"}
        assert {name: head.headers.get(name) for name in same} == {name: answer.headers.get(name) for name in same}
    for path in ("/204", "/none"):
        answer = await served.get(path, Accept_Encoding="gzip")
        assert "Content-Encoding" not in answer.headers
        assert answer.body == b""


@pytest.mark.parity("S33", "U9")
async def test_entity_tags_become_weak(serve: Any) -> None:
    async def handler(request: web.Request) -> web.Response:
        tag = web.ETag("v1", is_weak=request.path == "/weak")
        known = request.if_none_match
        if known is not None and any(each.value == tag.value for each in known):
            response = web.Response(status=304)
        else:
            response = web.Response(text=TEXT)
        response.etag = tag
        response.enable_compression()
        return response

    served = await serve(handler)
    for path, accepts, expected in [
        ("/", "gzip", 'W/"v1"'),
        ("/", "identity", '"v1"'),
        ("/weak", "gzip", 'W/"v1"'),
    ]:
        answer = await served.get(path, Accept_Encoding=accepts)
        assert (answer.status, answer.headers["ETag"]) == (200, expected)
        again = await served.get(path, Accept_Encoding=accepts, If_None_Match=expected)
        assert (again.status, again.headers["ETag"], again.headers["Vary"]) == (304, expected, "Accept-Encoding")
        assert "Content-Encoding" not in again.headers


@pytest.mark.parity("S33")
async def test_a_file(serve: Any, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text(TEXT)

    async def handler(_: web.Request) -> web.FileResponse:
        response = web.FileResponse(path)
        response.enable_compression()
        return response

    served = await serve(handler)
    answer = await served.get("/", Accept_Encoding="br")
    assert brotli.decompress(answer.body).decode() == TEXT
    assert answer.headers["ETag"].startswith("W/")
    assert "Accept-Ranges" not in answer.headers
    part = await served.get("/", Accept_Encoding="br", Range="bytes=0-3")
    assert (part.status, part.body) == (206, b"some")
    assert "Content-Encoding" not in part.headers


@pytest.mark.parity("S31", "S33")
async def test_large_bodies_are_coded_in_a_thread(serve: Any) -> None:
    used: list[str] = []

    class Executor(ThreadPoolExecutor):
        def submit(self, function: Any, /, *args: Any, **kwargs: Any) -> Any:
            used.append(path)
            return super().submit(function, *args, **kwargs)

    async def pieces() -> Any:
        yield b"small"
        yield TEXT.encode()

    async def handler(request: web.Request) -> web.Response:
        body = {"/small": b"x" * 100, "/large": TEXT.encode(), "/pieces": pieces()}[request.path]
        response = web.Response(body=body, zlib_executor_size=1000, zlib_executor=executor)
        response.enable_compression()
        return response

    with Executor(1) as executor:
        served = await serve(handler)
        for path in ("/small", "/large", "/pieces"):
            answer = await served.get(path, Accept_Encoding="gzip")
            assert len(gzip.decompress(answer.body)) == {"/small": 100, "/large": len(TEXT)}.get(path, len(TEXT) + 5)
    assert used == ["/large", "/pieces"]


@pytest.mark.parity("S33", "U9")
@pytest.mark.parametrize("coding", ["gzip", "zstd", "br", "deflate"])
@pytest.mark.parametrize("kind", ["drain", "event-stream", "flush"])
async def test_what_is_written_can_be_read_at_once(serve: Any, coding: str, kind: str) -> None:
    seen = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.content_type = "text/event-stream" if kind == "event-stream" else "text/plain"
        response.enable_compression(flush=True if kind == "flush" else None)
        await response.prepare(request)
        await response.write(b"data: 1\n\n")
        if kind == "drain":
            await response.drain()
        async with asyncio.timeout(10):
            await seen.wait()
        await response.write(b"data: 2\n\n")
        return response

    served = await serve(handler)
    peer = await served.connect()
    await peer.send(f"GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: {coding}\r\n\r\n".encode())
    from levante.http import body_decoder

    decoder = body_decoder((await peer.head()).headers["Content-Encoding"])
    assert decoder is not None
    text = b""
    async with asyncio.timeout(10):
        while size := int(await peer.reader.readline(), 16):
            text += decoder.decompress(await peer.reader.readexactly(size))
            await peer.reader.readexactly(2)
            if text == b"data: 1\n\n":
                seen.set()
    decoder.finish()
    assert text == b"data: 1\n\ndata: 2\n\n"


@pytest.mark.parity("W11")
async def test_the_writer_that_prepare_returns(serve: Any) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        if request.path == "/coded":
            response.enable_compression()
        writer = await response.prepare(request)
        assert writer is request.writer
        assert writer is not None
        await writer.write(b"one ")
        await response.write(b"two ")
        if request.path == "/ends":
            await writer.write_eof(b"three")
        else:
            await response.write_eof(b"three")
        assert writer.output_size == response.body_length
        assert await response.prepare(request) is None or request.path == "/ends"
        return response

    served = await serve(handler)
    assert (await served.get("/")).body == b"one two three"
    assert (await served.get("/ends")).body == b"one two three"
    answer = await served.get("/coded", Accept_Encoding="gzip")
    assert gzip.decompress(answer.body) == b"one two three"


@pytest.mark.parity("W11")
async def test_a_response_below_all_of_it(serve: Any) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        writer = request.writer
        writer.enable_compression("gzip")
        writer.enable_chunking()
        await writer.write_headers("HTTP/1.1 202 Taken", {"Content-Encoding": "gzip"})
        writer.send_headers()
        await writer.write(b"below ")
        await writer.drain()
        await writer.write_eof(b"all of it")
        return web.StreamResponse(status=202)

    answer = await (await serve(handler)).get("/")
    assert (answer.status, answer.reason) == (202, "Taken")
    assert gzip.decompress(answer.body) == b"below all of it"
