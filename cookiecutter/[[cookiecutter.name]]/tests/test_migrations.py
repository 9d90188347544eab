"""The migrations: they can be undone and done again, and they make what the models describe."""

from alembic import command

from .databases import Databases, alembic_config


def test_up_down_up(databases: Databases) -> None:
    config = alembic_config(databases.make())
    command.upgrade(config, "head")
    command.downgrade(config, "base")
    command.upgrade(config, "head")
    command.check(config)
