"""The client against servers that are not ours beside our own: nginx, and Python's http.server as HTTP/1.0 and 1.1. The
same files, the same questions, and what each of them answers in its own way."""

import asyncio
import hashlib
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import pytest
from processes import free_port, tool
from servers import running

from levante import web
from levante.client import (
    ClientConnectionError,
    ClientPayloadError,
    ClientResponseError,
    ClientSession,
    HttpVersion10,
    HttpVersion11,
    ResponseTooLarge,
    TCPConnector,
    download,
)

BIG = bytes(range(256)) * (32 * 1024)
LINES = "".join(f"line {number}\n" for number in range(5000))

CONF = """
daemon off; master_process off; pid {folder}/pid; error_log stderr;
events {{}}
http {{
    access_log off; default_type application/octet-stream;
    client_body_temp_path {folder}/b; proxy_temp_path {folder}/p;
    fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
    server {{ listen 127.0.0.1:{port}; root {folder}/files; }}
}}
"""


@dataclass(frozen=True)
class Origin:
    """A server of the same files. `ranges`: whether it sends parts of them; `refusal`: its status for POST."""

    name: str
    url: str
    ranges: bool
    refusal: int
    keeps: bool = True


Start = Callable[[Path, int], AbstractContextManager[object]]


def nginx(folder: Path, port: int) -> AbstractContextManager[object]:
    (folder / "conf").write_text(CONF.format(folder=folder, port=port))
    return running([tool("nginx"), "-p", str(folder), "-c", "conf"], cwd=folder, port=port)


def http_server(folder: Path, port: int, protocol: str) -> AbstractContextManager[object]:
    command = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", "--protocol", protocol, str(port)]
    return running(command, cwd=folder / "files", port=port)


@pytest.fixture(params=["levante", "nginx", "http.server 1.0", "http.server 1.1"])
async def origin(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Origin]:
    files = tmp_path / "files"
    (files / "folder").mkdir(parents=True)
    tmp_path.chmod(0o755)
    (files / "big").write_bytes(BIG)
    (files / "empty").write_bytes(b"")
    (files / "lines.txt").write_text(LINES)
    (files / "folder" / "a b%ü").write_bytes(b"odd name")
    (files / "folder" / "index.html").write_bytes(b"<p>index")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    if request.param == "levante":
        app = web.Application()
        app.router.add_static("/", files)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        yield Origin("levante", url, ranges=True, refusal=405)
        await runner.cleanup()
    elif request.param == "nginx":
        with nginx(tmp_path, port):
            yield Origin("nginx", url, ranges=True, refusal=405)
    else:
        protocol = f"HTTP/{request.param.split()[1]}"
        with http_server(tmp_path, port, protocol):
            yield Origin(request.param, url, ranges=False, refusal=501, keeps=protocol == "HTTP/1.1")


async def test_files(origin: Origin) -> None:
    async with ClientSession(connector=TCPConnector(limit=4), raise_for_status=True) as session:

        async def fetch(path: str) -> bytes:
            async with session.get(f"{origin.url}/{path}") as response:
                assert response.version == (HttpVersion11 if origin.keeps else HttpVersion10)
                return await response.read()

        paths = ["big", "empty", "lines.txt", "folder/a b%25ü"] * 5
        bodies = await asyncio.gather(*(fetch(path) for path in paths))
        assert bodies == [BIG, b"", LINES.encode(), b"odd name"] * 5
        pool = session.connector
        assert pool is not None
        assert pool.limit == 4
        with pytest.raises(ClientResponseError) as caught:
            await fetch("missing")
        assert caught.value.status == 404


async def test_heads_conditions_and_redirects(origin: Origin) -> None:
    async with ClientSession() as session:
        async with session.head(f"{origin.url}/big") as response:
            assert (response.content_length, await response.read()) == (len(BIG), b"")
            modified = response.headers["Last-Modified"]
        async with session.get(f"{origin.url}/big", headers={"If-Modified-Since": modified}) as response:
            assert (response.status, await response.read()) == (304, b"")
        if origin.name != "levante":  # which serves files alone where it was not told otherwise
            async with session.get(f"{origin.url}/folder") as response:
                assert [hop.status for hop in response.history] == [301]
                assert (response.url.path, await response.read()) == ("/folder/", b"<p>index")


async def test_bodies_as_they_arrive(origin: Origin) -> None:
    async with ClientSession() as session:
        async with session.get(f"{origin.url}/lines.txt") as response:
            assert [line async for line in response.iter_lines()] == LINES.splitlines()
        with pytest.raises(ResponseTooLarge):
            await session.get(f"{origin.url}/big", max_body_size=len(BIG) - 1)
        async with session.get(f"{origin.url}/big", max_body_size=len(BIG)) as response:
            total = 0
            async for piece in response.content.iter_chunked(10_000):
                total += len(piece)
            assert total == len(BIG)
        async with session.get(f"{origin.url}/big") as response:
            await response.content.readexactly(1000)  # and leave
        async with session.get(f"{origin.url}/empty") as response:
            assert await response.read() == b""


@pytest.mark.parametrize("size", [0, 1000, 3_000_000])
async def test_uploads_that_are_refused(origin: Origin, size: int, tmp_path: Path) -> None:
    """Answered without having been read: what comes next gets its own answer."""
    (tmp_path / "up").write_bytes(bytes(size))
    async with ClientSession() as session:
        for _ in range(3):
            with (tmp_path / "up").open("rb") as file:
                try:
                    async with session.post(f"{origin.url}/big", data=file) as response:
                        # nginx looks at the size first.
                        assert response.status == (413 if origin.name == "nginx" and size > 2**20 else origin.refusal)
                except (ClientConnectionError, ClientPayloadError):
                    assert size > 100_000, "a server that closes with a large body unread may reset its answer away"
            async with session.get(f"{origin.url}/lines.txt") as response:
                assert await response.text() == LINES


async def test_downloads(origin: Origin, tmp_path: Path) -> None:
    target = tmp_path / "copy"
    checksum = f"sha256:{hashlib.sha256(BIG).hexdigest()}"
    async with ClientSession() as session:
        done = await download(session, f"{origin.url}/big", target, checksum=checksum)
        assert (done.size, done.resumed) == (len(BIG), 0)

        def stop(_done: int, _total: int | None) -> None:
            task.cancel()

        task = asyncio.ensure_future(download(session, f"{origin.url}/big", target, progress=stop))
        with pytest.raises(asyncio.CancelledError):
            await task
        part = target.with_name("copy.part")
        assert 0 < part.stat().st_size < len(BIG)
        done = await download(session, f"{origin.url}/big", target, checksum=checksum)
        # Without a strong validator nothing proves that the parts belong together: http.server has none, and a file
        # that is a minute old at most has only its ETag.
        assert (done.resumed > 0) is origin.ranges
        assert target.read_bytes() == BIG
