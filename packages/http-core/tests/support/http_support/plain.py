"""The plain form beside the compiled one in the same process: `levante_plain.http` is `levante.http` loaded from its
`.py` files.

Relative imports inside the package make this work: an alias of the package pulls in aliases of its modules.
"""

import importlib
import sys
from collections.abc import Sequence
from importlib.machinery import SOURCE_SUFFIXES, FileFinder, ModuleSpec, SourceFileLoader
from types import ModuleType

import levante

ALIAS = "levante_plain"


class AliasFinder:
    """A meta path finder for the alias and everything below it; it sees `.py` files only."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname == ALIAS:
            spec = ModuleSpec(fullname, None, is_package=True)
            spec.submodule_search_locations = list(levante.__path__)
            return spec
        if not fullname.startswith(f"{ALIAS}.") or path is None:
            return None
        for entry in path:
            found = FileFinder(entry, (SourceFileLoader, SOURCE_SUFFIXES)).find_spec(fullname, target)
            if found is not None and found.loader is not None:
                return found
        return None


def plain(module: str) -> ModuleType:
    """Import the plain form of `module`, given as `http` or `http.h1`."""
    if not any(isinstance(finder, AliasFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, AliasFinder())
    return importlib.import_module(f"{ALIAS}.{module}")
