"""An application of a user who checks types strictly: all that is public of the framework, about once, without an
ignore. `tests/test_typed_application.py` has mypy read it, and runs it.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

import jinja2

from levante import web
from levante.devtools.testing import TestClient, TestServer
from levante.web import background, templating
from levante.web.middlewares import compress_middleware, security_headers
from levante.web.sse import EventSourceResponse, sse_response


@dataclass
class Item:
    id: int
    name: str


class Summary(TypedDict):
    count: int


class Money:
    def __init__(self, cents: int) -> None:
        self.cents = cents


class Store:
    def __init__(self) -> None:
        self.items: dict[int, Item] = {}

    async def close(self) -> None:
        self.items.clear()


STORE = web.AppKey("store", Store)
SIZES: web.AppKey[dict[str, int]] = web.AppKey("sizes")
VISITOR = web.RequestKey("visitor", str)
NOTE = web.ResponseKey("note", str)
SOCKETS: web.AppKey[set[web.WebSocketResponse]] = web.AppKey("sockets")

routes = web.RouteTableDef()
converter = web.ResponseConverter()
converter.register(Money, lambda money: {"cents": money.cents})


@routes.get("/items/{id:[0-9]+}", name="item")
async def item(request: web.Request) -> Item:
    found: Item | None = request.app[STORE].items.get(int(request.match_info["id"]))
    if found is None:
        raise web.HTTPNotFound(text=f"no item {request.match_info['id']}")
    return found


@routes.get("/items")
async def items(request: web.Request) -> list[Item]:
    return list(request.app[STORE].items.values())


@routes.post("/items")
async def add_item(request: web.Request) -> web.Response:
    data = await request.json()
    new = Item(int(data["id"]), str(data["name"]))
    request.app[STORE].items[new.id] = new
    location = request.app.router["item"].url_for(id=str(new.id))
    return web.json_response({"id": new.id}, status=201, headers={"Location": str(location)})


@routes.delete("/items")
async def forget_items(request: web.Request) -> None:
    request.app[STORE].items.clear()


@routes.get("/summary")
async def summary(request: web.Request) -> Summary:
    return {"count": len(request.app[STORE].items)}


@routes.get("/text")
async def text(request: web.Request) -> str:
    return request.get(VISITOR, "nobody")


@converter.converted
async def price(request: web.Request) -> Money:
    return Money(5)


@routes.view("/form")
class Form(web.View):
    async def get(self) -> web.StreamResponse:
        return web.Response(text=self.request.query.get("q", ""), content_type="text/plain")

    async def post(self) -> web.Response:
        form = await self.request.post()
        upload = form.get("file")
        size = len(upload.file.read()) if isinstance(upload, web.FileField) else 0
        self.request.app[SIZES]["last"] = size
        return web.Response(text=str(size))


@routes.get("/page")
@templating.template("page.html")
async def page(request: web.Request) -> Mapping[str, object]:
    return {"visitor": request[VISITOR]}


@routes.get("/stream")
async def stream(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"X-Kind": "stream"})
    response.enable_compression()
    response.set_cookie("seen", "1", httponly=True, samesite="Lax")
    await response.prepare(request)
    for number in range(3):
        await response.write(str(number).encode())
    await response.write_eof()
    return response


class Numbers(EventSourceResponse):
    async def count(self, number: int) -> None:
        await self.send(str(number), id=str(number))


@routes.get("/events")
async def events(request: web.Request) -> web.StreamResponse:
    async with sse_response(request, ping_interval=5) as plain:
        await plain.send_json({"last": plain.last_event_id})
    return plain


@routes.get("/numbers")
async def numbers(request: web.Request) -> web.StreamResponse:
    async with sse_response(request, response_cls=Numbers) as counting:
        await counting.count(1)
    return counting


@routes.get("/ws")
async def chat(request: web.Request) -> web.WebSocketResponse:
    ws = web.WebSocketResponse(heartbeat=30, protocols=["chat"])
    await ws.prepare(request)
    request.app[SOCKETS].add(ws)
    async for message in ws:
        if message.type is web.WSMsgType.TEXT:
            await ws.send_json({"echo": message.data})
    request.app[SOCKETS].discard(ws)
    return ws


async def know_visitor(request: web.Request, handler: web.Handler) -> web.StreamResponse:
    request[VISITOR] = request.headers.get("X-Visitor", "you")
    response = await handler(request)
    response[NOTE] = "known"
    return response


@web.middleware
async def only_known(request: web.Request, handler: web.Handler) -> web.StreamResponse:
    if request.get(VISITOR) is None:
        raise web.HTTPForbidden
    return await handler(request)


async def note_size(request: web.Request, response: web.StreamResponse) -> None:
    response.headers["X-Note"] = response.get(NOTE) or "none"


async def close_sockets(app: web.Application) -> None:
    sockets = app[SOCKETS]
    for ws in list(sockets):
        await ws.close(code=web.WSCloseCode.GOING_AWAY)


async def open_store(app: web.Application) -> AsyncIterator[None]:
    app[STORE] = store = Store()
    yield
    await store.close()


@asynccontextmanager
async def open_sizes(app: web.Application) -> AsyncIterator[None]:
    app[SIZES] = {}
    yield


def make_app(files: Path) -> web.Application:
    app = web.Application(
        middlewares=[security_headers(), compress_middleware(), know_visitor],
        client_max_size=1024,
        json=web.JSONCodec(),
        converter=converter,
    )
    app[SOCKETS] = set()
    templating.setup(app, loader=jinja2.DictLoader({"page.html": "<p>{{ visitor }}"}))
    background.setup(app)
    app.cleanup_ctx.append(open_store)
    app.cleanup_ctx.append(open_sizes)
    app.on_response_prepare.append(note_size)
    app.on_shutdown.append(close_sockets)
    app.add_routes(routes)
    app.router.add_get("/price", price, middlewares=[only_known])
    app.router.add_static("/static", files, name="static", append_version=True)
    admin = web.RouteGroup("/admin", middlewares=[only_known], name_prefix="admin.")
    admin.add_routes([web.get("/items", items, name="items"), web.view("/form", Form)])
    app.add_routes([admin])
    below = web.Application()
    below.router.add_get("/", text)
    app.add_subapp("/below", below)
    return app


async def try_it(files: Path) -> list[Any]:
    """Every kind of handler once; what they answered."""
    client = TestClient(TestServer(make_app(files)))
    async with client:
        answers: list[Any] = []
        added = await client.post("/items", json={"id": 1, "name": "lamp"})
        answers.append((added.status, added.headers["Location"]))
        for path in ("/items/1", "/items", "/summary", "/price", "/admin/items"):
            response = await client.get(path)
            answers.append(await response.json())
        for path in ("/text", "/form?q=x", "/page", "/stream", "/events", "/numbers", "/static/a.txt", "/below/"):
            response = await client.get(path, headers={"X-Visitor": "ann"})
            answers.append(await response.text())
        answers.append((await client.delete("/items")).status)
        ws = await client.ws_connect("/ws")
        await ws.send_str("hello")
        answers.append(await ws.receive_json())
        await ws.close()
        return answers


if __name__ == "__main__":
    asyncio.run(try_it(Path.cwd()))
    web.run_app(make_app(Path.cwd()), port=8080)
