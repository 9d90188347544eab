"""Requests by way of HTTP proxies on loopback: plain ones, ones behind TLS, and ones that do not behave."""

import asyncio
import hashlib
import io
import socket
import ssl
from collections.abc import AsyncIterator

import pytest
from yarl import URL

from levante import client
from levante.client import BasicAuth, ClientSession, ClientTimeout, Fingerprint, TCPConnector, UnixConnector, tunnels

ANN = BasicAuth("ann", "pw")
BASIC = ANN.encode()


@pytest.fixture
async def trusting(client_tls: ssl.SSLContext) -> AsyncIterator[ClientSession]:
    async with ClientSession(connector=TCPConnector(ssl=client_tls, limit=1)) as it:
        yield it


def local(url: str) -> str:
    """The certificates of these tests are for this name, which only a proxy has to understand."""
    return url.replace("127.0.0.1", "levante.test")


@pytest.mark.parity("C18")
@pytest.mark.hardening("C54")
async def test_a_plain_request_is_forwarded(serve, relay, session) -> None:
    proxy = await serve(talk=relay.http)
    options = {"proxy": proxy.url, "proxy_auth": ANN, "proxy_headers": {"X-Tenant": "7"}}
    for _ in range(2):
        async with session.get("http://levante.test:81/a?b=c#d", **options) as response:
            assert await response.read() == b"ok"
            assert str(response.url) == "http://levante.test:81/a?b=c"
            assert "Proxy-Authorization" not in response.request_info.headers
    assert proxy.connections == 1
    for seen in relay.asked:
        assert (seen.method, seen.target) == ("GET", "http://levante.test:81/a?b=c")
        assert seen.values("Host") == ["levante.test:81"]
        assert seen.values("Proxy-Authorization") == [BASIC]
        assert seen.values("X-Tenant") == ["7"]


@pytest.mark.parity("C18")
async def test_a_proxy_that_closes_without_saying_so_gets_no_second_request_that_could_not_be_repeated(
    serve, relay, session
) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    proxy = await serve(talk=talk)
    for method in ("GET", "GET", "POST", "PATCH", "PUT"):
        async with session.request(method, "http://levante.test/", proxy=proxy.url) as response:
            assert await response.read() == b"ok"
    assert proxy.connections == 5
    keeping = await serve(talk=relay.http)
    for method in ("POST", "GET", "POST"):
        async with session.request(method, "http://levante.test/", proxy=keeping.url) as response:
            assert await response.read() == b"ok"
    assert keeping.connections == 2


@pytest.mark.parity("C18")
async def test_the_default_port_and_the_root(serve, relay, session) -> None:
    proxy = await serve(talk=relay.http)
    async with session.get("http://levante.test", proxy=URL(proxy.url)):
        pass
    assert relay.asked[0].target == "http://levante.test/"
    assert relay.asked[0].values("Proxy-Authorization") == []


@pytest.mark.parity("C18")
async def test_connections_are_kept_by_proxy_and_credentials(serve, relay, session) -> None:
    proxy, server = await serve(talk=relay.http), await serve()
    for auth in (None, ANN, None, ANN):
        async with session.get(server.url, proxy=proxy.url, proxy_auth=auth) as response:
            await response.read()
    assert proxy.connections == 2
    async with session.get(server.url) as response:
        await response.read()
    assert (proxy.connections, server.connections) == (2, 1)
    assert [seen.value("Proxy-Authorization") for seen in relay.asked] == [None, BASIC, None, BASIC]


