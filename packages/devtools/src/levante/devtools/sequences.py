"""Comma-separated things on one line or many: putting one more in, so that layout follows the neighbours and each
comment stays with the thing that it stands beside."""

from collections.abc import Sequence
from typing import TypeVar

import libcst as cst

Item = TypeVar("Item", cst.ImportAlias, cst.BaseElement)

Space = cst.BaseParenthesizableWhitespace

NEXT_LINE = cst.ParenthesizedWhitespace(indent=True, last_line=cst.SimpleWhitespace("    "))
"""A line break, then the usual indent."""
LAST_LINE = cst.ParenthesizedWhitespace(indent=True)
"""A line break before the closing bracket of something at the top level of a module."""


def inserted(items: Sequence[Item], place: int, new: Item, *, close: Space) -> tuple[list[Item], Space]:
    """`items` with `new` at `place`, and the space before the closing bracket, which is `close` now."""
    listed = list(items)
    if place == len(items) and items and isinstance(items[-1].comma, cst.Comma):
        behind = items[-1].comma.whitespace_after  # where the parser puts it for imports
        close = behind if isinstance(behind, cst.ParenthesizedWhitespace) else close
    between = _space_between(items, close)
    if place < len(items):
        listed.insert(place, new.with_changes(comma=cst.Comma(whitespace_after=between)))
        return listed, close
    if not items:
        return [new], close
    trailing = cst.Comma() if isinstance(items[-1].comma, cst.Comma) else items[-1].comma
    listed[-1] = items[-1].with_changes(comma=cst.Comma(whitespace_after=_with_comment_of(between, close)))
    listed.append(new.with_changes(comma=trailing))
    return listed, _with_comment_of(close, cst.SimpleWhitespace(""))


def one_a_line(items: Sequence[Item]) -> list[Item]:
    """`items` with each on a line of its own, and a comma behind the last; LAST_LINE belongs before the bracket."""
    commas = [*[cst.Comma(whitespace_after=NEXT_LINE)] * (len(items) - 1), cst.Comma()]
    return [item.with_changes(comma=comma) for item, comma in zip(items, commas, strict=True)]


def _space_between(items: Sequence[Item], close: Space) -> Space:
    for item in items[:-1]:
        if isinstance(item.comma, cst.Comma):
            return _with_comment_of(item.comma.whitespace_after, cst.SimpleWhitespace(""))
    return NEXT_LINE if isinstance(close, cst.ParenthesizedWhitespace) else cst.SimpleWhitespace(" ")


def _with_comment_of(space: Space, source: Space) -> Space:
    if not isinstance(space, cst.ParenthesizedWhitespace):
        return space
    if isinstance(source, cst.ParenthesizedWhitespace):
        return space.with_changes(first_line=source.first_line)
    return space.with_changes(first_line=cst.TrailingWhitespace())
