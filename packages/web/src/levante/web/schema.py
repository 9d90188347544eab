"""Validation of request bodies by marshmallow schemas. JSON that does not fit is answered with 422 and a problem that
names each field; a form is given back with its errors, to be shown beside its fields. marshmallow is an extra: `pip
install levante-web[schema]`.
"""

import json
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, NoReturn

from marshmallow import EXCLUDE, Schema, ValidationError, fields
from multidict import MultiMapping

from .exceptions import HTTPBadRequest, HTTPUnprocessableEntity, HTTPUnsupportedMediaType
from .problems import PROBLEM_JSON, problem_text

if TYPE_CHECKING:
    from .types import BaseRequest

Errors = dict[str, list[str]]
"""Field -> messages; a field inside another is `outer.inner`, the whole is `_schema`."""

MAX_ERRORS = 100
"""Messages that are told: more than anyone reads, and an answer must not be larger than the body that it is about."""


async def load_json(request: "BaseRequest", schema: Schema, *, partial: bool = False) -> Any:
    """The JSON body, validated and deserialised by `schema` (Any: what the schema makes); `partial` lets required
    fields be missing.

    Raises HTTPUnsupportedMediaType (415) for another media type, HTTPBadRequest (400) for what is no JSON,
    HTTPUnprocessableEntity (422) with the member `errors` for what does not fit: all three as
    `application/problem+json`.
    """
    if not request.media_type.is_json():
        detail = f"expected application/json, got {request.headers.get('Content-Type', 'no Content-Type')}"
        raise HTTPUnsupportedMediaType(text=problem_text(415, detail=detail), content_type=PROBLEM_JSON)
    try:
        data = await request.json(loads=_STRICT.decode)
    except HTTPBadRequest as exc:
        raise HTTPBadRequest(text=problem_text(400, detail=exc.text), content_type=PROBLEM_JSON) from exc
    try:
        return schema.load(data, partial=partial)
    except ValidationError as exc:
        text = problem_text(422, detail="the body does not fit", errors=flatten(exc.messages))
        raise HTTPUnprocessableEntity(text=text, content_type=PROBLEM_JSON) from exc


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number in JSON")


_STRICT = json.JSONDecoder(parse_constant=_refuse_constant)
"""json.loads without the NaN and Infinity that RFC 8259 does not have."""


def load_form(data: MultiMapping[Any], schema: Schema) -> tuple[dict[str, Any], Errors]:
    """The fields of a form (`await request.post()`), validated by `schema`: the values and no errors, or the
    submitted text and the errors.

    Fields of a form that the schema does not know (a CSRF token, a button) are ignored. As browsers send them: an
    empty text is None for a field that may be None, a checkbox that is not sent is False.
    """
    submitted = {key: _submitted(data, schema, key) for key in data}
    raw = {key: value for key, value in submitted.items() if key in _names(schema)}
    for key, field in _names(schema).items():
        if key not in raw and isinstance(field, fields.Boolean):
            raw[key] = False
        elif raw.get(key) == "" and field.allow_none:
            raw[key] = None
    try:
        values = schema.load(raw, unknown=EXCLUDE)
    except ValidationError as exc:
        return submitted, flatten(exc.messages)
    return dict(values), {}


def flatten(messages: Any) -> Errors:  # Any: marshmallow nests dicts and lists as the schema is nested
    """marshmallow's messages as one level: field path -> messages; beyond MAX_ERRORS only their number."""
    found: Errors = {}
    leaves = _leaves(messages, ())
    for path, message in islice(leaves, MAX_ERRORS):
        found.setdefault(".".join(path) or "_schema", []).append(message)
    if more := sum(1 for _ in leaves):
        found.setdefault("_schema", []).append(f"There are {more} more errors.")
    return found


def _leaves(messages: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    if isinstance(messages, Mapping):
        for key, inner in messages.items():
            yield from _leaves(inner, path if key == "_schema" else (*path, str(key)))
    elif isinstance(messages, list):
        for inner in messages:
            yield from _leaves(inner, path)
    else:
        yield path, str(messages)


def _names(schema: Schema) -> dict[str, fields.Field[Any]]:
    return {field.data_key or name: field for name, field in schema.load_fields.items()}


def _submitted(data: MultiMapping[Any], schema: Schema, key: str) -> Any:
    if isinstance(_names(schema).get(key), fields.List):
        return data.getall(key)
    return data[key]
