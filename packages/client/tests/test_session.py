"""ClientSession against scripted servers: what goes out, what comes in, and its life."""

import asyncio
import gc
import http.server
import json
import threading
import warnings
from collections.abc import Iterator
from http.cookies import SimpleCookie

import pytest
from yarl import URL

from levante import client
from levante.client import BasicAuth, ClientSession, ClientTimeout, CookieJar, TCPConnector
from levante.http import HttpVersion10


@pytest.mark.parity("C3", "C5")
async def test_get_sends_host_first_and_the_automatic_headers(serve, session) -> None:
    server = await serve()
    async with session.get(server.url + "x?a=1#frag") as response:
        assert (response.status, response.reason, await response.text()) == (200, "OK", "ok")
        assert response.url == URL(server.url + "x?a=1")
        assert response.real_url == URL(server.url + "x?a=1#frag")
    seen = server.last
    assert (seen.method, seen.target) == ("GET", "/x?a=1")
    names = [name for name, _ in seen.headers]
    assert names == ["Host", "Accept", "Accept-Encoding", "User-Agent"]
    assert seen.value("Host") == f"127.0.0.1:{server.port}"
    assert seen.value("Accept-Encoding").startswith("gzip, deflate")


@pytest.mark.parity("C3")
@pytest.mark.parametrize("verb", ["get", "options", "head", "post", "put", "patch", "delete"])
async def test_verbs(serve, session, verb: str) -> None:
    server = await serve()
    response = await getattr(session, verb)(server.url)
    assert server.last.method == verb.upper() == response.method
    response.release()


@pytest.mark.parity("C5")
async def test_bodyless_methods_and_content_length(serve, session) -> None:
    server = await serve()
    for method, length in [("GET", None), ("DELETE", "0"), ("POST", "0"), ("OPTIONS", None)]:
        async with session.request(method, server.url):
            assert server.last.value("Content-Length") == length
    assert server.seen[2].value("Content-Type") == "application/octet-stream"
    assert server.seen[1].value("Content-Type") is None


@pytest.mark.parity("C5")
async def test_skip_auto_headers(serve) -> None:
    server = await serve()
    async with ClientSession(skip_auto_headers=["user-agent"]) as session:
        assert session.skip_auto_headers == {"User-Agent"}
        async with session.post(server.url, skip_auto_headers=["Accept", "content-type", "Accept-Encoding"]):
            pass
    assert [name for name, _ in server.last.headers] == ["Host", "Content-Length"]


@pytest.mark.parity("C4")
async def test_headers_of_the_request_replace_those_of_the_session(serve) -> None:
    server = await serve()
    async with ClientSession(headers={"X": "session", "Y": "session"}) as session:
        session.headers["Z"] = "later"
        async with session.get(server.url, headers=[("x", "1"), ("X", "2"), ("Host", "elsewhere")]):
            pass
    assert server.last.values("X") == ["1", "2"]
    assert server.last.values("Y") == ["session"]
    assert server.last.values("Z") == ["later"]
    assert server.last.values("Host") == ["elsewhere"]


@pytest.mark.parity("C4")
async def test_params_are_added_to_the_query(serve, session) -> None:
    server = await serve()
    async with session.get(server.url + "?a=1", params={"b": 2, "c": "x y"}):
        pass
    assert server.last.target == "/?a=1&b=2&c=x+y"
    async with session.get(URL(server.url + "%2F?x=%20", encoded=True)):
        pass
    assert server.last.target == "/%2F?x=%20"


@pytest.mark.parity("C4", "C31")
async def test_bodies(serve, session) -> None:
    server = await serve()
    for body, sent, kind in [
        (b"bytes", b"bytes", "application/octet-stream"),
        ("tëxt", "tëxt".encode(), "text/plain; charset=utf-8"),
        ({"a": "1", "b": "ü"}, b"a=1&b=%C3%BC", "application/x-www-form-urlencoded"),
        ([("a", "1"), ("a", "2")], b"a=1&a=2", "application/x-www-form-urlencoded"),
    ]:
        async with session.post(server.url, data=body):
            assert (server.last.body, server.last.value("Content-Type")) == (sent, kind)
            assert server.last.value("Content-Length") == str(len(sent))
    async with session.post(server.url, json={"a": [1]}):
        assert json.loads(server.last.body) == {"a": [1]}
        assert server.last.value("Content-Type").startswith("application/json")
    with pytest.raises(ValueError, match="data= and json="):
        await session.post(server.url, data=b"x", json={})


