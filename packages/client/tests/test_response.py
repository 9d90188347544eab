"""ClientResponse: its views, its body, and its end."""

import asyncio
import gc
import json
import warnings

import pytest
from yarl import URL

from levante import client
from levante.client import ClientSession
from levante.http import HttpVersion11


@pytest.mark.parity("C34")
async def test_the_views(serve, session, response) -> None:
    fields = (
        "Content-Type: Text/Plain; charset=ISO-8859-1",
        'Content-Disposition: attachment; filename="a b.txt"',
        'Link: </next>; rel="next"',
        "X: 1",
        "x: 2",
    )
    server = await serve(response("ü".encode("latin-1"), *fields, status="203 Non-Auth"))
    async with session.get(server.url + "a?b#c", headers={"Y": "z"}) as answer:
        assert (answer.status, answer.reason, answer.version, answer.ok) == (203, "Non-Auth", HttpVersion11, True)
        assert answer.headers.getall("X") == ["1", "2"]
        assert (b"x", b"2") in answer.raw_headers
        assert (answer.content_type, answer.charset, answer.content_length) == ("text/plain", "iso-8859-1", 1)
        disposition = answer.content_disposition
        assert (disposition.type, disposition.filename) == ("attachment", "a b.txt")
        assert answer.links["next"]["url"] == URL(server.url + "next")
        assert answer.host == "127.0.0.1"
        assert answer.method == "GET"
        assert answer.history == ()
        info = answer.request_info
        assert (info.url, info.method, info.headers["Y"], info.real_url) == (
            URL(server.url + "a?b"), "GET", "z", URL(server.url + "a?b#c"),
        )  # fmt: skip
        assert await answer.text() == "ü"
        assert "[203 Non-Auth]" in repr(answer)
        assert len(answer.cookies) == 0


@pytest.mark.parity("C34")
@pytest.mark.parametrize("field", ["Content-Type: rubbish", "X: none", "Content-Type: text/html; charset=unknown-9"])
async def test_a_content_type_that_says_little(serve, session, response, field: str) -> None:
    server = await serve(response("ü".encode(), field, "Content-Disposition: ;;;"))
    async with session.get(server.url) as answer:
        assert answer.content_type in {"application/octet-stream", "text/html"}
        assert answer.content_disposition is None
        with pytest.raises(RuntimeError, match="before the body"):
            answer.get_encoding()
        assert await answer.text() == "ü"


async def test_no_disposition(serve, session) -> None:
    server = await serve()
    async with session.get(server.url) as answer:
        assert answer.content_disposition is None


@pytest.mark.parity("C35")
async def test_the_fallback_for_the_charset_is_ours_to_choose(serve, response) -> None:
    server = await serve(response("ü".encode("latin-1"), "Content-Type: text/plain"))
    seen = []

    def resolver(answer: client.ClientResponse, body: bytes) -> str:
        seen.append((answer.status, body))
        return "latin-1"

    async with ClientSession(fallback_charset_resolver=resolver) as session, session.get(server.url) as answer:
        assert await answer.text() == "ü"
        assert await answer.text("utf-8", errors="replace") == "\ufffd"
        with pytest.raises(UnicodeDecodeError):
            await answer.text("utf-8")
    assert seen == [(200, b"\xfc")]


@pytest.mark.parity("C35")
async def test_json(serve, session, response) -> None:
    server = await serve(response(b'{"a": 1}', "Content-Type: application/problem+json"))
    async with session.get(server.url) as answer:
        assert answer.get_encoding() == "utf-8"
        assert await answer.json() == {"a": 1}
        assert await answer.json(loads=len) == 8
        with pytest.raises(client.ContentTypeError):
            await answer.json(content_type="text/html")
    server = await serve(response(b"[]", "Content-Type: text/html"))
    async with session.get(server.url) as answer:
        with pytest.raises(client.ContentTypeError, match="text/html") as caught:
            await answer.json()
        assert caught.value.status == 200
        assert await answer.json(content_type=None) == []
        assert await answer.json(content_type="text/html") == []
    server = await serve(response(b"", "Content-Type: application/json"))
    async with session.get(server.url) as answer:
        with pytest.raises(json.JSONDecodeError):
            await answer.json()


@pytest.mark.parity("C35")
async def test_reading_is_kept_and_ends_with_the_release(serve, session) -> None:
    server = await serve()
    async with session.get(server.url) as answer:
        assert await answer.read() is await answer.read()
    assert await answer.read() == b"ok"
    async with session.get(server.url) as answer:
        pass
    with pytest.raises(client.ClientConnectionError, match="released"):
        await answer.read()
    assert answer.closed
    assert answer.connection is None
    assert server.connections == 1  # the body had come with the head: nothing was lost by not reading it


@pytest.mark.parity("C11", "C35")
async def test_an_unread_body_closes_the_connection(serve, session) -> None:
    server = await serve(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
    answer = await session.get(server.url)
    assert not answer.closed
    assert answer.connection is not None
    answer.release()
    answer.release()
    assert answer.closed
    with pytest.raises(client.ClientConnectionError):
        await answer.content.read()
    answer = await session.get(server.url)
    answer.close()
    assert server.connections == 2
    assert session.connector._pool.leased_count == 0
    assert session.connector._pool.idle_count == 0


@pytest.mark.parity("C11")
async def test_a_dropped_response_lets_go_and_says_so_in_debug(serve, session) -> None:
    server = await serve(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
    await session.get(server.url)
    gc.collect()
    assert session.connector._pool.leased_count == 0
    asyncio.get_running_loop().set_debug(True)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        await session.get(server.url)
        gc.collect()
    asyncio.get_running_loop().set_debug(False)
    assert any("unclosed response" in str(warning.message) for warning in caught)


@pytest.mark.parity("C8", "C35")
async def test_a_body_that_fails_closes(serve, session) -> None:
    server = await serve(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", close=True)
    async with session.get(server.url) as answer:
        with pytest.raises(client.ClientPayloadError) as caught:
            await answer.read()
        assert caught.value.__cause__ is not None
        with pytest.raises(client.ClientPayloadError):
            await answer.content.readany()
    assert session.connector._pool.leased_count == 0


@pytest.mark.parity("C33")
async def test_upload_complete_without_an_upload(serve, session) -> None:
    server = await serve()
    async with session.get(server.url) as answer:
        await answer.upload_complete
        assert answer.output_size == 0


@pytest.mark.parity("C37")
async def test_head_has_no_body(serve, session) -> None:
    server = await serve(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\nContent-Encoding: gzip\r\n\r\n")
    for _ in range(2):
        async with session.head(server.url) as answer:
            assert answer.content_length == 100
            assert await answer.read() == b""
    assert server.connections == 1
