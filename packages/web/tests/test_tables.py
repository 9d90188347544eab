from pathlib import Path

import pytest

from levante import web


async def handler(request: web.Request) -> web.Response:
    raise NotImplementedError


class Page(web.View):
    async def get(self) -> web.Response:
        raise NotImplementedError


@pytest.mark.parity("S9")
def test_functions_make_definitions(tmp_path: Path) -> None:
    app = web.Application()
    routes = app.add_routes(
        [
            web.get("/get", handler, name="got"),
            web.head("/head", handler),
            web.options("/options", handler),
            web.post("/post", handler),
            web.put("/put", handler),
            web.patch("/patch", handler),
            web.delete("/delete", handler),
            web.route("CUSTOM", "/custom", handler),
            web.view("/view", Page),
            web.static("/static", tmp_path),
        ]
    )
    assert [route.method for route in routes] == [
        *(["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "CUSTOM", "*"]),
        *("GET", "HEAD"),
    ]
    assert app.router["got"].canonical == "/get"


@pytest.mark.parity("S9")
def test_a_table_collects_by_decorators(tmp_path: Path) -> None:
    table = web.RouteTableDef()
    for verb in ("get", "head", "post", "put", "patch", "delete", "options"):
        assert getattr(table, verb)(f"/{verb}")(handler) is handler
    assert table.view("/view")(Page) is Page
    assert table.route("CUSTOM", "/custom", name="c")(handler) is handler
    table.static("/static", tmp_path, name="files")
    assert len(table) == 10
    assert table[0] in table
    assert isinstance(table[-1], web.StaticDef)
    assert len(table[1:3]) == 2
    assert repr(table) == "<RouteTableDef count=10>"
    app = web.Application()
    assert len(app.add_routes(table)) == 11
    assert app.router["c"].canonical == "/custom"


@pytest.mark.parity("S2", "S9")
def test_get_carries_allow_head() -> None:
    app = web.Application()
    app.add_routes([web.get("/a", handler, allow_head=False), web.route("GET", "/b", Page)])
    assert [route.method for route in app.router.routes()] == ["GET", "HEAD", "GET"]


@pytest.mark.parity("S9")
def test_definitions_show_themselves_and_compare(tmp_path: Path) -> None:
    assert repr(web.post("/a", handler, name="n")) == "<RouteDef POST /a -> 'handler', name='n'>"
    assert repr(web.StaticDef("/s", "/tmp", {"show_index": True})) == "<StaticDef /s -> /tmp, show_index=True>"
    assert web.post("/a", handler) == web.post("/a", handler)


@pytest.mark.parity("S9")
def test_definitions_have_no_attributes_but_their_own(tmp_path: Path) -> None:
    for definition in (web.get("/", handler), web.static("/x", tmp_path), web.file("/y", tmp_path / "y")):
        assert not hasattr(definition, "__dict__")
