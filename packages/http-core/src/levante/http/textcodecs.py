"""Charsets that come from outside. A name is only believed where Python knows it as a text codec; in forms, only
where ASCII stays ASCII in it: in UTF-7, UTF-16 or ISO-2022 a checked text could turn into another one."""

import codecs
from functools import lru_cache
from typing import Final

# What Python counts among its text codecs and is no charset. Decoding punycode takes the square of the length: a body
# of 1 MiB would block the loop for minutes.
_NO_CHARSETS: Final = frozenset(("idna", "punycode", "raw-unicode-escape", "unicode-escape"))

# Every ASCII byte, and the shifts into other sets of ISO-2022 and HZ, which are ASCII to whoever does not know them.
_ASCII: Final = bytes(range(128)) + b"\x1b$B!!\x1b(B~{!!~}"


@lru_cache(maxsize=64)
def text_codec(charset: str) -> str | None:
    """Python's name for a charset, or None where it knows no text codec of that name."""
    try:
        codec = codecs.lookup(charset)
        "".encode(codec.name)  # refuses codecs that are not between text and bytes, such as `zip`
    except (LookupError, ValueError):
        return None
    return None if codec.name in _NO_CHARSETS else codec.name


@lru_cache(maxsize=64)
def ascii_compatible(charset: str) -> str | None:
    """Python's name for a charset in which the ASCII bytes mean ASCII, else None."""
    codec = text_codec(charset)
    try:
        return codec if codec is not None and _ASCII.decode(codec) == _ASCII.decode("ascii") else None
    except UnicodeDecodeError:
        return None
