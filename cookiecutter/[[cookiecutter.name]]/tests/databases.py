"""Databases for tests: SQLite files, or, when TEST_DATABASE_URL names a server, new databases on it. None is ever the
developer's, and all are gone afterwards."""

import asyncio
import os
from pathlib import Path
from uuid import uuid4

from alembic.config import Config
from sqlalchemy import NullPool, make_url, text
from sqlalchemy.ext.asyncio import create_async_engine

ROOT = Path(__file__).parents[1]
SERVER = os.environ.get("TEST_DATABASE_URL")


class Databases:
    """Makes empty databases, and drops them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._names: list[str] = []

    def make(self) -> str:
        """Make one; gives back its URL."""
        name = f"[[ cookiecutter.package ]]_test_{uuid4().hex[:12]}"
        if SERVER is None:
            return f"sqlite+aiosqlite:///{self._folder}/{name}.db"
        asyncio.run(_on_server(SERVER, f'CREATE DATABASE "{name}"'))
        self._names.append(name)
        return make_url(SERVER).set(database=name).render_as_string(hide_password=False)

    def drop(self) -> None:
        """Drop all that were made; files go with their folder."""
        for name in self._names:
            asyncio.run(_on_server(SERVER or "", f'DROP DATABASE "{name}" WITH (FORCE)'))


async def _on_server(server: str, statement: str) -> None:
    engine = create_async_engine(server, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    async with engine.connect() as connection:
        await connection.execute(text(statement))
    await engine.dispose()


def alembic_config(database_url: str) -> Config:
    """Alembic's configuration, for that database."""
    config = Config(str(ROOT / "alembic.ini"))
    config.attributes["database_url"] = database_url
    return config
