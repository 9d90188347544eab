"""The Sec-WebSocket-Extensions field (RFC 6455 section 9.1): values in, extensions with their parameters out."""

import re
from collections.abc import Iterable
from typing import NamedTuple

from .limits import MAX_EXTENSION_PARAMETERS, MAX_EXTENSIONS

__all__ = ["Extension", "parse_extensions"]

_WORD = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_NAME = re.compile(rf"[ \t]*({_WORD})[ \t]*")
# A quoted value must, without its quotes, still be a token, so nothing in it needs a backslash.
_PARAMETER = re.compile(rf";[ \t]*({_WORD})[ \t]*(?:=[ \t]*(?:({_WORD})|\"({_WORD})\")[ \t]*)?")


class Extension(NamedTuple):
    """One extension: its name and its parameters in order, the value None where there is none."""

    name: str
    parameters: tuple[tuple[str, str | None], ...]


def parse_extensions(values: Iterable[str]) -> list[Extension]:
    """All extensions of the given field values, in order; raises `ValueError` for what is not in the grammar or too
    long."""
    found: list[Extension] = []
    for value in values:
        position = 0
        while position <= len(value):
            extension, position = _parse_one(value, position)
            if extension is not None:
                found.append(extension)
            if len(found) > MAX_EXTENSIONS:
                raise ValueError(f"got more than {MAX_EXTENSIONS} extensions")
    return found


def _parse_one(value: str, position: int) -> tuple[Extension | None, int]:
    """The list element at `position`, and where the next one starts. Empty elements are allowed in lists (RFC 9110)."""
    name = _NAME.match(value, position)
    if name is None:
        end = value.find(",", position)
        end = len(value) if end < 0 else end
        if value[position:end].strip(" \t"):
            raise ValueError(f"got {value[position:end]!r}; expected the name of an extension")
        return None, end + 1
    position = name.end()
    parameters: list[tuple[str, str | None]] = []
    while match := _PARAMETER.match(value, position):
        parameters.append((match[1].lower(), match[2] or match[3]))
        position = match.end()
        if len(parameters) > MAX_EXTENSION_PARAMETERS:
            raise ValueError(f"got more than {MAX_EXTENSION_PARAMETERS} parameters of {name[1]}")
    if position < len(value) and value[position] != ",":
        raise ValueError(f"got {value[position : position + 20]!r} after the extension {name[1]}; expected ',' or ';'")
    return Extension(name[1].lower(), tuple(parameters)), position + 1
