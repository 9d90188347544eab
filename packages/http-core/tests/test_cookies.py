"""Cookie and Set-Cookie: lenient and safe to read, strict to write."""

import logging
import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from levante.http import cookies
from levante.http.cookies import (
    SetCookie,
    format_cookie,
    parse_cookie,
    parse_cookie_date,
    parse_cookie_pairs,
    parse_set_cookie,
)
from levante.http.errors import LimitExceeded


@pytest.mark.parity("S21")
@pytest.mark.hardening("M30", "M32")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("a=1", [("a", "1")]),
        ("a=1; b=2;c=3 ;\td=4", [("a", "1"), ("b", "2"), ("c", "3"), ("d", "4")]),
        ("a=1;; ;b=2", [("a", "1"), ("b", "2")]),
        ("a=b=c", [("a", "b=c")]),
        ("a=", [("a", "")]),
        ('a="x y"', [("a", "x y")]),
        ('a="x\\"y\\\\z\\073"', [("a", 'x"y\\z;')]),
        # no control character gets in by an escape
        (r'a="\012\000x\177\200"', [("a", r"\012\000x\177\200")]),
        (r'a="\101\351"', [("a", "A\xe9")]),
        ('a="x', [("a", '"x')]),
        ('a="', [("a", '"')]),
        ("[a]{b}(c)/d:e@f=1", [("[a]{b}(c)/d:e@f", "1")]),
        ("path=1; expires=2", [("path", "1"), ("expires", "2")]),
        # bad pairs go, the others stay
        ("=v; a=1", [("a", "1")]),
        ("=__Host-x=v; a=1", [("a", "1")]),
        ("noequals; a=1", [("a", "1")]),
        ("a\x01=1; b=2\x7f; c=3", [("c", "3")]),
        ("é=1; b=é; c=\udcff; d=4", [("d", "4")]),
        ("\xa0__Host-x=1; \x85__Host-y=1; \x1f__Host-z=1; d=4", [("d", "4")]),
        # no cookie reaches across a semicolon
        ('a="b;c"; d=1', [("a", '"b'), ("d", "1")]),
        ("a=1; a=2", [("a", "1"), ("a", "2")]),
    ],
)
def test_pairs(text: str, expected: list[tuple[str, str]]) -> None:
    assert parse_cookie_pairs(text) == expected


@pytest.mark.hardening("M31")
def test_the_first_of_duplicates_holds() -> None:
    assert parse_cookie("a=specific; b=1; a=general") == {"a": "specific", "b": "1"}


