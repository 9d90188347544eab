"""Heads: what the parser notes, and the views made of it."""

import pytest
from multidict import CIMultiDictProxy

from levante.http import (
    HttpVersion,
    HttpVersion10,
    HttpVersion11,
    Limits,
    RemoteProtocolError,
    RequestHead,
    ResponseHead,
)
from levante.http.fieldnames import known_field
from levante.http.headparser import HeadParser


def request(*lines: bytes, version: bytes = b"1.1", method: bytes = b"GET") -> RequestHead:
    data = b"%s / HTTP/%s\r\nHost: a\r\n%s\r\n" % (method, version, b"".join(line + b"\r\n" for line in lines))
    parser = HeadParser(Limits(), request=True)
    head = parser.parse(b"junk" + data + b"rest", 4, len(data) + 8)
    assert isinstance(head, RequestHead)
    assert parser.end == len(data) + 4
    assert head.raw == data
    return head


def response(*lines: bytes, version: bytes = b"1.1") -> ResponseHead:
    data = b"HTTP/%s 200 Fine\r\n%s\r\n" % (version, b"".join(line + b"\r\n" for line in lines))
    head = HeadParser(Limits(), request=False).parse(data, 0, len(data))
    assert isinstance(head, ResponseHead)
    return head


class TestRequest:
    def test_plain(self) -> None:
        head = request()
        assert (head.method, head.target, head.version) == ("GET", "/", HttpVersion11)
        assert (head.content_length, head.chunked, head.has_body) == (None, False, False)
        assert (head.keep_alive, head.upgrade, head.expect) == (True, None, None)
        assert repr(head) == "<RequestHead GET '/'>"

    def test_uncommon_method(self) -> None:
        assert request(method=b"PROPFIND").method == "PROPFIND"

    @pytest.mark.parametrize(
        ("version", "lines", "keep_alive"),
        [
            (b"1.1", (), True),
            (b"1.0", (), False),
            (b"1.0", (b"Connection: Keep-Alive",), True),
            (b"1.1", (b"Connection: close",), False),
            (b"1.1", (b"Connection: x, CLOSE",), False),
            (b"1.1", (b"Connection: x", b"connection:close"), False),
            (b"1.0", (b"Connection: keep-alive, x",), True),
            (b"1.0", (b"Connection: keep-alive, close",), False),
            (b"1.1", (b"Connection: closed",), True),
        ],
    )
    def test_keep_alive(self, version: bytes, lines: tuple[bytes, ...], keep_alive: bool) -> None:
        head = request(*lines, version=version)
        assert head.keep_alive is keep_alive
        assert head.version == HttpVersion(1, int(version[2:]))

    def test_framing(self) -> None:
        assert request(b"Content-Length: 5").content_length == 5
        assert request(b"Content-Length: 5").has_body
        assert not request(b"content-length: 0").has_body
        assert request(b"Transfer-Encoding: Chunked").has_body
        assert request(b"Content-Length: 999999999999999999").content_length == 10**18 - 1

    @pytest.mark.parametrize(
        ("version", "lines", "upgrade"),
        [
            (b"1.1", (b"Connection: Upgrade", b"Upgrade: WebSocket"), "websocket"),
            (b"1.1", (b"Upgrade: a/1, b", b"Connection: keep-alive, upgrade", b"Upgrade: c"), "a/1"),
            (b"1.1", (b"Upgrade: websocket",), None),
            (b"1.1", (b"Connection: upgrade",), None),
            (b"1.1", (b"Connection: upgrade", b"Upgrade: ,"), None),
            (b"1.0", (b"Connection: upgrade", b"Upgrade: websocket"), None),
        ],
    )
    def test_upgrade(self, version: bytes, lines: tuple[bytes, ...], upgrade: str | None) -> None:
        assert request(*lines, version=version).upgrade == upgrade

    def test_expect(self) -> None:
        assert request(b"Expect: 100-Continue ").expect == b"100-Continue"


