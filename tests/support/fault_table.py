"""The table of misbehaving servers: what each does, and the exact result or error that a client has to make of it."""

import gzip
import zlib
from dataclasses import dataclass, field
from typing import Any, Literal

from faulty_servers import (
    GOOD,
    Play,
    answers_and_resets_before_the_body,
    answers_before_the_body,
    breaks_tls,
    closes_at_once,
    closes_within_the_body_of_the_request,
    closes_without_notify,
    drips,
    never_answers,
    repeats,
    resets,
    says,
)

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@dataclass(frozen=True)
class Fault:
    """One row. `then` is what the client gets: a body, or the name of the error, which is raised by the request or by
    reading the body, as `where` says. `text` is in the error's words, `facts` are its attributes. `options` are those
    of the request, of which `timeout` has the times and `upload` the size of the body; `rows` of the hardening
    catalogue. `tls`: what it is about; `plain`: whether it makes sense without.
    """

    name: str
    play: Play
    then: bytes | str
    where: Literal["request", "body"] = "request"
    text: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    method: str = "GET"
    options: dict[str, Any] = field(default_factory=dict)
    status: int = 200
    rows: tuple[str, ...] = ()
    tls: bool = False
    plain: bool = True


def length(size: int | str, body: bytes = b"") -> bytes:
    return f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode() + body


def coded(coding: str, body: bytes, *, framing: str = "") -> bytes:
    return f"HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\n{framing}\r\n".encode() + body


HEAD_ERROR, BODY_ERROR, GONE = "ClientResponseError", "ClientPayloadError", "ServerDisconnectedError"
BAD: dict[str, Any] = {"status": 400}
TOO_MUCH: dict[str, Any] = {"status": 431}
BOMB = gzip.compress(bytes(32 * 1024 * 1024))
UPLOAD: dict[str, Any] = {"upload": 4 * 1024 * 1024}
SHORT: dict[str, Any] = {"total": 0.6}

