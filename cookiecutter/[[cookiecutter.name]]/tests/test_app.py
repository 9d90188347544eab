"""What holds for every request: pages, errors, headers, health, limits, live rooms that close."""

import asyncio
from dataclasses import replace

import pytest
from levante import web
from levante.devtools.pytest_plugin import ClientFactory
from levante.devtools.testing import TestClient

from [[ cookiecutter.package ]].app import announce, create_app
from [[ cookiecutter.package ]].settings import Settings

from .browser import Browser

HTML = {"Accept": "text/html"}


async def test_first_page_lists_the_resources(browser: Browser) -> None:
    page = await browser.read("/")
    assert "<h1>[[ cookiecutter.name ]]</h1>" in page
    assert 'href="/items"' in page


async def test_static_files(client: TestClient) -> None:
    response = await client.get("/static/app.css")
    assert response.status == 200
    assert response.content_type == "text/css"


async def test_page_that_is_not_there(client: TestClient) -> None:
    response = await client.get("/nowhere", headers=HTML)
    assert response.status == 404
    assert "Not Found" in await response.text()


async def test_program_gets_a_problem(client: TestClient) -> None:
    response = await client.get("/nowhere", headers={"Accept": "application/json"})
    assert response.status == 404
    assert response.content_type == "application/problem+json"


async def test_method_that_is_not_there(client: TestClient) -> None:
    response = await client.delete("/", headers=HTML)
    assert response.status == 405
    assert "GET" in response.headers["Allow"]


@pytest.mark.parametrize("accept", ["text/html", "application/json"])
async def test_failure_is_found_by_what_its_page_quotes(
    levante_client: ClientFactory, settings: Settings, caplog: pytest.LogCaptureFixture, accept: str
) -> None:
    async def crash(request: web.Request) -> web.Response:
        raise RuntimeError("on purpose")

    app = create_app(settings)
    app.router.add_get("/crash", crash)
    client = await levante_client(app)
    response = await client.get("/crash", headers={"Accept": accept, "X-Request-ID": "of-a-stranger"})
    assert response.status == 500
    name = response.headers["X-Request-ID"]
    text = await response.text()
    assert name in text
    assert "on purpose" not in text
    (line,) = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert name in line


@pytest.mark.parametrize(("networks", "taken"), [((), False), (("127.0.0.0/8", "::1"), True)])
async def test_request_id_of_a_neighbour(
    levante_client: ClientFactory, settings: Settings, networks: tuple[str, ...], *, taken: bool
) -> None:
    client = await levante_client(create_app(replace(settings, request_ids_from=networks)))
    response = await client.get("/", headers={"X-Request-ID": "of-a-neighbour"})
    assert (response.headers["X-Request-ID"] == "of-a-neighbour") is taken


async def test_security_headers(client: TestClient) -> None:
    for path in ("/", "/nowhere", "/static/app.css"):
        response = await client.get(path)
        assert "default-src 'self'" in response.headers["Content-Security-Policy"]
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert "Strict-Transport-Security" not in response.headers


async def test_production_demands_https(levante_client: ClientFactory, settings: Settings) -> None:
    client = await levante_client(create_app(replace(settings, environment="production")))
    response = await client.get("/")
    assert "max-age" in response.headers["Strict-Transport-Security"]
    assert response.headers["Set-Cookie"].startswith("__Host-")
    assert "Secure" in response.headers["Set-Cookie"]


async def test_health(client: TestClient) -> None:
    assert (await client.get("/healthz")).status == 200
    assert (await client.get("/readyz")).status == 200


async def test_not_ready_without_a_database(levante_client: ClientFactory, settings: Settings) -> None:
    closed = "postgresql+asyncpg://nobody@127.0.0.1:1/nothing"
    client = await levante_client(create_app(replace(settings, database_url=closed)))
    assert (await client.get("/healthz")).status == 200
    assert (await client.get("/readyz")).status == 503


async def test_body_that_is_too_large(levante_client: ClientFactory, settings: Settings) -> None:
    client = await levante_client(create_app(replace(settings, max_body_size=1000)))
    response = await client.post("/api/items", json={"name": "x" * 1000})
    assert response.status == 413


async def test_request_that_takes_too_long(levante_client: ClientFactory, settings: Settings) -> None:
    async def slow(request: web.Request) -> web.Response:
        await asyncio.sleep(60)
        return web.Response()

    app = create_app(replace(settings, request_timeout=0.05))
    app.router.add_get("/slow", slow)
    client = await levante_client(app)
    assert (await client.get("/slow")).status == 504


async def test_head_that_is_too_large(client: TestClient) -> None:
    assert (await client.get("/", headers=head_of(17))).status == 431
    assert (await client.get("/", headers=head_of(15))).status == 200


def head_of(kilobytes: int) -> dict[str, str]:
    """Header lines of 1 KiB each, so that only all of them together can be too large."""
    return {f"X-{number:02}": "x" * (1024 - len("X-00: \r\n")) for number in range(kilobytes)}


async def test_field_may_fill_the_head(client: TestClient) -> None:
    assert (await client.get("/", headers={"X-Large": "x" * 15 * 1024})).status == 200


@pytest.mark.parametrize(
    ("replicas", "database", "warned"),
    [
        (3, "sqlite+aiosqlite:///var/x.db", True),
        (1, "sqlite+aiosqlite:///var/x.db", False),
        (3, "postgresql+asyncpg://", False),
    ],
)
async def test_copies_cannot_share_a_sqlite_file(
    settings: Settings, caplog: pytest.LogCaptureFixture, replicas: int, database: str, *, warned: bool
) -> None:
    await announce(create_app(replace(settings, replicas=replicas, database_url=database)))
    assert [record.levelname for record in caplog.records if "Use PostgreSQL" in record.message] == ["WARNING"] * warned


@pytest.mark.parametrize(("replicas", "workers"), [(1, 1), (1, 2), (2, 1), (2, 3)])
async def test_processes_do_not_share_rooms(
    settings: Settings, caplog: pytest.LogCaptureFixture, replicas: int, workers: int
) -> None:
    await announce(create_app(replace(settings, replicas=replicas, workers=workers)))
    warned = [record.message for record in caplog.records if "live pages" in record.message]
    assert [text.split()[0] for text in warned] == [str(replicas * workers)] * (replicas * workers > 1)
