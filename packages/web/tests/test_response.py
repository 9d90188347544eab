import asyncio
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from levante import web
from levante.http.errors import LocalProtocolError
from levante.http.payloads import Payload
from levante.web.response import exception_response


@pytest.mark.parity("S31")
def test_constructing() -> None:
    assert web.Response().body is None
    assert web.Response().text is None
    assert web.Response(body=b"x").body == b"x"
    assert web.Response(body=bytearray(b"x")).body == b"x"
    response = web.Response(text="é")
    assert (response.content_type, response.charset, response.body) == ("text/plain", "utf-8", "é".encode())
    assert response.text == "é"
    response = web.Response(text="é", content_type="text/html", charset="latin-1")
    assert response.headers["Content-Type"] == "text/html; charset=latin-1"
    assert response.body == b"\xe9"
    response = web.Response(text="é", headers={"Content-Type": "text/csv; charset=latin-1"})
    assert response.body == b"\xe9"
    assert web.Response(headers={"X-A": "1"}, content_type="a/b").headers["Content-Type"] == "a/b"
    assert web.Response(charset="utf-8").headers["Content-Type"] == "application/octet-stream; charset=utf-8"
    assert web.Response(body=b"x", content_type="a/b").headers["Content-Type"] == "a/b"


@pytest.mark.parity("S31")
@pytest.mark.parametrize(
    "arguments",
    [
        {"body": b"x", "text": "x"},
        {"text": "x", "content_type": "text/html; charset=utf-8"},
        {"headers": {"Content-Type": "a/b"}, "content_type": "c/d"},
        {"headers": {"Content-Type": "a/b"}, "charset": "utf-8"},
        {"body": object()},
    ],
)
def test_contradictions(arguments: Any) -> None:
    with pytest.raises(ValueError, match=r"body|charset|type"):
        web.Response(**arguments)


@pytest.mark.parity("S31")
def test_changing_the_body() -> None:
    response = web.Response(text="abc")
    assert response.content_length == 3
    with pytest.raises(RuntimeError, match="length"):
        response.content_length = 5
    response.text = "é"
    assert response.content_length == 2
    response.body = b"12345"
    assert response.content_length == 5
    response.text = None
    assert response.body is None
    assert response.content_length == 0
    response = web.Response()
    response.text = "x"
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
    response.enable_chunked_encoding()
    assert response.content_length is None


