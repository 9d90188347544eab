from datetime import UTC, datetime
from typing import Any

import pytest

from levante import web


@pytest.mark.parity("S34")
def test_setting() -> None:
    response = web.Response()
    response.set_cookie("a", "1")
    assert response.cookies["a"].header() == "a=1; Path=/"
    response.set_cookie(
        "b",
        "2",
        path="/p",
        domain="x.example",
        max_age="60",
        secure=True,
        httponly=True,
        samesite="Strict",
        partitioned=True,
    )
    cookie = response.cookies["b"]
    assert (cookie.path, cookie.domain, cookie.max_age, cookie.secure) == ("/p", "x.example", 60, True)
    assert (cookie.httponly, cookie.samesite, cookie.partitioned) == (True, "Strict", True)


@pytest.mark.parity("S34")
def test_setting_again_updates_what_is_given() -> None:
    response = web.Response()
    response.set_cookie("a", "1", max_age=10, httponly=True)
    response.set_cookie("a", "2")
    assert (response.cookies["a"].value, response.cookies["a"].httponly) == ("2", True)
    assert response.cookies["a"].max_age is None
    response.set_cookie("a", "2", max_age=5)
    response.set_cookie("a", "3", expires="Thu, 01 Jan 2099 00:00:00 GMT")
    assert response.cookies["a"].max_age is None
    assert response.cookies["a"].expires == datetime(2099, 1, 1, tzinfo=UTC)


@pytest.mark.parity("S34")
def test_deleting() -> None:
    response = web.Response()
    response.set_cookie("a", "1", domain="x.example")
    response.del_cookie("a", path="/p", samesite="Lax", secure=True, httponly=True)
    header = response.cookies["a"].header()
    assert header.startswith("a=; ")
    assert "Max-Age=0" in header
    assert "Expires=Thu, 01 Jan 1970 00:00:00 GMT" in header
    assert "Path=/p" in header
    assert "Domain" not in header
    response.set_cookie("a", "new")
    assert response.cookies["a"].max_age is None
    assert response.cookies["a"].expires is None


@pytest.mark.parity("S34")
@pytest.mark.parametrize(
    ("name", "value", "options"),
    [
        ("a b", "1", {}),
        ("a", "1;x", {}),
        ("a", "1\r\n", {}),
        ("a", "1", {"path": "/;x"}),
        ("a", "1", {"samesite": "maybe"}),
        ("__Host-a", "1", {}),
        ("a", "x" * 4096, {}),
        ("a", "1", {"expires": "never"}),
    ],
)
def test_bad_cookies_are_refused_when_they_are_set(name: str, value: str, options: Any) -> None:
    response = web.Response()
    with pytest.raises(ValueError, match=r"cookie|expires|samesite"):
        response.set_cookie(name, value, **options)
    assert not response.cookies


@pytest.mark.parity("S34", "S28")
async def test_cookies_are_sent_and_then_fixed(serve: Any) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.set_cookie("a", "1")
        response.set_cookie("b", "2", httponly=True)
        await response.prepare(request)
        with pytest.raises(RuntimeError, match="cookies"):
            response.set_cookie("c", "3")
        return response

    answer = await (await serve(handler)).get("/")
    assert answer.headers.getall("Set-Cookie") == ["a=1; Path=/", "b=2; Path=/; HttpOnly"]


@pytest.mark.parity("S34")
async def test_text_can_be_put_among_the_cookies(serve: Any) -> None:
    async def handler(_: web.Request) -> web.Response:
        response = web.Response()
        response.cookies["plain"] = "1"
        response.set_cookie("full", "2")
        assert str(response.cookies) == "Set-Cookie: plain=1\r\nSet-Cookie: full=2; Path=/"
        return response

    served = await serve(handler)
    assert (await served.get("/")).headers.getall("Set-Cookie") == ["plain=1", "full=2; Path=/"]
    cookies = web.Response().cookies
    with pytest.raises(ValueError, match="cookie"):
        cookies["a"] = "b; c"
    with pytest.raises(TypeError, match="SetCookie"):
        cookies["a"] = 5  # type: ignore[assignment]
    assert cookies == {}
