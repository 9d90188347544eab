"""What a lenient client must make of responses that are not right, whole and written from RFC 9112; a strict one
refuses them all.

Each case: (name, bytes, whether the server closes after them, verdict). A verdict is "error", or (what field() says of
each name in FIELDS, the body, ("keep",) or ("close",)).
"""

FIELDS = (b"x", b"server", b"content-type")
KEEP = ("keep",)
CLOSE = ("close",)
HEAD = b"HTTP/1.1 200 OK\r\n"
LENGTH = b"Content-Length: 2\r\n"


def sized(*lines: bytes, line: bytes = HEAD) -> bytes:
    return line + b"".join(lines) + LENGTH + b"\r\nok"


def chunked(data: bytes) -> bytes:
    return HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + data


def fields(**values: bytes) -> tuple[bytes | None, ...]:
    return tuple(values.get(name.decode().replace("-", "_")) for name in FIELDS)


NONE = fields()

ACCEPTED = [
    ("LF throughout", sized(b"X: y\r\n").replace(b"\r\n", b"\n"), (fields(x=b"y"), b"ok", CLOSE)),
    ("LF behind the status line", sized(line=b"HTTP/1.1 200 OK\n"), (NONE, b"ok", CLOSE)),
    ("LF behind a status without reason", sized(line=b"HTTP/1.1 200\n"), (NONE, b"ok", CLOSE)),
    ("LF behind one field", sized(b"X: y\n"), (fields(x=b"y"), b"ok", CLOSE)),
    ("LF as the end of the head", (HEAD + LENGTH + b"\nok"), (NONE, b"ok", CLOSE)),
    ("LF before the status line", b"\n\r\n" + sized(), (NONE, b"ok", CLOSE)),
    ("continued by a space", sized(b"X: a\r\n b\r\n"), (fields(x=b"a b"), b"ok", CLOSE)),
    ("continued by a tab, blanks around", sized(b"X: a \t\r\n\t  b \r\n"), (fields(x=b"a b"), b"ok", CLOSE)),
    ("continued twice, LF between", sized(b"X: a\n b\n\tc: d\n"), (fields(x=b"a b c: d"), b"ok", CLOSE)),
    ("continued, empty before", sized(b"X:\r\n b\r\n"), (fields(x=b"b"), b"ok", CLOSE)),
    ("last field continued", HEAD + LENGTH + b"X: a\r\n b\r\n\r\nok", (fields(x=b"a b"), b"ok", CLOSE)),
    ("blanks before the colon", sized(b"X \t: y\r\n"), (fields(x=b"y"), b"ok", CLOSE)),
    ("blank before the colon, continued", sized(b"X : y\r\n z\r\n"), (fields(x=b"y z"), b"ok", CLOSE)),
    ("reason touches the status", sized(line=b"HTTP/1.1 200OK\r\n"), (NONE, b"ok", CLOSE)),
    ("Server twice: the first wins", sized(b"Server: a\r\n", b"server: b\r\n"), (fields(server=b"a"), b"ok", KEEP)),
    (
        "Content-Type twice: the first wins",
        sized(b"Content-Type: a/b\r\n", b"Content-Type: c/d\r\n"),
        (fields(content_type=b"a/b"), b"ok", KEEP),
    ),
    *(
        (f"{name!r} twice", sized(name + b": a\r\n", name + b": b\r\n"), (NONE, b"ok", KEEP))
        for name in (b"ETag", b"Content-Location", b"Content-Range")
    ),
    ("Server twice, LF", sized(b"Server: a\n", b"Server: b\n"), (fields(server=b"a"), b"ok", CLOSE)),
    ("blank behind a chunk size", chunked(b"2 \r\nok\r\n0\r\n\r\n"), (NONE, b"ok", CLOSE)),
    ("tabs behind a chunk size", chunked(b"2\t\t\r\nok\r\n0 \r\n\r\n"), (NONE, b"ok", CLOSE)),
    ("blank before an extension", chunked(b"2 ;x=y\r\nok\r\n0\r\n\r\n"), (NONE, b"ok", CLOSE)),
    ("interim head with LF", b"HTTP/1.1 103 Hints\nX: y\n\n" + sized(), (NONE, b"ok", CLOSE)),
]

