"""The module that does zlib's work: the standard library's, or a faster one of the same interface (isal, zlib-ng),
chosen once for the process."""

import zlib
from types import ModuleType
from typing import Any

current: Any = zlib  # a module with zlib's interface, which typing cannot say


def set_zlib_backend(module: ModuleType) -> None:
    """Use another module with zlib's interface (`isal.isal_zlib`, `zlib_ng.zlib_ng`) for every coder made from now on.

    Raises TypeError where it lacks `compressobj` or `decompressobj`.
    """
    global current  # noqa: PLW0603 - one choice for the whole process is what this is
    if not (hasattr(module, "compressobj") and hasattr(module, "decompressobj")):
        raise TypeError(f"expected a module with zlib's compressobj and decompressobj, got {module!r}")
    current = module
