"""What a server must make of the bytes of a request: the rows of the hardening catalogue, section 3.1, written from the
RFCs.

Each case: (row, name, bytes, verdict). A verdict is the status that refuses it and closes, or the events that accept
it, as engine.serve() notes them. FIELDS are heads with the fields that they must yield; CUT are messages that the peer
leaves unfinished. What is decided above the engine is tested there.
"""

REQUEST = ("request", "GET", "/")
END = ("end", ())
ACCEPT = [REQUEST, END]
CLOSE = [REQUEST, END, ("close",)]


def get(*lines: bytes, target: bytes = b"/", host: bytes = b"Host: a\r\n") -> bytes:
    return b"GET %s HTTP/1.1\r\n%s%s\r\n" % (target, host, b"".join(line + b"\r\n" for line in lines))


def post(*lines: bytes, body: bytes = b"") -> bytes:
    return b"POST / HTTP/1.1\r\nHost: a\r\n%s\r\n%s" % (b"".join(line + b"\r\n" for line in lines), body)


def chunked(body: bytes) -> bytes:
    return post(b"Transfer-Encoding: chunked", body=body)


def posted(body: bytes, trailers: tuple[tuple[str, str], ...] = ()) -> list[tuple[object, ...]]:
    data: list[tuple[object, ...]] = [("data", body)] if body else []
    return [("request", "POST", "/"), *data, ("end", trailers)]


LINE = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"