@pytest.mark.parity("V24", "S21")
def test_bad_cookies_are_one_debug_line(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        parse_cookie("; ".join(["secret"] * 100))
    assert len(caplog.records) == 1
    assert "secret" not in caplog.text
    caplog.clear()
    with caplog.at_level(logging.DEBUG):
        parse_cookie("a=1; ; b=2")
    assert not caplog.records


@pytest.mark.hardening("M29")
@pytest.mark.parametrize("count", [150, 151, 1500])
def test_many_cookies_are_refused(count: int) -> None:
    text = "; ".join(f"c{n}=1" for n in range(count))
    if count <= 150:
        assert len(parse_cookie_pairs(text)) == len(parse_cookie_pairs(text + " ;; ; ")) == count
        return
    with pytest.raises(LimitExceeded, match="more than max_cookies allows: at most 150") as caught:
        parse_cookie(text)
    assert caught.value.status == 431


@pytest.mark.hardening("M29")
@pytest.mark.parametrize("size", [16_384, 16_385, 163_840])
def test_long_cookies_are_refused(size: int) -> None:
    text = "a=" + "x" * (size - 2)
    if size <= 16_384:
        assert parse_cookie(text) == {"a": "x" * (size - 2)}
        return
    with pytest.raises(LimitExceeded, match=f"more than max_cookie_size allows: at most 16384, got {size}") as caught:
        parse_cookie_pairs(text)
    assert caught.value.status == 431


@pytest.mark.hardening("M29")
def test_cookies_are_read_in_linear_time() -> None:
    start = time.process_time()
    parse_cookie_pairs('a="' + '\\"' * 8000 + '"')
    parse_cookie_pairs("; " * 8000)
    parse_cookie_pairs("=" * 16_000)
    parse_cookie_pairs(" " * 16_000 + "=")
    parse_set_cookie(["a=" + " " * 100_000 + "x", "a=b;" + " path" * 20_000])
    assert time.process_time() - start < 2.5  # CPU seconds; quadratic work would take minutes


@given(st.text(max_size=200))
def test_any_cookie_text_parses_to_safe_names(text: str) -> None:
    for name, _ in parse_cookie_pairs(text):
        assert name.isascii()
        assert name == name.strip()
    parse_set_cookie([text])
    parse_cookie_date(text)


def test_format_cookie() -> None:
    assert format_cookie({"a": "1", "b": '"x y"'}) == 'a=1; b="x y"'
    assert format_cookie([("a", "1"), ("a", "2")]) == "a=1; a=2"


@pytest.mark.hardening("C60")
@pytest.mark.parametrize(
    ("name", "value"), [("a", "1;b=2"), ("a=b", "1"), ("", "1"), (" ", "1"), ("a", "\r\n"), ("a", "é")]
)
def test_format_cookie_refuses(name: str, value: str) -> None:
    with pytest.raises(ValueError, match="encode it"):
        format_cookie({name: value})


def test_set_cookie_header() -> None:
    cookie = SetCookie(
        "__Host-a",
        "b",
        path="/",
        max_age=60,
        expires=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        secure=True,
        httponly=True,
        samesite="lax",
        partitioned=True,
    )
    assert cookie.header() == (
        "__Host-a=b; Path=/; Max-Age=60; Expires=Fri, 02 Jan 2026 03:04:05 GMT; "
        "Secure; HttpOnly; Partitioned; SameSite=Lax"
    )
    assert SetCookie("a", '"b"', domain=".ex.org").header() == 'a="b"; Domain=.ex.org'
    assert SetCookie("a", "").header() == "a="


@pytest.mark.hardening("M33", "H87")
@pytest.mark.parametrize("bad", [";", "\r", "\n", "\0", " ", ",", "é", "\\", "\x7f", "\t", "a\r\nSet-Cookie: x=y"])
@pytest.mark.parametrize("field", ["name", "value"])
def test_set_cookie_refuses_characters(bad: str, field: str) -> None:
    fields = {"name": "a", "value": "b"} | {field: f"x{bad}y"}
    with pytest.raises(ValueError, match="cookie"):
        SetCookie(**fields).header()


@pytest.mark.hardening("M33")
@pytest.mark.parametrize(
    "fields",
    [
        {"path": "/;a"},
        {"path": "/\r\n"},
        {"path": "relative"},
        {"path": "/a b"},
        {"domain": "a;b"},
        {"domain": "a\n"},
        {"domain": "a b"},
        {"domain": "a,b"},
        {"domain": ""},
        {"samesite": "Lax; Domain=x"},
        {"samesite": "maybe"},
        {"name": ""},
        {"name": "a=b"},
        {"value": 'a"b'},
        {"value": '"a'},
    ],
)
def test_set_cookie_refuses_fields(fields: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"cookie|samesite"):
        SetCookie(**({"name": "a", "value": "b"} | fields)).header()


@pytest.mark.hardening("M34")
@pytest.mark.parametrize(
    "cookie",
    [
        SetCookie("__Host-a", "b", path="/"),
        SetCookie("__Host-a", "b", secure=True),
        SetCookie("__Host-a", "b", path="/x", secure=True),
        SetCookie("__host-a", "b", path="/", secure=True, domain="x"),
        SetCookie("__Secure-a", "b"),
        SetCookie("a", "b", samesite="None"),
        SetCookie("a", "b", partitioned=True),
        SetCookie("a", "b" * 4096),
    ],
)
def test_set_cookie_keeps_promises(cookie: SetCookie) -> None:
    with pytest.raises(ValueError, match=r"secure=True|4096"):
        cookie.header()


@pytest.mark.hardening("M34")
def test_the_size_limit_is_exact() -> None:
    assert len(SetCookie("a", "b" * 4094).header()) == 4096
    with pytest.raises(ValueError, match="4097"):
        SetCookie("a", "b" * 4095).header()


@pytest.mark.parity("C30")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a=b", {"name": "a", "value": "b", "host_only": True}),
        ("a=b; Domain=.EX.org; Path=/x", {"domain": "ex.org", "path": "/x", "host_only": False}),
        ("a=b; Domain=; Path=x", {"domain": None, "path": None, "host_only": True}),
        ("a=b; Domain=.; Path=x", {"domain": None, "path": None, "host_only": True}),
        ("a=b; Domain=..ex.org", {"domain": "..ex.org", "host_only": False}),
        ("a=b Path=/ Secure HttpOnly", {"value": "b", "path": "/", "secure": True, "httponly": True}),
        ("a=b; Secure; HttpOnly; Partitioned; SameSite=none", {"samesite": "None", "partitioned": True}),
        ("a=b; SameSite=odd", {"samesite": None}),
        ("a=b; Max-Age=60", {"max_age": 60}),
        ("a=b; Max-Age=-60", {"max_age": 0}),
        ("a=b; Max-Age=6\u0660", {"max_age": None}),
        ("a=b; Max-Age=" + "9" * 900, {"max_age": 100 * 365 * 24 * 3600}),
        ("a=b; Max-Age=1; Max-Age=2", {"max_age": 2}),
        ("path=/; path=/x", {"name": "path", "value": "/", "path": "/x"}),
        ('a="b c"; Path=/', {"value": "b c", "raw_value": '"b c"'}),
        ('a="b path=/x" path=/y', {"value": "b path=/x", "path": "/y"}),
        ('a="b;c" path=/y', {"value": '"b', "path": "/y"}),
        ('a="b', {"value": '"b'}),
        ("[x]{y}=b", {"name": "[x]{y}"}),
        ("a=b;;;Secure", {"secure": True}),
        ("a=b; Path=/" + "x" * 2000, {"path": None}),
        ("a=b; expires=nonsense", {"expires": None}),
        ("a=b\t;\tPath=/", {"value": "b", "path": "/"}),
    ],
)
def test_parse_set_cookie(text: str, expected: dict[str, object]) -> None:
    (cookie,) = parse_set_cookie([text])
    assert {name: getattr(cookie, name) for name in expected} == expected


