"""Cross-site hijacking: which origins may open a WebSocket."""

from collections.abc import Callable
from typing import Any

import pytest

from levante.ws import WSHandshakeError, accept_handshake
from levante.ws.origins import origin_refusal

Head = Callable[..., Any]


def refusal(
    head: Head, origin: str | None, *, host: str = "example.com", cookie: bool = False, **options: Any
) -> str | None:
    fields = [("Host", host)]
    if origin is not None:
        fields.append(("Origin", origin))
    if cookie:
        fields.append(("Cookie", "session=1"))
    return origin_refusal(head(*fields).headers, **{"origins": None, "host": None, **options})


@pytest.mark.hardening("W05", "S19")
@pytest.mark.parametrize(
    ("origin", "host"),
    [
        (None, "example.com"),
        ("http://example.com", "example.com"),
        ("https://example.com", "example.com"),
        ("https://EXAMPLE.com:443", "example.com"),
        ("http://localhost:8000", "localhost:8000"),
        ("http://[::1]:8000", "[::1]:8000"),
    ],
)
def test_the_same_origin_is_allowed_by_default(head: Head, origin: str | None, host: str) -> None:
    assert refusal(head, origin, host=host) is None
    assert (refusal(head, origin, host=host, cookie=True) is None) == (origin is not None)


@pytest.mark.hardening("W05")
def test_cookies_without_an_origin_are_refused_by_default(head: Head) -> None:
    """Whatever strips the field on its way would let any page in with its visitor's cookies."""
    assert "no Origin" in str(refusal(head, None, cookie=True))
    assert refusal(head, None, cookie=True, origins=["*"]) is None


@pytest.mark.hardening("W05", "S19")
@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("https://evil.example", "example.com"),
        ("https://example.com.evil.example", "example.com"),
        ("https://sub.example.com", "example.com"),
        ("http://localhost:8001", "localhost:8000"),
        ("null", "example.com"),
        ("", "example.com"),
        ("https://", ""),
        ("file://", "example.com"),
        ("https://example.com/path", "example.com"),
        ("https://user@example.com", "example.com"),
        ("https://example.com:99999", "example.com"),
        ("http://example.com", "exa mple.com:x"),
    ],
)
def test_other_origins_are_refused_by_default(head: Head, origin: str, host: str) -> None:
    assert "Origin" in str(refusal(head, origin, host=host))


@pytest.mark.hardening("W05")
def test_a_list_of_origins_is_exact(head: Head) -> None:
    allowed = {"origins": ["https://example.com", "http://app.example:8080"]}
    assert refusal(head, "https://example.com", host="other", **allowed) is None
    assert refusal(head, "http://app.example:8080", host="other", **allowed) is None
    assert refusal(head, "http://example.com", **allowed) is not None
    assert refusal(head, "null", **allowed) is not None
    assert refusal(head, None, **allowed) is None
    assert "cookies" in str(refusal(head, None, cookie=True, **allowed))
    assert refusal(head, None, cookie=True, origins=[]) is not None


def test_all_can_be_allowed(head: Head) -> None:
    assert refusal(head, "https://evil.example", origins=["*"], cookie=True) is None


def test_the_public_host_can_be_another_than_the_host_field(head: Head) -> None:
    assert refusal(head, "https://shop.example", host="10.0.0.1:8000") is not None
    fields = head(("Host", "10.0.0.1:8000"), ("Origin", "https://shop.example")).headers
    assert origin_refusal(fields, origins=None, host="shop.example") is None


@pytest.mark.hardening("W05")
def test_two_origins_and_the_status(head: Head) -> None:
    fields = [
        ("Host", "a"),
        ("Upgrade", "websocket"),
        ("Connection", "upgrade"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("Sec-WebSocket-Version", "13"),
        ("Origin", "http://a"),
    ]
    assert accept_handshake(head(*fields))
    with pytest.raises(WSHandshakeError, match="2 Origin fields") as caught:
        accept_handshake(head(*fields, ("Origin", "http://b")))
    assert caught.value.status == 403
