"""The examples of the how-to pages about routes, data, events and templates: they run, and do what the pages say."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest
from marshmallow import Schema, fields

from levante import web

GUIDES = Path(__file__).parents[3] / "docs" / "how-to"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def examples(page: str, **given: Any) -> dict[str, Any]:
    """What the names of a page's examples stand for, all of them having run one after the other; `given` are names
    that they use and do not define.
    """
    blocks = BLOCK.findall((GUIDES / f"{page}.md").read_text())
    assert blocks
    names: dict[str, Any] = {"__name__": "guide", **given}
    for block in blocks:
        exec(compile(block, f"{page}.md", "exec"), names)  # our own documentation
    return names


@pytest.mark.parity("U11")
async def test_group_routes(serve: Any) -> None:
    app = examples("group-routes")["app"]
    assert str(app.router["api.items"].url_for()) == "/api/v1/items"
    served = await serve(app)
    assert (await served.get("/account")).status == 401
    assert (await served.get("/account", Authorization="me")).text == "your account"
    assert (await served.get("/api/v1/items", Authorization="me")).text == "[]"
    for who, status in (("me", 403), ("admin", 204)):
        answer = await served.request("DELETE", "/api/v1/admin/items", [("Authorization", who)])
        assert answer.status == status


@pytest.mark.parity("U23")
async def test_return_data(serve: Any) -> None:
    class Money:
        amount, currency = 5, "EUR"

    class Order:
        items = 2

    class OrderSchema(Schema):
        items = fields.Integer()

    names = examples("return-data", Money=Money, Order=Order, OrderSchema=OrderSchema, orjson=json)
    shelf = web.Application(converter=web.ResponseConverter())
    shelf.add_routes([web.get("/items", names["items"]), web.delete("/items", names["forget"])])
    served = await serve(shelf)
    assert (await served.get("/items")).text == '[{"id": 1, "name": "lamp"}]'
    assert (await served.request("DELETE", "/items")).status == 204
    answer = names["converter"].response([Money(), Order()])
    assert json.loads(answer.text) == [{"amount": "5", "currency": "EUR"}, {"items": 2}]
    assert names["app"].json == web.JSONCodec()


@pytest.mark.parity("L15")
async def test_stream_events(serve: Any) -> None:
    served = await serve(examples("stream-events")["app"])
    peer = await served.connect()
    await peer.send(b"GET /ticks HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: 4\r\n\r\n")
    async with asyncio.timeout(5):
        assert b"id: 5\r\ndata: tick 5\r\n" in await peer.reader.readuntil(b"tick 5\r\n")


@pytest.mark.parity("L12")
async def test_render_templates(serve: Any) -> None:
    served = await serve(examples("render-templates")["app"])
    assert (await served.get("/?name=<ann>")).text == "Hello, &lt;ann&gt;: / /static/site.css"
