"""The services that the generator writes, looked at from outside: every route of them, as it is in production."""

import importlib
import re
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine

from levante import web
from levante.devtools.testing import TestClient, TestServer
from levante.sessions import generate_key

SERVICES = Path(__file__).resolve().parents[1] / "services"
NAMES = sorted(path.name for path in SERVICES.iterdir() if (path / "pyproject.toml").is_file())
SAFE = ("GET", "HEAD", "OPTIONS")
EVIL = "https://evil.test"
CANARY = "canary-in-a-message"


class Service:
    """A service in production, on a database of its own with a row in each table."""

    def __init__(self, name: str, folder: Path) -> None:
        package = name.replace("-", "_")
        self.database = folder / "service.db"
        models, settings = (importlib.import_module(f"{package}.{part}") for part in ("models", "settings"))
        engine = create_engine(f"sqlite:///{self.database}")
        models.Base.metadata.create_all(engine)
        engine.dispose()
        self.settings = settings.Settings(
            secret_keys=generate_key(),
            environment="production",
            database_url=f"sqlite+aiosqlite:///{self.database}",
        )
        self.app: web.Application = importlib.import_module(f"{package}.app").create_app(self.settings)
        self.app.router.add_route("*", "/crash", crash)

    @property
    def paths(self) -> list[str]:
        """A path of every route but those that are here for the tests."""
        canonical = {route.resource.canonical for route in self.app.router.routes() if route.resource is not None}
        return sorted({re.sub(r"\{[^}]*\}", "1", path) for path in canonical} - {"/crash", "/static"})

    def contents(self) -> list[str]:
        with sqlite3.connect(self.database) as connection:
            return list(connection.iterdump())


async def crash(request: web.Request) -> web.Response:
    secret = CANARY
    raise RuntimeError(f"failed with {secret} in {__file__}")


@pytest.fixture(params=NAMES)
def service(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Service:
    monkeypatch.syspath_prepend(str(SERVICES / request.param / "src"))
    return Service(request.param, tmp_path)


@pytest.fixture
async def client(service: Service) -> AsyncIterator[TestClient]:
    async with TestClient(TestServer(service.app)) as client:
        async with client.post("/api/items", json={"name": "lamp", "price": "9.50"}) as answer:
            assert answer.status == 201, await answer.text()
        yield client


def test_there_are_services() -> None:
    assert NAMES


@pytest.mark.hardening("S18")
async def test_reading_changes_nothing(service: Service, client: TestClient) -> None:
    before, statuses = service.contents(), set()
    assert any("lamp" in line for line in before)
    for path in service.paths:
        for method in SAFE:
            async with client.request(method, path, allow_redirects=False) as answer:
                statuses.add(answer.status)
                assert answer.status < 500, (method, path)
    assert service.contents() == before
    assert {200, 405} <= statuses


@pytest.mark.hardening("S18")
async def test_methods_that_a_path_does_not_have(service: Service, client: TestClient) -> None:
    for path in service.paths:
        for method in ("TRACE", "PROPFIND"):
            async with client.request(method, path) as answer:
                assert answer.status == 405, (method, path)
                assert answer.headers["Allow"]
                assert "TRACE" not in answer.headers["Allow"]


@pytest.mark.hardening("S18", "S16")
async def test_changes_that_another_site_asks_for(service: Service, client: TestClient) -> None:
    before = service.contents()
    for path in service.paths:
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            headers = {"Origin": EVIL, "Sec-Fetch-Site": "cross-site", "Content-Type": "text/plain"}
            async with client.request(method, path, headers=headers, data=b'{"name": "evil"}') as answer:
                assert answer.status in (403, 405), (method, path)
    assert service.contents() == before


GOLDEN = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "X-Frame-Options": "DENY",
    "Strict-Transport-Security": "max-age=31536000",
}


@pytest.mark.hardening("S22")
async def test_headers_of_every_answer(service: Service, client: TestClient) -> None:
    """As they stand; and no page of another site may read anything, with or without cookies."""
    for path in [*service.paths, "/nowhere", "/static/nothing", "/crash"]:
        for method in SAFE:
            async with client.request(method, path, headers={"Origin": EVIL}, allow_redirects=False) as answer:
                for name, value in GOLDEN.items():
                    assert answer.headers[name].startswith(value), (name, method, path)
                policy = answer.headers["Content-Security-Policy"]
                assert "frame-ancestors 'none'" in policy
                assert "default-src 'self'" in policy
                assert "unsafe" not in policy
                assert not [name for name in answer.headers if name.lower().startswith("access-control-")]


@pytest.mark.hardening("S22")
@pytest.mark.parametrize("accept", ["text/html", "application/json", "*/*"])
async def test_a_failure_tells_nothing_but_its_id(
    service: Service, client: TestClient, caplog: pytest.LogCaptureFixture, accept: str
) -> None:
    async with client.get("/crash", headers={"Accept": accept}) as answer:
        text = await answer.text()
        assert answer.status == 500
        told = text + str(answer.headers)
        for word in (
            CANARY,
            "Traceback",
            __file__,
            str(SERVICES),
            "RuntimeError",
            "/crash",
            service.settings.secret_keys,
        ):
            assert word not in told
        name = answer.headers["X-Request-ID"]
        assert re.fullmatch("[0-9a-f]{32}", name)
        assert name in text
    (line,) = [record for record in caplog.records if CANARY in str(record.exc_info)]
    assert name in line.getMessage()


@pytest.mark.hardening("S11", "S15")
async def test_the_cookie_of_production(service: Service, client: TestClient) -> None:
    async with client.get("/") as answer:
        cookie: Any = answer.headers["Set-Cookie"]
        assert cookie.startswith("__Host-")
        assert {"Secure", "HttpOnly", "SameSite=Lax", "Path=/"} <= {part.strip() for part in cookie.split(";")}
        assert answer.headers["Cache-Control"] == "no-store"
