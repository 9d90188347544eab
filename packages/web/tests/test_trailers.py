import asyncio
import hashlib
from typing import Any

import pytest

from levante import web

BODY = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


async def exchange(served: Any, request: bytes) -> bytes:
    peer = await served.connect()
    await peer.send(request)
    async with asyncio.timeout(5):
        answer: bytes = await peer.reader.read()
    return answer


async def digest(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    response.declare_trailers("X-Digest", "Server-Timing")
    await response.prepare(request)
    sums = hashlib.sha256()
    for piece in (b"one", b"two"):
        sums.update(piece)
        await response.write(piece)
    response.trailers["X-Digest"] = sums.hexdigest()
    await response.write_eof()
    return response


@pytest.mark.parity("U22")
async def test_a_digest_behind_the_body(serve: Any) -> None:
    served = await serve(digest)
    answer = await exchange(served, BODY)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"\r\nTrailer: X-Digest, Server-Timing\r\n" in head + b"\r\n"
    assert b"Transfer-Encoding: chunked" in head
    expected = hashlib.sha256(b"onetwo").hexdigest()
    assert body == b"3\r\none\r\n3\r\ntwo\r\n0\r\nX-Digest: " + expected.encode() + b"\r\n\r\n"


@pytest.mark.parity("U22")
async def test_clients_that_know_no_trailers(serve: Any) -> None:
    served = await serve(digest)
    old = await exchange(served, b"GET / HTTP/1.0\r\n\r\n")
    assert old.endswith(b"\r\n\r\nonetwo")
    assert b"Trailer" not in old
    assert b"chunked" not in old
    head = await exchange(served, BODY.replace(b"GET", b"HEAD"))
    assert head.endswith(b"\r\n\r\n")
    assert b"X-Digest:" not in head


@pytest.mark.parity("U22")
async def test_trailers_of_a_whole_response(serve: Any) -> None:
    async def handler(request: web.Request) -> web.Response:
        response = web.Response(text="whole")
        response.declare_trailers()
        response.trailers["Anything"] = "goes"
        return response

    served = await serve(handler)
    answer = await exchange(served, BODY)
    assert answer.endswith(b"5\r\nwhole\r\n0\r\nAnything: goes\r\n\r\n")
    assert b"\r\nTrailer:" not in answer


async def test_declared_and_not_set(serve: Any) -> None:
    async def handler(request: web.Request) -> web.Response:
        response = web.Response(text="whole", status=int(request.path[1:]))
        response.declare_trailers("X")
        if request.path == "/204":
            response.trailers["X"] = "y"
        return response

    served = await serve(handler)
    assert (await exchange(served, BODY.replace(b"GET /", b"GET /200"))).endswith(b"5\r\nwhole\r\n0\r\n\r\n")
    empty = await exchange(served, BODY.replace(b"GET /", b"GET /204"))
    assert empty.startswith(b"HTTP/1.1 204")
    assert empty.endswith(b"\r\n\r\n")
    assert b"X: y" not in empty


@pytest.mark.parity("U22")
async def test_an_unannounced_trailer_is_refused(serve: Any, caplog: pytest.LogCaptureFixture) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.declare_trailers("X-Digest")
        await response.prepare(request)
        await response.write(b"one")
        response.trailers["X-Other"] = "y"
        return response

    served = await serve(handler)
    answer = await exchange(served, BODY)
    assert answer.endswith(b"3\r\none\r\n")  # not whole, as the client can tell
    assert "trailer 'X-Other' was not announced" in caplog.text


async def test_too_late_or_not_at_all(serve: Any) -> None:
    errors: list[str] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        try:
            _ = response.trailers
        except RuntimeError as exc:
            errors.append(str(exc))
        await response.prepare(request)
        try:
            response.declare_trailers("X")
        except RuntimeError as exc:
            errors.append(str(exc))
        return response

    served = await serve(handler)
    await exchange(served, BODY)
    assert "no trailers were declared" in errors[0]
    assert "already on its way" in errors[1]
    sized = web.StreamResponse()
    sized.content_length = 5
    with pytest.raises(RuntimeError, match="either chunked or has a Content-Length"):
        sized.declare_trailers("X")
