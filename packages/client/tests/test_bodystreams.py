"""A body that is read as it arrives, over a connection: lines, events, JSON values; and the limit on its size."""

import asyncio
import gzip
import pickle

import pytest

from levante.client import (
    ClientConnectionError,
    ClientPayloadError,
    ClientSession,
    ContentTypeError,
    ResponseTooLarge,
)

pytestmark = pytest.mark.parity("U19")

CHUNKED = b"Transfer-Encoding: chunked\r\n"


def answer(body: bytes, *fields: bytes, status: bytes = b"200 OK", length: int | None = None) -> bytes:
    lines = b"".join(field + b"\r\n" for field in fields)
    size = len(body) if length is None else length
    return b"HTTP/1.1 %s\r\n%sContent-Length: %d\r\n\r\n%s" % (status, lines, size, body)


def chunked(body: bytes, *fields: bytes) -> bytes:
    lines = b"".join(field + b"\r\n" for field in fields)
    return b"HTTP/1.1 200 OK\r\n%s%s\r\n%x\r\n%s\r\n0\r\n\r\n" % (lines, CHUNKED, len(body), body)


async def test_lines(serve, session) -> None:
    server = await serve(answer("grün\r\nb\n\nc".encode("latin-1"), b"Content-Type: text/plain; charset=latin-1"))
    async with session.get(server.url) as response:
        assert [line async for line in response.iter_lines()] == ["grün", "b", "", "c"]
    async with session.get(server.url) as response:
        with pytest.raises(UnicodeDecodeError):
            _ = [line async for line in response.iter_lines(encoding="utf-8")]
    async with session.get(server.url) as response:
        await response.read()
        assert [line async for line in response.iter_lines()] == ["grün", "b", "", "c"]
    async with session.get(server.url) as response:
        with pytest.raises(ResponseTooLarge):
            _ = [line async for line in response.iter_lines(max_line_size=3)]
    with pytest.raises(ClientConnectionError, match="released"):
        _ = [line async for line in response.iter_lines()]


async def test_lines_and_events_come_as_they_are_sent(serve, session) -> None:
    seen = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n\r\nid: 1\ndata: one\n\n")
        await seen.wait()
        writer.write(b"event: last\ndata: two\n\n")

    server = await serve(talk=talk)
    async with session.get(server.url) as response:
        events = []
        async for event in response.iter_sse():
            events.append((event.event, event.data, event.id))
            seen.set()
    assert events == [("message", "one", "1"), ("last", "two", "1")]


async def test_a_stream_that_is_cut_is_an_error(serve, session) -> None:
    server = await serve(answer(b"data: x\n\n", b"Content-Type: text/event-stream", length=20), close=True)
    async with session.get(server.url) as response:
        with pytest.raises(ClientPayloadError):
            _ = [event async for event in response.iter_sse()]


async def test_events_of_something_else(serve, session) -> None:
    server = await serve(answer(b"data: x\n\n", b"Content-Type: text/html"))
    async with session.get(server.url) as response:
        with pytest.raises(ContentTypeError, match="text/event-stream, got text/html"):
            response.iter_sse()
        assert [event.data async for event in response.iter_sse(content_type=None)] == ["x"]


@pytest.mark.parametrize(
    ("kind", "body"),
    [(b"application/x-ndjson", b'{"a": 1}\n2\n'), (b"application/json-seq", b'\x1e{"a":\n1}\n\x1e2\n')],
)
async def test_json(serve, session, kind: bytes, body: bytes) -> None:
    server = await serve(answer(body, b"Content-Type: " + kind))
    async with session.get(server.url) as response:
        assert [value async for value in response.iter_json()] == [{"a": 1}, 2]
    async with session.get(server.url) as response:
        with pytest.raises(ResponseTooLarge):
            _ = [value async for value in response.iter_json(max_record_size=2)]


async def test_json_that_is_none(serve, session) -> None:
    server = await serve(answer(b"1\n{\n", b"Content-Type: application/x-ndjson"))
    async with session.get(server.url) as response:
        values = response.iter_json()
        assert await anext(values) == 1
        with pytest.raises(ValueError, match="Expecting"):
            await anext(values)
    async with session.get(server.url) as response:
        assert [text async for text in response.iter_json(loads=str)] == ["1", "{"]


