"""What the tests share: databases of their own, the application on one of them, and a person's browser. Databases are
SQLite files, or, when TEST_DATABASE_URL names a server, new databases on it; none is ever the developer's, and all
are gone afterwards."""

import asyncio
import os
import re
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest
from alembic import command
from alembic.config import Config
from levante.client import ClientResponse
from levante.devtools.pytest_plugin import ClientFactory
from levante.devtools.testing import TestClient
from levante.sessions import generate_key
from sqlalchemy import NullPool, delete, make_url, text
from sqlalchemy.ext.asyncio import create_async_engine

from [[ cookiecutter.package ]].app import create_app
from [[ cookiecutter.package ]].db import make_engine
from [[ cookiecutter.package ]].models import Base
from [[ cookiecutter.package ]].settings import Settings

ROOT = Path(__file__).parents[1]
SERVER = os.environ.get("TEST_DATABASE_URL")

MakeDatabase = [[ "Callable[[], str]" ]]
AlembicConfig = Callable[[ "[[str], Config]" ]]


async def on_server(statement: str) -> None:
    engine = create_async_engine(SERVER or "", isolation_level="AUTOCOMMIT", poolclass=NullPool)
    async with engine.connect() as connection:
        await connection.execute(text(statement))
    await engine.dispose()


@pytest.fixture(scope="session")
def make_database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeDatabase]:
    """Makes an empty database and gives back its URL."""
    names: list[str] = []

    def make() -> str:
        if SERVER is None:
            return f"sqlite+aiosqlite:///{tmp_path_factory.mktemp('database')}/test.db"
        name = f"[[ cookiecutter.package ]]_test_{uuid4().hex[:12]}"
        asyncio.run(on_server(f'CREATE DATABASE "{name}"'))
        names.append(name)
        return make_url(SERVER).set(database=name).render_as_string(hide_password=False)

    yield make
    for name in names:
        asyncio.run(on_server(f'DROP DATABASE "{name}" WITH (FORCE)'))


@pytest.fixture(scope="session")
def alembic_config() -> AlembicConfig:
    """Alembic's configuration for the database at a URL."""

    def configure(url: str) -> Config:
        config = Config(str(ROOT / "alembic.ini"))
        config.attributes["database_url"] = url
        return config

    return configure


@pytest.fixture(scope="session")
def database_url(make_database: MakeDatabase, alembic_config: AlembicConfig) -> str:
    """A database that the migrations made."""
    url = make_database()
    command.upgrade(alembic_config(url), "head")
    return url


@pytest.fixture
async def settings(database_url: str) -> AsyncIterator[Settings]:
    """Settings of the test environment; the tables are empty again afterwards."""
    settings = Settings(secret_keys=generate_key(), environment="test", database_url=database_url)
    yield settings
    engine = make_engine(settings)
    async with engine.begin() as connection:
        for table in reversed(Base.metadata.sorted_tables):
            await connection.execute(delete(table))
    await engine.dispose()


@pytest.fixture
async def client(levante_client: ClientFactory, settings: Settings) -> TestClient:
    """A client of the running application."""
    return await levante_client(create_app(settings))


@dataclass
class Browser:
    """A person's browser: it keeps cookies, and sends the token of the page with each form."""

    client: TestClient

    async def read(self, path: str) -> str:
        response = await self.client.get(path, headers={"Accept": "text/html"})
        return await response.text()

    async def submit(self, path: str, values: dict[str, str]) -> ClientResponse:
        token = re.search(r'name="csrf-token" content="([^"]+)"', await self.read("/"))
        data = {"csrf_token": token[1] if token else "", **values}
        return await self.client.post(path, data=data, allow_redirects=False, headers={"Accept": "text/html"})


@pytest.fixture
def browser(client: TestClient) -> Browser:
    return Browser(client)
