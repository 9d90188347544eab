"""The client's cache with nginx as the origin: files with validators and lifetimes, and a proxy before our own
server whose answers say how long they hold."""

import asyncio
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from processes import free_port, tool
from servers import running

from levante import web
from levante.client import Cache, ClientSession, DiskStorage

pytestmark = [pytest.mark.parity("U24", "L22")]

CONF = """
daemon off; master_process off; pid {folder}/pid; error_log stderr;
events {{}}
http {{
    log_format brief "$request_method $request_uri $status"; access_log {folder}/log brief;
    client_body_temp_path {folder}/b; proxy_temp_path {folder}/p;
    fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
    gzip on; gzip_min_length 1; gzip_types text/plain; gzip_vary on;
    server {{
        listen 127.0.0.1:{port}; root {folder}/files; default_type text/plain;
        location /long/ {{ expires 1h; }}
        location /none/ {{ expires -1; }}
        location /app/ {{ proxy_pass http://127.0.0.1:{origin}; }}
    }}
}}
"""


@dataclass
class Site:
    """nginx on a port, and what it logged."""

    folder: Path
    port: int
    origin: int
    files: Path = field(init=False)

    def __post_init__(self) -> None:
        self.files = self.folder / "files"
        for name in ("long", "none"):
            (self.files / name).mkdir(parents=True)
            self.write(f"{name}/page", "first " * 50)

    def write(self, name: str, text: str, *, later: int = 0) -> None:
        (self.files / name).write_text(text)
        os.utime(self.files / name, (1_700_000_000 + later, 1_700_000_000 + later))

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}/{path}"

    async def logged(self, count: int) -> list[str]:
        """The first lines of the log, once there are so many."""
        async with asyncio.timeout(20):
            while len(lines := (self.folder / "log").read_text().splitlines()) < count:
                await asyncio.sleep(0.02)
        return lines


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path, free_port(), free_port())
    tmp_path.chmod(0o755)
    (tmp_path / "conf").write_text(CONF.format(folder=tmp_path, port=made.port, origin=made.origin))
    with running([tool("nginx"), "-p", str(tmp_path), "-c", "conf"], cwd=tmp_path, port=made.port):
        yield made


async def text_of(session: ClientSession, url: str) -> tuple[str, str | None]:
    async with session.get(url) as response:
        assert response.status == 200
        return await response.text(), response.headers.get("Cache-Status")


async def test_files(site: Site) -> None:
    cache = Cache(DiskStorage(site.folder / "cache"))
    async with ClientSession(cache=cache) as session:
        first = await text_of(session, site.url("long/page"))
        assert first == ("first " * 50, None)
        assert await text_of(session, site.url("long/page")) == (first[0], "levante; hit")
        for _ in range(2):
            await text_of(session, site.url("none/page"))
        site.write("none/page", "second", later=10)
        assert await text_of(session, site.url("none/page")) == ("second", None)
    async with ClientSession(cache=Cache(DiskStorage(site.folder / "cache"))) as session:
        assert await text_of(session, site.url("long/page")) == (first[0], "levante; hit"), "a new process finds it"
    assert await site.logged(4) == [
        "GET /long/page 200", "GET /none/page 200", "GET /none/page 304", "GET /none/page 200"
    ]  # fmt: skip


async def test_a_proxied_application(site: Site) -> None:
    served = 0

    async def prices(request: web.Request) -> web.Response:
        nonlocal served
        served += 1
        language = request.headers.get("Accept-Language", "")
        fields = {"Cache-Control": "max-age=60", "Vary": "Accept-Language"}
        return web.Response(text=f"{served} {language}", headers=fields)

    async def change(_request: web.Request) -> web.Response:
        return web.Response(status=204)

    app = web.Application()
    app.router.add_get("/app/prices", prices)
    app.router.add_put("/app/prices", change)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", site.origin).start()
    try:
        async with ClientSession(cache=Cache(), headers={"Accept-Language": "de"}) as session:
            url = site.url("app/prices")
            assert await text_of(session, url) == ("1 de", None)
            assert await text_of(session, url) == ("1 de", "levante; hit")
            async with session.get(url, headers={"Accept-Language": "en"}) as response:
                assert await response.text() == "2 en"
            async with session.put(url):
                pass
            assert await text_of(session, url) == ("3 de", None)
    finally:
        await runner.cleanup()
