"""`make shell`: a Python prompt with the application started, where `await` works."""

import ast
import asyncio
import code
import inspect
from types import CodeType, FunctionType

from . import models
from .app import create_app
from .db import SESSIONS
from .settings import Settings


class AsyncConsole(code.InteractiveConsole):
    """An interactive console that awaits what it is given, on one event loop."""

    def __init__(self, names: dict[str, object], runner: asyncio.Runner) -> None:
        super().__init__(names)
        self.compile.compiler.flags |= ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        self.runner = runner

    def runcode(self, code: CodeType) -> None:
        try:
            result = FunctionType(code, self.locals)()
            if inspect.iscoroutine(result):
                self.runner.run(result)
        except SystemExit:
            raise
        except BaseException:  # noqa: BLE001  # whatever was typed; the prompt goes on
            self.showtraceback()


def main() -> None:
    """Start the application, hand out the prompt, stop the application."""
    settings = Settings.load()
    app = create_app(settings)
    with asyncio.Runner() as runner:
        runner.run(app.startup())
        session = app[SESSIONS]()
        names = {"app": app, "settings": settings, "models": models, "session": session}
        AsyncConsole(names, runner).interact("app, settings, models, session (await session.get(...))", "")
        runner.run(session.close())
        runner.run(app.cleanup())


if __name__ == "__main__":
    main()
