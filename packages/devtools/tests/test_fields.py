"""Typed fields, as the command line gives them."""

import pytest

from levante.devtools.fields import FIELD_TYPES, MAX_FIELDS, InvalidField, parse_fields


def test_fields_in_their_order() -> None:
    fields = parse_fields(["title:str", "in_stock:bool"])
    assert [str(field) for field in fields] == ["title:str", "in_stock:bool"]
    assert fields[1].label == "In stock"


@pytest.mark.parametrize("kind", FIELD_TYPES)
def test_context_is_plain_data(kind: str) -> None:
    (field,) = parse_fields([f"thing:{kind}"]) if kind != "bool" else parse_fields(["title:str", "thing:bool"])[1:]
    context = field.context()
    assert (context["name"], context["label"], context["type"]) == ("thing", "Thing", kind)
    assert {"annotation", "column", "schema", "widget", "sample", "other", "wrong", "typed"} <= context.keys()


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ([], "no fields"),
        (["title"], "expected name:type"),
        (["title:string"], "the type 'string' is not one of str, text"),
        (["Title:str"], "expected a lower-case name"),
        (["2nd:str"], "expected a lower-case name"),
        ([f"{'x' * 41}:str"], "at most 40 characters"),
        (["class:str"], "is taken"),
        (["id:int"], "is taken"),
        (["metadata:str"], "is taken"),
        (["title:str", "title:int"], "appears more than once"),
        (["paid:bool"], "cannot be a bool"),
        ([f"f{number}:int" for number in range(MAX_FIELDS + 1)], "at most 40"),
    ],
)
def test_refused(words: list[str], reason: str) -> None:
    with pytest.raises(InvalidField, match=reason):
        parse_fields(words)
