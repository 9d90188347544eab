"""The catalogues of malformed urlencoded forms and cookies, row by row."""

from typing import Any

import pytest
from http_support import load_cases

from levante.http import LimitExceeded, SetCookie, parse_cookie, parse_cookie_pairs, parse_set_cookie, parse_urlencoded


def _rows(name: str, table: str = "CASES") -> list[Any]:
    return [
        pytest.param(*rest, id=f"{row} {title}", marks=pytest.mark.hardening(row))
        for row, title, *rest in load_cases(name, table)
    ]


@pytest.mark.parametrize(("data", "verdict"), _rows("urlencoded"))
def test_urlencoded(data: bytes, verdict: object) -> None:
    """As a body; and as a query, where the bytes are text."""
    forms: list[bytes | str] = [data, data.decode()] if data.isascii() else [data]
    for form in forms:
        if isinstance(verdict, int):
            with pytest.raises(LimitExceeded) as caught:
                parse_urlencoded(form)
            assert caught.value.status == verdict
        else:
            assert parse_urlencoded(form) == verdict


@pytest.mark.parametrize(("text", "pairs"), _rows("cookies"))
def test_cookie_header(text: str, pairs: list[tuple[str, str]] | int) -> None:
    """All that is sound, in order; by name the first one counts. Too much of it is refused."""
    if isinstance(pairs, int):
        with pytest.raises(LimitExceeded) as caught:
            parse_cookie_pairs(text)
        assert caught.value.status == pairs
        return
    assert parse_cookie_pairs(text) == pairs
    first: dict[str, str] = {}
    for name, value in pairs:
        first.setdefault(name, value)
    assert parse_cookie(text) == first


@pytest.mark.parametrize(("arguments", "header"), _rows("cookies", "SENT"))
def test_set_cookie_is_checked(arguments: dict[str, Any], header: str | None) -> None:
    """What a browser would read in another way, or refuse, is never sent."""
    cookie = SetCookie(**{"name": "a", "value": "v", **arguments})
    if header is None:
        with pytest.raises(ValueError, match=r"cookie|samesite"):
            cookie.header()
    else:
        assert cookie.header() == header


@pytest.mark.parametrize(("text", "cookie"), _rows("cookies", "RECEIVED"))
def test_set_cookie_is_read(text: str, cookie: tuple[str, str] | None) -> None:
    """What is dropped leaves its neighbours alone."""
    expected = [("x", "y"), *([cookie] if cookie else []), ("z", "")]
    assert [(found.name, found.value) for found in parse_set_cookie(["x=y", text, "z="])] == expected
