"""What one request may hold: every limit on its sizes and counts is asked three times over a real connection, at the
limit (the request is answered, and the connection goes on), one above it and ten times above it (the answer that the
limit has). The tests that are marked with `limit` are collected by tests/test_limit_rows.py, which knows all names.
"""

import gzip
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from levante import web
from levante.http import limits
from levante.http.limits import ContentLimits, Limits, MultipartLimits

HOST = b"Host: a\r\n"
PLAIN = b"GET / HTTP/1.1\r\n" + HOST + b"\r\n"
MANY = 1 << 20
EXTENTS = (("at", 1, 0), ("above", 1, 1), ("far", 10, 0))


async def take_everything(request: web.Request) -> web.Response:
    """Look at all that is limited only when somebody looks at it."""
    form = await request.post()
    body = await request.read() if not form else b""
    return web.json_response([len(request.query), len(request.cookies), len(form), len(body)])


@dataclass(frozen=True)
class Row:
    """A limit: its size, what asks for `n` of it, the status beyond, after which the connection is closed, and the
    server's other settings that let the tenth multiple reach it."""

    maximum: int
    request: Callable[[int], bytes]
    status: int
    settings: dict[str, Any] = field(default_factory=dict)


def get(target: bytes = b"/", headers: bytes = b"") -> bytes:
    return b"GET " + target + b" HTTP/1.1\r\n" + HOST + headers + b"\r\n"


def post(body: bytes, content_type: bytes = b"application/x-www-form-urlencoded", headers: bytes = b"") -> bytes:
    length = b"Content-Length: %d\r\n" % len(body)
    return (
        b"POST / HTTP/1.1\r\n" + HOST + length + b"Content-Type: " + content_type + b"\r\n" + headers + b"\r\n" + body
    )


def chunked(body: bytes) -> bytes:
    return b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n" + body


def lines(name: bytes, size: int, *, line: int = 8000) -> bytes:
    """Field lines of `size` bytes taken together, none of them longer than is allowed."""
    found = []
    while size > 0:
        taken = size if size <= line else min(line, size - 10)  # leave enough for a last line
        found.append(name + b": " + b"x" * (taken - len(name) - 4) + b"\r\n")
        size -= taken
    return b"".join(found)


def head_of(size: int) -> bytes:
    return get(headers=lines(b"x", size - len(get())))


def trailers_of(size: int) -> bytes:
    return chunked(b"0\r\n" + lines(b"x", size, line=400) + b"\r\n")


def cookies_of(size: int) -> bytes:
    """Cookie fields that are `size` characters when they are joined."""
    values = []
    while size > 0:
        taken = size if size <= 8000 else min(8000, size - 10)
        values.append(b"Cookie: a=" + b"x" * (taken - 2) + b"\r\n")
        size -= taken + 2  # with the "; " between
    return get(headers=b"".join(values))


def inflating_to(size: int) -> bytes:
    """10,000 bytes of gzip, most of it in its header, that give `size` bytes."""
    coded = gzip.compress(bytes(size), mtime=0)
    named = coded[:3] + b"\x08" + coded[4:10] + b"n" * (10_000 - len(coded) - 1) + b"\0" + coded[10:]
    return post(named, b"application/octet-stream", b"Content-Encoding: gzip\r\n")


def form_of(*parts: bytes, boundary: bytes = b"b") -> bytes:
    body = b"".join(b"--" + boundary + b"\r\n" + part + b"\r\n" for part in parts) + b"--" + boundary + b"--\r\n"
    return post(body, b"multipart/form-data; boundary=" + boundary)


def part(content: bytes = b"", headers: bytes = b"") -> bytes:
    return b'Content-Disposition: form-data; name="f"\r\n' + headers + b"\r\n" + content


