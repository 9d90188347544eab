"""The kinds of fields that this service's schemas are made of. Each refuses what its column cannot hold, so that a
wrong value is a message beside a field and never an error of the database."""

import datetime
import re
from decimal import Decimal
from typing import Any

from marshmallow import ValidationError, fields, validate

LINE_LENGTH = 200
PROSE_LENGTH = 10_000
LARGEST_NUMBER = 2**31 - 1
LARGEST_AMOUNT = Decimal("9999999999.99")
"""What `String(200)`, `Text` (by choice), `Integer` and `Numeric(12, 2)` hold."""
PLAIN_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)")
"""Of what Python reads as a decimal, the part that everybody reads: no `1_0`, no other digits, no exponent."""


def storable(text: str) -> None:
    """Refuse what JSON can carry and a database cannot: NUL, and halves of surrogate pairs."""
    if any(letter == "\0" or "\ud800" <= letter <= "\udfff" for letter in text):
        raise ValidationError("Has characters that cannot be stored.")


class Line(fields.String):
    """A line of text that is not empty."""

    def __init__(self, **options: Any) -> None:
        length = validate.Length(1, LINE_LENGTH, error="Must have {min} to {max} characters.")
        super().__init__(validate=[length, storable], **options)


class Prose(fields.String):
    """Text of many lines, or none."""

    def __init__(self, **options: Any) -> None:
        length = validate.Length(max=PROSE_LENGTH, error="Must have at most {max} characters.")
        super().__init__(validate=[length, storable], **options)


class WholeNumber(fields.Integer):
    """An integer, as JSON's number or as digits typed into a form; 1.5 is refused rather than cut off."""

    def __init__(self, **options: Any) -> None:
        super().__init__(validate=validate.Range(-LARGEST_NUMBER, LARGEST_NUMBER), **options)

    def _validated(self, value: Any) -> int:
        if isinstance(value, float):
            raise self.make_error("invalid", input=value)
        return super()._validated(value)


class Amount(fields.Decimal):
    """A decimal number with two places; JSON carries it as text, because its numbers are binary."""

    def __init__(self, **options: Any) -> None:
        super().__init__(2, as_string=True, validate=validate.Range(-LARGEST_AMOUNT, LARGEST_AMOUNT), **options)

    def _validated(self, value: Any) -> Decimal:
        if isinstance(value, str) and not PLAIN_NUMBER.fullmatch(value.strip()):
            raise self.make_error("invalid", input=value)
        return super()._validated(value)


class Moment(fields.NaiveDateTime):
    """A date and time: comes in with any offset (none means UTC), is stored as UTC without one, goes out with
    +00:00."""

    def __init__(self, **options: Any) -> None:
        super().__init__(timezone=datetime.UTC, **options)

    def _serialize(self, value: datetime.datetime | None, attr: str | None, obj: Any, **options: Any) -> Any:
        return super()._serialize(value and value.replace(tzinfo=datetime.UTC), attr, obj, **options)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **options: Any) -> datetime.datetime:
        try:
            return super()._deserialize(value, attr, data, **options)
        except OverflowError as error:  # an offset that leads out of the years 1 to 9999
            raise self.make_error("invalid", input=value, obj_type=self.OBJ_TYPE) from error
