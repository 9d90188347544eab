"""The client by way of proxies as they are run: tinyproxy for HTTP, the same behind TLS, and microsocks for SOCKS; and
on nginx with basic authentication, whose accounts the netrc file has. The origin is our own server, in plain text and
over TLS."""

import asyncio
import contextlib
import hashlib
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme
from processes import free_port, tool
from servers import running

from levante import client, web
from levante.client import BasicAuth, ClientSession, TCPConnector

ANN = BasicAuth("ann", "s3cret")
BODY = bytes(range(256)) * 2048


@dataclass(frozen=True)
class Certificates:
    """What the servers show, and what the client trusts."""

    server: ssl.SSLContext
    client: ssl.SSLContext


@pytest.fixture(scope="module")
def certificates() -> Certificates:
    authority = trustme.CA()
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(server)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    return Certificates(server, trusting)


@pytest.fixture(scope="module")
def tinyproxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    folder, port = tmp_path_factory.mktemp("tinyproxy"), free_port()
    (folder / "conf").write_text(
        f"Port {port}\nListen 127.0.0.1\nTimeout 60\nMaxClients 50\nAllow 127.0.0.1\n"
        f"BasicAuth {ANN.login} {ANN.password}\nLogLevel Connect\n"
    )
    with running([tool("tinyproxy"), "-d", "-c", "conf"], cwd=folder, port=port):
        yield port


@pytest.fixture(scope="module")
def microsocks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    port = free_port()
    arguments = [tool("microsocks"), "-i", "127.0.0.1", "-p", str(port), "-u", ANN.login, "-P", ANN.password]
    with running(arguments, cwd=tmp_path_factory.mktemp("microsocks"), port=port):
        yield port


async def answer(request: web.Request) -> web.StreamResponse:
    if request.headers.get("Upgrade") is not None:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        async for message in ws:
            await ws.send_str(str(message.data) * 2)
        return ws
    body = await request.read()
    fields = {
        "X-Digest": hashlib.sha256(body).hexdigest(),
        "X-Credentials": str("Proxy-Authorization" in request.headers),
    }
    return web.Response(body=body or request.path_qs.encode(), headers=fields)


@asynccontextmanager
async def origins(certificates: Certificates) -> AsyncIterator[list[str]]:
    """The addresses (host:port) of our server: in plain text, over TLS."""
    app = web.Application(client_max_size=len(BODY))
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=certificates.server).start()
    try:
        yield [f"localhost:{address[1]}" for address in runner.addresses]
    finally:
        await runner.cleanup()


@asynccontextmanager
async def behind_tls(port: int, context: ssl.SSLContext) -> AsyncIterator[int]:
    """A port at which the server at `port` is reached by TLS."""

    async def pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65536):
                target.write(data)
                await target.drain()
        target.close()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(pump(reader, back), pump(there, writer))

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def exchange(session: ClientSession, origin: list[str]) -> None:
    """Requests of each kind, twice, by way of whatever proxy the session has."""
    plain, secure = origin
    for _ in range(2):
        for base in (f"http://{plain}", f"https://{secure}"):
            async with session.get(f"{base}/a%20b?c=d") as response:
                assert await response.text() == "/a%20b?c=d"
                assert response.headers["X-Credentials"] == "False"
            async with session.post(f"{base}/", data=BODY) as response:
                body = await response.read()
                assert hashlib.sha256(body).hexdigest() == response.headers["X-Digest"]
                assert len(body) == len(BODY)
    for url in (f"ws://{plain}/", f"wss://{secure}/"):
        async with session.ws_connect(url) as ws:
            await ws.send_str("la")
            assert await ws.receive_str() == "lala"


@pytest.mark.parity("C18")
@pytest.mark.hardening("C54")
async def test_tinyproxy(tinyproxy: int, certificates: Certificates) -> None:
    async with (
        origins(certificates) as origin,
        ClientSession(
            connector=TCPConnector(ssl=certificates.client), proxy=f"http://127.0.0.1:{tinyproxy}", proxy_auth=ANN
        ) as session,
    ):
        await exchange(session, origin)


@pytest.mark.parity("U8")
@pytest.mark.hardening("C54")
async def test_tinyproxy_behind_tls(tinyproxy: int, certificates: Certificates) -> None:
    async with (
        origins(certificates) as origin,
        behind_tls(tinyproxy, certificates.server) as port,
        ClientSession(
            connector=TCPConnector(ssl=certificates.client), proxy=f"https://ann:s3cret@localhost:{port}"
        ) as session,
    ):
        await exchange(session, origin)


@pytest.mark.parity("U7", "C21")
@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
async def test_microsocks(microsocks: int, certificates: Certificates, scheme: str) -> None:
    async with (
        origins(certificates) as origin,
        ClientSession(
            connector=TCPConnector(ssl=certificates.client), proxy=f"{scheme}://ann:s3cret@127.0.0.1:{microsocks}"
        ) as session,
    ):
        await exchange(session, origin)