class TestViews:
    HEAD = (b"X-A: 1", b"x-b:\t two \t", b"X-A: \xc3\xa9", b"X-C: \xff", b"X-D:")

    def test_headers(self) -> None:
        headers = request(*self.HEAD).headers
        assert isinstance(headers, CIMultiDictProxy)
        assert list(headers.items()) == [
            ("Host", "a"),
            ("X-A", "1"),
            ("x-b", "two"),
            ("X-A", "\u00e9"),
            ("X-C", "\udcff"),
            ("X-D", ""),
        ]
        assert headers.getall("x-a") == ["1", "\u00e9"]

    def test_views_are_made_once(self) -> None:
        head = request(*self.HEAD)
        assert head.headers is head.headers
        assert head.raw_headers is head.raw_headers

    def test_raw_headers(self) -> None:
        assert request(*self.HEAD).raw_headers[1:] == (
            (b"X-A", b"1"),
            (b"x-b", b"two"),
            (b"X-A", b"\xc3\xa9"),
            (b"X-C", b"\xff"),
            (b"X-D", b""),
        )

    def test_field(self) -> None:
        head = request(*self.HEAD)
        assert [head.field(name) for name in (b"host", b"x-a", b"x-b", b"x-c", b"x-d", b"x-e", b"x")] == [
            b"a",
            b"1",
            b"two",
            b"\xff",
            b"",
            None,
            None,
        ]


class TestResponse:
    def test_plain(self) -> None:
        head = response(b"X: y")
        assert (head.status, head.reason, head.version, head.keep_alive) == (200, "Fine", HttpVersion11, True)
        assert repr(head) == "<ResponseHead 200>"
        assert head.headers["x"] == "y"

    @pytest.mark.hardening("C11")
    def test_both_framings(self) -> None:
        head = response(b"Content-Length: 5", b"Transfer-Encoding: chunked")
        assert (head.content_length, head.chunked, head.keep_alive) == (None, True, False)

    def test_chunks_from_http_10(self) -> None:
        assert not response(b"Connection: keep-alive", b"Transfer-Encoding: chunked", version=b"1.0").keep_alive


class TestBuild:
    def test_request(self) -> None:
        headers = [("Host", "a"), ("X", "\u00e9\udcff"), ("Content-Length", "3"), ("Expect", "100-continue")]
        head = RequestHead.build("POST", "/x", headers)
        assert (head.method, head.target, head.content_length, head.expect) == ("POST", "/x", 3, b"100-continue")
        assert head.field(b"x") == b"\xc3\xa9\xff"
        assert head.headers["X"] == "\u00e9\udcff"
        assert head.keep_alive

    def test_http_10(self) -> None:
        head = RequestHead.build("GET", "/", version=HttpVersion10)
        assert head.version == HttpVersion10
        assert not head.keep_alive
        assert head.headers == {}

    def test_upgrade_and_chunks(self) -> None:
        head = RequestHead.build(
            "GET", "/", [("Connection", "Upgrade"), ("Upgrade", "WebSocket"), ("Transfer-Encoding", "chunked")]
        )
        assert head.upgrade == "websocket"
        assert head.has_body

    def test_response(self) -> None:
        head = ResponseHead.build(404, "Not Found", [("Connection", "close")])
        assert (head.status, head.reason, head.keep_alive) == (404, "Not Found", False)
        assert ResponseHead.build(200, version=HttpVersion10).version == HttpVersion10
        assert ResponseHead.build(200, "\u0442\u0430\u043a \udcff").reason == "\u0442\u0430\u043a \udcff"

    @pytest.mark.parametrize(("name", "value"), [("X", "a\nb"), ("X Y", "z"), ("", "z"), ("X", "\0")])
    def test_illegal(self, name: str, value: str) -> None:
        with pytest.raises(ValueError):
            RequestHead.build("GET", "/", [(name, value)])


def test_known_fields_are_told_by_every_letter() -> None:
    names = [
        "host",
        "etag",
        "expect",
        "server",
        "upgrade",
        "connection",
        "user-agent",
        "content-type",
        "max-forwards",
        "content-range",
        "content-length",
        "content-location",
        "transfer-encoding",
        "sec-websocket-key1",
    ]
    for name in names:
        for spelling in (name, name.upper(), name.title()):
            assert known_field(spelling.encode(), 0, len(name)), spelling
        for index in range(len(name)):
            other = name[:index] + "~" + name[index + 1 :]
            assert not known_field(other.encode(), 0, len(other))
    assert len({known_field(name.encode(), 0, len(name)) for name in names}) == len(names)


def test_messages_say_what_came() -> None:
    with pytest.raises(RemoteProtocolError, match=r"byte '\(' in the name of header 'X'; expected a token"):
        request(b"X(Y: z")
