"""The typed fields of a resource, as the command line gives them: `title:str total:decimal paid:bool`. One table says
for each type what the model, the schema, the HTML form and the tests need; the templates of the part only read it.
Everything is plain data, so that cookiecutter can carry it and pyproject.toml can record it."""

import keyword
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from .names import MAX_NAME_LENGTH

MAX_FIELDS = 40
"""A form and a table row with more columns than this is not one that a generator should write."""

RESERVED_FIELDS = frozenset(
    {
        *("id", "metadata", "registry", "type_annotation_map"),  # SQLAlchemy's declarative base
        *("fields", "validate", "opts", "context", "dateformat", "datetimeformat"),  # marshmallow's Schema
        *("str", "int", "float", "bool", "datetime", "decimal", "mapped_column"),  # would hide a type in the class body
        *("csrf_token", "errors", "items", "keys", "values", "get"),  # forms and templates
    }
)


class InvalidField(ValueError):
    """A field that cannot be used; its text is the one line to show."""


@dataclass(frozen=True, slots=True)
class FieldType:
    """What one type of field means on each side. `annotation` and `column` are source text of the model, `schema` of
    the schema, each with the import lines it needs; `widget` is the form macro. The samples are source text as well:
    a value as JSON carries it, another one, one that is refused, and the first as a form sends it."""

    annotation: str
    column: str
    schema: str
    widget: str
    sample: str
    other: str
    wrong: str
    typed: str
    model_imports: tuple[str, ...] = ()
    schema_imports: tuple[str, ...] = ("from marshmallow import fields",)


FIELD_TYPES: dict[str, FieldType] = {
    "str": FieldType(
        annotation="str",
        column="mapped_column(String(200))",
        schema="Line(required=True)",
        widget="text",
        sample='"A first one"',
        other='"Another"',
        wrong='"x" * 201',
        typed='"A first one"',
        model_imports=("from sqlalchemy import String",),
        schema_imports=("from .fieldtypes import Line",),
    ),
    "text": FieldType(
        annotation="str",
        column="mapped_column(Text)",
        schema='Prose(load_default="")',
        widget="textarea",
        sample='"A few words"',
        other='"Fewer words"',
        wrong='"x" * 10_001',
        typed='"A few words"',
        model_imports=("from sqlalchemy import Text",),
        schema_imports=("from .fieldtypes import Prose",),
    ),
    "int": FieldType(
        annotation="int",
        column="mapped_column()",
        schema="WholeNumber(required=True)",
        widget="integer",
        sample="3",
        other="4",
        wrong='"three"',
        typed='"3"',
        schema_imports=("from .fieldtypes import WholeNumber",),
    ),
    "float": FieldType(
        annotation="float",
        column="mapped_column()",
        schema="fields.Float(required=True)",
        widget="number",
        sample="1.5",
        other="2.25",
        wrong='"much"',
        typed='"1.5"',
    ),
    "decimal": FieldType(
        annotation="Decimal",
        column="mapped_column(Numeric(12, 2))",
        schema="Amount(required=True)",
        widget="amount",
        sample='"12.50"',
        other='"13.75"',
        wrong='"twelve"',
        typed='"12.5"',
        model_imports=("from decimal import Decimal", "from sqlalchemy import Numeric"),
        schema_imports=("from .fieldtypes import Amount",),
    ),
    "bool": FieldType(
        annotation="bool",
        column="mapped_column()",
        schema="fields.Boolean(load_default=False)",
        widget="checkbox",
        sample="True",
        other="False",
        wrong='"perhaps"',
        typed='"true"',
    ),
    "date": FieldType(
        annotation="datetime.date",
        column="mapped_column()",
        schema="fields.Date(required=True)",
        widget="date",
        sample='"2026-02-28"',
        other='"2026-03-01"',
        wrong='"yesterday"',
        typed='"2026-02-28"',
        model_imports=("import datetime",),
    ),
    "datetime": FieldType(
        annotation="datetime.datetime",
        column="mapped_column()",
        schema="Moment(required=True)",
        widget="moment",
        sample='"2026-02-28T12:30:00+00:00"',
        other='"2026-03-01T08:00:00+00:00"',
        wrong='"now"',
        typed='"2026-02-28T12:30"',
        model_imports=("import datetime",),
        schema_imports=("from .fieldtypes import Moment",),
    ),
}


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a resource: its name and the name of its type in `FIELD_TYPES`."""

    name: str
    type: str

    @property
    def label(self) -> str:
        return self.name.replace("_", " ").capitalize()

    def __str__(self) -> str:
        return f"{self.name}:{self.type}"

    def context(self) -> dict[str, Any]:
        """The field as the templates of a part see it: name, label, type and every entry of its `FieldType`."""
        return {"name": self.name, "label": self.label, "type": self.type, **asdict(FIELD_TYPES[self.type])}


def parse_fields(words: Sequence[str]) -> list[Field]:
    """The fields that `words` (each `name:type`) describe, in their order; raises `InvalidField`. The first one is
    what a row is called in lists and messages, so it must be something that one can read: not a bool."""
    if not words:
        raise InvalidField("no fields: write at least one, as in `devtools add resource order title:str total:decimal`")
    if len(words) > MAX_FIELDS:
        raise InvalidField(f"{len(words)} fields; at most {MAX_FIELDS} are allowed")
    fields = [_parse_field(word) for word in words]
    names = [field.name for field in fields]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InvalidField(f"the field {twice[0]!r} appears more than once")
    if fields[0].type == "bool":
        raise InvalidField(
            f"the first field is what a row is called, so it cannot be a bool ({fields[0]}); put another first"
        )
    return fields


def _parse_field(word: str) -> Field:
    name, colon, kind = word.partition(":")
    if not colon:
        raise InvalidField(f"{word!r}: expected name:type, as in 'title:str'")
    if kind not in FIELD_TYPES:
        raise InvalidField(f"{word!r}: the type {kind!r} is not one of {', '.join(FIELD_TYPES)}")
    if len(name) > MAX_NAME_LENGTH or not re.fullmatch(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*", name):
        raise InvalidField(
            f"{word!r}: expected a lower-case name of at most {MAX_NAME_LENGTH} characters, as in 'in_stock'"
        )
    if keyword.iskeyword(name) or name in RESERVED_FIELDS:
        raise InvalidField(f"{word!r}: the name {name!r} is taken by Python, SQLAlchemy or marshmallow; choose another")
    return Field(name, kind)