@pytest.mark.parity("C30")
def test_unusable_set_cookies_are_left_out_and_duplicates_stay() -> None:
    found = parse_set_cookie(["", "novalue", "=x", "a=\0", "a=" + "x" * 5000, "a=1; Path=/", "a=2; Path=/x"])
    assert [(cookie.name, cookie.value, cookie.path) for cookie in found] == [("a", "1", "/"), ("a", "2", "/x")]


@pytest.mark.parity("C30")
@pytest.mark.parametrize(
    "text",
    [
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
        "Sun, 06-Nov-1994 08:49:37 GMT",
        "1994 6 november 8:49:37",
        "Sun, 06 Nov 1994 09:49:37 +0100",
        "Sun, 06 Nov 1994 07:49:37 -01:00",
    ],
)
def test_cookie_dates(text: str) -> None:
    assert parse_cookie_date(text) == datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)


@pytest.mark.parity("C30", "V18")
@pytest.mark.parametrize(
    "text",
    [
        "",
        "Sun",
        "06 Nov 1994",
        "06 Nov 1994 25:00:00",
        "31 Feb 1994 08:49:37",
        "06 Nov 1600 08:49:37",
        "0\u0666 Nov 1994 08:49:37",
    ],
)
def test_bad_cookie_dates(text: str) -> None:
    assert parse_cookie_date(text) is None


def test_two_digit_years_of_cookies() -> None:
    assert (found := parse_cookie_date("06 Nov 69 00:00:00")) is not None
    assert found.year == 2069
    assert (found := parse_cookie_date("06 Nov 70 00:00:00")) is not None
    assert found.year == 1970


NAMES = st.from_regex(r"[A-Za-z0-9_\-]{1,20}", fullmatch=True)
VALUES = st.from_regex(r"[A-Za-z0-9_\-.~%/+=]{0,50}", fullmatch=True)


@given(NAMES, VALUES, st.none() | st.integers(0, 10**9), st.booleans())
def test_what_is_written_is_read_back(name: str, value: str, max_age: int | None, secure: bool) -> None:
    cookie = SetCookie(f"x{name}", value, path="/", max_age=max_age, secure=secure, raw_value=value)
    assert parse_set_cookie([cookie.header()]) == [cookie]
    assert parse_cookie(format_cookie({cookie.name: value})) == {cookie.name: value}


@given(st.datetimes(datetime(1970, 1, 1), datetime(9999, 1, 1)))
def test_an_expiry_that_is_written_is_read_back(moment: datetime) -> None:
    whole = moment.replace(microsecond=0, tzinfo=UTC)
    (cookie,) = parse_set_cookie([SetCookie("a", "b", expires=whole).header()])
    assert cookie.expires == whole


def test_logger_is_a_child_of_the_package() -> None:
    assert cookies.logger.name == "levante.http.cookies"