@pytest.mark.parity("C1")
async def test_json_serializers(serve) -> None:
    server = await serve()
    async with ClientSession(json_serialize=lambda value: f"<{value}>") as session:
        assert session.json_serialize(1) == "<1>"
        async with session.post(server.url, json=1):
            assert server.last.body == b"<1>"
    async with ClientSession(json_serialize_bytes=lambda value: b"bytes") as session, session.post(server.url, json=1):
        assert server.last.body == b"bytes"


@pytest.mark.parity("C1")
async def test_base_url(serve) -> None:
    server = await serve()
    async with ClientSession(server.url + "api/") as session:
        assert session.base_url == URL(server.url + "api/")
        for url, target in [("x", "/api/x"), ("/y", "/y"), ("", "/api/"), (server.url + "z", "/z")]:
            async with session.get(url):
                assert server.last.target == target
    for wrong in ("/relative/", "http://h/x"):
        with pytest.raises(ValueError, match="base_url"):
            ClientSession(wrong)


@pytest.mark.parity("C6", "C24")
async def test_credentials(serve) -> None:
    server = await serve()
    async with ClientSession(auth=BasicAuth("s", "1")) as session:
        assert session.auth == BasicAuth("s", "1")
        async with session.get(server.url):
            assert server.last.value("Authorization") == BasicAuth("s", "1").encode()
        async with session.get(server.url, auth=BasicAuth("r", "2")):
            assert server.last.value("Authorization") == BasicAuth("r", "2").encode()
    async with ClientSession() as session:
        url = URL(server.url).with_user("u").with_password("p")
        async with session.get(url) as response:
            assert server.last.value("Authorization") == client.encode_basic_auth("u", "p")
            assert response.url == URL(server.url)
        with pytest.raises(ValueError, match="exclude each other"):
            await session.get(url, headers={"Authorization": "x"})


@pytest.mark.parity("C6")
async def test_urls_that_cannot_be_requested(session) -> None:
    for url, error in [
        ("ftp://h/", client.NonHttpUrlClientError),
        ("/relative", client.NonHttpUrlClientError),
        ("http:///x", client.InvalidUrlClientError),
        ("http://[::1", client.InvalidUrlClientError),
        ("http://127.1/", client.InvalidUrlClientError),
        ("http://2130706433/", client.InvalidUrlClientError),
        (URL("http://h/a b", encoded=True), client.InvalidUrlClientError),
        (URL("http://h/\r\nX: y", encoded=True), client.InvalidUrlClientError),
    ]:
        with pytest.raises(error):
            await session.get(url)


@pytest.mark.parity("V8", "C5")
@pytest.mark.hardening("C60")
@pytest.mark.parametrize("method", ["GET\r\nX: y", "G T", "", "GÉT", "GET\n", "GET\x00"])
async def test_a_method_that_is_no_token(session, method: str) -> None:
    with pytest.raises(ValueError, match="token"):
        await session.request(method, "http://127.0.0.1:1/")


@pytest.mark.parity("V7", "C1")
@pytest.mark.hardening("C60")
async def test_a_version_that_is_none() -> None:
    for version in ("1.1", "HTTP/1.1\r\nX: y", (2, 0), client.HttpVersion(1, 2), None):
        with pytest.raises(ValueError, match="HttpVersion"):
            ClientSession(version=version)


@pytest.mark.parity("C5")
@pytest.mark.hardening("C60")
@pytest.mark.parametrize("header", [("X\r\n", "1"), ("X", "1\r\nY: 2"), ("X", "a\x00"), ("X Y", "1"), ("", "1")])
async def test_header_injection(session, header: tuple[str, str]) -> None:
    with pytest.raises(ValueError, match="header"):
        await session.get("http://127.0.0.1:1/", headers=[header])


@pytest.mark.hardening("C60")
async def test_cookie_injection(serve, session) -> None:
    server = await serve()
    async with session.get(server.url, cookies={"a": "b\r\nX: y"}):
        pass
    assert server.last.value("X") is None
    with pytest.raises(ValueError, match="token"):
        await session.get(server.url, cookies={"a b\r\n": "c"})


async def test_unknown_arguments_are_refused(session) -> None:
    with pytest.raises(TypeError, match="prox"):
        await session.get("http://h/", prox="http://p/")
    with pytest.raises(TypeError, match="subclass of ClientResponse"):
        ClientSession(response_class=ClientSession)
    with pytest.raises(TypeError, match="ClientTimeout"):
        await session.get("http://h/", timeout="5")
    with pytest.raises(TypeError, match="ssl"):
        await session.get("http://h/", ssl="no")
    for body in (5, object()):
        with pytest.raises(TypeError, match="in data="):
            await session.post("http://h/", data=body)
    with pytest.raises(TypeError, match="header 'X'"):
        await session.get("http://h/", headers={"X": 1})


