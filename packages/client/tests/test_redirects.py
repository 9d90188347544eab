"""Where a redirect leads, and what may go along."""

import pytest
from multidict import CIMultiDict
from yarl import URL

from levante.client import InvalidUrlRedirectClientError, NonHttpUrlRedirectClientError
from levante.client.redirects import Hop, headers_after, next_hop

SCHEMES = frozenset({"http", "https", "ws", "wss"})
HERE = URL("http://h/a/b?q#frag")


def hop(method: str = "GET", status: int = 302, location: str = "/x", url: URL = HERE, **options: bool) -> Hop:
    return next_hop(method, url, status=status, location=location, schemes=SCHEMES, **options)


@pytest.mark.parity("C22")
@pytest.mark.parametrize(
    ("method", "status", "becomes", "drops"),
    [
        ("GET", 301, "GET", False),
        ("POST", 301, "GET", True),
        ("POST", 302, "GET", True),
        ("PUT", 302, "PUT", False),
        ("POST", 303, "GET", True),
        ("PUT", 303, "GET", True),
        ("HEAD", 303, "HEAD", False),
        ("POST", 307, "POST", False),
        ("POST", 308, "POST", False),
    ],
)
def test_method_and_body(method: str, status: int, becomes: str, drops: bool) -> None:
    found = hop(method, status)
    assert (found.method, found.drop_body) == (becomes, drops)


@pytest.mark.parity("C22")
@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("/x", "http://h/x"),
        ("c", "http://h/a/c"),
        ("?z", "http://h/a/b?z"),
        ("//o/x", "http://o/x"),
        ("http:/x", "http://h/x"),
        ("HTTP:c", "http://h/a/c"),
        ("http:?z", "http://h/a/b?z"),
        ("http://o/x#new", "http://o/x#new"),
        ("/\u00e9 \u00e8", "http://h/%C3%A9%20%C3%A8"),
        ("/\udcff", "http://h/%FF"),
    ],
)
def test_target(location: str, target: str) -> None:
    assert str(hop(location=location).url) == target


@pytest.mark.parity("C23")
def test_cross_origin() -> None:
    assert not hop(location="/x").cross_origin
    for location in ("http://o/", "https://h/", "http://h:81/"):
        assert hop(location=location).cross_origin


@pytest.mark.parity("C22")
@pytest.mark.hardening("C52")
@pytest.mark.parametrize("location", ["file:///etc/passwd", "javascript:alert(1)", "ftp://h/", "data:,x"])
def test_other_schemes_are_refused(location: str) -> None:
    with pytest.raises(NonHttpUrlRedirectClientError):
        hop(location=location)


@pytest.mark.parity("C22")
@pytest.mark.hardening("C52")
@pytest.mark.parametrize(
    "location", ["http://[::1/", "http:///x", "http://h:port/", "http://a%3Ab:c@h/", "http://a:b%0A@h/"]
)
def test_what_is_no_url_is_refused(location: str) -> None:
    with pytest.raises(InvalidUrlRedirectClientError):
        hop(location=location)


@pytest.mark.parity("C22")
@pytest.mark.parametrize("location", ["/a b", "/\u00e9", "?a b", "/\udcff\u00e9"])
def test_what_cannot_be_sent_as_it_is(location: str) -> None:
    assert hop(location=location).url.raw_path_qs.isascii()
    with pytest.raises(InvalidUrlRedirectClientError, match="percent-encoded"):
        hop(location=location, requote=False)


@pytest.mark.hardening("C52")
def test_leaving_tls_is_refused_unless_allowed() -> None:
    secure = URL("https://h/")
    with pytest.raises(InvalidUrlRedirectClientError, match="allow_insecure_redirects"):
        hop(location="http://h/", url=secure)
    assert hop(location="http://h/", url=secure, allow_downgrade=True).url == URL("http://h/")


@pytest.mark.parity("C23", "V31")
@pytest.mark.hardening("C51")
def test_every_credential_stays_behind() -> None:
    headers = CIMultiDict(
        [
            ("authorization", "1"), ("Authorization", "2"), ("Cookie", "a"), ("COOKIE", "b"),
            ("Proxy-Authorization", "x"), ("Proxy-authorization", "y"), ("Host", "h"),
            ("X", "kept"), ("Content-Type", "kept"),
        ]
    )  # fmt: skip
    headers_after(headers, Hop("GET", URL("http://o/"), False, True))
    assert list(headers.items()) == [("X", "kept"), ("Content-Type", "kept")]


@pytest.mark.parity("C22")
def test_the_description_of_a_body_goes_with_it() -> None:
    headers = CIMultiDict(
        {"Authorization": "1", "Content-Length": "3", "Content-Type": "t", "Content-Encoding": "gzip"}
    )
    headers_after(headers, Hop("GET", URL("http://h/"), True, False))
    assert list(headers) == ["Authorization"]
