"""Fixtures of the end-to-end tests: a generated service on each database, its development server, a browser."""

import asyncio
import contextlib
import os
import subprocess
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import asyncpg
import pytest
from playwright.sync_api import Browser, sync_playwright
from processes import DEVTOOLS, DevServer, Service, missing, tool, wait_until

CHROMIUM_FLAGS = [
    "--no-sandbox",  # CI runs as root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@contextlib.contextmanager
def postgres_database() -> Iterator[str]:
    """A database of its own on the server that TEST_DATABASE_URL names, dropped afterwards."""
    server = os.environ.get("TEST_DATABASE_URL")
    if server is None:
        missing("TEST_DATABASE_URL is not set (make test sets it where PostgreSQL is installed)")
    assert server is not None
    name = f"e2e_{uuid.uuid4().hex[:12]}"
    on_server(server, f'CREATE DATABASE "{name}"')
    try:
        yield urlsplit(server)._replace(path=f"/{name}").geturl()
    finally:
        on_server(server, f'DROP DATABASE "{name}" WITH (FORCE)')


def on_server(server: str, statement: str) -> None:
    """In a thread of its own: playwright keeps an event loop running in this one."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(lambda: asyncio.run(execute(server, statement))).result()


async def execute(server: str, statement: str) -> None:
    connection = await asyncpg.connect(server.replace("+asyncpg", ""))
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """`devtools new shop`, with its own tests run, on each database."""
    folder = tmp_path_factory.mktemp("services")
    with contextlib.ExitStack() as stack:
        options: list[str] = []
        if request.param == "postgresql":
            options = ["--database", stack.enter_context(postgres_database())]
        done = subprocess.run(
            [str(DEVTOOLS), "new", "shop", "--into", str(folder), *options],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        yield Service(folder / "shop", request.param, done.stdout + done.stderr, {})


@pytest.fixture
def server(service: Service) -> Iterator[DevServer]:
    running = DevServer(service.path, service.environment)
    try:
        wait_until("the service answers", running.answers)
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """For a module, not the session: while it is there its event loop runs, and no test can run another."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=tool("chromium"), args=CHROMIUM_FLAGS)
        yield chromium
        chromium.close()