@pytest.mark.parity("C8", "C7")
async def test_a_number_is_a_total_timeout_and_none_judges_no_status(serve) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    bad = await serve(lambda seen: b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
    async with ClientSession(timeout=60, raise_for_status=None) as session:
        assert session.timeout == ClientTimeout(total=60)
        assert session.raise_for_status is False
        async with session.get(bad.url) as response:
            assert response.status == 404
        with pytest.raises(TimeoutError):
            await session.get((await serve(talk=silent)).url, timeout=0.05)
        with pytest.raises(ValueError, match="above 0"):
            await session.get(bad.url, timeout=0)


@pytest.mark.parity("C6")
async def test_credentials_are_given_once(serve) -> None:
    server = await serve()
    inside = str(server.url).replace("://", "://inside:pw@")
    twice = {"Authorization": "Bearer x"}
    async with ClientSession(auth=BasicAuth("s", "1")) as session:
        for url, options in (
            (inside, {"auth": BasicAuth("r", "2")}),
            (server.url, {"auth": BasicAuth("r", "2"), "headers": twice}),
            (server.url, {"headers": twice}),
            (inside, {"headers": twice}),
        ):
            with pytest.raises(ValueError, match="exclude each other"):
                await session.get(url, **options)
        assert not server.seen
        async with session.get(inside):  # before those of the session
            assert server.last.value("Authorization") == client.encode_basic_auth("inside", "pw")


@pytest.mark.parity("C4", "C27")
async def test_cookies_of_a_request_go_by_the_rules_of_the_jar(serve) -> None:
    server = await serve()
    given = SimpleCookie("plain=1; locked=2; Secure")
    given.load("own=3; Domain=127.0.0.1")
    given.load("other=4; Domain=other.test")
    jar = CookieJar(quote_cookie=False, unsafe=True)
    async with ClientSession(cookie_jar=jar) as session:
        async with session.get(server.url, cookies=given):
            assert server.last.value("Cookie") == "plain=1; own=3"
        async with session.get(server.url, cookies={"a": "b=c"}):
            assert server.last.value("Cookie") == "a=b=c"
    jar = CookieJar(treat_as_secure_origin=server.url)
    async with ClientSession(cookie_jar=jar) as session, session.get(server.url, cookies=given):
        assert server.last.value("Cookie") == "plain=1; locked=2; own=3"


@pytest.mark.parity("C27", "C34")
async def test_cookies_come_and_go(serve, response) -> None:
    server = await serve(response(b"", "Set-Cookie: a=1; Path=/", "Set-Cookie: b=2", "Set-Cookie: b c=3"))
    async with ClientSession(cookies={"s": "0"}, cookie_jar=CookieJar(unsafe=True)) as session:
        async with session.get(server.url) as answer:
            assert server.last.value("Cookie") == "s=0"
            assert {name: morsel.value for name, morsel in answer.cookies.items()} == {"a": "1", "b": "2", "b c": "3"}
            assert answer.cookies is answer.cookies
        async with session.get(server.url, cookies={"r": "9", "a": "own"}, headers={"Cookie": "h=8; a=theirs"}):
            got = dict(pair.split("=", 1) for pair in server.last.value("Cookie").split("; "))
            assert got == {"h": "8", "a": "own", "s": "0", "b": "2", "b c": "3", "r": "9"}
        assert len(session.cookie_jar) == 4


async def test_a_foreign_jar_is_asked(serve) -> None:
    class Jar(client.DummyCookieJar):
        def filter_cookies(self, request_url):
            return CookieJar(unsafe=True).filter_cookies(request_url) | {}

    server = await serve()
    async with ClientSession(cookie_jar=Jar()) as session, session.get(server.url):
        assert server.last.value("Cookie") is None


@pytest.mark.parity("C10", "C29")
@pytest.mark.parametrize("way", ["short", "handled", "long"])
async def test_a_jar_that_raises_keeps_no_connection(serve, way: str) -> None:
    class Jar(client.DummyCookieJar):
        def update_cookies_from_headers(self, headers, response_url):
            raise RuntimeError("boom")

    async def hop(request, handler):
        return await handler(request)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nSet-Cookie: a=1\r\n\r\nx")
        await reader.read()

    server = await serve(talk=talk)
    connector = TCPConnector(limit=1)
    middlewares = [hop] if way == "handled" else []
    options = {"cookies": {"a": "1"}} if way == "long" else {}
    async with ClientSession(connector=connector, cookie_jar=Jar(), middlewares=middlewares) as session:
        for _ in range(2):
            with pytest.raises(RuntimeError, match="boom") as caught:
                await session.get(server.url, **options)
            assert connector._pool.leased_count == 0
            del caught


@pytest.mark.parity("C7")
async def test_raise_for_status(serve, response) -> None:
    server = await serve(response(b"gone", status="404 Not Found"))
    async with ClientSession(raise_for_status=True) as session:
        assert session.raise_for_status is True
        with pytest.raises(client.ClientResponseError) as caught:
            await session.get(server.url)
        assert (caught.value.status, caught.value.message) == (404, "Not Found")
        async with session.get(server.url, raise_for_status=False) as answer:
            assert not answer.ok
            with pytest.raises(client.ClientResponseError):
                answer.raise_for_status()
            assert await answer.text() == "gone"

        async def verdict(answer: client.ClientResponse) -> None:
            raise KeyError(answer.status)

        with pytest.raises(KeyError, match="404"):
            await session.get(server.url, raise_for_status=verdict)


@pytest.mark.parity("C2")
async def test_life(serve) -> None:
    server = await serve()
    session = ClientSession(timeout=ClientTimeout(total=60))
    assert not session.closed
    assert session.timeout.total == 60
    assert session.connector_owner
    assert session.auto_decompress
    assert session.requote_redirect_url
    assert session.version == (1, 1)
    assert session.trace_configs == []
    assert session.loop is asyncio.get_running_loop()
    async with session.get(server.url):
        pass
    connector = session.connector
    await session.close()
    await session.close()
    assert session.closed
    assert connector.closed
    assert session.connector is None
    with pytest.raises(RuntimeError, match="closed"):
        await session.get(server.url)


@pytest.mark.parity("C2")
async def test_a_shared_connector_survives(serve) -> None:
    server = await serve()
    async with TCPConnector() as connector:
        async with ClientSession(connector=connector, connector_owner=False) as session, session.get(server.url):
            pass
        assert not connector.closed
        other = ClientSession(connector=connector)
        async with other.get(server.url):
            pass
        other.detach()
        assert other.closed
        assert not connector.closed
    assert server.connections == 1


@pytest.mark.parity("C2")
async def test_an_unclosed_session_says_so(serve) -> None:
    server = await serve()
    told = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: told.append(context["message"]))
    loop.set_debug(True)
    session = ClientSession()
    async with session.get(server.url):
        pass
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        del session
        gc.collect()
    loop.set_debug(False)
    messages = [str(warning.message) for warning in caught]
    assert any("unclosed client session" in message for message in messages)
    assert any("unclosed connector" in message for message in messages)
    assert told == ["unclosed client session"]
    await asyncio.sleep(0)