def texts_of(size: int) -> bytes:
    """Fields of a form that take `size` bytes of memory, names included."""
    sizes = [MANY] * (size // MANY) + ([size % MANY] if size % MANY else [])
    return form_of(*(part(b"x" * (each - 1)) for each in sizes))


ROOMY = {"max_line_size": MANY, "max_field_size": MANY, "max_headers": MANY, "max_head_size": 16 * MANY}
BIG = {"client_max_size": 64 * MANY}

ROWS = {
    "Limits.max_line_size": Row(8190, lambda n: get(b"/" + b"a" * (n - 14)), 414, {"max_head_size": MANY}),
    "Limits.max_field_size": Row(8190, lambda n: get(headers=b"x: " + b"a" * (n - 3) + b"\r\n"), 431),
    "Limits.max_headers": Row(128, lambda n: get(headers=b"x: y\r\n" * (n - 1)), 431),
    "Limits.max_head_size": Row(64 * 1024, head_of, 431),
    "Limits.max_empty_lines": Row(2, lambda n: b"\r\n" * n + PLAIN, 400),
    "MAX_METHOD_LENGTH": Row(32, lambda n: b"X" * n + PLAIN.removeprefix(b"GET"), 501),
    "MAX_LENGTH_DIGITS": Row(
        18, lambda n: b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: %0*d\r\n\r\nhello" % (n, 5), 413
    ),
    "MAX_CHUNK_SIZE_DIGITS": Row(15, lambda n: chunked(b"%0*d\r\nhello\r\n0\r\n\r\n" % (n, 5)), 400),
    "Limits.max_chunk_extensions": Row(16 * 1024, lambda n: chunked(b"1;" + b"a" * n + b"\r\nx\r\n0\r\n\r\n"), 400),
    "Limits.max_trailers": Row(32, lambda n: chunked(b"0\r\n" + b"x: y\r\n" * n + b"\r\n"), 431),
    "Limits.max_trailer_size": Row(8 * 1024, trailers_of, 431, {"max_trailers": MANY}),
    "MAX_CODING_RATIO": Row(1_000_000, inflating_to, 413, BIG),
    "Application.client_max_size": Row(MANY, lambda n: post(b"x" * n, b"text/plain"), 413),
    "ContentLimits.max_query_fields": Row(1000, lambda n: get(b"/?" + b"a&" * n), 414, ROOMY),
    "ContentLimits.max_form_fields": Row(1000, lambda n: post(b"a&" * n), 413),
    "ContentLimits.max_cookies": Row(150, lambda n: get(headers=b"Cookie:" + b" a=b;" * n + b"\r\n"), 431),
    "ContentLimits.max_cookie_size": Row(16 * 1024, cookies_of, 431, ROOMY),
    "MultipartLimits.max_parts": Row(1000, lambda n: form_of(*[part()] * n), 413),
    "MultipartLimits.max_headers": Row(16, lambda n: form_of(part(headers=b"x: y\r\n" * (n - 1))), 413),
    "MultipartLimits.max_header_size": Row(
        4096, lambda n: form_of(part(headers=b"x: " + b"y" * (n - 3) + b"\r\n")), 413
    ),
    "MultipartLimits.max_field_size": Row(MANY, lambda n: form_of(part(b"x" * n)), 413, BIG),
    "MultipartLimits.max_text_size": Row(2 * MANY, texts_of, 413, BIG),
    "MAX_BOUNDARY": Row(70, lambda n: form_of(part(), boundary=b"b" * n), 400),
}


@pytest.mark.limit(*ROWS)
@pytest.mark.parity("U15")
@pytest.mark.parametrize(("extent", "factor", "more"), EXTENTS, ids=[extent for extent, _, _ in EXTENTS])
@pytest.mark.parametrize("name", ROWS)
async def test_a_request_is_bounded(serve: Any, name: str, extent: str, factor: int, more: int) -> None:
    row = ROWS[name]
    settings = dict(row.settings)
    app = web.Application(client_max_size=settings.pop("client_max_size", MANY), handler_args=settings)
    app.router.add_route("*", "/{tail:.*}", take_everything)
    peer = await (await serve(app)).connect()
    peer.writer.write(row.request(row.maximum * factor + more))
    answer = await peer.answer()
    if extent == "at":
        assert answer.status == 200, answer.text
        assert (await peer.request("GET", "/")).status == 200
    else:
        assert answer.status == row.status, answer.text
        assert answer.headers["Connection"] == "close"
        assert await peer.is_closed()


@pytest.mark.limit("Application.client_max_size")
@pytest.mark.parametrize("size", [MANY + 1, 10 * MANY])
async def test_a_body_that_is_announced_as_too_large_is_refused_before_it_comes(serve: Any, size: int) -> None:
    peer = await (await serve(take_everything)).connect()
    await peer.send(b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\n\r\n" % size)
    answer = await peer.answer()
    assert (answer.status, answer.headers["Connection"]) == (413, "close")


@pytest.mark.limit("Application.client_max_size")
@pytest.mark.parametrize(("size", "status"), [(MANY, 200), (MANY + 1, 413), (10 * MANY, 413)])
async def test_a_body_of_unknown_length_is_refused_when_it_is_too_large(serve: Any, size: int, status: int) -> None:
    peer = await (await serve(take_everything)).connect()
    peer.writer.write(chunked(b"%x\r\n" % size + b"x" * size + b"\r\n0\r\n\r\n"))
    assert (await peer.answer()).status == status


DEFAULTS = [
    # name, ours, what the table says, and why that differs
    ("Limits.max_line_size", Limits().max_line_size, 8 * 1024, "aiohttp's 8,190"),
    ("Limits.max_field_size", Limits().max_field_size, 8 * 1024, "aiohttp's 8,190"),
    ("Limits.max_headers", Limits().max_headers, 100, "aiohttp's 128"),
    ("Limits.max_head_size", Limits().max_head_size, 64 * 1024, ""),
    ("Limits.max_chunk_extensions", Limits().max_chunk_extensions, 16 * 1024, ""),
    ("Limits.max_trailer_size", Limits().max_trailer_size, 8 * 1024, ""),
    ("Limits.max_trailers", Limits().max_trailers, 32, ""),
    ("Application.client_max_size", web.Application().client_max_size, MANY, ""),
    ("MAX_CODING_RATIO", limits.MAX_CODING_RATIO, 100, ""),
    ("MultipartLimits.max_parts", MultipartLimits().max_parts, 1000, ""),
    ("MultipartLimits.max_field_size", MultipartLimits().max_field_size, MANY, ""),
    ("MultipartLimits.max_text_size", MultipartLimits().max_text_size, 2 * MANY, ""),
    ("MultipartLimits.max_headers", MultipartLimits().max_headers, 16, ""),
    ("MultipartLimits.max_header_size", MultipartLimits().max_header_size, 4 * 1024, ""),
    ("MAX_BOUNDARY", limits.MAX_BOUNDARY, 70, ""),
    ("ContentLimits.max_form_fields", ContentLimits().max_form_fields, 1000, ""),
    ("ContentLimits.max_query_fields", ContentLimits().max_query_fields, 1000, ""),
    ("ContentLimits.max_cookies", ContentLimits().max_cookies, 150, ""),
    ("ContentLimits.max_cookie_size", ContentLimits().max_cookie_size, 16 * 1024, ""),
]


@pytest.mark.parametrize(("name", "ours", "table", "reason"), DEFAULTS)
def test_defaults_are_those_of_the_table_or_of_aiohttp(name: str, ours: int, table: int, reason: str) -> None:
    assert name in ROWS
    assert (ours == table) is not bool(reason)
    if name != "MAX_CODING_RATIO":  # which the row counts in the bytes that come out
        assert ROWS[name].maximum == ours
