"""Media types, weights, and the choice between alternatives."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from levante.http import mediatypes
from levante.http.mediatypes import best_match, negotiate_coding, parse_accept, parse_media_type, quality


def test_media_type() -> None:
    parsed = parse_media_type(' Text/HTML ; Charset="UTF-8"; x="a\\"b" ')
    assert (parsed.type, parsed.subtype, parsed.essence) == ("text", "html", "text/html")
    assert parsed.charset == "utf-8"
    assert parsed.parameters["x"] == 'a"b'
    assert str(parsed) == 'text/html; charset=UTF-8; x="a\\"b"'
    assert parse_media_type("a/b").charset is None
    assert parse_media_type("a/b").suffix == ""


@pytest.mark.parity("S23")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("application/json", True),
        ("Application/Problem+JSON; charset=utf-8", True),
        ("text/x+json", True),
        ("text/json", False),
        ("application/jsonp", False),
    ],
)
def test_is_json(text: str, expected: bool) -> None:
    assert parse_media_type(text).is_json() is expected


@pytest.mark.hardening("M28")
@pytest.mark.parametrize(
    "text",
    [
        "",
        "text",
        "text/",
        "/html",
        "text/html, text/plain",
        "text/html x",
        "text/html; charset",
        "text/html; a=b; A=c",
        'text/html; a="',
        "te xt/html",
        "text/html\n",
        "text/\u212a",
        "a/b" + "; x=y" * 2000,
    ],
)
def test_malformed_media_type(text: str) -> None:
    with pytest.raises(ValueError, match=r"media type|parameter|expected|unterminated"):
        parse_media_type(text)


def test_accept_is_sorted_by_weight_then_specificity() -> None:
    found = parse_accept("*/*;q=0.5, text/*;q=0.5, text/html;level=1;q=0.5, a/b;q=0.9;ext=1, bad, c/d;q=2, e/f;q=x")
    assert [item.value for item in found] == ["a/b", "text/html", "text/*", "*/*"]
    assert found[1].parameters == {"level": "1"}


def test_quality_by_the_example_of_rfc_9110() -> None:
    accept = "text/*;q=0.3, text/plain;q=0.7, text/plain;format=flowed, text/plain;format=fixed;q=0.4, */*;q=0.5"
    assert quality("text/plain;format=flowed", accept) == 1.0
    assert quality("text/plain", accept) == 0.7
    assert quality("text/html", accept) == 0.3
    assert quality("image/jpeg", accept) == 0.5
    assert quality("text/plain;format=fixed", accept) == 0.4
    assert quality("text/html", None) == 1.0
    assert quality("text/html", "") == 1.0
    assert quality("text/html", "text/html;q=0") == 0.0


@pytest.mark.parametrize(
    ("accept", "media_type", "weight"),
    [
        ("text/html;q=0, text/*", "text/html", 0.0),
        ("text/html;q=0, text/*", "text/plain", 1.0),
        ("*/*;q=0", "text/html", 0.0),
        ("*/*;q=0, text/*;q=0.1", "text/html", 0.1),
        # more parameters are more specific, a parameter that the type lacks is no match
        ("a/b;x=1;q=0.1, a/b;x=1;y=2;q=0.9, a/b;q=0.5", "a/b;x=1;y=2", 0.9),
        ("a/b;x=1;y=2;q=0.9, a/b;x=1;q=0.1", "a/b;x=1", 0.1),
        ("a/b;x=1", "a/b", 0.0),
        ("a/b;x=1, a/*;q=0.2", "a/b;x=2", 0.2),
        ("text/html;charset=UTF-8", "text/html; charset=utf-8", 1.0),
        ("a/b;x=Y", "a/b;x=y", 0.0),
        # what stands behind the weight does not count
        ("a/b;q=0.3;x=1", "a/b", 0.3),
        # of equals the best holds; neither order nor case of names matters
        ("a/b;q=0.3, a/b;q=0.9", "a/b", 0.9),
        ("*/*;q=0.1, A/B;Q=0.4", "a/b", 0.4),
        # only `*/*` and `type/*` are ranges
        ("*/b, x/y", "a/b", 0.0),
        ("a/*, */b;q=0.5", "c/b", 0.0),
        ("*;q=0.2", "a/b", 0.2),
        ("*;q=.2", "a/b", 0.2),
        ("text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2", "application/json", 0.2),
        # weights
        ("a/b;q=1.000", "a/b", 1.0),
        ("a/b;q=0.12345", "a/b", 0.12345),
        ("a/b;q=0.", "a/b", 0.0),
        ("a/b;q=1.001, x/y", "a/b", 0.0),
        ("a/b;q=-1, x/y", "a/b", 0.0),
        ("a/b;q=1e0, x/y", "a/b", 0.0),
        ("a/b;q=\u0661, x/y", "a/b", 0.0),
        ("a/b;q=nan, x/y", "a/b", 0.0),
        ("a/b;q=, x/y", "a/b", 0.0),
        # where no wish can be read, there is none
        ("*/b", "a/b", 1.0),
        ("a/b;q=nan", "a/b", 1.0),
    ],
)
def test_quality(accept: str, media_type: str, weight: float) -> None:
    assert quality(media_type, accept) == weight


@pytest.mark.hardening("M14")
@pytest.mark.parametrize(
    "text", ['"' + 'a\\"' * 30_000, '"\\' * 50_000, '"' * 100_000, 'a/b;q="' * 15_000, "a," * 50_000]
)
def test_hostile_wishes_are_linear(text: str) -> None:
    start = time.process_time()
    mediatypes.parse_preferences(text)
    assert negotiate_coding(text, ["gzip"]) == "identity"
    assert time.process_time() - start < 2  # CPU seconds; quadratic work takes ten and more


def test_a_quoted_string_without_an_end_takes_the_rest_with_it() -> None:
    assert [item.value for item in mediatypes.parse_preferences('a/b, c/d;x="1, e/f, g/h')] == ["a/b"]


def test_quoted_comma_does_not_end_an_item() -> None:
    assert [item.value for item in parse_accept('a/b;x="1,2", c/d, ,e/f')] == ["a/b", "c/d", "e/f"]
    assert parse_accept('a/b;x="1,2')[:1] == []


def test_best_match() -> None:
    offers = ["application/json", "text/html"]
    assert best_match(offers, "text/html,application/xhtml+xml,*/*;q=0.8") == "text/html"
    assert best_match(offers, "*/*") == "application/json"
    assert best_match(offers, None) == "application/json"
    assert best_match(offers, "") == "application/json"
    assert best_match(offers, "image/png") is None
    assert best_match(offers, "application/json;q=0, */*") == "text/html"


@pytest.mark.parity("S33")
@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, "identity"),
        ("", "identity"),
        ("gzip", "gzip"),
        ("x-gzip", "gzip"),
        ("gzip, br", "br"),
        ("gzip;q=1, br;q=0.5", "gzip"),
        ("br;q=0, gzip;q=0", "identity"),
        ("identity, gzip;q=0.5", "identity"),
        ("identity;q=0.5, gzip", "gzip"),
        ("identity;q=0.5, gzip;q=0.5", "gzip"),
        ("identity;q=0", None),
        ("*;q=0", None),
        ("*;q=0, identity", "identity"),
        ("*", "br"),
        ("br;q=0, *;q=0.1", "gzip"),
        ("identity;q=0, gzip", "gzip"),
        ("deflate", "identity"),
        ("GZIP", "gzip"),
        ("nogzip", "identity"),
    ],
)
def test_negotiate_coding(accept: str | None, expected: str | None) -> None:
    assert negotiate_coding(accept, ["br", "gzip", "identity"]) == expected


def test_split_codings() -> None:
    assert mediatypes.split_codings(" X-Gzip ,identity,, BR") == ["gzip", "br"]


@given(st.text(max_size=200))
def test_wishes_of_any_text_never_fail(text: str) -> None:
    parse_accept(text)
    assert negotiate_coding(text, ["gzip"]) in ("gzip", "identity", None)
    assert best_match(["a/b"], text) in ("a/b", None)


@given(st.text(alphabet='a/;="\\ ,q', max_size=60))
def test_a_type_that_is_read_is_written_as_itself(text: str) -> None:
    try:
        parsed = parse_media_type(text)
    except ValueError:
        return
    assert parse_media_type(str(parsed)) == parsed
