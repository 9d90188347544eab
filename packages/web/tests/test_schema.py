import json
from typing import Any

import pytest
from marshmallow import Schema, ValidationError, fields, validate, validates_schema
from multidict import MultiDict

from levante import web
from levante.web.schema import load_form, load_json

JSON = [("Content-Type", "application/json")]


class Inner(Schema):
    n = fields.Integer(required=True)


class Item(Schema):
    title = fields.String(required=True, validate=validate.Length(min=2))
    total = fields.Decimal(places=2)
    inner = fields.Nested(Inner)
    tags = fields.List(fields.String())
    paid = fields.Boolean()
    due = fields.Date(allow_none=True)

    @validates_schema
    def not_both(self, data: Any, **kwargs: Any) -> None:
        if data.get("title") == "both":
            raise ValidationError("not both")


async def handler(request: web.Request) -> web.Response:
    item = await load_json(request, Item(), partial="partial" in request.query)
    return web.json_response({key: str(value) for key, value in item.items()})


async def test_json_that_fits(serve: Any) -> None:
    served = await serve(handler)
    answer = await served.request("POST", "/", JSON, b'{"title": "abc", "total": "1.5"}')
    assert json.loads(answer.text) == {"title": "abc", "total": "1.50"}
    answer = await served.request("PATCH", "/?partial", JSON, b'{"total": 2}')
    assert answer.status == 200
    answer = await served.request("POST", "/", [("Content-Type", "application/merge-patch+json")], b'{"title": "abc"}')
    assert answer.status == 200


async def test_json_that_does_not(serve: Any) -> None:
    served = await serve(handler)
    body = b'{"title": "a", "total": "x", "inner": {"n": "y"}, "tags": ["ok", 5], "other": 1}'
    answer = await served.request("POST", "/", JSON, body)
    assert answer.status == 422
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = json.loads(answer.text)
    assert (problem["status"], problem["title"]) == (422, "Unprocessable Content")
    assert problem["errors"] == {
        "title": ["Shorter than minimum length 2."],
        "total": ["Not a valid number."],
        "inner.n": ["Not a valid integer."],
        "tags.1": ["Not a valid string."],
        "other": ["Unknown field."],
    }
    for body, errors in (
        (b"[]", {"_schema": ["Invalid input type."]}),
        (b'{"title": "both"}', {"_schema": ["not both"]}),
    ):
        answer = await served.request("POST", "/", JSON, body)
        assert json.loads(answer.text)["errors"] == errors


@pytest.mark.hardening("M26")
@pytest.mark.parametrize(
    ("kind", "body", "status", "words"),
    [
        ("text/plain", b"{}", 415, "expected application/json, got text/plain"),
        ("application/json", b"{", 400, "no JSON"),
        ("application/json", b"[" * 100_000, 400, "deeply"),
        ("application/json", b'"\xff"', 400, "utf-8"),
        ("application/json", '{"title": "abc"}'.encode("utf-16"), 400, "utf-8"),
        ("application/json", b"1" * 4301, 400, "no JSON"),
        ("application/json", b'{"total": NaN}', 400, "NaN is no number"),
        ("application/json", b'{"total": -Infinity}', 400, "-Infinity is no number"),
        ("application/json; charset=no-such", b"{}", 415, "unknown charset"),
    ],
)
async def test_what_is_no_json(serve: Any, kind: str, body: bytes, status: int, words: str) -> None:
    answer = await (await serve(handler)).request("POST", "/", [("Content-Type", kind)], body)
    assert answer.status == status
    assert words in answer.text


async def test_many_errors_are_counted(serve: Any) -> None:
    body = json.dumps({"title": "abc", **{f"k{n}": 1 for n in range(5000)}}).encode()
    answer = await (await serve(handler)).request("POST", "/", JSON, body)
    errors = json.loads(answer.text)["errors"]
    assert (answer.status, len(errors)) == (422, 101)
    assert errors["_schema"] == ["There are 4900 more errors."]
    assert len(answer.body) < 5000


def test_a_form_that_fits() -> None:
    data = MultiDict(
        [("title", "abc"), ("total", "1.5"), ("tags", "a"), ("tags", "b"), ("paid", "on"), ("due", ""), ("csrf", "x")]
    )
    values, errors = load_form(data, Item())
    assert errors == {}
    assert values["title"] == "abc"
    assert str(values["total"]) == "1.50"
    assert values["tags"] == ["a", "b"]
    assert values["paid"] is True
    assert values["due"] is None
    assert "csrf" not in values


def test_a_box_that_is_not_checked_is_false() -> None:
    values, errors = load_form(MultiDict(title="abc"), Item())
    assert (values["paid"], errors) == (False, {})
    assert "due" not in values


def test_a_form_that_does_not_fit_comes_back_as_it_was() -> None:
    data = MultiDict([("title", "a"), ("total", "x"), ("tags", "1"), ("csrf", "x")])
    values, errors = load_form(data, Item())
    assert values == {"title": "a", "total": "x", "tags": ["1"], "csrf": "x"}
    assert errors == {"title": ["Shorter than minimum length 2."], "total": ["Not a valid number."]}
