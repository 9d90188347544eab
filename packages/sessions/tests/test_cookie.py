"""Name and attributes of the cookie, finding it, and the size that browsers keep."""

import pytest
from multidict import CIMultiDict

from levante.sessions import SessionCookie, SessionTooLarge
from levante.sessions.cookie import MAX_CANDIDATES, MAX_COOKIE, MAX_PAIRS, vary_by_cookie
from levante.web import HTTPFound, Response


@pytest.mark.hardening("S11")
@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({}, "__Host-session"),
        ({"path": "/app"}, "__Secure-session"),
        ({"domain": "example.com"}, "__Secure-session"),
        ({"secure": False}, "session"),
        ({"secure": False, "path": "/app"}, "session"),
        ({"name": "__Host-own"}, "__Host-own"),
        ({"name": "__host-own"}, "__host-own"),
        ({"name": "__Secure-own", "path": "/app"}, "__Secure-own"),
    ],
)
def test_the_prefix_is_chosen_from_the_attributes(options, name):
    assert SessionCookie(**{"name": "session", **options}).name == name


@pytest.mark.hardening("M33", "M34", "S11")
@pytest.mark.parametrize(
    "options",
    [
        {"name": ""},
        {"name": "a b"},
        {"name": "a;b"},
        {"name": "a=b"},
        {"name": "a\r\nb"},
        {"name": "ñ"},
        {"path": ""},
        {"path": "app"},
        {"path": "/a;b"},
        {"path": "/a b"},
        {"path": "/a\r\nSet-Cookie: x=y"},
        {"domain": ""},
        {"domain": "a b"},
        {"domain": "a;b"},
        {"domain": "a\r\n"},
        {"domain": "a,b"},
        {"samesite": "lax;"},
        {"samesite": ""},
        {"samesite": "None", "secure": False},
        {"name": "__Host-own", "path": "/app"},
        {"name": "__Host-own", "domain": "example.com"},
        {"name": "__Host-own", "secure": False},
        {"name": "__hOST-own", "secure": False},
        {"name": "__Secure-own", "secure": False},
    ],
)
def test_attributes_that_browsers_refuse_are_refused_at_once(options):
    with pytest.raises(ValueError, match=r"cookie|samesite"):
        SessionCookie(**{"name": "session", **options})


class Incoming:
    def __init__(self, *cookies):
        self.headers = CIMultiDict(("Cookie", cookie) for cookie in cookies)


COOKIE = SessionCookie(name="session")


@pytest.mark.hardening("M29", "M30", "M31", "M32")
@pytest.mark.parametrize(
    ("headers", "values"),
    [
        ((), []),
        (("other=1",), []),
        (("__Host-session=abc",), ["abc"]),
        (("a=b; __Host-session=abc; c=d",), ["abc"]),
        (("a=b;__Host-session=abc;c=d",), ["abc"]),
        (("a=b; \t__Host-session = abc ;",), ["abc"]),
        (("__Host-session=a; __Host-session=b", "__Host-session=c"), ["a", "b", "c"]),
        (("; ".join(["__Host-session=x"] * 10),), ["x"] * MAX_CANDIDATES),
        (("__host-session=abc",), []),  # names are compared with case: this is another cookie
        (("=__Host-session=abc",), []),  # nameless: its value only looks like one
        (("__Host-session",), []),
        (("x__Host-session=abc",), []),
        (('a="x; __Host-session=abc; y"',), ["abc"]),  # quotes do not hide a semicolon (RFC 6265bis, 5.7)
        (("__Host-session=",), [""]),
        (("__Host-session=a=b==",), ["a=b=="]),
        (("bad\x01=\x02; __Host-session=abc; \udcff=\udcfe",), ["abc"]),
        (("a=1; " * (MAX_PAIRS - 1) + "__Host-session=abc",), ["abc"]),
        (("a=1; " * MAX_PAIRS + "__Host-session=abc",), []),
        (("a=1; " * 4000,), []),
        (('"\\' * 30_000 + "; __Host-session=abc",), ["abc"]),
    ],
    ids=range(20),
)
def test_the_cookie_is_found_among_others(headers, values):
    assert COOKIE.values(Incoming(*headers)) == values


def only_cookie(response):
    (cookie,) = response.cookies.values()
    return cookie.header()


@pytest.mark.hardening("S10", "M34")
@pytest.mark.parametrize(
    "options",
    [{}, {"domain": "example.com", "path": "/app", "samesite": "Strict"}, {"secure": False, "httponly": False}],
)
@pytest.mark.parametrize("max_age", [None, 604800])
def test_4096_bytes_are_kept_and_one_more_is_an_error(options, max_age):
    cookie = SessionCookie(**{"name": "session", **options})
    response = Response()
    cookie.set(response, "v", max_age=max_age, now=1e9)
    room = MAX_COOKIE - len(only_cookie(response)) + 1

    response = Response()
    cookie.set(response, "v" * room, max_age=max_age, now=1e9)
    assert len(only_cookie(response)) == MAX_COOKIE

    response = Response()
    for excess in (1, 9 * MAX_COOKIE):
        with pytest.raises(SessionTooLarge, match="database") as caught:
            cookie.set(response, "v" * (room + excess), max_age=max_age, now=1e9)
        assert caught.value.size == MAX_COOKIE + excess
        assert caught.value.maximum == MAX_COOKIE
        assert cookie.name in str(caught.value)
    assert not response.cookies
    assert "Cache-Control" not in response.headers


@pytest.mark.hardening("S15")
@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, "no-store"),
        ("public, max-age=60", "no-store"),
        ("max-age=60", "no-store"),
        ("no-store", "no-store"),
        ("private, max-age=60", "private, max-age=60"),
    ],
)
def test_no_shared_cache_keeps_a_set_cookie(before, after):
    for change in (lambda target: COOKIE.set(target, "v", max_age=None, now=0), COOKIE.delete):
        for target in (Response(), HTTPFound("/")):
            if before is not None:
                target.headers["Cache-Control"] = before
            change(target)
            assert target.headers["Cache-Control"] == after


@pytest.mark.parametrize(
    ("before", "after"),
    [(None, "Cookie"), ("Accept", "Accept, Cookie"), ("cookie", "cookie"), ("*", "*"), ("A, Cookie", "A, Cookie")],
)
def test_the_response_varies_by_cookie(before, after):
    response = Response()
    if before is not None:
        response.headers["Vary"] = before
    vary_by_cookie(response)
    assert response.headers["Vary"] == after


@pytest.mark.parity("L3")
@pytest.mark.hardening("S11")
def test_deletion_names_the_same_attributes():
    for options in ({}, {"domain": "example.com", "path": "/app", "samesite": "Strict"}):
        cookie = SessionCookie(**{"name": "session", **options})
        response = Response()
        cookie.delete(response)
        text = only_cookie(response)
        assert text.startswith((f"{cookie.name}=;", f'{cookie.name}="";'))
        assert "Max-Age=0" in text
        for part in ("Secure", "HttpOnly", f"Path={cookie.path}", f"SameSite={cookie.samesite}"):
            assert part in text
        assert ("Domain=example.com" in text) == bool(options)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([], ["Cookie"]),
        (["Accept, cookie"], ["Accept, cookie"]),
        (["*"], ["*"]),
        (["X-Cookie-Consent"], ["X-Cookie-Consent, Cookie"]),
        (["Accept", "Origin"], ["Accept, Origin, Cookie"]),
    ],
)
def test_caches_are_told_of_the_cookie(before, after):
    response = Response()
    for value in before:
        response.headers.add("Vary", value)
    vary_by_cookie(response)
    assert response.headers.getall("Vary") == after
