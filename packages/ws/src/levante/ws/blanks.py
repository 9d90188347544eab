"""Objects that compiled code makes and then fills: bytes, text, tuples of a kind.

Python has no words for that; C has, and `blanks.pxd` gives them to the compiled modules, each under the name of what it
means, which is written here. This module itself is never compiled.
"""

from typing import Any, TypeVar

__all__ = ["copy", "new_ascii", "new_bytes", "octets", "record"]

T = TypeVar("T", bound=tuple[Any, ...])


def new_bytes(size: int) -> bytes:
    """`size` bytes. In C they can be written to, and must be, before anybody else sees them."""
    return bytes(size)


def new_ascii(size: int) -> str:
    """A text of `size` ASCII characters, as `new_bytes`."""
    return "\0" * size


def octets(text: str) -> bytes:
    """The bytes of a text that is ASCII. In C they are not copied."""
    return text.encode("ascii")


def copy(out: Any, at: int, octets: bytes, size: int) -> None:
    """Write `size` bytes of `octets` to `out`, from `at` on (Any: a bytearray here, new bytes in C)."""
    out[at : at + size] = octets[:size]


def record(kind: type[T], items: tuple[Any, ...]) -> T:
    """A named tuple of `items`, which are all of its fields. In C without the detour by its `__new__`, which parses
    keywords and defaults."""
    return tuple.__new__(kind, items)