@pytest.mark.parity("S31")
async def test_one_write_for_head_and_body(transport: Any) -> None:
    async def handler(request: web.BaseRequest) -> web.Response:
        return web.Response(text="small")

    connection = web.Server(handler)()
    connection.connection_made(transport)
    connection.data_received(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    while not transport.writes:
        await asyncio.sleep(0)
    assert len(transport.writes) == 1
    assert transport.writes[0].endswith(b"Content-Length: 5\r\n\r\nsmall")


@pytest.mark.parity("S31")
async def test_bodies_of_other_kinds(serve: Any, tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    path.write_bytes(b"in a file")

    async def pieces() -> Any:
        yield b"one "
        yield b"two"

    async def handler(request: web.Request) -> web.Response:
        bodies: dict[str, Any] = {
            "/str": lambda: "text",
            "/iterator": pieces,
            "/bytesio": lambda: io.BytesIO(b"buffer"),
            "/file": lambda: path.open("rb"),
        }
        return web.Response(body=bodies[request.path]())

    served = await serve(handler)
    assert (await served.get("/str")).headers["Content-Type"] == "text/plain; charset=utf-8"
    answer = await served.get("/iterator")
    assert (answer.body, answer.headers["Transfer-Encoding"]) == (b"one two", "chunked")
    assert (await served.get("/bytesio")).body == b"buffer"
    answer = await served.get("/file")
    assert (answer.body, answer.headers["Content-Length"]) == (b"in a file", "9")
    assert (await served.request("HEAD", "/file")).headers["Content-Length"] == "9"


class Watched(Payload):
    """A body that tells when it is closed."""

    def __init__(self, value: Any) -> None:
        super().__init__(value, content_type="a/b")
        self.closed = asyncio.Event()

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return "decoded"

    async def chunks(self) -> Any:
        while True:
            yield b"x" * 100_000

    async def close(self) -> None:
        self.closed.set()


@pytest.mark.parity("S40", "V45")
async def test_a_body_is_closed_when_the_client_goes_away(serve: Any) -> None:
    body = Watched(None)
    response = web.Response(body=body)
    assert response.text == "decoded"

    async def handler(request: web.Request) -> web.Response:
        return response

    peer = await (await serve(handler)).connect()
    await peer.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    await peer.reader.read(10)
    peer.reset()
    await asyncio.wait_for(body.closed.wait(), 5)


@pytest.mark.parity("S29")
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_statuses_without_a_body_send_none(serve: Any, method: str) -> None:
    async def handler(request: web.Request) -> web.Response:
        response = web.Response(status=int(request.path[1:]), text="dropped")
        if request.query:
            response.headers["Content-Length"] = "7"
        return response

    served = await serve(handler)
    for path in ("/204", "/304", "/204?1=1", "/304?1=1"):
        peer = await served.connect()
        await peer.send(f"{method} {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
        data = await peer.reader.read()
        assert data.startswith(b"HTTP/1.1 " + path[1:4].encode())
        assert b"dropped" not in data
        assert b"Content-Length" not in data or path.startswith("/304")


@pytest.mark.parity("S29")
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("signal", [False, True])
@pytest.mark.parametrize(
    "make",
    [
        lambda: web.Response(status=205),
        lambda: web.Response(status=205, text="dropped"),
        lambda: web.Response(status=205, text="dropped", headers={"Content-Length": "7"}),
        lambda: web.Response(status=205, body=io.BytesIO(b"dropped")),
        lambda: chunked(web.Response(status=205, text="dropped")),
        lambda: compressed(web.Response(status=205, text="dropped" * 1000)),
        lambda: web.StreamResponse(status=205),
        lambda: exception_response(web.HTTPResetContent()),
    ],
)
async def test_reset_content_has_an_empty_body(serve: Any, make: Any, method: str, signal: bool) -> None:
    """RFC 9110 section 15.3.6: no content, and framed as such, for it may follow another response."""

    async def handler(request: web.Request) -> web.StreamResponse:
        response: web.StreamResponse = make() if request.path == "/reset" else web.Response(text="next")
        return response

    async def look(request: web.Request, response: web.StreamResponse) -> None:
        assert response.headers is not None

    app = web.Application()
    app.router.add_route("*", "/{x}", handler)
    if signal:
        app.on_response_prepare.append(look)
    peer = await (await serve(app)).connect()
    answer = await peer.request(method, "/reset", [("Accept-Encoding", "gzip")])
    assert (answer.status, answer.body, answer.headers.getall("Content-Length")) == (205, b"", ["0"])
    assert "Transfer-Encoding" not in answer.headers
    assert "Content-Encoding" not in answer.headers
    assert (await peer.request("GET", "/next")).text == "next"


def chunked(response: web.Response) -> web.Response:
    response.enable_chunked_encoding()
    return response


def compressed(response: web.Response) -> web.Response:
    response.enable_compression()
    return response


@pytest.mark.parity("S29")
async def test_what_is_written_to_a_response_without_a_body_is_an_error(serve: Any) -> None:
    seen: list[Exception] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=205)
        await response.prepare(request)
        try:
            await response.write(b"x")
        except LocalProtocolError as exc:
            seen.append(exc)
        return response

    assert (await (await serve(handler)).get("/")).body == b""
    assert len(seen) == 1


@pytest.mark.parity("S29")
async def test_head(serve: Any) -> None:
    async def handler(request: web.Request) -> web.Response:
        headers = {"Content-Length": "1000"} if request.path == "/big" else None
        return web.Response(body=None if headers else b"12345", headers=headers)

    served = await serve(handler)
    assert (await served.request("HEAD", "/")).headers["Content-Length"] == "5"
    assert (await served.request("HEAD", "/big")).headers["Content-Length"] == "1000"


async def test_chunked_on_demand(serve: Any) -> None:
    async def handler(request: web.Request) -> web.Response:
        response = web.Response(text="abc")
        response.enable_chunked_encoding()
        return response

    answer = await (await serve(handler)).get("/")
    assert (answer.headers["Transfer-Encoding"], answer.body) == ("chunked", b"abc")


@pytest.mark.parametrize("has_receiver", [False, True])
async def test_a_large_body_waits_for_a_slow_client(serve: Any, has_receiver: bool) -> None:
    size = 32_000_000  # more than the buffers of a system take
    asked = asyncio.Event()

    async def handler(_: web.Request) -> web.Response:
        asked.set()
        return web.Response(body=b"x" * size)

    async def look(_: web.Request, response: web.StreamResponse) -> None:
        assert not response.prepared

    app = web.Application()
    app.router.add_get("/", handler)
    if has_receiver:
        app.on_response_prepare.append(look)
    served = await serve(app)
    peer = await served.connect()
    await peer.send(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    await asked.wait()
    for _ in range(10):
        await asyncio.sleep(0)
    assert served.server.slots.running == 1
    head, _, body = (await peer.reader.read()).partition(b"\r\n\r\n")
    assert (head.lower().count(b"\r\ndate:"), len(body)) == (1, size)
    assert served.server.slots.running == 0


@pytest.mark.parity("S32")
def test_json() -> None:
    response = web.json_response({"a": 1})
    assert (response.text, response.content_type, response.charset) == ('{"a": 1}', "application/json", "utf-8")
    assert web.json_response().text == "null"
    assert web.json_response(text="1", status=201).status == 201
    assert web.json_response(body=b"1").body == b"1"
    assert web.json_response([1], dumps=lambda data: json.dumps(data) + "!").text == "[1]!"
    with pytest.raises(ValueError, match="data"):
        web.json_response(1, text="1")
    with pytest.raises(ValueError, match="data"):
        web.json_response(1, body=b"1")


@pytest.mark.parity("S32")
def test_json_bytes() -> None:
    dumps: Any = lambda data: json.dumps(data).encode()  # noqa: E731
    assert web.json_bytes_response([1], dumps=dumps).body == b"[1]"
    assert web.json_bytes_response(dumps=dumps).body == b"null"
    assert web.json_bytes_response(body=b"1", dumps=dumps).body == b"1"
    with pytest.raises(ValueError, match="data"):
        web.json_bytes_response(1, body=b"1", dumps=dumps)


@pytest.mark.parity("S58", "1.8")
def test_exceptions_become_responses() -> None:
    exc = web.HTTPFound("/x", text="é", headers={"X-A": "1"})
    exc.set_cookie("a", "1")
    response = exception_response(exc)
    assert (response.status, response.reason, response.text) == (302, "Found", "é")
    assert (response.headers["Location"], response.headers["X-A"], response.cookies["a"].value) == ("/x", "1", "1")
    assert exception_response(web.HTTPNoContent()).body is None


@pytest.mark.parity("S28")
def test_a_response_is_a_mapping() -> None:
    key = web.ResponseKey("key", int)
    response = web.Response()
    response[key] = 1
    assert response[key] == 1
    assert response
    assert response != web.Response()


@pytest.mark.parity("S40")
@pytest.mark.parametrize("how", ["fails", "is cancelled", "is refused"])
async def test_a_payload_is_closed_however_sending_ends(
    serve: Any, tmp_path: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 100_000)
    files = [path.open("rb")]
    ended = asyncio.Event()

    async def handler(request: web.Request) -> web.Response:
        response = web.Response(body=files[0], headers={"X-Bad": "a\nb"} if how == "is refused" else None)
        payload = response.body

        async def write(_: Any) -> None:
            if how == "fails":
                raise OSError("the disk is gone")
            ended.set()
            await asyncio.Event().wait()

        monkeypatch.setattr(payload, "write", write)
        return response

    served = await serve(handler, handler_cancellation=True)
    peer = await served.connect()
    await peer.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    if how == "is cancelled":
        await ended.wait()
        peer.reset()
    else:
        await peer.reader.read()
    await served.runner.cleanup()
    assert files[0].closed


@pytest.mark.parity("S31")
async def test_a_response_is_for_one_request(serve: Any, caplog: pytest.LogCaptureFixture) -> None:
    once = web.Response(text="once")

    async def handler(_: web.Request) -> web.Response:
        return once

    served = await serve(handler)
    assert (await served.get("/")).body == b"once"
    assert (await served.get("/")).status == 500
    assert "was already used for another request" in caplog.text


@pytest.mark.parity("S31")
def test_text_is_text() -> None:
    response = web.Response(text="x")
    with pytest.raises(TypeError, match="bytes go into body"):
        response.text = b"y"  # type: ignore[assignment]
    assert response.text == "x"
    for more in ({}, {"content_type": "text/html"}):
        with pytest.raises(TypeError, match="bytes go into body"):
            web.Response(text=b"y", **more)  # type: ignore[arg-type]


@pytest.mark.parity("S29", "S31")
async def test_the_length_of_a_body_that_only_the_handler_knows(serve: Any) -> None:
    async def pieces() -> Any:
        yield b"one"
        yield b"two"

    async def handler(_: web.Request) -> web.Response:
        return web.Response(body=pieces(), headers={"Content-Length": "6"})

    answer = await (await serve(handler)).get("/")
    assert (answer.headers.get("Content-Length"), answer.headers.get("Transfer-Encoding")) == ("6", None)
    assert answer.body == b"onetwo"
    assert web.Response(body=b"known", headers={"Content-Length": "6"}).content_length == 5


async def test_a_generator_is_closed_when_its_client_leaves(serve: Any) -> None:
    closed = asyncio.Event()
    kept: list[Any] = []  # so that nobody but the server can close it

    async def pieces() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"x" * 2**16
        finally:
            closed.set()

    async def handler(request: web.Request) -> web.Response:
        kept.append(pieces())
        return web.Response(body=kept[0])

    peer = await (await serve(handler)).connect()
    await peer.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    await peer.reader.readexactly(100)
    peer.reset()
    async with asyncio.timeout(5):
        await closed.wait()
