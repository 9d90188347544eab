"""A file that is replaced as a whole: who reads it, after a crash as well, finds the old contents or the new ones."""

import contextlib
import os
import tempfile
from pathlib import Path

PART = ".part"
"""The end of the name of a file that is being written; what a crash leaves behind has it."""


def replace_file(target: Path, data: bytes) -> None:
    """Write `data` to `target` with mode 0600. OSError when that cannot be done; `target` then is as it was."""
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=target.name, suffix=PART)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(temporary).replace(target)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            Path(temporary).unlink()
        raise
