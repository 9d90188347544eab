from typing import Any

import pytest
from yarl import URL

from levante import web
from levante.web.exceptions import exception_for_status


def all_exceptions() -> list[type[web.HTTPException]]:
    found: list[type[web.HTTPException]] = []
    stack: list[type[web.HTTPException]] = [web.HTTPException]
    while stack:
        cls = stack.pop()
        stack.extend(cls.__subclasses__())
        if cls.status_code > 0 and "status_code" in vars(cls):
            found.append(cls)
    return found


STATUSES = (
    "200 201 202 203 204 205 206 300 301 302 303 304 305 307 308 "
    "400 401 402 403 404 405 406 407 408 409 410 411 412 413 414 415 416 417 421 422 424 426 428 429 431 451 "
    "500 501 502 503 504 505 506 507 510 511"
)


@pytest.mark.parity("1.8")
def test_the_tree_is_complete() -> None:
    assert sorted(cls.status_code for cls in all_exceptions()) == [int(status) for status in STATUSES.split()]
    for cls in all_exceptions():
        assert cls.__name__ in web.__all__
        family = {2: web.HTTPSuccessful, 3: web.HTTPRedirection, 4: web.HTTPClientError, 5: web.HTTPServerError}
        assert issubclass(cls, family[cls.status_code // 100])
    assert issubclass(web.HTTPClientError, web.HTTPError)
    assert issubclass(web.HTTPServerError, web.HTTPError)


@pytest.mark.parity("1.8")
def test_the_text_is_status_and_reason_unless_given() -> None:
    exc = web.HTTPNotFound()
    assert (exc.status, exc.status_code, exc.reason, exc.text) == (404, 404, "Not Found", "404: Not Found")
    assert exc.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert not exc.empty_body
    assert exc
    exc = web.HTTPNotFound(text="no", reason="Gone Fishing", content_type="text/html", headers={"X-A": "1"})
    assert (exc.text, exc.reason, exc.headers["Content-Type"], exc.headers["X-A"]) == (
        "no",
        "Gone Fishing",
        "text/html",
        "1",
    )
    assert str(exc) == "Gone Fishing"


@pytest.mark.parity("1.8")
@pytest.mark.parametrize("cls", [web.HTTPNoContent, web.HTTPResetContent, web.HTTPNotModified])
def test_statuses_without_a_body(cls: type[web.HTTPException]) -> None:
    exc = cls()
    assert exc.empty_body
    assert exc.text is None
    assert "Content-Type" not in exc.headers
    with pytest.warns(DeprecationWarning, match="no body"):
        assert cls(text="x").text is None


@pytest.mark.parity("1.8")
def test_redirects() -> None:
    exc = web.HTTPFound("/a?b=c")
    assert exc.location == URL("/a?b=c")
    assert exc.headers["Location"] == "/a?b=c"
    assert web.HTTPSeeOther(URL("/x")).headers["Location"] == "/x"
    with pytest.raises(ValueError, match="location"):
        web.HTTPFound("")
    with pytest.raises(ValueError, match="location"):
        web.HTTPFound("/a\r\nSet-Cookie: x=1")


@pytest.mark.parity("V32")
@pytest.mark.parametrize("text", ["a\rb", "a\nb", "a\0b"])
def test_a_reason_stays_on_its_line(text: str) -> None:
    with pytest.raises(ValueError, match="reason"):
        web.HTTPBadRequest(reason=text)


def test_method_not_allowed() -> None:
    exc = web.HTTPMethodNotAllowed("PUT", ["POST", "GET"])
    assert exc.headers["Allow"] == "GET,POST"
    assert exc.allowed_methods == {"GET", "POST"}
    assert exc.method == "PUT"


def test_entity_too_large() -> None:
    exc = web.HTTPRequestEntityTooLarge(10, 20)
    assert exc.text == "Maximum request body size 10 exceeded, actual body size 20"
    assert (exc.max_size, exc.actual_size) == (10, 20)
    assert web.HTTPRequestEntityTooLarge(10).text == "Maximum request body size 10 exceeded"
    assert web.HTTPRequestEntityTooLarge(10, text="no").text == "no"


def test_legal_reasons() -> None:
    exc = web.HTTPUnavailableForLegalReasons("http://law.example")
    assert exc.link == URL("http://law.example")
    assert exc.headers["Link"] == '<http://law.example>; rel="blocked-by"'
    assert web.HTTPUnavailableForLegalReasons(None).link is None


@pytest.mark.parity("S34")
def test_cookies() -> None:
    exc = web.HTTPFound("/")
    exc.set_cookie("a", "1", max_age=5)
    exc.del_cookie("b")
    assert exc.cookies["a"].header() == "a=1; Path=/; Max-Age=5"
    assert exc.cookies["b"].max_age == 0


def test_the_class_for_a_status() -> None:
    assert exception_for_status(431) is web.HTTPRequestHeaderFieldsTooLarge
    assert exception_for_status(499) is web.HTTPBadRequest
    assert exception_for_status(599) is web.HTTPInternalServerError


@pytest.mark.parametrize(
    ("location", "sent"),
    [
        (URL.build(path="//evil.example/x", encoded=True), "/evil.example/x"),
        (URL.build(path="//evil.example/x", encoded=True).with_query(a="b"), "/evil.example/x?a=b"),
        ("////evil.example", "/evil.example"),
        (URL("//cdn.example/x"), "//cdn.example/x"),
        ("file:////x", "file:////x"),
    ],
)
def test_no_path_is_a_host(location: str | URL, sent: str) -> None:
    exc = web.HTTPFound(location)
    assert (exc.headers["Location"], str(exc.location)) == (sent, sent)


async def test_a_redirect_to_the_same_path_stays_here(serve: Any) -> None:
    async def handler(request: web.Request) -> web.Response:
        raise web.HTTPFound(request.rel_url.update_query(lang="en"))

    served = await serve(handler)
    for target in ("//evil.example/x", "///evil.example/x"):
        assert (await served.get(target)).headers["Location"] == "/evil.example/x?lang=en"
