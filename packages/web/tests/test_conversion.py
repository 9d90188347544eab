import json
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import marshmallow
import pytest

from levante import web


@dataclass
class Item:
    id: int
    tags: list[str] = field(default_factory=list)


@dataclass
class Shelf:
    items: list[Item]


class Money:
    def __init__(self, cents: int) -> None:
        self.cents = cents


class Coin(Money):
    pass


def shout(data: Any) -> bytes:
    """An encoder as orjson is one: bytes, without blanks, TypeError for what it does not know."""
    return json.dumps(data, separators=(",", ":")).upper().encode()


def app_of(value: Any, *, converter: web.ResponseConverter | None = None, **options: Any) -> web.Application:
    async def handler(request: web.Request) -> Any:
        return value

    app = web.Application(converter=converter or web.ResponseConverter(), **options)
    app.router.add_get("/", handler)
    return app


@pytest.mark.parity("U23")
@pytest.mark.parametrize(
    ("value", "content_type", "body"),
    [
        ({"a": [1, None]}, "application/json; charset=utf-8", b'{"a": [1, null]}'),
        ([], "application/json; charset=utf-8", b"[]"),
        (OrderedDict(a=1), "application/json; charset=utf-8", b'{"a": 1}'),
        (MappingProxyType({"a": Item(1)}), "application/json; charset=utf-8", b'{"a": {"id": 1, "tags": []}}'),
        (Item(1, ["x"]), "application/json; charset=utf-8", b'{"id": 1, "tags": ["x"]}'),
        ([Shelf([Item(1)])], "application/json; charset=utf-8", b'[{"items": [{"id": 1, "tags": []}]}]'),
        ("<b>\u00fc", "text/plain; charset=utf-8", "<b>\u00fc".encode()),
        (b"\x00", "application/octet-stream", b"\x00"),
        (memoryview(b"ab"), "application/octet-stream", b"ab"),
        (web.Response(text="own", content_type="text/html"), "text/html; charset=utf-8", b"own"),
    ],
)
async def test_what_handlers_may_return(serve: Any, value: Any, content_type: str, body: bytes) -> None:
    answer = await (await serve(app_of(value))).get("/")
    assert (answer.status, answer.headers["Content-Type"], answer.body) == (200, content_type, body)


@pytest.mark.parity("U23")
async def test_nothing_is_204(serve: Any) -> None:
    answer = await (await serve(app_of(None))).get("/")
    assert (answer.status, answer.body) == (204, b"")
    assert "Content-Type" not in answer.headers


@pytest.mark.parity("U23")
@pytest.mark.parametrize(
    ("value", "message"),
    [
        (5, "handler returned 5 of type int; expected a response, dict"),
        (("body", 201), "of type tuple; expected"),
        (Item, "of type type; expected"),
        (web.HTTPNotFound(), "of type HTTPNotFound; it is an exception: raise it"),
        ({"when": {1}}, "which is no JSON: Object of type set"),
        ("x" * 200, None),
        ({"x" * 200: {1}}, r"xxx\.\.\. of type dict"),
    ],
)
async def test_errors_say_what_was_returned(
    serve: Any, caplog: pytest.LogCaptureFixture, value: Any, message: str | None
) -> None:
    answer = await (await serve(app_of(value))).get("/")
    assert answer.status == (200 if message is None else 500)
    with caplog.at_level("ERROR"):
        if message is not None:
            with pytest.raises(TypeError, match=message):
                web.ResponseConverter().response(value, of="the handler")


@pytest.mark.parity("U23")
async def test_without_a_converter_nothing_is_converted(serve: Any) -> None:
    async def handler(request: web.Request) -> dict[str, int]:
        return {}

    app = web.Application()
    app.router.add_get("/", handler)
    assert (await (await serve(app)).get("/")).status == 500


