"""An ASGI application by its name, as an application of ours that does nothing but hold it: for
`python -m levante.web --asgi`, and for workers, which import what they serve.
"""

import logging
from dataclasses import dataclass
from typing import Any

from levante.web.app import Application
from levante.web.entry import Entry


@dataclass(frozen=True, slots=True)
class AsgiEntry:
    """The application of `module:name`. Logging is set up before, if `log_level` is given, as by `Entry`."""

    name: str
    log_level: int | None = None

    def __post_init__(self) -> None:
        Entry(self.name)  # raises what is wrong with it

    def __call__(self) -> Application:
        if self.log_level is not None:
            logging.basicConfig(level=self.log_level)
        app = Application()
        app.mount("/", self.load())
        return app

    def load(self) -> Any:  # Any: what has that name
        """Import it. EntryError when there is no such thing."""
        return Entry(self.name).load()
