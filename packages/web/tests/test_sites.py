import asyncio
import errno
import socket
import ssl
from pathlib import Path
from typing import Any

import pytest
import trustme

from levante import web


async def hello(request: web.Request) -> web.Response:
    return web.Response(text=f"{request.scheme} {request.secure}")


async def a_runner() -> web.AppRunner:
    app = web.Application()
    app.router.add_get("/", hello)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    return runner


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    writer.write(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    data = await reader.read()
    writer.close()
    await writer.wait_closed()
    return data


@pytest.mark.parity("S54")
async def test_tcp() -> None:
    runner = await a_runner()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    assert site.port == 0
    await site.start()
    with pytest.raises(RuntimeError, match="started already"):
        await site.start()
    assert site.port != 0
    assert site.name == f"http://127.0.0.1:{site.port}"
    assert runner.addresses == [("127.0.0.1", site.port)]
    assert runner.sites == {site}
    assert b"http False" in await ask(*await asyncio.open_connection("127.0.0.1", site.port))
    await runner.cleanup()
    assert runner.sites == set()
    assert runner.server is None
    with pytest.raises(OSError, match=r".*"):
        await asyncio.open_connection("127.0.0.1", site.port)
    await site.stop()


@pytest.mark.parity("S54")
async def test_the_defaults() -> None:
    runner = await a_runner()
    assert web.TCPSite(runner).name == "http://0.0.0.0:8080"
    assert web.TCPSite(runner, ssl_context=ssl.create_default_context()).name == "https://0.0.0.0:8443"
    await runner.cleanup()


@pytest.mark.parity("S54")
async def test_a_site_needs_a_runner_that_is_set_up() -> None:
    with pytest.raises(RuntimeError, match="setup"):
        web.TCPSite(web.AppRunner(web.Application()))


async def test_a_taken_port() -> None:
    runner = await a_runner()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        site = web.TCPSite(runner, "127.0.0.1", taken.getsockname()[1], reuse_address=False)
        with pytest.raises(OSError, match=f"cannot listen at {site.name}: Address already in use") as caught:
            await site.start()
    assert caught.value.errno == errno.EADDRINUSE
    assert runner.sites == set()
    await runner.cleanup()


@pytest.mark.parity("S54")
async def test_unix(tmp_path: Path) -> None:
    path = tmp_path / "s"
    runner = await a_runner()
    site = web.UnixSite(runner, path)
    await site.start()
    assert site.name == f"http://unix:{path}:"
    assert b"200 OK" in await ask(*await asyncio.open_unix_connection(str(path)))
    await runner.cleanup()
    assert not path.exists()
    await site.stop()


async def test_the_file_of_another_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "s"
    runner = await a_runner()
    site = web.UnixSite(runner, path)
    await site.start()
    path.rename(tmp_path / "old")
    path.write_text("not ours")
    await runner.cleanup()
    assert path.exists() or not (tmp_path / "old").exists()


@pytest.mark.parity("S54")
async def test_a_socket_that_is_there(tmp_path: Path) -> None:
    runner = await a_runner()
    inet = socket.create_server(("127.0.0.1", 0))
    local = socket.socket(socket.AF_UNIX)
    local.bind(str(tmp_path / "s"))
    sites = [web.SockSite(runner, inet), web.SockSite(runner, local)]
    port = inet.getsockname()[1]
    assert sites[0].name == f"http://127.0.0.1:{port}"
    assert sites[1].name == f"http://unix:{tmp_path / 's'}:"
    for site in sites:
        await site.start()
    assert b"200 OK" in await ask(*await asyncio.open_connection("127.0.0.1", port))
    assert b"200 OK" in await ask(*await asyncio.open_unix_connection(str(tmp_path / "s")))
    await runner.cleanup()


@pytest.mark.parity("S66", "S19")
async def test_tls() -> None:
    authority = trustme.CA()
    context, trusting = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), ssl.create_default_context()
    authority.issue_cert("localhost").configure_cert(context)
    authority.configure_trust(trusting)
    runner = await a_runner()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    assert site.name.startswith("https://")
    connection: Any = await asyncio.open_connection("127.0.0.1", site.port, ssl=trusting, server_hostname="localhost")
    assert b"https True" in await ask(*connection)
    await runner.cleanup()