@pytest.mark.parity("C18")
@pytest.mark.hardening("C54")
async def test_tls_goes_through_a_tunnel(serve, relay, trusting, server_tls) -> None:
    proxy, server = await serve(talk=relay.http), await serve(tls=server_tls)
    proxy_url = proxy.url.replace("http://", "http://ann:pw@")
    for _ in range(2):
        headers = {"Authorization": "Bearer for-the-origin", "Proxy-Authorization": "Basic for-the-proxy"}
        async with trusting.get(local(server.url), proxy=proxy_url, headers=headers) as response:
            assert await response.read() == b"ok"
            assert response.request_info.headers["Authorization"] == "Bearer for-the-origin"
    assert (proxy.connections, server.connections, len(relay.asked)) == (1, 1, 1)
    asked = relay.asked[0]
    assert (asked.method, asked.target) == ("CONNECT", f"levante.test:{server.port}")
    assert asked.values("Host") == [asked.target]
    assert asked.values("Proxy-Authorization") == ["Basic for-the-proxy"]
    assert asked.values("Authorization") == []
    for seen in server.seen:
        assert seen.values("Proxy-Authorization") == []
        assert seen.target == "/"
        assert seen.value("Authorization") == "Bearer for-the-origin"


@pytest.mark.parity("C18", "U8")
@pytest.mark.parametrize("size", [2, 3_000_000])
async def test_tls_in_tls(serve, relay, trusting, server_tls, response, size: int) -> None:
    body = bytes(range(250)) * (size // 250) + b"z" * (size % 250)
    proxy = await serve(talk=relay.http, tls=server_tls)
    server = await serve(lambda seen: response(seen.body), tls=server_tls)
    for _ in range(2):
        async with trusting.post(local(server.url), data=io.BytesIO(body), proxy=proxy.url, proxy_auth=ANN) as answer:
            assert await answer.read() == body
    assert (proxy.connections, server.connections) == (1, 1)
    assert relay.asked[0].values("Proxy-Authorization") == [BASIC]
    assert all(not seen.values("Proxy-Authorization") for seen in server.seen)


@pytest.mark.parity("U8")
async def test_a_plain_request_to_a_proxy_behind_tls(serve, relay, session, server_tls, client_tls) -> None:
    proxy = await serve(talk=relay.http, tls=server_tls)
    async with session.get("http://levante.test/", proxy=proxy.url, proxy_ssl=client_tls) as answer:
        assert await answer.read() == b"ok"
    assert relay.asked[0].target == "http://levante.test/"
    async with session.get("http://levante.test/", proxy=proxy.url, ssl=client_tls) as answer:
        assert await answer.read() == b"ok"
    for setting in (True, False):  # what is not said of a proxy does not weaken it
        with pytest.raises(client.ClientConnectorCertificateError):
            await session.get("http://levante.test/", proxy=proxy.url, ssl=setting)
    assert proxy.connections == 2


@pytest.mark.parity("U8", "C18")
async def test_the_proxy_is_verified_whatever_is_said_about_the_origin(
    serve, relay, server_tls, client_tls, certificate
) -> None:
    proxy, server = await serve(talk=relay.http, tls=server_tls), await serve(tls=server_tls)
    pem = certificate.cert_chain_pems[0].bytes().decode()
    pin = Fingerprint(hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).digest())
    async with ClientSession(proxy=proxy.url) as session:
        for setting in (False, pin):
            with pytest.raises(client.ClientConnectorCertificateError) as caught:
                await session.get(server.url, ssl=setting)
            assert (caught.value.host, caught.value.port) == ("127.0.0.1", proxy.port)
    assert relay.asked == []
    async with ClientSession(proxy=proxy.url, proxy_ssl=client_tls) as session:
        for setting in (False, pin):
            async with session.get(server.url, ssl=setting) as answer:
                assert await answer.read() == b"ok"
        with pytest.raises(client.ServerFingerprintMismatch) as mismatch:
            await session.get(server.url, ssl=Fingerprint(bytes(32)))
        assert (mismatch.value.host, mismatch.value.port) == ("127.0.0.1", server.port)
        with pytest.raises(client.ClientConnectorCertificateError) as caught:
            await session.get(server.url)
        assert caught.value.port == server.port
        with pytest.raises(TypeError, match="ssl"):
            await session.get(server.url, proxy_ssl="no")