FAULTS = [
    # The connection.
    Fault("close at once", closes_at_once, GONE, rows=("C42",)),
    Fault("reset after accept", resets(after=b""), GONE, rows=("C42",)),
    Fault("reset instead of an answer", resets(), GONE, rows=("C42",)),
    Fault("close instead of an answer", says(b""), GONE, rows=("C42",)),
    Fault("never answer", never_answers, "TimeoutError", options={"timeout": SHORT}, rows=("C58",)),
    Fault(
        "silent for sock_read",
        never_answers,
        "SocketTimeoutError",
        options={"timeout": {"sock_read": 0.4}},
        rows=("C58",),
    ),
    # The head.
    Fault("close in the status line", says(b"HTTP/1.1 20"), GONE, text="inside the head", rows=("C43",)),
    Fault("close in a field", says(b"HTTP/1.1 200 OK\r\nContent-Le"), GONE, text="inside the head", rows=("C43",)),
    Fault(
        "close before the blank line", says(b"HTTP/1.1 200 OK\r\nA: b\r\n"), GONE, text="inside the head", rows=("C43",)
    ),
    Fault("reset in the head", resets(b"HTTP/1.1 200 OK\r\nA: "), GONE, rows=("C43",)),
    Fault(
        "drip of a head",
        drips(b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 99),
        "TimeoutError",
        options={"timeout": SHORT},
        rows=("C58",),
    ),
    Fault(
        "silence in the head",
        says(b"HTTP/1.1 200 OK\r\n", close=False),
        "SocketTimeoutError",
        options={"timeout": {"sock_read": 0.4}},
        rows=("C58",),
    ),
    Fault(
        "endless fields", repeats(b"HTTP/1.1 200 OK\r\n", b"A: b\r\n" * 100), HEAD_ERROR, facts=TOO_MUCH, rows=("C31",)
    ),
    Fault("endless field", repeats(b"HTTP/1.1 200 OK\r\nA: ", b"b" * 5000), HEAD_ERROR, facts=TOO_MUCH, rows=("C30",)),
    Fault("endless reason", repeats(b"HTTP/1.1 200 ", b"b" * 5000), HEAD_ERROR, rows=("C30",)),
    Fault("endless blank lines", repeats(b"", b"\r\n" * 500), HEAD_ERROR),
    Fault("endless 100s", repeats(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), HEAD_ERROR, rows=("C34",)),
    Fault("3,000 early hints", says(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 3000 + GOOD), HEAD_ERROR, rows=("C34",)),
    Fault(
        "101 that nobody asked for",
        says(b"HTTP/1.1 101 S\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n", close=False),
        HEAD_ERROR,
        facts=BAD,
        rows=("C35",),
    ),
    Fault("HTTP/0.9", says(b"<h1>hello</h1>"), HEAD_ERROR, facts=BAD),
    Fault("HTTP/2.0", says(b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n"), HEAD_ERROR, rows=("C22",)),
    Fault("HTTP/1.2", says(b"HTTP/1.2 200 OK\r\nContent-Length: 2\r\n\r\nok"), HEAD_ERROR, facts={"status": 505}),
    Fault(
        "an HTTP/2 preface",
        says(b"\x00\x00\x12\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x64"),
        HEAD_ERROR,
        facts=BAD,
    ),
    Fault("another protocol", says(b"220 mail ESMTP ready\r\n", close=False), HEAD_ERROR, facts=BAD, rows=("C23",)),
    Fault("TLS on a plain port", says(b"\x15\x03\x03\x00\x02\x02\x50"), HEAD_ERROR, facts=BAD, rows=("C44",)),
    Fault("two lengths", says(length("5\r\nContent-Length: 6", b"hello!")), HEAD_ERROR, facts=BAD, rows=("C12",)),
    Fault("a list of lengths", says(length("5, 6", b"hello!")), HEAD_ERROR, facts=BAD, rows=("C12",)),
    Fault("NUL in a field", says(b"HTTP/1.1 200 OK\r\nA: \0\r\n\r\n"), HEAD_ERROR, facts=BAD, rows=("C25",)),
    # The body.
    Fault("close in the body", says(length(9, b"hello")), BODY_ERROR, "body", rows=("C04",)),
    Fault("reset in the body", resets(length(9, b"hello")), BODY_ERROR, "body", rows=("C04",)),
    Fault(
        "silence in the body",
        says(length(9, b"hello"), close=False),
        "SocketTimeoutError",
        "body",
        options={"timeout": {"sock_read": 0.4}},
        rows=("C58",),
    ),
    Fault(
        "drip of a body",
        drips(b"x" * 9999, behind=length(9999)),
        "TimeoutError",
        "body",
        options={"timeout": SHORT},
        rows=("C58",),
    ),
    Fault("a length that is too short", says(length(5, b"hello!")), b"hello", rows=("C49",)),
    Fault("garbage behind the answer", says(length(5, b"hello\0\1\2garbage"), close=False), b"hello", rows=("C49",)),
    Fault("a second answer", says(length(5, b"hello") + length(4, b"evil"), close=False), b"hello", rows=("C49",)),
    Fault("close in a chunk", says(CHUNKED + b"9\r\nhello"), BODY_ERROR, "body", rows=("C05",)),
    Fault("close between chunks", says(CHUNKED + b"5\r\nhello\r\n"), BODY_ERROR, "body", rows=("C05",)),
    Fault(
        "close before the last blank line", says(CHUNKED + b"5\r\nhello\r\n0\r\n"), BODY_ERROR, "body", rows=("C05",)
    ),
    Fault("reset between chunks", resets(CHUNKED + b"5\r\nhello\r\n"), BODY_ERROR, "body", rows=("C05",)),
    Fault("a chunk size that is none", says(CHUNKED + b"zz\r\nhello\r\n0\r\n\r\n"), BODY_ERROR, "body", rows=("C09",)),
    Fault("a chunk that is too long", says(CHUNKED + b"5\r\nhello!\r\n0\r\n\r\n"), BODY_ERROR, "body", rows=("C10",)),
    Fault("a huge chunk size", says(CHUNKED + b"f" * 17 + b"\r\nx"), BODY_ERROR, "body"),
    Fault("endless chunk size", repeats(CHUNKED, b"0" * 5000), BODY_ERROR, "body"),
    Fault("endless extension", repeats(CHUNKED + b"5;", b"a" * 5000), BODY_ERROR, "body", rows=("C48",)),
    Fault("endless trailers", repeats(CHUNKED + b"0\r\n", b"A: b\r\n" * 100), BODY_ERROR, "body", rows=("C47",)),
    Fault("endless trailer", repeats(CHUNKED + b"0\r\nA: ", b"b" * 5000), BODY_ERROR, "body", rows=("C47",)),
    Fault(
        "garbage behind the last chunk",
        says(CHUNKED + b"5\r\nhello\r\n0\r\n\r\ngarbage", close=False),
        b"hello",
        rows=("C49",),
    ),
    Fault(
        "endless body",
        repeats(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 5000),
        "ResponseTooLarge",
        "body",
        options={"max_body_size": 100_000},
        facts={"what": "body", "maximum": 100_000},
        rows=("C50",),
    ),
    Fault("until close, closed", says(b"HTTP/1.1 200 OK\r\n\r\nhello"), b"hello", rows=("C02",)),
    Fault("until close, reset", resets(b"HTTP/1.1 200 OK\r\n\r\nhello"), BODY_ERROR, "body"),
    # Codings.
    Fault(
        "a bomb",
        says(coded("gzip", BOMB, framing=f"Content-Length: {len(BOMB)}\r\n")),
        "ResponseTooLarge",
        "body",
        options={"max_body_size": 1_000_000},
        facts={"maximum": 1_000_000},
        rows=("C50",),
    ),
    Fault("a cut gzip", says(coded("gzip", gzip.compress(b"x" * 999)[:-9])), BODY_ERROR, "body", rows=("C39",)),
    Fault("a cut deflate", says(coded("deflate", zlib.compress(b"x" * 999)[:-5])), BODY_ERROR, "body", rows=("C39",)),
    Fault("no gzip", says(coded("gzip", b"hello")), BODY_ERROR, "body", rows=("C38",)),
    Fault("garbage behind gzip", says(coded("gzip", gzip.compress(b"x") + b"garbage")), BODY_ERROR, "body"),
    Fault(
        "five codings", says(coded("gzip, gzip, gzip, gzip, gzip", b"hello")), BODY_ERROR, text="codings", rows=("C50",)
    ),
    Fault("a wrong checksum", says(coded("gzip", gzip.compress(b"hello")[:-8] + bytes(8))), BODY_ERROR, "body"),
    # No body where one comes.
    Fault(
        "204 with a body",
        says(b"HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\nhello", close=False),
        b"",
        status=204,
        rows=("C36",),
    ),
    Fault(
        "304 with a body",
        says(b"HTTP/1.1 304 No\r\nContent-Length: 5\r\n\r\nhello", close=False),
        b"",
        status=304,
        rows=("C36",),
    ),
    Fault("HEAD with a body", says(length(5, b"hello"), close=False), b"", method="HEAD", rows=("C36",)),
    # The request's body.
    Fault("an answer before the body", answers_before_the_body, b"big", method="PUT", options=UPLOAD, status=413),
    Fault(
        "an answer before the body, and a reset",
        answers_and_resets_before_the_body,
        b"big",
        method="PUT",
        options=UPLOAD,
        status=413,
    ),
    Fault(
        "a reset within the body",
        closes_within_the_body_of_the_request,
        "ClientConnectionError",
        method="POST",
        options=UPLOAD,
    ),
    # TLS.
    Fault("an alert in the middle", breaks_tls, BODY_ERROR, "body", tls=True, plain=False),
    Fault("no close_notify, known length", closes_without_notify(length(5, b"hello")), b"hello", tls=True, plain=False),
    Fault(
        "no close_notify, cut", closes_without_notify(length(9, b"hello")), BODY_ERROR, "body", tls=True, plain=False
    ),
    Fault("no close_notify, in the head", closes_without_notify(b"HTTP/1.1 200 OK\r\nA"), GONE, tls=True, plain=False),
]
