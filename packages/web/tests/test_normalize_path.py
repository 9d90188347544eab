from typing import Any

import pytest

from levante import web
from levante.web.middlewares import normalize_path_middleware


async def ok(request: web.Request) -> web.Response:
    return web.Response(text="ok")


async def serving(serve: Any, **options: Any) -> Any:
    app = web.Application(middlewares=[normalize_path_middleware(**options)])
    for path in ("/plain", "/slash/", "/a/b", "/c/d/", "/{x}/field"):
        app.router.add_get(path, ok)
    sub = web.Application()
    sub.router.add_get("/thing/", ok)
    app.add_subapp("/sub", sub)
    return await serve(app)


@pytest.mark.parity("S47")
@pytest.mark.parametrize(
    ("options", "target", "location"),
    [
        ({}, "/slash", "/slash/"),
        ({}, "/slash?a=%20b&c", "/slash/?a=%20b&c"),
        ({}, "//a//b", "/a/b"),
        ({}, "/c//d", "/c/d/"),
        ({}, "/sub/thing", "/sub/thing/"),
        ({}, "/plain", None),
        ({}, "/plain/", "404"),
        ({}, "/nope", "404"),
        ({"merge_slashes": False}, "/a//b", "404"),
        ({"append_slash": False}, "/slash", "404"),
        ({"append_slash": False, "remove_slash": True}, "/plain/", "/plain"),
        ({"append_slash": False, "remove_slash": True}, "/a//b/", "/a/b"),
        ({"append_slash": False, "remove_slash": True}, "/plain/?x", "/plain?x"),
        ({}, "/%C3%A9//field", "/%C3%A9/field"),
    ],
)
async def test_redirects(serve: Any, options: Any, target: str, location: str | None) -> None:
    answer = await (await serving(serve, **options)).get(target)
    if location is None:
        assert answer.status == 200
    elif location == "404":
        assert answer.status == 404
    else:
        assert (answer.status, answer.headers["Location"]) == (308, location)


@pytest.mark.parity("S47")
async def test_the_same_method_must_be_there(serve: Any) -> None:
    served = await serving(serve, redirect_class=web.HTTPMovedPermanently)
    assert (await served.request("POST", "/slash")).status == 404
    assert (await served.get("/slash")).status == 301
    assert (await served.request("POST", "/plain")).status == 405


@pytest.mark.parity("V1", "S47")
@pytest.mark.hardening("H34")
@pytest.mark.parametrize(
    "target", ["//evil.example/%2e%2e", "//evil.example", "///evil.example", "/%5cevil.example", "//evil.example/..;"]
)
@pytest.mark.parametrize("remove", [False, True])
async def test_no_redirect_leads_to_another_host(serve: Any, target: str, remove: bool) -> None:
    app = web.Application(middlewares=[normalize_path_middleware(append_slash=not remove, remove_slash=remove)])
    app.router.add_get("/{tail:[^/].*[^/]}" if remove else "/{tail:.+}/", ok)
    served = await serve(app)
    answer = await served.get(target + ("/" if remove else ""))
    if "Location" in answer.headers:
        location = answer.headers["Location"]
        assert location.startswith("/")
        assert location[1] not in "/\\"
    else:
        assert answer.status in (200, 404)


@pytest.mark.parity("S47")
def test_both_is_a_contradiction() -> None:
    with pytest.raises(AssertionError):
        normalize_path_middleware(append_slash=True, remove_slash=True)


async def test_malformed_requests_are_left_alone(serve: Any) -> None:
    peer = await (await serving(serve)).connect()
    await peer.send(b"GET / HTTP/1.1\r\n\r\n")
    assert (await peer.answer()).status == 400


async def test_after_the_body_was_read(serve: Any) -> None:
    async def read(request: web.Request, handler: Any) -> web.StreamResponse:
        await request.read()
        response: web.StreamResponse = await handler(request)
        return response

    app = web.Application(middlewares=[read, normalize_path_middleware()])
    app.router.add_post("/a/", ok)
    served = await serve(app)
    assert (await served.request("POST", "/a", body=b"x")).headers["Location"] == "/a/"
