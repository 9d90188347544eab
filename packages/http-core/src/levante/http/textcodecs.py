"""Charsets that come from outside. A name is only believed where Python knows it as a text codec; in forms, only
where ASCII stays ASCII in it: in UTF-7, UTF-16 or ISO-2022 a checked text could turn into another one."""

import codecs
import encodings
import pkgutil
from encodings.aliases import aliases
from functools import cache, lru_cache
from typing import Final

# What Python counts among its text codecs and is no charset. Decoding punycode takes the square of the length: a body
# of 1 MiB would block the loop for minutes.
_NO_CHARSETS: Final = frozenset(("idna", "punycode", "raw-unicode-escape", "unicode-escape"))

# Every ASCII byte, and the shifts into other sets of ISO-2022 and HZ, which are ASCII to whoever does not know them.
_ASCII: Final = bytes(range(128)) + b"\x1b$B!!\x1b(B~{!!~}"


@lru_cache(maxsize=64)
def text_codec(charset: str) -> str | None:
    """Python's name for a charset, or None where it knows no text codec of that name."""
    name = encodings.normalize_encoding(charset).lower() if charset.isascii() else ""
    name = name if name in _known() else name.replace(".", "_")
    if name not in _known():
        return None
    try:
        codec = codecs.lookup(name)
        "".encode(codec.name)  # refuses codecs that are not between text and bytes, such as `zip`
    except (LookupError, ValueError):
        return None
    return None if codec.name in _NO_CHARSETS else codec.name


@cache
def _known() -> frozenset[str]:
    """The names under which Python may have a codec. It remembers every other name that it is asked for, and for good:
    a peer that makes up names would fill the memory.
    """
    modules = (module.name for module in pkgutil.iter_modules(encodings.__path__))
    return frozenset((*aliases, *aliases.values(), *modules))


@lru_cache(maxsize=64)
def ascii_compatible(charset: str) -> str | None:
    """Python's name for a charset in which the ASCII bytes mean ASCII, else None."""
    codec = text_codec(charset)
    try:
        return codec if codec is not None and _ASCII.decode(codec) == _ASCII.decode("ascii") else None
    except UnicodeDecodeError:
        return None
