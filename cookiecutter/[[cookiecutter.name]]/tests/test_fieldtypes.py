"""Values that a column could not hold are refused by the field."""

import datetime
from decimal import Decimal
from typing import Any

import pytest
from marshmallow import ValidationError

from [[ cookiecutter.package ]].fieldtypes import Amount, Line, Moment, Prose, WholeNumber


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (Line(), ""),
        (Line(), "x" * 201),
        (Line(), "a\0b"),
        (Line(), "\ud800"),
        (Prose(), "x" * 10_001),
        (WholeNumber(), 2**31),
        (WholeNumber(), 1.5),
        (WholeNumber(), "1.5"),
        (Amount(), "10000000000"),
        (Amount(), "1e400"),
        (Amount(), "NaN"),
        (Amount(), "1_0"),
        (Amount(), "\u0661\u0662"),
        (Moment(), "yesterday"),
        (Moment(), "0001-01-01T00:00:00+14:00"),
    ],
)
def test_refused(field: Any, value: Any) -> None:
    with pytest.raises(ValidationError):
        field.deserialize(value)


@pytest.mark.parametrize(
    ("field", "value", "loaded"),
    [
        (Line(), "héllo 🌍", "héllo 🌍"),
        (Prose(), "", ""),
        (WholeNumber(), "42", 42),
        (Amount(), 1.1, Decimal("1.10")),
        (Amount(), " -.5 ", Decimal("-0.50")),
        (Moment(), "2026-01-01T10:00", datetime.datetime(2026, 1, 1, 10)),
        (Moment(), "2026-01-01T10:00:00+02:00", datetime.datetime(2026, 1, 1, 8)),
    ],
)
def test_accepted(field: Any, value: Any, loaded: Any) -> None:
    assert field.deserialize(value) == loaded
