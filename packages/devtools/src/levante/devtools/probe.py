"""What `devtools doctor` asks of a service's own code, in a process of its own: does the application load, do the
settings, and which database do they name. Run as `python -m levante.devtools.probe`, with the target as JSON on
standard input; the last line on standard output is the answer as JSON. Nothing is started and no file is written."""

import asyncio
import importlib
import json
import sys
from collections.abc import Awaitable
from typing import Any

from .discover import Target, is_project_file, load_target
from .error_page import in_one_line
from .wire import Message

SETTINGS_MODULE = "settings"
"""Beside the application's module; it has a class `Settings` with `load()`. A service without it has no settings."""

REPORTED = ("database_url", "replicas")


def examine(target: Target) -> Message:
    """`error`: why the application does not load, or ''. `problems`: one line for each setting that is wrong.
    `settings`: those of `REPORTED` that there are; None when they do not load."""
    error, problems = _load_application(target)
    settings: Message | None = None
    if not problems:
        settings, problems = _load_settings(target)
    return {"error": error, "problems": problems, "settings": settings}


def _load_application(target: Target) -> tuple[str, list[str]]:
    try:
        made = load_target(target)
        if isinstance(made, Awaitable):
            asyncio.run(_awaited(made))
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - sys.exit() in a module is reported like any other error
        # Settings that are wrong keep a service from being made; they are reported as what they are.
        problems = _problems_of(error)
        return ("" if problems else _one_line(error, target)), problems
    return "", []


async def _awaited(made: Awaitable[object]) -> None:
    await made


def _load_settings(target: Target) -> tuple[Message | None, list[str]]:
    name = ".".join([*target.module.split(".")[:-1], SETTINGS_MODULE])
    try:
        module: Any = importlib.import_module(name)  # Any: the project's
        settings = module.Settings.load()
    except ModuleNotFoundError as error:
        return (None, [_one_line(error, target)]) if error.name != name else ({}, [])
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the answer
        return None, _problems_of(error) or [_one_line(error, target)]
    return {name: getattr(settings, name) for name in REPORTED if hasattr(settings, name)}, []


def _problems_of(error: BaseException) -> list[str]:
    return [str(problem) for problem in getattr(error, "problems", ())]


def _one_line(error: BaseException, target: Target) -> str:
    return in_one_line(error, lambda file: is_project_file(file, target), root=target.root)


def main() -> None:
    """Answer on standard output; what the project prints goes to standard error."""
    answer, sys.stdout = sys.stdout, sys.stderr
    sys.dont_write_bytecode = True
    message = examine(Target.from_json(json.load(sys.stdin)))
    answer.write(f"\n{json.dumps(message)}\n")
    answer.flush()


if __name__ == "__main__":
    main()
