"""Alembic's environment. The database is the one of the settings, unless whoever calls alembic names another in
`config.attributes["database_url"]`. Revisions are numbered 0001, 0002, ... so that their order can be read from the
file names."""

import asyncio
from typing import Any

from alembic import context
from alembic.operations.ops import MigrationScript
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from storefront.db import make_engine
from storefront.models import Base
from storefront.settings import Settings

config = context.config


def settings() -> Settings:
    """Settings with the database to work on."""
    url = config.attributes.get("database_url")
    return Settings(secret_keys="", database_url=url) if url else Settings.load()


def number_revision(_: Any, __: Any, scripts: list[MigrationScript]) -> None:
    """Number a new revision; write none when autogenerate finds nothing to do."""
    script = scripts[0]
    if getattr(config.cmd_opts, "autogenerate", False) and script.upgrade_ops and script.upgrade_ops.is_empty():
        scripts.clear()
        return
    head = ScriptDirectory.from_config(config).get_current_head() or "0000"
    if head.isdigit():
        script.rev_id = f"{int(head) + 1:04}"


def run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        render_as_batch=connection.dialect.name == "sqlite",
        process_revision_directives=number_revision,
    )
    with context.begin_transaction():
        context.run_migrations()


async def run_online() -> None:
    engine = make_engine(settings())
    async with engine.connect() as connection:
        await connection.run_sync(run)
    await engine.dispose()


if context.is_offline_mode():
    context.configure(url=settings().database_url, target_metadata=Base.metadata, literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()
else:
    asyncio.run(run_online())
