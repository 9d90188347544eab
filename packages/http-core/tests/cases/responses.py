"""What a client must make of the bytes of a response: the rows of the hardening catalogue, section 3.5, written from
the RFCs.

Each case: (row, name, request method, bytes, whether the server closes after them, verdict). A verdict is "error", or
the events as engine.receive() notes them.
"""

OK = ("response", 200, "OK")
END = ("end", ())
KEEP = ("keep",)
CLOSE = ("close",)
HEAD = b"HTTP/1.1 200 OK\r\n"


def body(data: bytes, last: tuple[str] = KEEP) -> list[tuple[object, ...]]:
    return [OK, *([("data", data)] if data else []), END, last]


def sized(data: bytes, *lines: bytes) -> bytes:
    return HEAD + b"".join(line + b"\r\n" for line in lines) + b"Content-Length: %d\r\n\r\n%s" % (len(data), data)


def chunked(data: bytes) -> bytes:
    return HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + data


CASES = [
    ("C01", "CL body", "GET", sized(b"hello"), False, body(b"hello")),
    ("C01", "CL 0", "GET", sized(b""), False, body(b"")),
    ("C02", "until close", "GET", HEAD + b"\r\nhello", True, body(b"hello", CLOSE)),
    ("C03", "HTTP/1.0 until close", "GET", b"HTTP/1.0 200 OK\r\n\r\nhello", True, body(b"hello", CLOSE)),
    ("C04", "CL longer than the body", "GET", HEAD + b"Content-Length: 9\r\n\r\nhello", True, "error"),
    ("C05", "chunked without last chunk", "GET", chunked(b"5\r\nhello\r\n"), True, "error"),
    ("C06", "chunked", "GET", chunked(b"5\r\nhello\r\n0\r\n\r\n"), False, body(b"hello")),
    *(
        (row, f"chunk size {s!r}", "GET", chunked(s + b"\r\nhello\r\n0\r\n\r\n"), False, "error")
        for row, s in (("C07", b"0x5"), ("C08", b"-5"), ("C09", b"zz"))
    ),
    ("C10", "junk behind chunk data", "GET", chunked(b"5\r\nhelloXX0\r\n\r\n"), False, "error"),
    (
        "C11",
        "TE and CL: the chunks count, and no reuse",
        "GET",
        HEAD + b"Content-Length: 99\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        False,
        body(b"hello", CLOSE),
    ),
    ("C12", "two CL", "GET", HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", False, "error"),
    ("C13", "two equal CL", "GET", HEAD + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", False, "error"),
    *(
        (row, f"CL {v!r}", "GET", HEAD + b"Content-Length: %s\r\n\r\nhello" % v, False, "error")
        for row, v in (
            ("C14", b"-5"),
            ("C15", b"5abc"),
            ("C16", b"+5"),
            ("C17", b""),
            ("C18", b"9" * 23),
            ("C18", "\u0665".encode()),
        )
    ),
    *(
        ("C19", f"status {s!r}", "GET", b"HTTP/1.1 %s OK\r\n\r\n" % s, False, "error")
        for s in (b"20", b"2000", b"abc", b"099", b"2 0", "\u0662\u0660\u0660".encode())
    ),
    *(
        (row, f"version {v!r}", "GET", b"%s 200 OK\r\nContent-Length: 0\r\n\r\n" % v, False, "error")
        for row, v in (
            ("C22", b"HTTP/2.0"),
            ("C22", b"HTTP/1.2"),
            ("C22", b"HTTP/0.9"),
            ("C23", b"FTP/1.1"),
            ("C23", b"HTTP/1.10"),
            ("C23", b"http/1.1"),
            ("C23", b"HTTP/1.1 "),
            ("C23", b"ICY"),
        )
    ),
    (
        "C24",
        "no reason",
        "GET",
        b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n",
        False,
        [("response", 200, ""), END, KEEP],
    ),
    (
        "C24",
        "empty reason",
        "GET",
        b"HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n",
        False,
        [("response", 200, ""), END, KEEP],
    ),
    (
        "C24",
        "reason of 8-bit text",
        "GET",
        b"HTTP/1.1 200 \xe9\r\nContent-Length: 0\r\n\r\n",
        False,
        [("response", 200, "\udce9"), END, KEEP],
    ),
    ("C24", "NUL in reason", "GET", b"HTTP/1.1 200 O\0K\r\nContent-Length: 0\r\n\r\n", False, "error"),
    ("C24", "bare LF behind reason", "GET", b"HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n", False, "error"),
    *(
        (row, f"{b!r} in value", "GET", sized(b"", b"X: a" + b + b"b"), False, "error")
        for row, b in (("C25", b"\0"), ("C26", b"\r"), ("C25", b"\x01"), ("C25", b"\x7f"))
    ),
    ("C27", "space in name", "GET", sized(b"", b"X Y: z"), False, "error"),
    ("C28", "space before colon", "GET", sized(b"", b"X : z"), False, "error"),
    ("C29", "empty name", "GET", sized(b"", b": z"), False, "error"),
    ("C30", "header line of 200 KB", "GET", sized(b"", b"X: " + b"v" * 200_000), False, "error"),
    ("C31", "20,000 headers", "GET", sized(b"", *(b"a:b" for _ in range(20_000))), False, "error"),
    (
        "C32",
        "100 then 200",
        "GET",
        b"HTTP/1.1 100 Continue\r\n\r\n" + sized(b"x"),
        False,
        [("response", 100, "Continue"), *body(b"x")],
    ),
    (
        "C33",
        "103 then 200",
        "GET",
        b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + sized(b"x"),
        False,
        [("response", 103, "Early Hints"), *body(b"x")],
    ),
    ("C34", "3,000 informational responses", "GET", b"HTTP/1.1 102 P\r\n\r\n" * 3000 + sized(b"x"), False, "error"),
    (
        "C34",
        "8 informational responses",
        "GET",
        b"HTTP/1.1 102 P\r\n\r\n" * 8 + sized(b""),
        False,
        [("response", 102, "P")] * 8 + body(b""),
    ),
    (
        "C35",
        "unrequested 101",
        "GET",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        False,
        "error",
    ),
    (
        "C36",
        "204 with CL",
        "GET",
        b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello",
        False,
        [("response", 204, "No Content"), END, CLOSE],
    ),
    (
        "C36",
        "304 with CL",
        "GET",
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
        False,
        [("response", 304, "Not Modified"), END, KEEP],
    ),
    ("C36", "HEAD with CL", "HEAD", HEAD + b"Content-Length: 5\r\n\r\n", False, body(b"")),
    ("C36", "HEAD, chunked", "HEAD", HEAD + b"Transfer-Encoding: chunked\r\n\r\n", False, body(b"")),
    ("C40", "TE gzip", "GET", HEAD + b"Transfer-Encoding: gzip\r\n\r\nx", True, "error"),
    ("C41", "TE chunked, chunked", "GET", HEAD + b"Transfer-Encoding: chunked, chunked\r\n\r\n", False, "error"),
    ("C42", "EOF before any byte", "GET", b"", True, "error"),
    ("C43", "EOF in the headers", "GET", HEAD + b"X: y\r\n", True, "error"),
    ("C44", "TLS alert", "GET", b"\x15\x03\x01\x00\x02\x02\x46", False, "error"),
    ("C45", "obs-fold", "GET", sized(b"", b"X: a", b" b"), False, "error"),
    ("C46", "bare LF", "GET", sized(b"").replace(b"\r\n", b"\n"), False, "error"),
    ("C47", "trailer of 200 KB", "GET", chunked(b"0\r\nX: " + b"v" * 200_000 + b"\r\n\r\n"), False, "error"),
    (
        "C48",
        "chunk extension of 200 KB",
        "GET",
        chunked(b"1;" + b"v" * 200_000 + b"\r\nx\r\n0\r\n\r\n"),
        False,
        "error",
    ),
    ("C49", "extra bytes behind the body", "GET", sized(b"hello") + b"XX", False, body(b"hello", CLOSE)),
    ("C49", "a second response behind the body", "GET", sized(b"hello") + sized(b"bye"), False, body(b"hello", CLOSE)),
    ("C01", "Connection: close", "GET", sized(b"x", b"Connection: close"), False, body(b"x", CLOSE)),
    (
        "C01",
        "HTTP/1.0 keep-alive",
        "GET",
        b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx",
        False,
        body(b"x"),
    ),
    *(
        ("C13", f"two {name!r}", "GET", sized(b"x", name + b": a", name.swapcase() + b": a"), False, "error")
        for name in (b"Content-Type", b"Server", b"ETag", b"Content-Location", b"Content-Range")
    ),
    (
        "C01",
        "two of what may be repeated",
        "GET",
        sized(b"x", b"Set-Cookie: a", b"Set-Cookie: b", b"Via: a", b"Via: b"),
        False,
        body(b"x"),
    ),
]
