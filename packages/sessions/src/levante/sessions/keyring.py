"""Where an application's keys come from: a variable of the environment, or a file that it names. In development and in
tests they may be missing: then they are made up, for this process alone. Anywhere else a missing key, a short one, a
sample or a word refuses to start: a service that signs with a key that everybody knows is worse than one that is
down."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from .errors import WeakKey
from .notices import LOG
from .signing import generate_key, parse_keys

NAME: Final = "SECRET_KEYS"
LENIENT: Final = frozenset({"development", "test"})
MAX_FILE: Final = 4096  # bytes: eight keys are shorter; a longer file is another one


def keys_from_environment(
    name: str = NAME, *, environment: str, environ: Mapping[str, str] | None = None
) -> tuple[bytes, ...]:
    """The keys that the variable `name` holds, newest first, separated by commas; or the file that `name`_FILE names
    (Docker and Kubernetes mount secrets as files).

    `environment` is "development" or "test" where a missing key may be made up; every other word means that it must be
    there. Raises WeakKey, whose text has the cure and never the key, also when both are set or the file cannot be read.
    """
    source = os.environ if environ is None else environ
    value, path = source.get(name, "").strip(), source.get(f"{name}_FILE", "").strip()
    if value and path:
        raise WeakKey(f"both {name} and {name}_FILE are set, and one of them is not meant")
    if path:
        value = _read(Path(path))
    if value or environment not in LENIENT:
        return parse_keys(value)
    LOG.warning("%s is not set: this process has made up a key, and its sessions end with it", name)
    return parse_keys(generate_key())


def _read(path: Path) -> str:
    try:
        with path.open(encoding="ascii") as file:
            return file.read(MAX_FILE).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise WeakKey(f"the file {path} cannot be read ({type(error).__name__})") from None
