"""Inputs of any size that have made somebody's parser take quadratic time, and what reads them.

Each workload is made by a function of (the form of levante.http, size) that prepares the input and returns what is to
be measured.
"""

from collections.abc import Callable, Coroutine, Iterable
from itertools import repeat
from types import ModuleType
from typing import Any

from .engine import GOOD, bytewise, serve

Prepared = Callable[[], object]

# What a limit may be at most, for the compiled form keeps some of them in an int.
ENDLESS = (1 << 31) - 3
HEAD = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
BOUNDARY = "xYzZy"
PIECE = 1024


def _limits(http: ModuleType) -> Any:
    return http.Limits(
        **dict.fromkeys(
            (
                "max_line_size",
                "max_field_size",
                "max_headers",
                "max_head_size",
                "max_trailers",
                "max_trailer_size",
                "max_chunk_extensions",
            ),
            ENDLESS,
        )
    )


def _serve(http: ModuleType, pieces: Iterable[bytes]) -> Prepared:
    """A server that answers at once and keeps nothing of what it is told."""
    pieces = list(pieces)

    def run() -> None:
        connection = http.h1.Connection(http.Role.SERVER, _limits(http))
        ends = 0
        for piece in pieces:
            connection.receive_data(piece)
            while (event := connection.next_event()) is not http.NEED_DATA:
                if isinstance(event, http.EndOfMessage):
                    ends += 1
                    connection.send_response(204, None, ())
                    connection.end()
                    connection.start_next_cycle()
        if not ends:
            raise ValueError("no message was complete")

    return run


def _pieces(data: bytes, size: int = PIECE) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


def drive(coroutine: Coroutine[Any, Any, object]) -> None:
    """Run a coroutine that has nothing to wait for."""
    try:
        coroutine.send(None)
    except StopIteration:
        return
    raise ValueError("it waits")


