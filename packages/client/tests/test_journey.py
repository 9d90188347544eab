"""Redirects hop by hop, with what may and may not come along."""

import asyncio
import io
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from yarl import URL

from levante import client
from levante.client import BasicAuth, ClientSession, CookieJar


def redirect(location: str, status: int = 302, *fields: str) -> bytes:
    head = [f"HTTP/1.1 {status} Moved", f"Location: {location}", *fields, "Content-Length: 0", "", ""]
    return "\r\n".join(head).encode()


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.mark.parity("C22", "C34")
async def test_a_chain(serve, session) -> None:
    hops = {"/": redirect("/a#frag", 301), "/a": redirect("b?x", 307), "/b?x": OK}
    server = await serve(lambda seen: hops[seen.target])
    async with session.get(server.url + "#mine") as response:
        assert await response.read() == b"ok"
        assert [past.status for past in response.history] == [301, 307]
        assert response.url == URL(server.url + "b?x")
        assert response.real_url == URL(server.url + "b?x")
        assert response.history[1].real_url.fragment == "frag"
    assert server.connections == 1
    async with session.get(server.url, allow_redirects=False) as response:
        assert response.status == 301
    async with session.head(server.url) as response:
        assert response.status == 301
    async with session.head(server.url, allow_redirects=True) as response:
        assert response.status == 200


@pytest.mark.parity("C22")
@pytest.mark.parametrize(("status", "method"), [(303, "GET"), (302, "GET"), (307, "POST"), (308, "POST")])
async def test_bodies_follow_or_stay(serve, session, status: int, method: str) -> None:
    server = await serve(lambda seen: redirect("/end", status) if seen.target == "/" else OK)
    for body in (b"data", io.BytesIO(b"data")):
        headers = {"Content-Type": "text/x", "X": "1"}
        async with session.post(server.url, data=body, headers=headers) as response:
            assert response.status == 200
        assert server.last.method == method
        assert server.last.value("X") == "1"
        if method == "GET":
            assert server.last.body == b""
            assert server.last.value("Content-Type") is None
            assert server.last.value("Content-Length") is None
        else:
            assert server.last.body == b"data"
            assert server.last.value("Content-Type") == "text/x"


@pytest.mark.parity("C22")
@pytest.mark.hardening("C53")
async def test_a_stream_that_is_used_up_is_not_sent_empty(serve, session) -> None:
    async def once() -> AsyncIterator[bytes]:
        yield b"data"

    server = await serve(lambda seen: redirect("/end", 307))
    with pytest.raises(client.ClientPayloadError, match="again"):
        await session.post(server.url, data=once())
    assert len(server.seen) == 1


@pytest.mark.parity("C22")
@pytest.mark.hardening("C52")
async def test_loops_end(serve, session) -> None:
    server = await serve(redirect("/"))
    with pytest.raises(client.TooManyRedirects) as caught:
        await session.get(server.url)
    assert len(server.seen) == 10
    assert len(caught.value.history) == 10
    with pytest.raises(client.TooManyRedirects):
        await session.get(server.url, max_redirects=2)
    assert len(server.seen) == 12
    assert session.connector._pool.leased_count == 0


@pytest.mark.parity("C22")
async def test_locations(serve, session, response) -> None:
    server = await serve(response(b"", status="302 Found"))
    async with session.get(server.url) as answer:
        assert answer.status == 302
    server = await serve(lambda seen: response(b"", "URI: /x", status="301 Moved") if seen.target == "/" else OK)
    async with session.get(server.url) as answer:
        assert answer.url.path == "/x"
    for location, error in [
        ("ftp://h/", client.NonHttpUrlRedirectClientError),
        ("http://[", client.InvalidUrlRedirectClientError),
        ("http:///", client.InvalidUrlRedirectClientError),
        ("http://127.1/", client.InvalidUrlRedirectClientError),
    ]:
        server = await serve(redirect(location))
        with pytest.raises(error):
            await session.get(server.url)
    assert session.connector._pool.leased_count == 0


@pytest.mark.parity("C23", "V31", "V36")
@pytest.mark.hardening("C51")
async def test_nothing_of_ours_goes_to_another_origin(serve) -> None:
    other = await serve()
    first = await serve(lambda seen: redirect(other.url))
    headers = [("authorization", "a"), ("Authorization", "b"), ("Cookie", "c=1"), ("cookie", "d=2")]
    headers += [("Proxy-Authorization", "e"), ("proxy-authorization", "f"), ("X", "kept")]
    async with ClientSession() as session:
        async with session.get(first.url, headers=headers, cookies={"own": "1"}):
            pass
        sent = {name.lower() for name, _ in first.last.headers}
        assert {"authorization", "cookie", "proxy-authorization", "x"} <= sent
        sent = {name.lower() for name, _ in other.last.headers}
        assert not {"authorization", "cookie", "proxy-authorization"} & sent
        assert "x" in sent
        async with session.get(first.url, auth=BasicAuth("u", "p")):
            pass
        assert first.last.value("Authorization")
        assert other.last.value("Authorization") is None
        async with session.get(URL(first.url).with_user("u")):
            pass
        assert other.last.value("Authorization") is None


@pytest.mark.parity("C23")
async def test_what_stays_on_the_same_origin_is_kept(serve) -> None:
    server = await serve(lambda seen: redirect("/end") if seen.target == "/" else OK)
    async with ClientSession() as session, session.get(server.url, auth=BasicAuth("u", "p"), cookies={"own": "1"}):
        pass
    assert server.last.value("Authorization") == BasicAuth("u", "p").encode()
    assert server.last.value("Cookie") == "own=1"


