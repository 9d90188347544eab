from datetime import UTC, datetime
from typing import Any

import pytest
from yarl import URL

from levante import web
from levante.http.errors import RemoteProtocolError


@pytest.mark.parity("S19")
async def test_the_target(make_request: Any) -> None:
    request = make_request("GET", "/a%20b/c%2Fd?x=1&y=%C3%A9&x=2")
    assert request.method == "GET"
    assert request.path == "/a b/c/d"
    assert request.raw_path == "/a%20b/c%2Fd?x=1&y=%C3%A9&x=2"
    assert request.match_path == "/a b/c%2Fd"
    assert request.query.getall("x") == ["1", "2"]
    assert request.query["y"] == "é"
    assert request.query_string == "x=1&y=é&x=2"
    assert request.path_qs == "/a%20b/c%2Fd?x=1&y=%C3%A9&x=2"
    assert request.rel_url.path == "/a b/c/d"
    assert request.url == URL("http://localhost/a%20b/c%2Fd?x=1&y=%C3%A9&x=2", encoded=True)
    assert request.version == (1, 1)
    assert make_request("GET", "/plain").query == {}
    assert make_request("GET", "/plain").raw_path == "/plain"


@pytest.mark.parity("S19")
async def test_other_forms_of_target(make_request: Any) -> None:
    request = make_request("GET", "http://other.example:81/p?q=1", [("Host", "other.example:81")])
    assert request.raw_path == "/p?q=1"
    assert request.match_path == "/p"
    assert str(request.url) == "http://other.example:81/p?q=1"
    assert make_request("OPTIONS", "*").match_path == "*"
    request = make_request("CONNECT", "a.example:443", [("Host", "a.example:443")])
    assert request.match_path == ""
    assert request.target.authority.port == 443


@pytest.mark.parity("S19", "S25")
async def test_the_scheme_of_a_target_is_not_believed(make_request: Any) -> None:
    request = make_request("GET", "https://a.example:81/p?q=1", [("Host", "a.example:81")])
    assert (request.scheme, request.secure, request.host) == ("http", False, "a.example:81")
    assert str(request.url) == "http://a.example:81/p?q=1"
    assert str(request.clone(scheme="https").url) == "https://a.example:81/p?q=1"
    assert str(request.clone(host="b.example").url) == "http://b.example/p?q=1"
    moved = request.clone(rel_url="https://c.example/x")
    assert (moved.host, str(moved.url), moved.path) == ("c.example", "http://c.example/x", "/x")


@pytest.mark.hardening("H31")
async def test_a_nul_in_the_path_is_refused(make_request: Any) -> None:
    with pytest.raises(RemoteProtocolError):
        make_request("GET", "/a%00b").match_path  # noqa: B018


@pytest.mark.parity("S19")
async def test_host_scheme_and_remote(make_request: Any) -> None:
    request = make_request("GET", "/", [("Host", "a.example:80"), ("X-Forwarded-Proto", "https")])
    assert request.host == "a.example:80"
    assert request.scheme == "http"
    assert not request.secure
    assert request.remote == "127.0.0.1"


@pytest.mark.parity("S19")
@pytest.mark.parametrize(
    ("sockname", "host"),
    [(("127.0.0.1", 80), "127.0.0.1"), (("::1", 80, 0, 0), "[::1]"), ("/run/x.sock", ""), (None, "")],
)
async def test_without_a_host_field(make_request: Any, sockname: Any, host: str) -> None:
    request = make_request("GET", "/").clone(headers={})
    transport = request.exchange.connection.transport
    transport._extra["sockname"] = sockname
    assert request.host == host


@pytest.mark.parametrize(("peername", "remote"), [("/run/peer", "/run/peer"), (None, None), ("", None)])
async def test_remotes_that_are_no_ip_address(make_request: Any, peername: Any, remote: str | None) -> None:
    request = make_request("GET", "/")
    request.exchange.connection.transport._extra["peername"] = peername
    assert request.remote == remote


async def test_a_query_has_a_limit(make_request: Any) -> None:
    request = make_request("GET", "/?" + "&".join(["a=1"] * 1001))
    with pytest.raises(RemoteProtocolError) as caught:
        request.query  # noqa: B018
    assert caught.value.status == 414


@pytest.mark.parity("S21")
async def test_fields(make_request: Any) -> None:
    request = make_request(
        "POST",
        "/",
        [("X-A", "1"), ("x-a", "2"), ("Content-Type", "Text/HTML; Charset=UTF-8"), ("Content-Length", "0")],
    )
    assert request.headers.getall("X-a") == ["1", "2"]
    assert (b"X-A", b"1") in request.raw_headers
    assert request.content_type == "text/html"
    assert request.charset == "utf-8"
    assert request.content_length == 0
    assert request.keep_alive
    with pytest.raises(TypeError):
        request.headers["X"] = "1"


@pytest.mark.parity("S21")
@pytest.mark.parametrize("value", [None, "nonsense", "a/b; x=1; x=2"])
async def test_a_type_that_cannot_be_read_is_octets(make_request: Any, value: str | None) -> None:
    request = make_request("GET", "/", [] if value is None else [("Content-Type", value)])
    assert request.content_type == "application/octet-stream"
    assert request.charset is None
    assert request.content_length is None


@pytest.mark.parity("S21")
async def test_cookies(make_request: Any) -> None:
    request = make_request("GET", "/", [("Cookie", 'a=1; b="x y"; []=5; =7'), ("Cookie", "c=3; a=9")])
    assert dict(request.cookies) == {"a": "1", "b": "x y", "[]": "5", "c": "3"}
    with pytest.raises(TypeError):
        request.cookies["a"] = "2"


@pytest.mark.parity("S20")
async def test_forwarded(make_request: Any) -> None:
    request = make_request("GET", "/", [("Forwarded", 'For="[::1]:80";Proto=https, for=a'), ("Forwarded", "by=b")])
    assert [dict(hop) for hop in request.forwarded] == [
        {"for": "[::1]:80", "proto": "https"},
        {"for": "a"},
        {"by": "b"},
    ]


@pytest.mark.parity("S22")
async def test_conditions(make_request: Any) -> None:
    date = "Sun, 06 Nov 1994 08:49:37 GMT"
    request = make_request(
        "GET",
        "/",
        [
            ("If-Modified-Since", date),
            ("If-Unmodified-Since", "never"),
            ("If-Range", date),
            ("If-Match", '"a", W/"b"'),
            ("Range", "bytes=-5"),
        ],
    )
    moment = datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)
    assert request.if_modified_since == moment
    assert request.if_unmodified_since is None
    assert request.if_range == moment
    assert request.if_match == (web.ETag("a"), web.ETag("b", is_weak=True))
    assert request.if_none_match is None
    assert request.http_range == slice(-5, None, 1)
    assert make_request("GET", "/").http_range == slice(None, None, 1)


@pytest.mark.parity("S22", "V19")
@pytest.mark.parametrize("value", ["bytes=0-1,3-4", "items=0-1", "bytes=5-2", "bytes=-", "bytes=\u0660-\u0669"])
async def test_bad_ranges(make_request: Any, value: str) -> None:
    with pytest.raises(ValueError, match="range"):
        make_request("GET", "/", [("Range", value)]).http_range  # noqa: B018