@pytest.mark.parity("U23")
async def test_registered_types(serve: Any) -> None:
    converter = web.ResponseConverter()
    converter.register(Money, lambda money: {"cents": money.cents})
    for value, body in (
        (Money(5), {"cents": 5}),
        (Coin(6), {"cents": 6}),
        ([Money(7)], [{"cents": 7}]),
        ({"price": (Coin(8),)}, {"price": [{"cents": 8}]}),
    ):
        answer = await (await serve(app_of(value, converter=converter))).get("/")
        assert json.loads(answer.body) == body
    converter.register(Coin, lambda coin: web.Response(text="a coin", status=201))
    answer = await (await serve(app_of(Coin(9), converter=converter))).get("/")
    assert (answer.status, answer.text) == (201, "a coin")
    with pytest.raises(TypeError, match="there is a Response inside"):
        converter.response([Coin(9)])


@pytest.mark.parity("U23")
def test_a_registered_dataclass_never_goes_round_its_converter() -> None:
    """An encoder that knows dataclasses by itself would show what the converter hides."""
    converter = web.ResponseConverter()
    converter.register(Item, lambda item: {"id": item.id})
    for value in (Item(1, ["secret"]), [Item(1, ["secret"])], Shelf([Item(1, ["secret"])]), {"a": Item(1, ["secret"])}):
        response = converter.response(value)
        assert isinstance(response, web.Response)
        assert "secret" not in (response.text or "")
        assert '"id": 1' in (response.text or "")


@pytest.mark.parity("U23")
def test_marshmallow_schemas_are_converters() -> None:
    class MoneySchema(marshmallow.Schema):
        cents = marshmallow.fields.Integer()

    converter = web.ResponseConverter()
    converter.register(Money, MoneySchema().dump)
    response = converter.response([Money(5)])
    assert isinstance(response, web.Response)
    assert response.text == '[{"cents": 5}]'


def test_what_cannot_be_registered() -> None:
    with pytest.raises(TypeError, match="got 'Money'"):
        web.ResponseConverter().register("Money", str)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="and None"):
        web.ResponseConverter().register(Money, None)  # type: ignore[arg-type]


@pytest.mark.parity("U23")
async def test_views_and_single_handlers(serve: Any) -> None:
    converter = web.ResponseConverter()

    class Page(web.View):
        async def get(self) -> dict[str, str]:
            return {"path": self.request.path}

    @converter.converted
    async def decorated(request: web.Request) -> list[int]:
        return [1]

    app = web.Application(converter=converter)
    app.router.add_view("/view", Page)
    plain = web.Application()
    plain.router.add_get("/decorated", decorated)
    assert (await (await serve(app)).get("/view")).text == '{"path": "/view"}'
    assert (await (await serve(plain)).get("/decorated")).text == "[1]"
    assert decorated.__name__ == "decorated"  # type: ignore[attr-defined]


@pytest.mark.parity("U23", "U11")
async def test_middlewares_get_responses(serve: Any) -> None:
    async def note(request: web.Request, handler: web.Handler) -> web.StreamResponse:
        answer = await handler(request)
        answer.headers.add("X-Kind", type(answer).__name__)
        return answer

    async def handler(request: web.Request) -> dict[str, str]:
        return dict(request.match_info)

    app = web.Application(converter=web.ResponseConverter(), middlewares=[note])
    app.router.add_get("/{x}", handler, middlewares=[note])
    answer = await (await serve(app)).get("/1")
    assert answer.headers.getall("X-Kind") == ["Response", "Response"]
    assert answer.text == '{"x": "1"}'
    assert (await (await serve(app)).get("/1/2")).status == 404


@pytest.mark.parity("U23")
async def test_applications_below_have_it_too_or_their_own(serve: Any) -> None:
    async def handler(request: web.Request) -> Mapping[str, Any]:
        return {"a": Money(1)}

    def below(**options: Any) -> web.Application:
        app = web.Application(**options)
        app.router.add_get("/", handler)
        return app

    outer, inner = web.ResponseConverter(), web.ResponseConverter()
    outer.register(Money, lambda money: "outer")
    inner.register(Money, lambda money: "inner")
    app = web.Application(converter=outer)
    app.add_subapp("/with", below(converter=inner))
    app.add_subapp("/without", below())
    served = await serve(app)
    assert (await served.get("/with/")).text == '{"a": "inner"}'
    assert (await served.get("/without/")).text == '{"a": "outer"}'