@pytest.mark.parity("C23")
async def test_credentials_in_the_location_are_used(serve) -> None:
    other = await serve()
    target = URL(other.url).with_user("new").with_password("pw")
    first = await serve(lambda seen: redirect(str(target)))
    async with ClientSession() as session, session.get(first.url) as response:
        assert response.url == URL(other.url)
    assert other.last.value("Authorization") == client.encode_basic_auth("new", "pw")


@pytest.mark.parity("C27", "C23")
async def test_cookies_on_the_way(serve) -> None:
    hops = {
        "/": redirect("/a", 302, "Set-Cookie: one=1; Path=/"),
        "/a": redirect("/b", 302, "Set-Cookie: two=2; Path=/b"),
    }
    server = await serve(lambda seen: hops.get(seen.target, OK))
    async with ClientSession(cookie_jar=CookieJar(unsafe=True)) as session, session.get(server.url):
        pass
    assert [seen.value("Cookie") for seen in server.seen] == [None, "one=1", "one=1; two=2"]


@pytest.mark.parity("C26")
async def test_middlewares_run_for_every_hop(serve) -> None:
    server = await serve(lambda seen: redirect("/end") if seen.target == "/" else OK)
    order = []

    async def outer(request: client.ClientRequest, handler: client.ClientHandlerType) -> client.ClientResponse:
        order.append(("outer", str(request.url.path), request.method, request.is_ssl(), request.session is session))
        request.headers["X-Outer"] = "1"
        return await handler(request)

    async def inner(request: client.ClientRequest, handler: client.ClientHandlerType) -> client.ClientResponse:
        order.append(("inner", request.original_url.path))
        response = await handler(request)
        if request.url.path == "/end" and "X-Again" not in request.headers:
            response.release()
            request.headers["X-Again"] = "1"
            request.url = request.url.with_path("/moved")
            request.method = "PUT"
            await request.update_body(b"new")
            response = await handler(request)
        return response

    async with ClientSession(middlewares=[outer, inner]) as session:
        async with session.get(server.url) as response:
            assert response.url.path == "/moved"
        assert [entry[:2] for entry in order] == [("outer", "/"), ("inner", "/"), ("outer", "/end"), ("inner", "/end")]
        assert order[0][2:] == ("GET", False, True)
        assert (server.last.method, server.last.target, server.last.body) == ("PUT", "/moved", b"new")
        assert server.last.value("X-Outer") == "1"
        order.clear()
        async with session.get(server.url, middlewares=()):
            pass
        assert not order


@pytest.mark.parity("C26")
async def test_a_middleware_may_change_the_body(serve, tmp_path: Path) -> None:
    server = await serve()
    path = tmp_path / "body"
    path.write_bytes(b"first")
    first = path.open("rb")

    async def change(request: client.ClientRequest, handler: client.ClientHandlerType) -> client.ClientResponse:
        assert "ClientRequest POST" in repr(request)
        await request.update_body({"a": "1"})
        response = await handler(request)
        response.release()
        await request.update_body(None)
        return await handler(request)

    async with ClientSession(middlewares=[change]) as session, session.post(server.url, data=first, compress="gzip"):
        pass
    assert first.closed
    assert server.seen[0].value("Content-Type") == "application/x-www-form-urlencoded"
    assert server.seen[0].value("Content-Encoding") == "gzip"
    assert server.seen[1].value("Content-Length") == "0"
    assert server.seen[1].value("Content-Encoding") is None


async def test_an_error_closes_the_body(session, tmp_path: Path) -> None:
    path = tmp_path / "body"
    path.write_bytes(b"data")
    body = path.open("rb")
    with pytest.raises(client.ClientConnectorError):
        await session.post("http://127.0.0.1:1/", data=body)
    assert body.closed


@pytest.mark.parity("C8")
async def test_the_total_timeout_spans_redirects(serve) -> None:
    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readuntil(b"\r\n\r\n"):
            await asyncio.sleep(0.03)
            writer.write(redirect("/"))

    server = await serve(talk=slow)
    async with ClientSession(timeout=client.ClientTimeout(total=0.1)) as session:
        with pytest.raises(TimeoutError):
            await session.get(server.url, max_redirects=100)
        assert session.connector._pool.leased_count == 0


@pytest.mark.parity("C22")
async def test_credentials_that_a_redirect_names_do_not_replace_ones_own(serve, session) -> None:
    server = await serve(lambda seen: redirect(there) if seen.target == "/" else OK)
    there = server.url.replace("//", "//ann:pw@") + "end"
    async with session.get(server.url, headers={"Authorization": "Bearer mine"}) as response:
        assert response.status == 200
    assert server.last.values("Authorization") == ["Bearer mine"]
    async with session.get(server.url) as response:
        assert response.status == 200
    assert server.last.values("Authorization") == [BasicAuth("ann", "pw").encode()]


@pytest.mark.parity("C22")
@pytest.mark.parametrize("host", ["a..b", "x" * 64 + ".test"])
async def test_a_redirect_to_what_can_be_no_name(serve, session, host: str) -> None:
    server = await serve(redirect(f"http://{host}/"))
    with pytest.raises(client.ClientConnectorDNSError):
        await session.get(server.url)