CASES = [
    ("H01", "plain", LINE, ACCEPT),
    ("H01", "twice", LINE + LINE, ACCEPT + ACCEPT),
    ("H02", "one empty line before", b"\r\n" + LINE, ACCEPT),
    ("H02", "two empty lines before", b"\r\n\r\n" + LINE, ACCEPT),
    ("H02", "three empty lines before", b"\r\n\r\n\r\n" + LINE, 400),
    ("H03", "bare LF throughout", LINE.replace(b"\r\n", b"\n"), 400),
    ("H03", "bare LF behind the request line", b"GET / HTTP/1.1\nHost: a\r\n\r\n", 400),
    ("H03", "bare LF behind a header", b"GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n", 400),
    ("H03", "bare LF before the request line", b"\n" + LINE, 400),
    ("H04", "two spaces before the target", b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("H05", "tab before the target", b"GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("H06", "space behind the version", b"GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400),
    ("H06", "two spaces before the version", b"GET /  HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("H07", "space before the method", b" GET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    (
        "H08",
        "method in lower case is another method",
        b"get / HTTP/1.1\r\nHost: a\r\n\r\n",
        [("request", "get", "/"), END],
    ),
    ("H09", "parenthesis in method", b"GE(T / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("H09", "NUL in method", b"GE\0T / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("H09", "8-bit byte in method", b"GE\xe9T / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("H10", "method of 300 bytes", b"G" * 300 + b" / HTTP/1.1\r\nHost: a\r\n\r\n", 501),
    ("H10", "method of 32 bytes", b"G" * 32 + b" / HTTP/1.1\r\nHost: a\r\n\r\n", [("request", "G" * 32, "/"), END]),
    ("H10", "method of 33 bytes", b"G" * 33 + b" / HTTP/1.1\r\nHost: a\r\n\r\n", 501),
    ("H11", "HTTP/0.9", b"GET /\r\n\r\n", 400),
    ("H11", "nothing behind the method", b"GET\r\n\r\n", 400),
    ("H12", "HTTP/1.0 without Host", b"GET / HTTP/1.0\r\n\r\n", CLOSE),
    ("H12", "HTTP/1.0 with keep-alive", b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", ACCEPT),
    ("H13", "no Host", get(host=b""), 400),
    ("H14", "two Host lines, same value", get(b"Host: a"), 400),
    ("H14", "two Host lines, other case", get(b"hOST: a"), 400),
    ("H15", "two Host lines, other value", get(b"Host: b"), 400),
    *(
        ("H16", f"Host {host!r}", get(host=b"Host: %s\r\n" % host), 400)
        for host in (
            b"a b",
            b"a/b",
            b"u@a",
            b"a:99x",
            b"a:123456",
            b"a:65536",
            b"[::1",
            b"[::1]x",
            b"[zz]",
            b"[1:2]",
            b"",
        )
    ),
    *(
        ("H16", f"Host {host!r}", get(host=b"Host: %s\r\n" % host), ACCEPT)
        for host in (b"a:80", b"a:", b"[::1]:80", b"A-b_c.d.")
    ),
    ("H17", "absolute target, other Host", get(target=b"http://b/x"), 400),
    ("H17", "absolute target, same Host", get(target=b"http://A/x"), [("request", "GET", "http://A/x"), END]),
    ("H17", "absolute target without path", get(target=b"http://a"), [("request", "GET", "http://a"), END]),
    ("H17", "absolute target, query at once", get(target=b"https://a?x=/"), [("request", "GET", "https://a?x=/"), END]),
    ("H17", "absolute target with userinfo", get(target=b"http://u@a/"), 400),
    ("H17", "absolute target without authority", get(target=b"http:///x"), 400),
    ("H17", "absolute target, bad IPv6", get(target=b"http://[1:2]/x"), 400),
    ("H17", "absolute target, other scheme", get(target=b"ftp://a/x"), 400),
    ("H18", "authority form without CONNECT", get(target=b"a:80"), 400),
    ("H33", "target without slash", get(target=b"x/y"), 400),
    ("H19", "asterisk without OPTIONS", get(target=b"*"), 400),
    ("H19", "OPTIONS *", b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", [("request", "OPTIONS", "*"), END]),
    ("H19", "OPTIONS **", b"OPTIONS ** HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    (
        "H20",
        "CONNECT host:port",
        b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n",
        [("request", "CONNECT", "a:443"), END, ("close",)],  # the tests answer 2xx, behind which only a tunnel can be
    ),
    ("H20", "TRACE", b"TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", [("request", "TRACE", "/"), END]),
    ("H20", "X-HTTP-Method-Override", get(b"X-HTTP-Method-Override: DELETE"), ACCEPT),
    ("H20", "CONNECT without port", b"CONNECT a HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("H20", "CONNECT with empty port", b"CONNECT a: HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("H20", "CONNECT with a path", b"CONNECT /x HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    *(
        ("H21", f"version {v!r}", b"GET / HTTP/%s\r\nHost: a\r\n\r\n" % v, 505)
        for v in (b"2.0", b"3.0", b"0.9", b"9.9")
    ),
    ("H22", "version 1.2", b"GET / HTTP/1.2\r\nHost: a\r\n\r\n", 505),
    *(
        ("H23", f"version {v!r}", b"GET / %s\r\nHost: a\r\n\r\n" % v, 400)
        for v in (
            b"HTTP/1.10",
            b"http/1.1",
            b"HTTP/1",
            b"HTTP/1.1x",
            b"HTTP/01.1",
            b"HTTP/1,1",
            b"HTTP/ 1.1",
            b"HTTP /1.1",
            b"HTCPCP/1.0",
        )
    ),
    ("H24", "HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    *(
        (row, f"target with {b!r}", get(target=b"/a" + b + b"b"), 400)
        for row, b in (
            ("H25", b"\0"),
            ("H25", b"\t"),
            ("H25", b"\x01"),
            ("H26", b"\xff"),
            ("H27", b" "),
            ("H28", b"#"),
            ("H30", b"\x7f"),
        )
    ),
    ("H29", "target of 70,000 bytes", get(target=b"/" + b"a" * 70_000), 414),
    (
        "H29",
        "request line at the limit",
        b"GET /%s HTTP/1.1\r\nHost: a\r\n\r\n" % (b"a" * 8176),
        [("request", "GET", "/" + "a" * 8176), END],
    ),
    ("H29", "request line one over", b"GET /%s HTTP/1.1\r\nHost: a\r\n\r\n" % (b"a" * 8177), 414),
    ("H31", "bad percent-encoding is a matter of routing", get(target=b"/%zz%"), [("request", "GET", "/%zz%"), END]),
    ("H32", "encoded NUL is a matter of routing", get(target=b"/a%00b"), [("request", "GET", "/a%00b"), END]),
    ("H32", "so is overlong UTF-8", get(target=b"/%c0%ae"), [("request", "GET", "/%c0%ae"), END]),
    (
        "H34",
        "slashes stay as they are",
        get(target=b"//evil.example/..;/"),
        [("request", "GET", "//evil.example/..;/"), END],
    ),
    ("H34", "backslash", get(target=b"/\\evil"), [("request", "GET", "/\\evil"), END]),
    ("H35", "space before the colon", post(b"Content-Length : 5", body=b"hello"), 400),
    ("H35", "space before the colon of Host", b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
    ("H36", "obs-fold", get(b"X: a", b" b"), 400),
    ("H36", "obs-fold with tab", get(b"X: a", b"\tb"), 400),
    ("H37", "first header line starts with blank", b"GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400),
    ("H38", "line without colon", get(b"nonsense"), 400),
    ("H39", "empty name", get(b": x"), 400),
    ("H52", "CR LF CR X", b"GET / HTTP/1.1\r\nHost: a\r\n\rX", 400),
    *(
        (row, f"{b!r} in value", get(b"X: a" + b + b"b"), 400)
        for row, b in (
            ("H40", b"\0"),
            ("H41", b"\r"),
            ("H42", b"\x01"),
            ("H42", b"\x7f"),
            ("H42", b"\x08"),
            ("H42", b"\x0b"),
            ("H42", b"\x1f"),
        )
    ),
    *(
        ("H43", f"name {n!r}", get(n + b": y"), 400)
        for n in (b"X(Y", b"X Y", b"X\xefY", b"X\0Y", b"X\x7fY", b"X\tY", b"X@Y", b"X\rY")
    ),
    ("H44", "8-bit byte in value", get(b"X: \xe9"), ACCEPT),
    ("H48", "blanks around a value", get(b"X: \t a \t b \t"), ACCEPT),
    ("H48", "no value", get(b"X:"), ACCEPT),
    ("H45", "110 headers of 1,000 bytes", get(*(b"X-%d: %s" % (i, b"v" * 994) for i in range(110))), 431),
    ("H46", "one value of 70,000 bytes", get(b"X: " + b"v" * 70_000), 431),
    ("H46", "field line at the limit", get(b"X: " + b"v" * 8187), ACCEPT),
    ("H46", "field line one over", get(b"X: " + b"v" * 8188), 431),
    ("H46", "name without end", get(b"X" * 9000), 431),
    ("H47", "2,000 tiny headers", get(*(b"a:b" for _ in range(2000))), 431),
    ("H47", "128 headers", get(*(b"a:b" for _ in range(127))), ACCEPT),
    ("H47", "129 headers", get(*(b"a:b" for _ in range(128))), 431),
    ("H49", "NBSP around chunked", post(b"Transfer-Encoding: \xa0chunked\x85"), 400),
    ("H50", "Content_Length", get(b"Content_Length: 5"), ACCEPT),
    ("H50", "Transfer_Encoding", get(b"Transfer_Encoding: chunked"), ACCEPT),
    ("H53", "CL then TE", post(b"Content-Length: 5", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"), 400),
    ("H54", "TE then CL", post(b"Transfer-Encoding: chunked", b"Content-Length: 5", body=b"0\r\n\r\n"), 400),
    ("H55", "TE on HTTP/1.0", b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ("H56", "TE identity", post(b"Transfer-Encoding: identity"), 501),
    ("H56", "TE empty", post(b"Transfer-Encoding:"), 400),
    ("H56", "TE gzip", post(b"Transfer-Encoding: gzip"), 501),
    ("H57", "TE gzip, chunked", post(b"Transfer-Encoding: gzip, chunked"), 501),
    ("H58", "TE chunked, gzip", post(b"Transfer-Encoding: chunked, gzip"), 400),
    ("H59", "TE chunked, chunked", post(b"Transfer-Encoding: chunked, chunked"), 400),
    ("H59", "two TE lines", post(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"), 400),
    ("H59", "two TE lines, identity first", post(b"Transfer-Encoding: identity", b"Transfer-Encoding: chunked"), 501),
    ("H60", "TE xchunked", post(b"Transfer-Encoding: xchunked"), 501),
    ("H60", "TE chunked123", post(b"Transfer-Encoding: chunked123"), 501),
    ("H60", "TE ,chunked", post(b"Transfer-Encoding: ,chunked"), 501),
    ("H60", "TE chunked;q=1", post(b"Transfer-Encoding: chunked;q=1"), 400),
    ("H60", "TE VT chunked", post(b"Transfer-Encoding: \x0bchunked"), 400),
    ("H60", "TE with the Kelvin sign", post("Transfer-Encoding: chun\u212aed".encode()), 400),
    ("H60", "TE folded", post(b"Transfer-Encoding:", b" chunked"), 400),
    ("H60e", "TE ChUnKeD", post(b"Transfer-Encoding: ChUnKeD", body=b"1\r\nx\r\n0\r\n\r\n"), posted(b"x")),
    *(
        ("H61", f"CL {v!r}", post(b"Content-Length: " + v, body=b"hello"), 400)
        for v in (b"-5", b"+5", b"0x5", b"5_0", b"5.0", b"", b"1 2", "\u0665".encode(), b"5abc", b"-0", b"5,", b"5;")
    ),
    ("H62", "CL 5, 5", post(b"Content-Length: 5, 5", body=b"hello"), 400),
    ("H62", "two equal CL lines", post(b"Content-Length: 5", b"Content-Length: 5", body=b"hello"), 400),
    ("H63b", "two CL lines", post(b"Content-Length: 5", b"Content-Length: 6", body=b"hello"), 400),
    ("H64", "CL of 2^64 + 5", post(b"Content-Length: 18446744073709551621"), 413),
    ("H64", "CL of 5,000 digits", post(b"Content-Length: " + b"9" * 5000), 413),
    ("H65", "CL 005", post(b"Content-Length: 005", body=b"hello"), posted(b"hello")),
    ("H67", "GET with a body", get(b"Content-Length: 5") + b"hello", [REQUEST, ("data", b"hello"), END]),
    ("H67", "a request inside a body", post(b"Content-Length: %d" % len(LINE), body=LINE), posted(LINE)),
    *(
        ("H68", f"chunk size {s!r}", chunked(s + b"\r\nhello\r\n0\r\n\r\n"), 400)
        for s in (
            b"0x5",
            b"+5",
            b"-5",
            b"0_5",
            b" 5",
            b"5 ",
            b"\t5",
            b"",
            b"g",
            b"0" * 16 + b"5",
            b"5\r",
            "\u0665".encode(),
        )
    ),
    (
        "H69",
        "chunk sizes A, a, 000",
        chunked(b"A\r\n0123456789\r\na\r\n0123456789\r\n000\r\n\r\n"),
        posted(b"0123456789" * 2),
    ),
    ("H70a", "chunk extensions", chunked(b'5;a;b=c;d="e f"\r\nhello\r\n0;x\r\n\r\n'), posted(b"hello")),
    ("H70b", "extension at the limit", chunked(b"5;" + b"x" * 16384 + b"\r\nhello\r\n0\r\n\r\n"), posted(b"hello")),
    ("H70b", "extension one over", chunked(b"5;" + b"x" * 16385 + b"\r\nhello\r\n0\r\n\r\n"), 400),
    ("H70b", "extensions on many chunks", chunked(b"1;xx\r\nh\r\n" * 9000 + b"0\r\n\r\n"), 400),
    ("H70b", "extensions on 100,000 chunks", chunked(b"1;x\r\nh\r\n" * 100_000 + b"0\r\n\r\n"), 400),
    ("H71", "bare LF behind a chunk size", chunked(b"5\nhello\r\n0\r\n\r\n"), 400),
    ("H71", "LF in an extension", chunked(b"5;\nxx\r\nhello\r\n0\r\n\r\n"), 400),
    ("H71", "bare LF behind the last chunk", chunked(b"5\r\nhello\r\n0\n\r\n"), 400),
    ("H71", "bare LF at the very end", chunked(b"5\r\nhello\r\n0\r\n\n"), 400),
    ("H72", "junk behind chunk data", chunked(b"5\r\nhelloXX0\r\n\r\n"), 400),
    ("H72", "LF behind chunk data", chunked(b"5\r\nhello\n0\r\n\r\n"), 400),
    ("H72", "LF LF behind chunk data", chunked(b"5\r\nhello\n\n0\r\n\r\n"), 400),
    ("H72", "a byte instead of CR behind chunk data", chunked(b"5\r\nhelloX\n0\r\n\r\n"), 400),
    ("H72", "CR CR behind chunk data", chunked(b"5\r\nhello\r\r0\r\n\r\n"), 400),
    ("H73", "CR CR ;", chunked(b"5\r\r;AB\r\nhello\r\n0\r\n\r\n"), 400),
    (
        "H74",
        "trailers",
        chunked(b"1\r\nx\r\n0\r\nX-A: b\r\nX-C:\td \r\n\r\n"),
        posted(b"x", (("X-A", "b"), ("X-C", "d"))),
    ),
    (
        "H74",
        "trailers that would frame or route",
        chunked(b"0\r\nContent-Length: 9\r\nTRANSFER-ENCODING: x\r\nHost: b\r\nAuthorization: x\r\nOk: 1\r\n\r\n"),
        posted(b"", (("Ok", "1"),)),
    ),
    ("H74", "trailer without colon", chunked(b"0\r\nnonsense\r\n\r\n"), 400),
    ("H74", "folded trailer", chunked(b"0\r\nX: a\r\n b\r\n\r\n"), 400),
    ("H74", "bare LF behind a trailer", chunked(b"0\r\nX: a\n\r\n"), 400),
    ("H74", "NUL in a trailer", chunked(b"0\r\nX: \0\r\n\r\n"), 400),
    ("H74", "trailer of 70 KB", chunked(b"0\r\nX: " + b"v" * 70_000 + b"\r\n\r\n"), 431),
    ("H74", "33 trailers", chunked(b"0\r\n" + b"a:b\r\n" * 33 + b"\r\n"), 431),
    ("H74", "32 trailers", chunked(b"0\r\n" + b"a:b\r\n" * 32 + b"\r\n"), posted(b"", (("a", "b"),) * 32)),
    ("H74", "9,000 bytes of trailers", chunked(b"0\r\n" + (b"a: " + b"b" * 995 + b"\r\n") * 9 + b"\r\n"), 431),
    ("H78", "close, then garbage", get(b"Connection: close") + b"\0garbage", CLOSE),
    ("H79", "20 pipelined", LINE * 20, ACCEPT * 20),
    (
        "H81a",
        "Expect, body sent at once",
        post(b"Expect: 100-continue", b"Content-Length: 5", body=b"hello"),
        posted(b"hello"),
    ),
    (
        "H81a",
        "Expect twice",
        post(b"Expect: 100-continue", b"Expect: 100-continue", b"Content-Length: 5", body=b"hello"),
        posted(b"hello"),
    ),
    ("H81a", "Expect with length 0", post(b"Expect: 100-continue", b"Content-Length: 0"), posted(b"")),
    (
        "H81a",
        "a folded length behind Expect",
        post(b"Expect: y 100-continue", b"Content-Length:", b" 5", body=b"hello"),
        400,
    ),
    ("H81b", "an unknown Expect is a matter of the application", get(b"Expect: x"), ACCEPT),
    ("H84", "Upgrade without Connection", get(b"Upgrade: x"), ACCEPT),
    ("H84", "Upgrade to what nobody knows", get(b"Connection: upgrade", b"Upgrade: x/1"), ACCEPT),
    (
        "H85",
        "Upgrade to h2c",
        get(b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AA"),
        ACCEPT,
    ),
    ("H91", "TLS ClientHello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc", 400),
    ("S61", "Sec-WebSocket-Key1", get(b"SEC-WEBSOCKET-KEY1: x"), 400),
    *(
        ("S61", f"two {name!r}", get(name + b": x", name.swapcase() + b": x"), 400)
        for name in (
            b"Content-Type",
            b"User-Agent",
            b"Server",
            b"ETag",
            b"Content-Location",
            b"Content-Range",
            b"Max-Forwards",
        )
    ),
    ("S61", "two of what may be repeated", get(b"Accept: a", b"Accept: b", b"Cookie: a", b"Cookie: b"), ACCEPT),
    ("S61", "CR CR LF", b"GET / HTTP/1.1\r\r\nHost: a\r\n\r\n", 400),
]

FIELDS = [
    ("H44", "8-bit byte", get(b"X: \xe9"), [(b"Host", b"a"), (b"X", b"\xe9")]),
    ("H48", "blanks around", get(b"X: \t a \t b \t"), [(b"Host", b"a"), (b"X", b"a \t b")]),
    ("H48", "nothing but blanks", get(b"X: \t "), [(b"Host", b"a"), (b"X", b"")]),
    ("H48", "no blank at all", get(b"X:y"), [(b"Host", b"a"), (b"X", b"y")]),
    ("H49", "other white space stays", get(b"X: \xa0y\x85"), [(b"Host", b"a"), (b"X", b"\xa0y\x85")]),
    ("H50", "underscores", get(b"Content_Length: 5"), [(b"Host", b"a"), (b"Content_Length", b"5")]),
]

CUT = [
    ("H75", "chunks, before the last CRLF", chunked(b"5\r\nhello\r\n0\r\n")),
    ("H75", "chunks, before the last chunk", chunked(b"5\r\nhello\r\n")),
    ("H75", "chunks, in a chunk", chunked(b"5\r\nhel")),
    ("H75", "chunks, in a size", chunked(b"5")),
    ("H75", "chunks, in a trailer", chunked(b"0\r\nX: y")),
    ("H76", "length, in the body", post(b"Content-Length: 5", body=b"hel")),
    ("H76", "length, before the body", post(b"Content-Length: 5")),
    ("H76", "in the head", b"GET / HTTP/1.1\r\nHost: a\r\n"),
    ("H76", "in the request line", b"GET / HT"),
    ("H76", "in the last line end", b"GET / HTTP/1.1\r\nHost: a\r\n\r"),
]
