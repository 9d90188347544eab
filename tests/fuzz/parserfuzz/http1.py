"""HTTP/1.1 connections of both roles, what they accept written anew, and heads that we write from hostile text."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from http_support import load_cases

from levante.http import Limits, LocalProtocolError, RemoteProtocolError, RequestHead

from .cuts import Story, agree
from .forms import INSTALLED, Form
from .target import Finding, Target, expect, expect_equal

TIGHT = Limits(
    max_line_size=60,
    max_field_size=50,
    max_headers=5,
    max_head_size=150,
    max_empty_lines=1,
    max_trailers=2,
    max_trailer_size=40,
    max_chunk_extensions=12,
    max_informational=2,
)
ROOMY = Limits(max_line_size=1 << 20, max_field_size=1 << 20, max_headers=1 << 16, max_head_size=1 << 22)
METHODS = ("GET", "HEAD", "CONNECT", "POST")
WORDS = (
    *(
        b"\r\n",
        b"\r",
        b"\n",
        b"\0",
        b" ",
        b"\t",
        b":",
        b": ",
        b",",
        b";",
        b"\xff",
        b"\x7f",
        b"\r\n\r\n",
        b"\r\n ",
        b"=",
        b'"',
    ),
    *(b"GET ", b"HEAD ", b"POST ", b"CONNECT ", b"OPTIONS ", b"*", b"/", b"http://a/", b"a:80", b"[::1]", b"%00", b"#"),
    *(b" HTTP/1.1\r\n", b" HTTP/1.0\r\n", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 100 \r\n", b"HTTP/1.1 101 x\r\n"),
    *(
        b"HTTP/1.0 204 \r\n",
        b"HTTP/2.0",
        b"Host: a\r\n",
        b"Host: b\r\n",
        b"Content-Length: 0\r\n",
        b"Content-Length: 5\r\n",
    ),
    *(b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: gzip, chunked\r\n", b"Connection: close\r\n"),
    *(
        b"Connection: keep-alive\r\n",
        b"Connection: upgrade\r\n",
        b"Upgrade: websocket\r\n",
        b"Expect: 100-continue\r\n",
    ),
    *(
        b"0\r\n\r\n",
        b"5\r\nhello\r\n",
        b"5;a=b\r\n",
        b"ffffffffffffffff\r\n",
        b"X: y\r\n",
        b"Trailer: X\r\n",
        b"999999999999999999",
    ),
)


def limits(options: int) -> Limits:
    return TIGHT if options & 2 else Limits()


def take_event(connection: Any, story: Story) -> Any:
    """The next event of the connection, noted; an error is noted too, and gives None."""
    try:
        event = connection.next_event()
    except RemoteProtocolError as error:
        story.append(("error", type(error).__name__, error.status, str(error)))
        return None
    except Exception as error:
        # The plain twin has error classes of its own.
        if "RemoteProtocolError" not in {base.__name__ for base in type(error).__mro__}:
            raise
        story.append(("error", type(error).__name__, getattr(error, "status", 0), str(error)))
        return None
    note(event, story)
    return event


def note(event: Any, story: Story) -> None:
    """Append an event as a tuple; consecutive data become one, with the ends of its chunks counted from its start."""
    name = type(event).__name__
    if name in ("RequestHead", "ResponseHead"):
        first = (event.method, event.target, event.expect) if name == "RequestHead" else (event.status, event.reason)
        framing = (event.length, event.chunked, event.keep_alive, event.upgrade, tuple(event.version))
        story.append((name, first, framing, event.raw, event.raw_headers, tuple(event.headers.items())))
        check_field(event)
    elif name == "Data":
        before, ends = b"", ()
        if story and story[-1][0] == "data":
            _, before, ends = story.pop()  # type: ignore[assignment]
        story.append(("data", before + event.data, (*ends, *(len(before) + end for end in event.chunk_ends))))
    elif name == "EndOfMessage":
        story.append(("end", tuple(event.trailers.items())))


def check_field(head: Any) -> None:
    """The walk over the bytes finds what the list of fields holds."""
    first: dict[bytes, bytes] = {}
    for name, value in head.raw_headers:
        first.setdefault(name.lower(), value)
    for name, value in first.items():
        if name.replace(b"-", b"").isalpha():
            expect_equal(head.field(name), value, f"field({name!r})")


def check_memory(connection: Any, story: Story, bounds: Limits) -> None:
    """A connection that waits for more keeps at most a head."""
    kept = connection.buffered()
    in_body = bool(story) and story[-1][0] == "data"
    most = 0 if in_body else bounds.max_head_size + 2 * bounds.max_empty_lines
    expect(kept <= most, f"{kept} bytes are kept of what has been received; at most {most} are to be")


def tell_server(form: Form, pieces: list[bytes], *, options: int) -> Story:
    """What a server makes of the pieces and the end: each request is answered at once, so pipelined ones come through.

    Without the end two cuts need not tell the same: that a line is wrong may be said when it is complete.
    """
    h1, bounds = form.h1, limits(options)
    connection = h1.Connection(h1.Role.SERVER, bounds)
    story: Story = []
    for piece in [*pieces, None]:
        connection.receive_data(piece)
        while (event := take_event(connection, story)) is not None and not isinstance(event, h1.Signal):
            if type(event).__name__ == "EndOfMessage":
                connection.send_response(200, None, (), 0)
                connection.end()
                if not connection.keep_alive:
                    break
                connection.start_next_cycle()
        if event is None:
            return story
        if event is h1.NEED_DATA:
            check_memory(connection, story, bounds)
    story.append(("left", connection.buffered(), connection.keep_alive, repr(connection)))
    return story


def check_server(data: bytes) -> None:
    options, received = data[:1], data[1:]
    story = agree(received, partial(tell_server, options=options[0] if options else 0))
    for event in story:
        if event[0] == "RequestHead":
            check_rewritten(event)


def check_rewritten(event: Any) -> None:
    """A request that was accepted, sent by our client, says the same to our server, or cannot be sent."""
    _, (method, target, _), (length, chunked, *_), _, raw, headers = event
    h1 = INSTALLED.h1
    client = h1.Connection(h1.Role.CLIENT)
    try:
        written = client.send_request(method, target, headers, -1 if chunked else max(length, 0))
    except LocalProtocolError:
        return
    server = h1.Connection(h1.Role.SERVER, ROOMY)
    server.receive_data(written)
    head = server.next_event()
    expect_equal((head.method, head.target), (method, target), "a request line written anew")
    expect_equal(head.raw_headers[: len(raw)], raw, "the fields of a request written anew")
    expect(len(head.raw_headers) <= len(raw) + 1, "a request written anew gained fields")


def tell_client(form: Form, pieces: list[bytes], *, options: int) -> Story:
    """What a client makes of the pieces and the end, as the answer to one request."""
    h1, bounds = form.h1, limits(options)
    connection = h1.Connection(h1.Role.CLIENT, bounds, lenient=bool(options & 32))
    method = METHODS[options >> 2 & 3]
    headers = [("Host", "a")]
    if options & 16:
        headers += [("Connection", "upgrade"), ("Upgrade", "x")]
    connection.send_request(method, "a:80" if method == "CONNECT" else "/", headers)
    connection.end()
    story: Story = []
    for piece in [*pieces, None]:
        connection.receive_data(piece)
        while (event := take_event(connection, story)) is not None and not isinstance(event, h1.Signal):
            pass
        if event is None:
            return story
        if event is h1.NEED_DATA:
            check_memory(connection, story, bounds)
    story.append(("left", connection.buffered(), connection.keep_alive, repr(connection)))
    story.append(("trailing", connection.trailing_data(), connection.buffered()))
    return story


def check_client(data: bytes) -> None:
    options, received = data[:1], data[1:]
    agree(received, partial(tell_client, options=options[0] if options else 0))


def check_written(data: bytes) -> None:
    """Heads made of hostile text either cannot be written, or are read back as they were meant, or are refused."""
    options = data[0] if data else 0
    text = data[1:].decode("utf-8", "surrogateescape")
    start, *lines = text.split("|")
    headers = [(name, value) for name, _, value in (line.partition(":") for line in lines)]
    h1 = INSTALLED.h1
    client, server = h1.Connection(h1.Role.CLIENT, ROOMY), h1.Connection(h1.Role.SERVER, ROOMY)
    body = b"x" * (options >> 3 & 3)
    try:
        if options & 1:
            method, _, target = start.partition(" ")
            written = client.send_request(method, target, headers, -1 if options & 2 else len(body))
            written += client.send_data(body) + client.end()
        else:
            server.receive_data(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            while not server.is_peer_done():
                server.next_event()
            status, _, reason = start.partition(" ")
            number = int(status) if status.isascii() and status.isdigit() and len(status) < 9 else 200
            written = server.send_response(number, reason, headers, -1 if options & 2 else len(body))
            written += server.send_data(body) + server.end()
    except LocalProtocolError:
        return
    read_back(written, headers, body, request=bool(options & 1), start=start)


def read_back(written: bytes, headers: list[tuple[str, str]], body: bytes, *, request: bool, start: str) -> None:
    h1 = INSTALLED.h1
    reader = h1.Connection(h1.Role.SERVER if request else h1.Role.CLIENT, ROOMY)
    if not request:
        reader.send_request("GET", "/", [("Host", "a")])
        reader.end()
    reader.receive_data(written)
    story: Story = []
    while (event := take_event(reader, story)) is not None and not isinstance(event, h1.Signal):
        if isinstance(event, RequestHead):
            expect_equal(f"{event.method} {event.target}", start, "the request line that was read back")
    if story and story[-1][0] == "error":
        return
    head: Any = story[0]
    sent = [
        (name.encode(), value.encode("utf-8", "surrogateescape").strip(b" \t"))
        for name, value in headers
        if name.lower() not in ("content-length", "transfer-encoding", "connection")
    ]
    got = [pair for pair in head[4] if pair[0].lower() not in (b"content-length", b"transfer-encoding", b"connection")]
    expect_equal(got, sent, "the fields that were read back")
    expect_equal(b"".join(event[1] for event in story[1:] if event[0] == "data"), body, "the body that was read back")  # type: ignore[misc]
    if reader.buffered():
        raise Finding(f"{reader.buffered()} bytes of what was written belong to no message")


def server_seeds() -> Iterator[bytes]:
    for _, _, data, _ in load_cases("requests"):
        if len(data) < 1000:
            yield b"\0" + data
            yield b"\2" + data


def client_seeds() -> Iterator[bytes]:
    for _, _, method, data, _, _ in load_cases("responses"):
        if len(data) < 1000:
            yield bytes([METHODS.index(method) << 2 | (16 if b"101" in data[:15] else 0)]) + data
            yield b"\2" + data
    for _, data, *_ in load_cases("lenient_responses"):
        if len(data) < 1000:
            yield b"\x20" + data


def written_seeds() -> Iterator[bytes]:
    for options in range(32):
        if options & 1:
            yield bytes([options]) + b"GET /a?b|Host:a|X-Y: z"
        else:
            yield bytes([options]) + b"200 OK|Content-Type:text/plain|Set-Cookie: a=b|Set-Cookie:\xc3\xa9"
    yield b"\1POST /|Host:a|Content-Length:5|Transfer-Encoding:chunked|Connection:close, upgrade"
    yield b"\0" + b"404 Not\r\nFound|X\r\nY:z|X:y\r\nSet-Cookie: a=b"


TARGETS = (
    Target("h1-server", check_server, server_seeds, WORDS, is_compiled=True),
    Target("h1-client", check_client, client_seeds, WORDS, is_compiled=True),
    Target("h1-written", check_written, written_seeds, (*WORDS, b"|"), is_compiled=True),
)