@pytest.mark.parity("C19", "U8")
async def test_the_environment_names_them(
    tinyproxy: int, microsocks: int, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.setenv("no_proxy", "10.0.0.0/8, .internal")
    monkeypatch.setenv("http_proxy", f"http://ann:s3cret@127.0.0.1:{tinyproxy}")
    monkeypatch.setenv("ALL_PROXY", f"socks5h://ann:s3cret@127.0.0.1:{microsocks}")
    async with (
        origins(certificates) as origin,
        ClientSession(connector=TCPConnector(ssl=certificates.client), trust_env=True) as session,
    ):
        await exchange(session, origin)


@pytest.mark.parity("C18", "U7")
@pytest.mark.hardening("C54")
async def test_who_may_not(tinyproxy: int, microsocks: int, certificates: Certificates) -> None:
    wrong = BasicAuth("ann", "wrong")
    async with origins(certificates) as (plain, secure), ClientSession() as session:
        for auth in (None, wrong):
            options: client.RequestOptions = {"proxy": f"http://127.0.0.1:{tinyproxy}", "proxy_auth": auth}
            with pytest.raises(client.ClientHttpProxyError) as refused:
                await session.get(f"https://{secure}/", **options)
            assert refused.value.status in (401, 407)
            async with session.get(f"http://{plain}/", **options) as response:
                assert response.status in (401, 407)
            options["proxy"] = f"socks5h://127.0.0.1:{microsocks}"
            with pytest.raises(client.ClientProxyConnectionError, match=r"log in|login"):
                await session.get(f"http://{plain}/", **options)


@pytest.mark.parity("U7")
async def test_where_nobody_listens(microsocks: int, tinyproxy: int) -> None:
    url = f"http://127.0.0.1:{free_port()}/"
    async with ClientSession() as session:
        with pytest.raises(client.ClientProxyConnectionError, match="cannot connect to 127"):
            await session.get(url, proxy=f"socks5://ann:s3cret@127.0.0.1:{microsocks}")
        with pytest.raises(client.ClientHttpProxyError) as refused:
            await session.ws_connect(url.replace("http", "ws"), proxy=f"http://127.0.0.1:{tinyproxy}", proxy_auth=ANN)
        assert refused.value.status >= 500


@pytest.mark.parity("C18", "U8")
async def test_many_at_once_leave_nothing_behind(tinyproxy: int, certificates: Certificates) -> None:
    async with (
        origins(certificates) as (_, secure),
        behind_tls(tinyproxy, certificates.server) as port,
        ClientSession(
            connector=TCPConnector(ssl=certificates.client, limit=8), proxy=f"https://ann:s3cret@localhost:{port}"
        ) as session,
    ):

        async def get(number: int) -> str:
            async with session.get(f"https://{secure}/{number}") as response:
                return await response.text()

        tasks = [asyncio.ensure_future(get(number)) for number in range(60)]
        for task in tasks[::7]:
            asyncio.get_running_loop().call_later(0.005 * (tasks.index(task) + 1), task.cancel)
        results = await asyncio.gather(*tasks, return_exceptions=True)
        for number, result in enumerate(results):
            assert result == f"/{number}" or (number % 7 == 0 and isinstance(result, asyncio.CancelledError))
        assert session.connector is not None
        assert "leased=0" in repr(session.connector)


@pytest.mark.parity("C19")
async def test_nginx_asks_who_it_is_and_netrc_knows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    (tmp_path / "users").write_text("ann:{PLAIN}s3cret\n")
    (tmp_path / "page").write_text("inside")
    (tmp_path / "conf").write_text(
        f"daemon off; master_process off; pid {tmp_path}/pid; error_log stderr;\n"
        "events {}\n"
        f"http {{ access_log off; client_body_temp_path {tmp_path}/b; proxy_temp_path {tmp_path}/p;\n"
        f"fastcgi_temp_path {tmp_path}/f; uwsgi_temp_path {tmp_path}/u; scgi_temp_path {tmp_path}/s;\n"
        f"server {{ listen 127.0.0.1:{port}; root {tmp_path}; auth_basic inside; auth_basic_user_file users; }} }}\n"
    )
    tmp_path.chmod(0o755)
    (tmp_path / "netrc").write_text(f"machine 127.0.0.1 login {ANN.login} password {ANN.password}\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with running([tool("nginx"), "-p", str(tmp_path), "-c", "conf"], cwd=tmp_path, port=port):
        for trusting, status in ((True, 200), (False, 401)):
            async with (
                ClientSession(trust_env=trusting) as session,
                session.get(f"http://127.0.0.1:{port}/page") as response,
            ):
                assert response.status == status