@pytest.mark.parity("C18")
@pytest.mark.hardening("C54", "C55")
async def test_the_name_of_the_origin_is_checked_inside_the_tunnel(serve, relay, trusting, server_tls) -> None:
    proxy, server = await serve(talk=relay.http), await serve(tls=server_tls)
    with pytest.raises(client.ClientConnectorCertificateError) as caught:
        await trusting.get(server.url.replace("127.0.0.1", "other.test"), proxy=proxy.url)
    assert caught.value.host == "other.test"
    async with trusting.get(
        server.url.replace("127.0.0.1", "other.test"), proxy=proxy.url, server_hostname="levante.test"
    ) as answer:
        assert answer.status == 200


@pytest.mark.parity("C18")
@pytest.mark.hardening("C54")
@pytest.mark.parametrize(
    "status", ["407 Proxy Authentication Required", "403 Forbidden", "302 Found", "502 Bad Gateway"]
)
async def test_a_refusal(serve, relay, trusting, server_tls, status: str) -> None:
    relay.answer = f"HTTP/1.1 {status}\r\nProxy-Authenticate: Basic\r\nContent-Length: 4\r\n\r\nno!!".encode()
    proxy, server = await serve(talk=relay.http), await serve(tls=server_tls)
    with pytest.raises(client.ClientHttpProxyError) as caught:
        await trusting.get(local(server.url), proxy=proxy.url, proxy_auth=ANN)
    error = caught.value
    assert f"{error.status} {error.message}" == status
    assert error.headers["Proxy-Authenticate"] == "Basic"
    assert error.request_info.method == "CONNECT"
    assert error.request_info.real_url == URL(proxy.url).origin()
    assert "pw" not in repr(error)
    assert server.connections == 0
    relay.answer = type(relay)().answer  # the place in the pool, there is only one, is free again
    async with trusting.get(local(server.url), proxy=proxy.url) as answer:
        assert answer.status == 200


@pytest.mark.parity("C18")
async def test_407_to_a_forwarded_request_is_a_response(serve, session) -> None:
    proxy = await serve(b"HTTP/1.1 407 No\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n")
    async with session.get("http://levante.test/", proxy=proxy.url) as answer:
        assert answer.status == 407


@pytest.mark.hardening("C54")
@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: ",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 20_000,
        b"HTTP/1.1 200 OK\r\nX : y\r\n\r\n",
        b"\5\0",
        b"",
    ],
)
async def test_proxies_that_do_not_behave(serve, trusting, answer: bytes) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)

    proxy = await serve(talk=talk)
    for scheme in ("https", "ws"):
        with pytest.raises(client.ClientProxyConnectionError) as caught:
            await trusting.get(f"{scheme}://levante.test/", proxy=proxy.url)
        assert (caught.value.host, caught.value.port) == ("127.0.0.1", proxy.port)
    assert trusting.connector._pool.leased_count == 0


