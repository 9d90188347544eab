"""One more in a list: the layout is the neighbours', and comments stay beside what they stand beside."""

import libcst as cst
import pytest

from levante.devtools.sequences import inserted


@pytest.mark.parametrize(
    ("source", "place", "expected"),
    [
        ("[]", 0, "[new]"),
        ("[a]", 0, "[new, a]"),
        ("[a]", 1, "[a, new]"),
        ("[a, b]", 1, "[a, new, b]"),
        ("[a, b,]", 2, "[a, b, new,]"),
        ("[\n    a,\n]", 0, "[\n    new,\n    a,\n]"),
        ("[\n    a,\n]", 1, "[\n    a,\n    new,\n]"),
        ("[\n    a,  # one\n    b,  # two\n]", 1, "[\n    a,  # one\n    new,\n    b,  # two\n]"),
        ("[\n    a,  # one\n    b,  # two\n]", 2, "[\n    a,  # one\n    b,  # two\n    new,\n]"),
        ("[\n    a,\n    b\n]", 2, "[\n    a,\n    b,\n    new\n]"),
    ],
)
def test_inserted(source: str, place: int, expected: str) -> None:
    parsed = cst.ensure_type(cst.parse_expression(source), cst.List)
    new = cst.Element(cst.Name("new"))
    items, close = inserted(parsed.elements, place, new, close=parsed.rbracket.whitespace_before)
    changed = parsed.with_changes(elements=items, rbracket=cst.RightSquareBracket(close))
    assert cst.Module([]).code_for_node(changed) == expected
