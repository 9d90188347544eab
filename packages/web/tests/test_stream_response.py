import asyncio
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from levante import web
from levante.http.errors import PeerDisconnected


@pytest.mark.parity("S28")
async def test_writing_piece_by_piece(serve: Any) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=201, reason="Made", headers={"X-A": "1"})
        assert "not prepared" in repr(response)
        assert not response.prepared
        assert response.task is None
        assert response.body_length == 0
        with pytest.raises(RuntimeError, match="before prepare"):
            await response.write(b"x")
        with pytest.raises(RuntimeError, match="before prepare"):
            await response.write_eof()
        assert await response.prepare(request) is not None
        assert await response.prepare(request) is not None
        assert "GET /" in repr(response)
        assert response.task is asyncio.current_task()
        await response.write(b"ab")
        await response.write(bytearray(b"cd"))
        await response.write(memoryview(b"ef"))
        with pytest.raises(TypeError, match="bytes"):
            await response.write("text")  # type: ignore[arg-type]
        await response.drain()
        await response.write_eof(b"g")
        await response.write_eof()
        assert await response.prepare(request) is None
        with pytest.raises(RuntimeError, match="finished"):
            await response.write(b"x")
        assert "finished" in repr(response)
        assert response.body_length > 7
        return response

    answer = await (await serve(handler)).get("/")
    assert (answer.status, answer.reason, answer.headers["X-A"], answer.body) == (201, "Made", "1", b"abcdefg")
    assert answer.headers["Transfer-Encoding"] == "chunked"
    assert answer.headers["Content-Type"] == "application/octet-stream"


@pytest.mark.parity("S28")
async def test_the_head_does_not_wait_for_a_handler_that_waits(serve: Any) -> None:
    head_came = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await head_came.wait()
        await response.write(b"body")
        return response

    peer = await (await serve(handler)).connect()
    await peer.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    async with asyncio.timeout(10):
        assert (await peer.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 OK\r\n")
    head_came.set()
    assert await peer.reader.readuntil(b"0\r\n\r\n") == b"4\r\nbody\r\n0\r\n\r\n"


@pytest.mark.parity("S28")
async def test_nothing_changes_after_prepare(serve: Any) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"X-A": "1"})
        await response.prepare(request)
        with pytest.raises(RuntimeError, match="on its way"):
            response.set_status(404)
        headers = response.headers
        for change in (
            lambda: headers.add("X-B", "1"),
            lambda: headers.__setitem__("X-B", "1"),
            lambda: headers.__delitem__("X-A"),
            lambda: headers.update({"X-B": "1"}),
            lambda: headers.extend({"X-B": "1"}),
            lambda: headers.setdefault("X-B", "1"),
            lambda: headers.pop("X-A"),
            lambda: headers.popall("X-A"),
            lambda: headers.popone("X-A"),
            lambda: headers.clear(),
        ):
            with pytest.raises(RuntimeError, match="on its way"):
                change()
        assert headers["x-a"] == "1"
        assert response.headers is headers
        return response

    assert (await (await serve(handler)).get("/")).status == 200


@pytest.mark.parity("S67")
async def test_work_after_the_response(serve: Any) -> None:
    done = asyncio.Event()
    told = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write_eof(b"early")
        await told.wait()
        done.set()
        return response

    answer = await (await serve(handler)).get("/")
    assert answer.body == b"early"
    assert not done.is_set()
    told.set()
    await asyncio.wait_for(done.wait(), 5)


@pytest.mark.parity("S67")
async def test_a_response_is_not_used_twice(serve: Any, caplog: pytest.LogCaptureFixture) -> None:
    shared = [web.Response(text="shared"), web.StreamResponse()]

    async def handler(request: web.Request) -> web.StreamResponse:
        return shared[int(request.query["n"])]

    served = await serve(handler)
    for n in (0, 1):
        assert (await served.get(f"/?n={n}")).status == 200
        assert (await served.get(f"/?n={n}")).status == 500
    assert "make a new response for each request" in caplog.text


@pytest.mark.parity("S29")
async def test_framing(serve: Any) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=int(request.query.get("status", "200")))
        if "length" in request.query:
            response.content_length = int(request.query["length"])
        if "chunked" in request.query:
            response.enable_chunked_encoding()
            assert response.chunked
        await response.prepare(request)
        if "body" in request.query:
            await response.write(b"12345")
        return response

    served = await serve(handler)
    answer = await served.get("/?length=5&body=1")
    assert (answer.headers["Content-Length"], answer.body) == ("5", b"12345")
    assert "Transfer-Encoding" not in answer.headers
    answer = await served.request("GET", "/?body=1", version="1.0")
    assert answer.body == b"12345"
    assert "Transfer-Encoding" not in answer.headers
    assert (await served.request("GET", "/?chunked=1", version="1.0")).status == 500
    answer = await served.request("HEAD", "/?length=5")
    assert (answer.headers["Content-Length"], answer.body) == ("5", b"")
    for status in (204, 304):
        answer = await served.get(f"/?status={status}&length=5")
        assert answer.status == status
        assert not {"Content-Length", "Transfer-Encoding", "Content-Type"} & set(answer.headers)
    answer = await served.get("/?length=0")
    assert answer.headers["Content-Length"] == "0"
    assert "Content-Type" not in answer.headers


@pytest.mark.parity("S29")
def test_chunks_or_a_length() -> None:
    response = web.StreamResponse()
    response.content_length = 5
    assert response.content_length == 5
    with pytest.raises(RuntimeError, match="chunked"):
        response.enable_chunked_encoding()
    response.content_length = None
    assert response.content_length is None
    response.enable_chunked_encoding()
    with pytest.raises(RuntimeError, match="chunked"):
        response.content_length = 5