@pytest.mark.hardening("C54", "C58")
async def test_a_proxy_that_stalls(serve, trusting, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        gone.set()

    proxy = await serve(talk=talk)
    with pytest.raises(client.ConnectionTimeoutError, match=r"0\.05"):
        await trusting.get("https://levante.test/", proxy=proxy.url, timeout=ClientTimeout(sock_connect=0.05))
    await asyncio.wait_for(gone.wait(), 5)
    monkeypatch.setattr(tunnels, "DIALOGUE_TIMEOUT", 0.05)
    with pytest.raises(client.ConnectionTimeoutError, match="no tunnel"):
        await trusting.get("https://levante.test/", proxy=proxy.url)
    gone.clear()
    task = asyncio.ensure_future(trusting.get("https://levante.test/", proxy=proxy.url)._coroutine)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert trusting.connector._pool.leased_count == 0


@pytest.mark.hardening("C54")
async def test_a_tunnel_that_breaks_in_the_middle_of_tls(serve, trusting) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await reader.read(100)

    proxy = await serve(talk=talk)
    with pytest.raises(client.ClientConnectorError) as caught:
        await trusting.get("https://levante.test/", proxy=proxy.url)
    assert not isinstance(caught.value, client.ClientProxyConnectionError)
    assert caught.value.host == "levante.test"


@pytest.mark.parity("C18", "C41")
async def test_a_proxy_that_is_not_there(session) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        for url in ("http://levante.test/", "https://levante.test/"):
            with pytest.raises(client.ClientProxyConnectionError, match=str(port)) as caught:
                await session.get(url, proxy=f"http://127.0.0.1:{port}")
            assert (caught.value.host, caught.value.port) == ("127.0.0.1", port)
    with pytest.raises(client.ClientProxyConnectionError):
        await session.get("http://levante.test/", proxy="http://proxy.invalid:1")


@pytest.mark.parity("C18", "C16")
async def test_connectors_that_dial_no_proxies(serve, tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    await serve(path=str(tmp_path / "s"))
    async with ClientSession(connector=UnixConnector(str(tmp_path / "s")), trust_env=True) as session:
        async with session.get("http://levante.test/") as answer:
            assert answer.status == 200
        with pytest.raises(ValueError, match="UnixConnector does not dial"):
            await session.get("http://levante.test/", proxy="http://h:1")


@pytest.mark.parity("C18")
async def test_what_is_no_proxy(session) -> None:
    for options in ({"proxy": "ftp://h"}, {"proxies": {"http://h/x": None}}, {"proxy_auth": ANN}):
        with pytest.raises(ValueError, match="prox"):
            await session.get("http://levante.test/", **options)
    with pytest.raises(ValueError, match="header"):
        await session.get("http://levante.test/", proxy="http://h", proxy_headers={"A": "b\r\nc"})
    with pytest.raises(ValueError, match="schemes"):
        ClientSession(proxy="smtp://h")


@pytest.mark.parity("C18", "C26")
async def test_a_middleware_sees_the_proxy_and_a_url_that_it_changes_gets_its_own(serve, relay, response) -> None:
    proxy, server = await serve(talk=relay.http), await serve()
    seen: list[object] = []

    async def middleware(request, handler):
        seen.append((request.proxy, request.proxy_headers))
        request.url = URL(server.url)
        seen.append(request.proxy)
        return await handler(request)

    async with ClientSession(
        proxies={"all": proxy.url, "all://127.0.0.1": None}, proxy_headers={"X": "y"}, middlewares=[middleware]
    ) as session:
        headers = {"Proxy-Authorization": "Basic for-the-proxy"}
        async with session.get("http://levante.test/", headers=headers) as answer:
            assert answer.status == 200
    assert seen == [(URL(proxy.url).origin(), (("X", "y"),)), None]
    assert (proxy.connections, server.connections) == (0, 1)
    assert server.last.values("Proxy-Authorization") == []


@pytest.mark.parity("C13", "C18")
async def test_traces_tell_of_the_proxys_name(serve, relay) -> None:
    proxy = await serve(talk=relay.http)
    asked: list[str] = []
    config = client.TraceConfig()

    async def note(session, context, params) -> None:
        asked.append(params.host)

    config.on_dns_resolvehost_start.append(note)
    by_name = f"http://localhost:{proxy.port}"
    async with ClientSession(trace_configs=[config], proxy=by_name) as session, session.get("http://levante.test/"):
        pass
    assert asked == ["localhost"]


@pytest.mark.parity("U7")
async def test_a_dialer_of_ones_own(serve, relay, session) -> None:
    server, proxy = await serve(), await serve(talk=relay.http)
    dialled: list[tuple[str, int]] = []

    async def dialer(host: str, port: int) -> socket.socket:
        dialled.append((host, port))
        if host == "nowhere.test":
            raise OSError(113, "no route")
        if host == "late.test":
            raise TimeoutError
        return socket.create_connection(("127.0.0.1", port))

    async with ClientSession(connector=TCPConnector(dialer=dialer)) as own:
        async with own.get(local(server.url)) as answer:
            assert await answer.read() == b"ok"
        async with own.get("http://elsewhere.test/", proxy=f"http://proxy.test:{proxy.port}") as answer:
            assert await answer.read() == b"ok"
        with pytest.raises(client.ClientConnectorError, match="no route"):
            await own.get("http://nowhere.test/")
        with pytest.raises(client.ConnectionTimeoutError):
            await own.get("http://late.test/")
    assert dialled[:2] == [("levante.test", server.port), ("proxy.test", proxy.port)]
