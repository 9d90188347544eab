"""What a session makes of servers that are old, careless or talkative: lenience on wish, HTTP/1.0 both ways, interim
responses and trailers."""

import asyncio

import pytest

from levante.client import ClientPayloadError, ClientResponseError, ClientSession, HttpVersion10

CARELESS = {
    "LF": b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
    "obs-fold": b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 2\r\n\r\nok",
    "blank before the colon": b"HTTP/1.1 200 OK\r\nX : y\r\nContent-Length: 2\r\n\r\nok",
    "reason touches the status": b"HTTP/1.1 200OK\r\nContent-Length: 2\r\n\r\nok",
    "padded chunk size": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2 \r\nok\r\n0\r\n\r\n",
}
TWICE = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"
SMUGGLED = {
    "two lengths": b"HTTP/1.1 200 OK\nContent-Length: 2\nContent-Length: 3\n\nok",
    "folded framing": b"HTTP/1.1 200 OK\r\nTransfer-Encoding:\r\n chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "bare CR": b"HTTP/1.1 200 OK\nX: a\rb\nContent-Length: 2\n\nok",
    "NUL": b"HTTP/1.1 200 OK\nX: a\0b\nContent-Length: 2\n\nok",
    "LF behind a chunk size": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\nok\r\n0\r\n\r\n",
}


@pytest.mark.parity("C37")
@pytest.mark.hardening("C28", "C45", "C46")
@pytest.mark.parametrize("answer", CARELESS.values(), ids=CARELESS.keys())
async def test_careless_servers(serve, answer: bytes) -> None:
    """Accepted on wish only, and never twice on one connection."""
    server = await serve(answer)
    async with ClientSession() as strict:
        with pytest.raises((ClientResponseError, ClientPayloadError)):
            async with strict.get(server.url) as response:
                await response.read()
    async with ClientSession(lenient_responses=True) as lenient:
        before = server.connections
        for count in (1, 2):
            async with lenient.get(server.url) as response:
                assert await response.read() == b"ok"
            assert server.connections == before + count


@pytest.mark.parity("C37", "V34")
async def test_a_field_that_comes_twice(serve) -> None:
    server = await serve(TWICE)
    async with ClientSession() as strict:
        with pytest.raises(ClientResponseError, match="repeated header"):
            await strict.get(server.url)
    async with ClientSession(lenient_responses=True) as lenient:
        before = server.connections
        for _ in range(2):
            async with lenient.get(server.url) as response:
                assert response.content_type == response.headers["Content-Type"] == "text/html"
                assert response.headers.getall("Content-Type") == ["text/html", "text/plain"]
                await response.read()
        assert server.connections == before + 1


@pytest.mark.parity("C37", "V5", "V15")
@pytest.mark.parametrize("answer", SMUGGLED.values(), ids=SMUGGLED.keys())
async def test_what_is_never_forgiven(serve, answer: bytes) -> None:
    server = await serve(answer)
    async with ClientSession(lenient_responses=True) as session:
        with pytest.raises((ClientResponseError, ClientPayloadError)):
            async with session.get(server.url) as response:
                await response.read()


@pytest.mark.parity("C1")
async def test_requests_as_http_10(serve) -> None:
    lines: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readuntil(b"\r\n\r\n"):
            lines.append(head.split(b"\r\n")[0])
            kept = b"Connection: keep-alive\r\n" if b"keep-alive" in head else b""
            writer.write(b"HTTP/1.0 200 OK\r\n" + kept + b"Content-Length: 2\r\n\r\nok")

    server = await serve(talk=talk)
    async with ClientSession(version=HttpVersion10) as session:
        for headers, connections in (({}, 1), ({"Connection": "keep-alive"}, 2), ({"Connection": "keep-alive"}, 2)):
            async with session.get(server.url, headers=headers) as response:
                assert await response.read() == b"ok"
                assert response.version == HttpVersion10
            assert server.connections == connections
        async with session.get(server.url, data=b"") as response:
            assert await response.read() == b"ok"
    assert lines == [b"GET / HTTP/1.0"] * 4


@pytest.mark.parity("C1")
async def test_no_chunks_in_http_10(serve) -> None:
    async def pieces():
        yield b"x"

    server = await serve()
    async with ClientSession(version=HttpVersion10) as session:
        with pytest.raises(ClientPayloadError, match=r"HTTP/1\.0"):
            await session.post(server.url, data=pieces())
        with pytest.raises(ClientPayloadError, match=r"HTTP/1\.0"):
            await session.post(server.url, data=b"x", expect100=True)
    assert not server.seen


@pytest.mark.parity("C34", "U22")
@pytest.mark.hardening("C33")
async def test_early_hints(serve, session) -> None:
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n"
    server = await serve(hints + b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    async with session.get(server.url) as response:
        assert response.status == 200
        assert [(head.status, head.headers["Link"]) for head in response.informational] == [
            (103, "</a.css>; rel=preload")
        ]
        assert await response.read() == b"ok"


@pytest.mark.parity("U22")
async def test_trailers_of_a_response(serve, session) -> None:
    server = await serve(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: Sum\r\n\r\n2\r\nok\r\n0\r\nSum: 7\r\n\r\n"
    )
    async with session.get(server.url) as response:
        assert await response.read() == b"ok"
        assert list(response.content.trailers.items()) == [("Sum", "7")]