# What would let two recipients frame in two ways, or was never meant well, stays refused.
REFUSED = [
    ("CL twice", sized(b"Content-Length: 2\r\n")),
    ("CL twice, LF", sized(b"Content-Length: 2\r\n").replace(b"\r\n", b"\n")),
    ("CL 3 and 2", sized(b"Content-Length: 3\r\n")),
    ("CL '2, 2'", HEAD + b"Content-Length: 2, 2\r\n\r\nok"),
    ("CL +2", HEAD + b"Content-Length: +2\r\n\r\nok"),
    ("CL + 2, LF", HEAD + b"Content-Length: 2_0\n\nok"),
    ("CL of 23 digits, LF", HEAD + b"Content-Length: " + b"9" * 23 + b"\n\n"),
    ("CL with a blank before its colon", HEAD + b"Content-Length : 2\r\n\r\nok"),
    ("TE with a blank before its colon", HEAD + b"Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n"),
    ("Connection with a blank before its colon", sized(b"Connection : close\r\n")),
    ("CL continued", HEAD + b"Content-Length:\r\n 2\r\n\r\nok"),
    ("CL continued by digits", HEAD + b"Content-Length: 2\r\n 2\r\n\r\nok"),
    ("TE continued", HEAD + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n"),
    ("TE continued by another coding", HEAD + b"Transfer-Encoding: chunked,\n\tgzip\n\n0\r\n\r\n"),
    ("Connection continued", sized(b"Connection: keep-alive,\r\n close\r\n")),
    ("TE twice", chunked(b"0\r\n\r\n").replace(b"chunked\r\n", b"chunked\r\nTransfer-Encoding: chunked\r\n")),
    ("TE gzip, LF", HEAD + b"Transfer-Encoding: gzip\n\nok"),
    ("TE xchunked, LF", HEAD + b"Transfer-Encoding: xchunked\n\nok"),
    ("TE chunked, chunked, LF", HEAD + b"Transfer-Encoding: chunked, chunked\n\nok"),
    ("TE VT chunked, LF", HEAD + b"Transfer-Encoding: \x0bchunked\n\nok"),
    ("the first line continues nothing", HEAD + b" X: y\r\n" + LENGTH + b"\r\nok"),
    ("continued by blanks alone", sized(b"X: a\r\n \r\n")),
    ("continued by blanks alone, LF", sized(b"X: a\n\t\n")),
    ("a line of blanks as the end of the head", HEAD + LENGTH + b" \r\nok\r\n\r\n"),
    ("CR alone as a line's end", HEAD + b"X: y\r" + LENGTH + b"\r\nok"),
    ("CR in a value, LF", HEAD + b"X: a\rb\n" + LENGTH + b"\r\nok"),
    ("CR CR LF", HEAD + b"X: a\r\r\n" + LENGTH + b"\r\nok"),
    ("CR in a status line, LF", b"HTTP/1.1 200 O\rK\n" + LENGTH + b"\n\nok"),
    *((f"{octet!r} in a value, LF", sized(b"X: a" + octet + b"b\n")) for octet in (b"\0", b"\x01", b"\x7f", b"\x0b")),
    ("NUL in a continuation", sized(b"X: a\r\n b\0\r\n")),
    ("NUL in a reason, LF", sized(line=b"HTTP/1.1 200 O\0K\n")),
    ("space in a name", sized(b"X Y: z\r\n")),
    ("space in a name and before the colon", sized(b"X Y : z\r\n")),
    ("empty name before a blank", sized(b" : z\r\n")),
    ("empty name, LF", sized(b": z\n")),
    ("line without colon, LF", sized(b"nonsense\n")),
    ("status of two digits, LF", sized(line=b"HTTP/1.1 20 OK\n")),
    ("status of four digits, LF", sized(line=b"HTTP/1.1 2000\n")),
    ("status that touches its reason by a dot", sized(line=b"HTTP/1.1 200.OK\r\n")),
    ("two spaces before the status", sized(line=b"HTTP/1.1  200 OK\r\n")),
    ("version and status touch", sized(line=b"HTTP/1.1200 OK\r\n")),
    ("HTTP/2.0, LF", sized(line=b"HTTP/2.0 200 OK\n")),
    ("HTTP/1.10, LF", sized(line=b"HTTP/1.10 200 OK\n")),
    ("ICY", sized(line=b"ICY 200 OK\r\n")),
    ("HTTP/1.1 alone, LF", sized(line=b"HTTP/1.1\n")),
    ("a TLS alert", b"\x15\x03\x01\x00\x02\x02\x46"),
    ("three empty lines, LF", b"\n\n\n" + sized()),
    ("an unrequested 101, LF", b"HTTP/1.1 101 Switching\nConnection: upgrade\nUpgrade: x\n\n"),
    *(
        (f"chunk size {size!r}", chunked(size + b"\r\nok\r\n0\r\n\r\n"))
        for size in (
            b" 2",
            b"\t2",
            b" ",
            b"0x2",
            b"+2",
            b"-2",
            b"2_0",
            b"2 0",
            b"2 x",
            b"2\x0b",
            b"2\r",
            b"2 \r",
            b"2\0",
        )
    ),
    ("LF behind a chunk size", chunked(b"2\nok\r\n0\r\n\r\n")),
    ("LF behind a padded chunk size", chunked(b"2 \nok\r\n0\r\n\r\n")),
    ("LF in a chunk extension", chunked(b"2;\nxx\r\nok\r\n0\r\n\r\n")),
    ("LF behind chunk data", chunked(b"2\r\nok\n0\r\n\r\n")),
    ("blank behind chunk data", chunked(b"2\r\nok \r\n0\r\n\r\n")),
    ("LF behind the last chunk", chunked(b"2\r\nok\r\n0\n\r\n")),
    ("LF at the very end", chunked(b"2\r\nok\r\n0\r\n\n")),
    ("LF behind a trailer", chunked(b"2\r\nok\r\n0\r\nX: y\n\r\n")),
    ("trailer continued", chunked(b"2\r\nok\r\n0\r\nX: y\r\n z\r\n\r\n")),
    ("blank before the colon of a trailer", chunked(b"2\r\nok\r\n0\r\nX : y\r\n\r\n")),
    ("17,000 blanks behind a chunk size", chunked(b"2" + b" " * 17_000 + b"\r\nok\r\n0\r\n\r\n")),
    ("a line of 9,000 bytes, LF", sized(b"X: " + b"v" * 9000 + b"\n")),
    ("a status line of 9,000 bytes, LF", sized(line=b"HTTP/1.1 200 " + b"v" * 9000 + b"\n")),
    ("9,000 bytes in continuations", sized(b"X: a\n", *[b" " + b"v" * 99 + b"\n"] * 90)),
    ("129 fields, LF", sized(*[b"a:b\n"] * 128)),
    ("70,000 bytes of continued fields", sized(*[b"X: y\n " + b"v" * 1000 + b"\n"] * 70)),
]

CASES = [
    *((name, data, False, verdict) for name, data, verdict in ACCEPTED),
    *((name, data, False, "error") for name, data in REFUSED),
    ("LF, until close", HEAD + b"X: y\n\nok", True, (fields(x=b"y"), b"ok", CLOSE)),
    ("EOF in the head, LF", HEAD + b"X: y\n", True, "error"),
    ("TE and CL, LF: the chunks count, and no reuse", HEAD + LENGTH + b"Transfer-Encoding: chunked\n\n0\r\n\r\n", False,
     (NONE, b"", CLOSE)),
]  # fmt: skip
