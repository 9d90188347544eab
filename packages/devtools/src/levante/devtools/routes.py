"""`devtools routes`: what an application answers to, and where the code of each answer is."""

import asyncio
import inspect
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

import click

from .discover import TargetError, child_environment, find_target, load_target


@click.command("routes")
@click.argument("path", default=".", type=click.Path(path_type=Path))
def routes_command(path: Path) -> None:
    """List the routes of the application at PATH: method, path, name, and file:line of the handler."""
    from levante.web import Application

    try:
        target = find_target(path)
        os.environ.update(child_environment(target, os.environ))
        made = load_target(target)
    except TargetError as error:
        raise click.UsageError(str(error)) from error
    app = made if isinstance(made, Application) else asyncio.run(_awaited(made))
    rows = sorted(_rows(app))
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(3)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        click.echo("  ".join([*cells, row[3]]).rstrip())


async def _awaited(made: Any) -> Any:  # Any: what the project's factory returned
    return await made


def _rows(app: Any) -> Iterable[tuple[str, str, str, str]]:  # Any: an Application
    for route in app.router.routes():
        resource = route.resource
        path = "" if resource is None else resource.canonical
        yield path, route.method, (resource.name if resource is not None else None) or "", _place(route.handler)


def _place(handler: object) -> str:
    code = inspect.unwrap(cast("Any", handler))
    code = getattr(code, "func", code)  # a partial
    try:
        file, line = inspect.getsourcefile(code), inspect.getsourcelines(code)[1]
    except (TypeError, OSError):  # built-in, or made at run time
        return ""
    return f"{os.path.relpath(file)}:{line}" if file else ""