# The limit on the body.


@pytest.mark.parametrize("size", [99, 100, 101, 1000])
@pytest.mark.parametrize("framing", ["length", "chunked", "gzip", "gzip chunked", "until close"])
async def test_max_body_size(serve, session, framing: str, size: int) -> None:
    body = b"x" * size
    coded = gzip.compress(body) if "gzip" in framing else body
    fields = [b"Content-Encoding: gzip"] if "gzip" in framing else []
    if framing == "until close":
        server = await serve(b"HTTP/1.0 200 OK\r\n\r\n" + body, close=True)
    else:
        server = await serve(chunked(coded, *fields) if "chunked" in framing else answer(coded, *fields))
    if size <= 100:
        async with session.get(server.url, max_body_size=100) as response:
            assert await response.read() == body
        return
    with pytest.raises(ResponseTooLarge) as caught:
        async with session.get(server.url, max_body_size=100) as response:
            await response.read()
    error = caught.value
    assert (error.what, error.maximum, error.actual) == ("body", 100, size if framing == "length" else None)
    assert "100" in str(error)
    again = pickle.loads(pickle.dumps(error))
    assert (again.what, again.maximum, again.actual, str(again)) == ("body", 100, error.actual, str(error))
    assert session.connector._pool.leased_count == 0


async def test_an_announced_body_is_refused_before_it_comes(serve, session) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        await reader.read()

    server = await serve(talk=talk)
    async with asyncio.timeout(5):
        with pytest.raises(ResponseTooLarge):
            await session.get(server.url, max_body_size=999)


async def test_the_session_has_one_and_the_request_another(serve) -> None:
    server = await serve(answer(b"x" * 20))
    async with ClientSession(max_body_size=10) as session:
        with pytest.raises(ResponseTooLarge):
            await session.get(server.url)
        async with session.get(server.url, max_body_size=20) as response:
            assert len(await response.read()) == 20
    async with ClientSession() as session, session.get(server.url) as response:
        assert len(await response.read()) == 20


async def test_a_bomb_is_stopped_at_the_limit(serve, session) -> None:
    server = await serve(answer(gzip.compress(bytes(64 * 1024 * 1024)), b"Content-Encoding: gzip"))
    async with session.get(server.url, max_body_size=1_000_000) as response:
        with pytest.raises(ResponseTooLarge):
            await response.read()
        assert response.content.total_bytes <= 1_000_000


@pytest.mark.parametrize("case", ["HEAD", "304", "redirect"])
async def test_a_length_without_a_body_is_not_refused(serve, session, case: str) -> None:
    answers = {
        "HEAD": [b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n"],
        "304": [b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5000\r\n\r\n"],
        "redirect": [
            b"HTTP/1.1 302 Found\r\nLocation: /b\r\nContent-Length: 5000\r\n\r\n" + bytes(5000),
            answer(b"here"),
        ],
    }
    pending = iter(answers[case])
    server = await serve(lambda _: next(pending))
    method = "HEAD" if case == "HEAD" else "GET"
    async with session.request(method, server.url, max_body_size=10) as response:
        assert await response.read() == (b"here" if case == "redirect" else b"")


@pytest.mark.parametrize(("value", "error"), [("1", TypeError), (True, TypeError), (-1, ValueError)])
async def test_a_limit_is_a_number(session, value: object, error: type[Exception]) -> None:
    with pytest.raises(error, match="max_body_size"):
        await session.get("http://127.0.0.1:1/", max_body_size=value)
    with pytest.raises(error, match="max_body_size"):
        ClientSession(max_body_size=value)


async def test_traces_still_see_the_pieces(serve) -> None:
    from levante.client import TraceConfig

    seen = []

    async def note(_session: object, _context: object, params: object) -> None:
        seen.append(params.chunk)

    trace = TraceConfig()
    trace.on_response_chunk_received.append(note)
    server = await serve(chunked(b"x" * 20))
    async with ClientSession(trace_configs=[trace]) as session:
        async with session.get(server.url, max_body_size=20) as response:
            await response.read()
        assert b"".join(seen) == b"x" * 20
        async with session.get(server.url, max_body_size=19) as response:
            with pytest.raises(ResponseTooLarge):
                await response.read()