def head_bytewise(http: ModuleType, size: int) -> Prepared:
    """Of as many lines at any size: what has come is joined at each line's end, so at most max_headers times."""
    lines = b"".join(b"X-%d: %s\r\n" % (index, b"v" * (size // 100)) for index in range(100))
    return _serve(http, bytewise(GOOD[:-2] + lines + b"\r\n"))


def line_bytewise(http: ModuleType, size: int) -> Prepared:
    return _serve(http, bytewise(GOOD[:-2] + b"X: " + b"v\t" * (size // 2) + b"\r\n\r\n"))


def target_bytewise(http: ModuleType, size: int) -> Prepared:
    return _serve(http, bytewise(b"GET /" + b"a" * size + b" HTTP/1.1\r\nHost: a\r\n\r\n"))


def many_fields(http: ModuleType, size: int) -> Prepared:
    return _serve(http, _pieces(GOOD[:-2] + b"a:b\r\n" * size + b"\r\n"))


def views_of_many_fields(http: ModuleType, size: int) -> Prepared:
    parser = http.h1.Connection(http.Role.SERVER, _limits(http))
    parser.receive_data(GOOD[:-2] + b"".join(b"X-%d:b\r\n" % index for index in range(size)) + b"\r\n")
    raw = parser.next_event()

    def run() -> None:
        raw.field(b"missing")
        head = http.RequestHead.build("GET", "/", [])
        head.raw, head.fields = raw.raw, raw.fields
        len(head.headers)

    return run


def connection_tokens(http: ModuleType, size: int) -> Prepared:
    return _serve(http, [GOOD[:-2] + b"Connection: " + b"a," * size + b"b\r\n\r\n"])


def tiny_chunks(http: ModuleType, size: int) -> Prepared:
    return _serve(http, [HEAD, *_pieces(b"1\r\nx\r\n" * size, 100), b"0\r\n\r\n"])


def tiny_chunks_bytewise(http: ModuleType, size: int) -> Prepared:
    return _serve(http, [HEAD, *bytewise(b"1\r\nx\r\n" * size), b"0\r\n\r\n"])


def tiny_chunks_at_once(http: ModuleType, size: int) -> Prepared:
    return _serve(http, [HEAD + b"1\r\nx\r\n" * size + b"0\r\n\r\n"])


def extensions(http: ModuleType, size: int) -> Prepared:
    return _serve(http, [HEAD, *_pieces(b'1;a="b";c\r\nx\r\n' * size, 100), b"0\r\n\r\n"])


def extension_bytewise(http: ModuleType, size: int) -> Prepared:
    return _serve(http, [HEAD, *bytewise(b"1;" + b"x" * size + b"\r\nx\r\n"), b"0\r\n\r\n"])


def trailers_bytewise(http: ModuleType, size: int) -> Prepared:
    return _serve(http, [HEAD, b"0\r\n", *bytewise(b"X-T: %s\r\n" % (b"v" * 50) * (size // 57)), b"\r\n"])


def long_trailer_bytewise(http: ModuleType, size: int) -> Prepared:
    return _serve(http, [HEAD, b"0\r\n", *bytewise(b"X: " + b"v" * size + b"\r\n"), b"\r\n"])


def body_bytewise(http: ModuleType, size: int) -> Prepared:
    return _serve(http, [b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size, *bytewise(b"x" * size)])


def pipelined(http: ModuleType, size: int) -> Prepared:
    return _serve(http, [GOOD * size])


def pipelined_in_pieces(http: ModuleType, size: int) -> Prepared:
    return _serve(http, _pieces(GOOD * size, 1000))


def obs_folds(http: ModuleType, size: int) -> Prepared:
    """Refused at the first one, however many follow."""
    data = GOOD[:-2] + b"X: y\r\n" + b" folded\r\n" * size + b"\r\n"
    return lambda: serve([data], h1=http.h1, limits=_limits(http))


def streamed_chunks(http: ModuleType, size: int) -> Prepared:
    async def read() -> None:
        stream = http.StreamReader(None, ENDLESS)
        for _ in range(size // 100):
            stream.feed_data(b"x" * 100, range(1, 101))
        stream.feed_eof()
        while not stream.at_eof():
            await stream.readchunk()

    return lambda: drive(read())


def streamed_bytes(http: ModuleType, size: int) -> Prepared:
    async def read() -> None:
        stream = http.StreamReader(None, ENDLESS)
        for data in repeat(b"x", size):
            stream.feed_data(data)
        stream.feed_eof()
        while not stream.at_eof():
            await stream.read(1)

    return lambda: drive(read())


def streamed_lines(http: ModuleType, size: int) -> Prepared:
    async def read() -> None:
        stream = http.StreamReader(None, ENDLESS)
        for data in repeat(b"x\nyy\nzz", size):
            stream.feed_data(data)
        stream.feed_eof()
        while not stream.at_eof():
            await stream.readline()

    return lambda: drive(read())


def streamed_long_line(http: ModuleType, size: int) -> Prepared:
    async def read() -> None:
        stream = http.StreamReader(None, ENDLESS)
        for data in repeat(b"xxxxxxxx", size // 8):
            stream.feed_data(data)
        stream.feed_eof()
        await stream.readuntil(b"\r\n--")

    return lambda: drive(read())


def _multipart(http: ModuleType, pieces: list[bytes], *, limits: Any = None) -> Prepared:
    def run() -> None:
        decoder = http.MultipartDecoder(BOUNDARY, limits=limits)
        for piece in pieces:
            decoder.feed(piece)
        decoder.feed_eof()

    return run


def _part(content: bytes) -> bytes:
    return b'--xYzZy\r\nContent-Disposition: form-data; name="a"; filename="b"\r\n\r\n%s\r\n' % content


def multipart_file(http: ModuleType, size: int) -> Prepared:
    return _multipart(http, _pieces(_part(b"0123456789abcdef" * (size // 16)) + b"--xYzZy--\r\n"))


def multipart_crs(http: ModuleType, size: int) -> Prepared:
    return _multipart(http, _pieces(_part(b"\r" * size) + b"--xYzZy--\r\n"))


def multipart_lfs(http: ModuleType, size: int) -> Prepared:
    return _multipart(http, _pieces(_part(b"\r\n" * (size // 2)) + b"--xYzZy--\r\n"))


def multipart_half_boundaries(http: ModuleType, size: int) -> Prepared:
    return _multipart(http, _pieces(_part(b"\r\n--xYzZ" * (size // 8)) + b"--xYzZy--\r\n"))


def multipart_bytewise(http: ModuleType, size: int) -> Prepared:
    return _multipart(http, bytewise(_part(b"\r\n--xYzZ" * (size // 8)) + b"--xYzZy--\r\n"))


def multipart_preamble(http: ModuleType, size: int) -> Prepared:
    return _multipart(http, _pieces(b"x\r\n" * (size // 3) + _part(b"y") + b"--xYzZy--\r\n" + b"\r\n--" * (size // 4)))


def multipart_parts(http: ModuleType, size: int) -> Prepared:
    return _multipart(
        http, _pieces(_part(b"x") * size + b"--xYzZy--\r\n"), limits=http.MultipartLimits(max_parts=ENDLESS)
    )


def cookies(http: ModuleType, size: int) -> Prepared:
    text = "; ".join(f"c{index}=v" for index in range(size))
    return lambda: http.parse_cookie_pairs(text, max_cookies=ENDLESS, max_cookie_size=ENDLESS)


def quoted_cookies(http: ModuleType, size: int) -> Prepared:
    text = 'a="' + '\\"\\\\\\012' * size + '"; b="' + '"' * size
    return lambda: http.parse_cookie_pairs(text, max_cookies=ENDLESS, max_cookie_size=ENDLESS)


def set_cookies(http: ModuleType, size: int) -> Prepared:
    texts = [
        "a=b" + "; Path=/x" * size,
        "a=b" + " \t" * size + "Path",
        "a=" + "b " * size,
        "a=b; expires=" + "1:1:1 " * size,
    ]
    return lambda: http.parse_set_cookie(texts)


def urlencoded(http: ModuleType, size: int) -> Prepared:
    data = b"&".join(b"k%d=%%41+%%zz" % index for index in range(size))
    return lambda: http.parse_urlencoded(data, max_fields=ENDLESS)


def urlencoded_separators(http: ModuleType, size: int) -> Prepared:
    def run() -> None:
        try:
            http.parse_urlencoded(b"&" * size + b"a=b")
        except http.LimitExceeded:
            return

    return run


def percents(http: ModuleType, size: int) -> Prepared:
    data = b"a=" + b"%" * size + b"&b=" + b"%C3" * size
    return lambda: http.parse_urlencoded(data)


def _tolerant(function: Callable[[str], object], *texts: str) -> Prepared:
    """For readers of fields that may refuse them."""

    def run() -> None:
        for text in texts:
            try:
                function(text)
            except ValueError:
                continue

    return run


def quoted_strings(http: ModuleType, size: int) -> Prepared:
    return _tolerant(
        http.parse_media_type,
        'a/b; x="' + "\\\\" * size + '"',
        'a/b; x="' + "\\" * size,
        'a/b; x="' + "y" * size,
        "a/b" + " ;" * size + "x=y",
        "a/b" + ";" * size,
        "a/b" + ";x=y" * size,
        "a" * size + "/",
    )


def dispositions(http: ModuleType, size: int) -> Prepared:
    return _tolerant(
        http.parse_content_disposition,
        'form-data; name="' + "\\" * size + '"',
        "form-data" + "; a=b" * size,
        "form-data" + "".join(f"; filename*{index}=x" for index in range(size)),
        "form-data" + "; " * size,
        "form-data; filename*=utf-8''" + "%41" * size,
    )


def ranges(http: ModuleType, size: int) -> Prepared:
    return _tolerant(
        http.parse_ranges,
        "bytes=" + ",".join(f"{index}-{index}" for index in range(size)),
        "bytes=" + ",".join(f"{size - index}-" for index in range(size)),
        "bytes=" + "0-," * size,
        "bytes=" + "," * size,
        "bytes=" + " " * size + "0-1",
        "bytes=" + "9" * size + "-",
    )


def etags(http: ModuleType, size: int) -> Prepared:
    return _tolerant(http.parse_etags, '"a", ' * size, '"' + "a" * size, "W/" * size, " " * size + "x")


def forwarded(http: ModuleType, size: int) -> Prepared:
    return _tolerant(
        lambda text: http.parse_forwarded([text]),
        "for=a;by=b, " * size,
        'for="' + "\\\\" * size + '"',
        'for="' + "\\" * size,
        "for=a;" * size,
        ", " * size,
        " " * size + "for",
    )


def x_forwarded(http: ModuleType, size: int) -> Prepared:
    return lambda: http.x_forwarded(for_=["10.0.0.1, " * size], proto=["https," * size])


def accept_lists(http: ModuleType, size: int) -> Prepared:
    return _tolerant(
        http.parse_accept,
        "text/html;q=0.5, " * size,
        "a/b" + ";x=y" * size,
        'a/b;x="' + ",\\" * size,
        "," * size,
        " " * size + "a/b",
    )


def accept_codings(http: ModuleType, size: int) -> Prepared:
    return lambda: http.negotiate_coding("gzip;q=0.5, br, " * size, ["gzip", "br"])


def dates(http: ModuleType, size: int) -> Prepared:
    return _tolerant(
        lambda text: (http.parse_date(text), http.parse_cookie_date(text)),
        "Sat, " + " " * size + "21 Nov 2026 06:00:00 GMT",
        "1" * size,
        "1:" * size,
        "Nov-" * size,
    )


def targets(http: ModuleType, size: int) -> Prepared:
    def read(text: str) -> None:
        http.split_target("GET", text)
        http.decode_path(text)
        http.requote_path(text)
        http.local_path(text)

    return _tolerant(read, "/" + "%41" * size, "/" + "%" * size, "/" + "a/../" * size, "/?" + "%zz" * size, "/" * size)
