"""What the tests share: a database, the application on it, and a browser."""

from collections.abc import AsyncIterator, Iterator

import pytest
from alembic import command
from levante.devtools.pytest_plugin import ClientFactory
from levante.devtools.testing import TestClient
from levante.sessions import generate_key
from sqlalchemy import delete

from storefront.app import create_app
from storefront.db import make_engine
from storefront.models import Base
from storefront.settings import Settings

from .browser import Browser
from .databases import Databases, alembic_config


@pytest.fixture(scope="session")
def databases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Databases]:
    databases = Databases(tmp_path_factory.mktemp("databases"))
    yield databases
    databases.drop()


@pytest.fixture(scope="session")
def database_url(databases: Databases) -> str:
    """A database that the migrations made."""
    url = databases.make()
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


@pytest.fixture
def browser(client: TestClient) -> Browser:
    return Browser(client)
