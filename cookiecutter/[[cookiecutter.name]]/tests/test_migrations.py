"""The migrations: they can be undone and done again, and they make what the models describe."""

from alembic import command
from conftest import AlembicConfig, MakeDatabase


def test_up_down_up(make_database: MakeDatabase, alembic_config: AlembicConfig) -> None:
    config = alembic_config(make_database())
    command.upgrade(config, "head")
    command.downgrade(config, "base")
    command.upgrade(config, "head")
    command.check(config)


def test_models_have_no_change_without_a_migration(database_url: str, alembic_config: AlembicConfig) -> None:
    command.check(alembic_config(database_url))