@pytest.mark.parity("S29")
async def test_more_than_the_length_is_an_error(serve: Any) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.content_length = 2
        await response.prepare(request)
        await response.write(b"12")
        await response.write(b"345")
        return response

    peer = await (await serve(handler)).connect()
    await peer.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    data = await peer.reader.read()
    assert b"345" not in data


@pytest.mark.parity("S30")
async def test_automatic_headers(serve: Any) -> None:
    async def handler(request: web.Request) -> web.Response:
        headers = {"Server": "mine", "Date": "then"} if request.path == "/own" else {}
        response = web.Response(text="x", headers=headers)
        assert response.keep_alive is None
        if request.path == "/close":
            response.force_close()
            assert response.keep_alive is False
        return response

    served = await serve(handler)
    answer = await served.get("/")
    assert answer.headers["Server"] == "levante"
    assert answer.headers["Date"].endswith("GMT")
    assert "Connection" not in answer.headers
    answer = await served.get("/own")
    assert answer.headers.getall("Server") == ["mine"]
    assert answer.headers.getall("Date") == ["then"]
    assert (await served.get("/close")).headers["Connection"] == "close"
    answer = await served.request("GET", "/", [("Connection", "keep-alive")], version="1.0")
    assert answer.headers["Connection"] == "keep-alive"


@pytest.mark.parity("S30", "V32")
@pytest.mark.parametrize(
    ("name", "value"), [("X-A", "1\r\nX-B: 2"), ("X-A", "a\0b"), ("X A", "1"), ("X:A", "1"), ("X-A", "a\nb")]
)
async def test_headers_stay_on_their_line(serve: Any, name: str, value: str) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(headers={name: value})

    answer = await (await serve(handler)).get("/")
    assert answer.status == 500
    assert "X-B" not in answer.headers


@pytest.mark.parity("V32", "S28")
@pytest.mark.parametrize("text", ["a\rb", "a\nb", "a\0b"])
def test_a_reason_stays_on_its_line(text: str) -> None:
    with pytest.raises(ValueError, match="reason"):
        web.Response(reason=text)
    with pytest.raises(ValueError, match="reason"):
        web.Response().set_status(200, text)


def test_status_and_reason() -> None:
    response = web.StreamResponse(status=404)
    assert (response.status, response.reason) == (404, "Not Found")
    response.set_status(201)
    assert (response.status, response.reason) == (201, "Created")
    response.set_status(299, "Own")
    assert (response.status, response.reason) == (299, "Own")


@pytest.mark.parity("S35")
def test_content_type_and_charset() -> None:
    response = web.StreamResponse()
    assert response.content_type == "application/octet-stream"
    assert response.charset is None
    with pytest.raises(RuntimeError, match="charset"):
        response.charset = "utf-8"
    response.content_type = "text/html"
    response.charset = "UTF-8"
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    response.content_type = "text/plain"
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
    response.charset = None
    assert response.headers["Content-Type"] == "text/plain"


@pytest.mark.parity("S35")
def test_last_modified() -> None:
    response = web.StreamResponse()
    assert response.last_modified is None
    response.last_modified = "Mon, 15 Jun 2026 10:00:00 GMT"
    assert response.last_modified == datetime(2026, 6, 15, 10, tzinfo=UTC)
    response.last_modified = 0
    assert response.headers["Last-Modified"] == "Thu, 01 Jan 1970 00:00:00 GMT"
    response.last_modified = 0.001
    assert response.headers["Last-Modified"] == "Thu, 01 Jan 1970 00:00:01 GMT"
    response.last_modified = datetime(2026, 6, 15, 12, tzinfo=timezone(timedelta(hours=2)))
    assert response.headers["Last-Modified"] == "Mon, 15 Jun 2026 10:00:00 GMT"
    response.last_modified = datetime(2026, 6, 15, 10, 0, 0, 1)
    assert response.headers["Last-Modified"] == "Mon, 15 Jun 2026 10:00:01 GMT"
    response.last_modified = None
    assert "Last-Modified" not in response.headers
    with pytest.raises(TypeError):
        response.last_modified = b"x"  # type: ignore[assignment]


@pytest.mark.parity("S35")
def test_etag() -> None:
    response = web.StreamResponse()
    assert response.etag is None
    response.etag = "abc"
    assert response.headers["ETag"] == '"abc"'
    response.etag = web.ETag("x", is_weak=True)
    assert response.headers["ETag"] == 'W/"x"'
    assert response.etag == web.ETag("x", is_weak=True)
    response.etag = "*"
    assert response.headers["ETag"] == "*"
    with pytest.raises(ValueError, match="quote"):
        response.etag = 'a"b'
    with pytest.raises(TypeError):
        response.etag = 5  # type: ignore[assignment]
    response.etag = None
    assert "ETag" not in response.headers


@pytest.mark.parity("S57")
async def test_the_client_goes_away(serve: Any) -> None:
    failed: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(b"x" * 100_000)
        except ConnectionResetError as exc:
            failed.set_result(exc)
            raise

    served = await serve(handler)
    peer = await served.connect()
    await peer.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    await peer.reader.read(10)
    peer.reset()
    assert isinstance(await asyncio.wait_for(failed, 5), PeerDisconnected)


async def test_what_is_too_late_is_refused_or_done(serve: Any) -> None:
    refused: list[str] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for change in (response.enable_compression, response.enable_chunked_encoding):
            try:
                change()
            except RuntimeError as exc:
                refused.append(str(exc).partition(":")[0])
        response.force_close()
        return response

    peer = await (await serve(handler)).connect()
    answer = await peer.request("GET", "/")
    assert (answer.status, answer.headers.get("Connection")) == (200, None)
    assert await peer.is_closed()
    assert refused == ["cannot change compression", "cannot change chunked encoding"]