@pytest.mark.parity("C1")
def test_needs_a_running_loop_and_its_own() -> None:
    with pytest.raises(RuntimeError):
        ClientSession()

    async def make() -> TCPConnector:
        return TCPConnector()

    connector = asyncio.run(make())

    async def use() -> None:
        with pytest.raises(RuntimeError, match="loop"):
            ClientSession(connector=connector)
        for wrong in ("3", True):
            with pytest.raises(TypeError, match="ClientTimeout"):
                ClientSession(timeout=wrong)

    asyncio.run(use())


@pytest.mark.parity("C3")
async def test_one_request(serve) -> None:
    server = await serve()
    async with client.request("POST", server.url, data=b"x") as response:
        assert await response.read() == b"ok"
    assert server.last.value("Connection") == "close"
    async with TCPConnector() as connector:
        async with client.request("GET", server.url, connector=connector):
            pass
        assert not connector.closed
    with pytest.raises(client.ClientConnectorError):
        async with client.request("GET", "http://127.0.0.1:1/"):
            pass


async def test_awaiting_and_entering(serve, session) -> None:
    server = await serve()
    task = asyncio.create_task(session.get(server.url))
    async with await task as response:
        assert await response.read() == b"ok"
    pending = session.get(server.url)
    pending.close()
    pending = session.get(server.url)
    with pytest.raises(KeyError):
        pending.throw(KeyError("x"))


@pytest.mark.parity("C1")
async def test_a_server_of_http_1_0(serve, session) -> None:
    server = await serve(b"HTTP/1.0 200 OK\r\n\r\nto the end", close=True)
    async with session.get(server.url) as response:
        assert await response.read() == b"to the end"
        assert response.version == HttpVersion10


class Echo(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(201)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def stdlib_server() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()
    thread.join()


async def test_against_the_standard_library(stdlib_server: str) -> None:
    async with ClientSession() as session:
        for size in (0, 1, 100_000):
            async with session.post(stdlib_server, data=b"x" * size) as response:
                assert response.status == 201
                assert await response.read() == b"x" * size
