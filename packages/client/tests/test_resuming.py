"""What an answer means to a download that was interrupted."""

import pytest
from yarl import URL

from levante.client.resuming import (
    Kept,
    Span,
    address_digest,
    goes_on,
    is_all_there,
    parse_content_range,
    strong_validator,
)

pytestmark = pytest.mark.parity("U19")

EARLY, LATE = "Sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:50:37 GMT"


@pytest.mark.parametrize(
    ("headers", "validator"),
    [
        ({"ETag": '"a"'}, '"a"'),
        ({"ETag": 'W/"a"'}, None),
        ({"ETag": 'W/"a"', "Last-Modified": EARLY, "Date": LATE}, None),
        ({"ETag": "a"}, None),
        ({"ETag": '"'}, None),
        ({"Last-Modified": EARLY, "Date": LATE}, EARLY),
        ({"Last-Modified": EARLY, "Date": EARLY}, None),
        ({"Last-Modified": EARLY}, None),
        ({"Last-Modified": "yesterday", "Date": LATE}, None),
        ({"ETag": '"a"', "Content-Encoding": "gzip"}, None),
        ({}, None),
    ],
)
def test_validators(headers: dict[str, str], validator: str | None) -> None:
    assert strong_validator(headers) == validator


@pytest.mark.parametrize(
    ("field", "span"),
    [
        ("bytes 5-9/10", Span(5, 9, 10)),
        ("bytes 5-9/*", Span(5, 9, None)),
        ("bytes */10", Span(None, None, 10)),
        ("bytes */*", None),
        ("bytes 9-5/10", None),
        ("bytes 5-10/10", None),
        ("lines 5-9/10", None),
        ("bytes \u0665-9/10", None),
        ("bytes 5-9/" + "9" * 30, None),
        ("", None),
        (None, None),
    ],
)
def test_content_range(field: str | None, span: Span | None) -> None:
    assert parse_content_range(field) == span


@pytest.mark.parametrize(
    ("status", "headers", "total"),
    [
        (206, {"Content-Range": "bytes 5-9/10"}, 10),
        (206, {"Content-Range": "bytes 5-9/10", "ETag": '"a"'}, 10),
        (206, {"Content-Range": "bytes 5-9/10", "ETag": '"b"'}, None),
        (206, {"Content-Range": "bytes 5-9/10", "Content-Encoding": "gzip"}, None),
        (206, {"Content-Range": "bytes 4-9/10"}, None),
        (206, {"Content-Range": "bytes 5-8/10"}, None),
        (206, {"Content-Range": "bytes 5-9/*"}, None),
        (206, {}, None),
        (200, {"Content-Range": "bytes 5-9/10"}, None),
    ],
)
def test_the_rest(status: int, headers: dict[str, str], total: int | None) -> None:
    assert goes_on(Kept(5, '"a"'), status, headers) == total


def test_nothing_is_missing() -> None:
    kept = Kept(10, '"a"')
    assert is_all_there(kept, 416, {"Content-Range": "bytes */10"})
    assert not is_all_there(kept, 416, {"Content-Range": "bytes */11"})
    assert not is_all_there(kept, 416, {"Content-Range": "bytes 0-9/10"})
    assert not is_all_there(kept, 416, {})
    assert not is_all_there(kept, 206, {"Content-Range": "bytes */10"})
    assert kept.headers() == {"Range": "bytes=10-", "If-Range": '"a"'}


def test_addresses() -> None:
    assert address_digest(URL("http://me:pw@a/b?c#d")) == address_digest(URL("http://a/b?c"))
    assert address_digest(URL("http://a/b?c")) != address_digest(URL("http://a/b?d"))
