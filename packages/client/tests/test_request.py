"""Heads and framing, without a wire."""

import pytest
from multidict import CIMultiDict
from yarl import URL

from levante import client
from levante.client import CookieJar, DummyCookieJar
from levante.client.request import (
    automatic_headers,
    canonical_names,
    check_compress,
    check_framing,
    check_headers,
    check_method,
    check_url,
    check_version,
    code_cookies,
    cookie_field,
    merge_headers,
)
from levante.http import HttpVersion, HttpVersion10, HttpVersion11

SCHEMES = frozenset({"http", "https"})


@pytest.mark.parity("V8")
def test_methods() -> None:
    assert check_method("get") == "GET"
    assert check_method("M-SEARCH") == "M-SEARCH"
    with pytest.raises(ValueError, match="token"):
        check_method("GET /")


@pytest.mark.parity("V7")
def test_versions() -> None:
    assert check_version(HttpVersion11) is HttpVersion11
    assert check_version(HttpVersion10) is HttpVersion10
    for wrong in ((1, 1), (1, 0), HttpVersion(2, 0), HttpVersion(1, 2), "1.1", "1.1\r\nX: y"):
        with pytest.raises(ValueError, match="HttpVersion11"):
            check_version(wrong)


@pytest.mark.parity("C6")
def test_urls() -> None:
    url = URL("http://h/x?y")
    assert check_url(url, SCHEMES) is url
    with pytest.raises(client.NonHttpUrlClientError, match="expected one of"):
        check_url(URL("ws://h/"), SCHEMES)


@pytest.mark.parity("C4")
def test_merging() -> None:
    defaults = CIMultiDict({"A": "1", "B": "2"})
    assert merge_headers(defaults, None) == defaults
    assert merge_headers(defaults, None) is not defaults
    merged = merge_headers(defaults, [("a", "3"), ("A", "4"), ("C", "5")])
    assert list(merged.items()) == [("B", "2"), ("a", "3"), ("A", "4"), ("C", "5")]
    assert check_headers({"A": "ü\t"})["a"] == "ü\t"


@pytest.mark.parity("C5")
def test_automatic() -> None:
    automatic = {"Accept": "*/*", "User-Agent": "x"}
    given = CIMultiDict({"accept": "text/html"})
    complete = automatic_headers(
        given, URL("http://h:8080/"), automatic=automatic, skip=canonical_names(["user-agent"])
    )
    assert list(complete.items()) == [("Host", "h:8080"), ("accept", "text/html")]
    complete = automatic_headers(CIMultiDict(Host="o"), URL("http://h/"), automatic=automatic, skip=frozenset())
    assert list(complete.items()) == [("Host", "o"), ("Accept", "*/*"), ("User-Agent", "x")]


@pytest.mark.parity("C4")
def test_framing() -> None:
    headers = CIMultiDict({"Transfer-Encoding": "Chunked"})
    assert check_framing(headers, compress=None, chunked=None) is True
    assert not headers
    assert check_framing(headers, compress=None, chunked=None) is None
    assert check_framing(headers, compress="gzip", chunked=True) is True
    assert [check_compress(it) for it in (None, False, True, "gzip", "br")] == [
        None,
        None,
        "deflate",
        "gzip",
        "br",
    ]
    with pytest.raises(ValueError, match="compress must be"):
        check_compress("lzw")


@pytest.mark.parity("C4")
def test_cookies() -> None:
    assert cookie_field(None, "", {}) == ""
    assert cookie_field(None, "a=1", {}) == "a=1"
    assert cookie_field("x=1; a=2; rubbish", "a=1; b=2", {"b": "3"}) == "x=1; a=1; b=3"
    url = URL("http://h/")
    assert code_cookies({"a": "b c"}, url, CookieJar()) == {"a": '"b c"'}
    assert code_cookies({"a": "b c"}, url, CookieJar(quote_cookie=False)) == {"a": "b c"}
    assert code_cookies({"a": "b c"}, url, DummyCookieJar()) == {"a": '"b c"'}
