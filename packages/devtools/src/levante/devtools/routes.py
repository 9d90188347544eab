"""`devtools routes`: what an application answers to, and where the code of each answer is."""

import asyncio
import inspect
import logging
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

import click

from levante.http import hdrs

from .discover import Target, TargetError, child_environment, find_target, is_project_file, load_target
from .error_page import in_one_line
from .logs import show_early_records


@click.command("routes", short_help="List what an application answers to.")
@click.argument("path", default=".", type=click.Path(path_type=Path))
def routes_command(path: Path) -> None:
    """List the routes of the application at PATH: path, methods, name, and file:line of the handler."""
    from levante.web import Application

    try:
        target = find_target(path)
        os.environ.update(child_environment(target, os.environ))
        show_early_records(logging.ERROR)  # of loading; what it warns of is not what was asked
        made = load_target(target)
        app = made if isinstance(made, Application) else asyncio.run(_awaited(made))
    except TargetError as error:
        raise click.UsageError(str(error)) from error
    except Exception as error:
        shown = in_one_line(error, lambda file: is_project_file(file, target), root=target.root)
        raise click.ClickException(
            f"{target.name} does not load: {shown}; `devtools doctor {path}` says more"
        ) from error
    rows = sorted(_rows(app, target))
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(3)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        click.echo("  ".join([*cells, row[3]]).rstrip())


async def _awaited(made: Any) -> Any:  # Any: what the project's factory returned
    return await made


def _rows(app: Any, target: Target) -> Iterable[tuple[str, str, str, str]]:  # Any: an Application
    methods: dict[tuple[str, str, str], list[str]] = {}
    for route in app.router.routes():
        resource = route.resource
        path = "" if resource is None else resource.canonical
        name = (resource.name if resource is not None else None) or ""
        methods.setdefault((path, name, _place(route.handler, target)), []).extend(_methods(route))
    for (path, name, place), answered in methods.items():
        yield path, " ".join(sorted(answered)), name, place


def _methods(route: Any) -> list[str]:  # Any: an AbstractRoute
    if route.method != "*" or not inspect.isclass(route.handler):
        return [route.method]
    own = {method for method in hdrs.METH_ALL if hasattr(route.handler, method.lower())}
    return sorted(own | {hdrs.METH_HEAD} if hdrs.METH_GET in own else own)  # a view answers HEAD by get


def _place(handler: object, target: Target) -> str:
    code = inspect.unwrap(cast("Any", handler))
    code = getattr(code, "func", code)  # a partial
    try:
        file, line = inspect.getsourcefile(code), inspect.getsourcelines(code)[1]
    except (TypeError, OSError):  # built-in, or made at run time
        return ""
    if file is not None and is_project_file(os.path.realpath(file), target):
        return f"{os.path.relpath(file)}:{line}"
    return f"{code.__module__}:{line}"
