"""Request targets: forms, paths for routing, URLs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from levante.http import RemoteProtocolError, target
from levante.http.target import Authority, Target, TargetForm, decode_path, decode_segment, split_target


@pytest.mark.parity("S19")
@pytest.mark.parametrize(
    ("method", "text", "expected"),
    [
        ("GET", "/", Target(TargetForm.ORIGIN, "/")),
        ("GET", "/a?b=c?d", Target(TargetForm.ORIGIN, "/a", "b=c?d")),
        ("GET", "/a?", Target(TargetForm.ORIGIN, "/a", "")),
        ("GET", "//evil/x", Target(TargetForm.ORIGIN, "//evil/x")),
        ("OPTIONS", "*", Target(TargetForm.ASTERISK, "*")),
        ("CONNECT", "a:443", Target(TargetForm.AUTHORITY, "", authority=Authority("a", 443))),
        ("CONNECT", "[::1]:443", Target(TargetForm.AUTHORITY, "", authority=Authority("::1", 443))),
        ("GET", "HTTP://b:81/x?y", Target(TargetForm.ABSOLUTE, "/x", "y", "http", Authority("b", 81))),
        ("GET", "http://b", Target(TargetForm.ABSOLUTE, "/", None, "http", Authority("b", None))),
        ("GET", "http://b?q", Target(TargetForm.ABSOLUTE, "/", "q", "http", Authority("b", None))),
    ],
)
def test_the_four_forms(method: str, text: str, expected: Target) -> None:
    assert split_target(method, text) == expected


@pytest.mark.hardening("H18", "H19", "H25", "H32")
@pytest.mark.parametrize(
    ("method", "text"),
    [
        ("GET", ""),
        ("GET", "*"),
        ("GET", "a:80"),
        ("GET", "path"),
        ("GET", "/a b"),
        ("GET", "/a\0"),
        ("GET", "/a\x7f"),
        ("GET", "/\xff"),
        ("GET", "/a#frag"),
        ("GET", "/a%00b"),
        ("GET", "http:///x"),
        ("GET", "http://u@a/x"),
        ("GET", "http://a:b/x"),
        ("GET", "mailto:x"),
        ("CONNECT", "a"),
        ("CONNECT", ":443"),
        ("CONNECT", "/"),
        ("CONNECT", "http://a/"),
    ],
)
def test_refused_targets(method: str, text: str) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        split_target(method, text)
    assert caught.value.status == 400


@pytest.mark.hardening("H16")
@pytest.mark.parametrize(
    "text",
    ["a b", "a/b", "u@a", "a:99x", "[::1", "::1", "[x]", "[1:2]", "a:65536", "a:999999", "\u212a", "a:\u0668", "a\n"],
)
def test_refused_hosts(text: str) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        target.parse_authority(text)
    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("text", "expected", "written"),
    [
        ("example.org", Authority("example.org", None), "example.org"),
        ("a:80", Authority("a", 80), "a:80"),
        ("a:", Authority("a", None), "a"),
        ("[::1]:8080", Authority("::1", 8080), "[::1]:8080"),
        ("[::1]", Authority("::1", None), "[::1]"),
        ("127.0.0.1", Authority("127.0.0.1", None), "127.0.0.1"),
        ("", Authority("", None), ""),
    ],
)
def test_hosts(text: str, expected: Authority, written: str) -> None:
    assert target.parse_authority(text) == expected
    assert str(expected) == written


@given(
    st.from_regex(r"[A-Za-z0-9.\-_~]{1,20}", fullmatch=True) | st.ip_addresses().map(str),
    st.none() | st.integers(0, 65535),
)
def test_an_authority_that_is_written_is_read_back(host: str, port: int | None) -> None:
    assert target.parse_authority(str(Authority(host, port))) == (host, port)


@pytest.mark.parity("S4")
@pytest.mark.hardening("H31", "H32")
@pytest.mark.parametrize(
    ("raw", "decoded"),
    [
        ("/plain", "/plain"),
        ("/a%2Fb", "/a%2Fb"),
        ("/a%2fb", "/a%2Fb"),
        ("/100%25", "/100%25"),
        ("/%252F", "/%252F"),
        ("/%C3%A9", "/é"),
        ("/a%20b+c", "/a b+c"),
        ("/%zz%", "/%zz%"),
        ("/%c0%ae", "/%C0%AE"),  # an overlong dot is no dot
        ("/%ed%a0%80", "/%ED%A0%80"),  # a surrogate is no character
        ("/%C3", "/%C3"),
        ("/%2e%2e/x", "/../x"),
    ],
)
def test_decode_path(raw: str, decoded: str) -> None:
    assert decode_path(raw) == decoded


@pytest.mark.parity("S4")
def test_a_segment_keeps_its_slash_until_the_handler() -> None:
    path = decode_path("/a%2Fb%25")
    assert path.split("/") == ["", "a%2Fb%25"]
    assert decode_segment(path[1:]) == "a/b%"
    assert decode_segment(decode_path("%252F")) == "%2F"
    assert decode_segment("plain") == "plain"


@given(st.text())
def test_what_was_quoted_decodes_to_itself(text: str) -> None:
    encoded = "".join(f"%{byte:02X}" for byte in text.encode("utf-8", "replace"))
    decoded = decode_segment(decode_path(encoded))
    assert decoded == text.encode("utf-8", "replace").decode()


@given(st.text())
def test_requote_is_ascii_and_settled(text: str) -> None:
    text = text.encode("utf-8", "replace").decode()
    quoted = target.requote_path(text)
    assert quoted.isascii()
    assert target.requote_path(quoted) == quoted


def test_requote() -> None:
    assert target.requote_path("/é b/%2f/%zz/{x}") == "/%C3%A9%20b/%2F/%25zz/%7Bx%7D"


@pytest.mark.hardening("H34")
@pytest.mark.parametrize(
    "path", ["//evil.example/..;/", "/\\evil", "\\\\evil", "evil", "////evil", "/\t/evil", "/\r\n\\evil"]
)
def test_local_path_stays_here(path: str) -> None:
    safe = target.local_path(path)
    assert safe[0] == "/"
    assert safe[1] not in "/\\"


@pytest.mark.parity("S19")
@pytest.mark.hardening("H17", "H34")
def test_urls() -> None:
    def url(method: str, text: str, host: str = "a:81") -> str:
        return str(target.absolute_url("http", host, split_target(method, text)))

    assert url("GET", "/x%2Fy?q=%zz") == "http://a:81/x%2Fy?q=%zz"
    assert url("GET", "//evil/x") == "http://a:81//evil/x"
    assert url("GET", "https://b:1/x", "b:1") == url("GET", "https://b:1/x", "") == "http://b:1/x"
    assert url("GET", "/", "[::1]:81") == "http://[::1]:81/"
    assert url("OPTIONS", "*") == "http://a:81"
    assert url("CONNECT", "b:443", "b:443") == url("CONNECT", "b:443", "") == "http://b:443"
    assert url("GET", "/x", "") == "/x"
    relative = target.relative_url(split_target("GET", "//evil/x?y=1"))
    assert relative.host is None
    assert relative.raw_path == "//evil/x"
    assert relative.query["y"] == "1"
    for host in ("a b", "xn--a"):
        with pytest.raises(RemoteProtocolError):
            url("GET", "/", host)


@given(
    st.from_regex(r"(?:[A-Za-z0-9.\-_~]{1,20}|\[[0-9a-f:.]{2,20}\])(?::[0-9]{0,5})?", fullmatch=True),
    st.from_regex(r"/[\x21\x22\x24-\x7e]{0,20}", fullmatch=True),
)
def test_a_url_is_made_or_refused_as_the_peers_fault(host: str, path: str) -> None:
    try:
        url = target.absolute_url("http", host, split_target("GET", path))
    except RemoteProtocolError:
        return
    raw_path, _, _ = path.partition("?")
    assert url.raw_path == raw_path
    assert decode_path(raw_path) is not None
