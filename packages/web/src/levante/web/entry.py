"""What makes the application: a function, or its name as `module:function`. A name is looked up where the application
is made, so that a worker process started anew gets the code as it is then.
"""

import inspect
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, TypeAlias

from .app import Application

Factory: TypeAlias = Callable[[], Application | Awaitable[Application]]
"""Makes the application; may be `async def`."""


class EntryError(Exception):
    """A name that leads to no function; the message says where it breaks off."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A function by name; called, it is imported and called, with `argv` if that is not None. Logging is set up before,
    if `log_level` is given: in a worker process nobody else has.
    """

    name: str
    argv: Sequence[str] | None = None
    log_level: int | None = None

    def __post_init__(self) -> None:
        module, colon, function = self.name.partition(":")
        if not (colon and module and function):
            raise EntryError(f"expected module:function, got {self.name!r}")
        if module.startswith("."):
            raise EntryError(f"relative module names are not supported; got {self.name!r}")

    def __call__(self) -> Application | Awaitable[Application]:
        if self.log_level is not None:
            logging.basicConfig(level=self.log_level)
        found = self.load()
        if isinstance(found, Application):
            return found
        made: Application | Awaitable[Application] = found() if self.argv is None else found(self.argv)
        return made

    def load(self) -> Any:  # Any: what has that name
        """Import it. EntryError when there is no such thing."""
        module_name, _, attribute = self.name.partition(":")
        try:
            module = import_module(module_name)
        except ModuleNotFoundError as exc:
            if exc.name is not None and (module_name == exc.name or module_name.startswith(f"{exc.name}.")):
                raise EntryError(f"cannot import {module_name}: {exc}") from exc
            raise  # it is there, and misses something else: the traceback says what
        try:
            return getattr(module, attribute)
        except AttributeError as exc:
            raise EntryError(f"module {module_name!r} has no attribute {attribute!r}") from exc


def as_factory(app: object) -> Factory:
    """What `run_app` may be given, as a function that makes the application."""
    if isinstance(app, Application) or inspect.isawaitable(app):
        return lambda: app
    if isinstance(app, str):
        return Entry(app)
    if callable(app):
        return app
    raise TypeError(
        f"expected a web.Application, an awaitable of one, a function that makes one, or 'module:function'; got {app!r}"
    )
