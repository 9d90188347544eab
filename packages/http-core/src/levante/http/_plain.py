"""Choosing the form: a finder that loads the engines' modules from their `.py` where a compiled twin lies beside it.

An extension built in place shadows the source of the same name. With LEVANTE_PURE=1 in the environment this finder goes
first on `sys.meta_path` and answers, for the packages that compile anything, with the source alone.
"""

import os
import sys
from collections.abc import Sequence
from importlib.machinery import SOURCE_SUFFIXES, FileFinder, ModuleSpec, SourceFileLoader
from types import ModuleType

# The packages that have compiled modules.
_PACKAGES = ("levante.http", "levante.ws")


class PlainFinder:
    """A meta path finder that sees only `.py` files below the packages that have compiled modules."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        parent = fullname.rpartition(".")[0]
        if path is None or parent not in _PACKAGES:
            return None
        for entry in path:
            spec = FileFinder(entry, (SourceFileLoader, SOURCE_SUFFIXES)).find_spec(fullname, target)
            if spec is not None:
                return spec
        return None


def install() -> None:
    """Put the finder first, once, if the environment asks for the plain form."""
    if os.environ.get("LEVANTE_PURE") and not any(isinstance(finder, PlainFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, PlainFinder())


install()
