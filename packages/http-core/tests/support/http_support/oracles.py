"""The same bytes read by levante, h11 and httptools (llhttp), noted in one form that can be compared.

Each reading is of a whole stream that ends behind its last byte: the messages that were complete, and whether anything
but an orderly end followed. Reading ends with the first message after which the connection closes or changes its
protocol.
"""

from collections.abc import Iterator
from types import ModuleType
from typing import Any, NamedTuple

import h11
import httptools

import levante.http.h1 as compiled_or_plain

# Far above the limits of levante, so that sizes are judged by levante alone.
H11_LIMIT = 1 << 20

Pairs = tuple[tuple[bytes, bytes], ...]


class Message(NamedTuple):
    """A complete message: `start` is (method, target) or (status, reason); names are in lower case."""

    start: tuple[bytes, bytes]
    version: str
    headers: Pairs
    body: bytes
    trailers: Pairs
    keep_alive: bool | None
    upgrade: bool


class Reading(NamedTuple):
    """What was read: complete messages, then "" for an orderly end, or why nothing more was accepted."""

    messages: list[Message]
    refusal: str


def _lower(pairs: Any) -> Pairs:
    return tuple((bytes(name).lower(), bytes(value)) for name, value in pairs)


def read_levante(data: bytes, *, method: str | None = None, h1: ModuleType = compiled_or_plain) -> Reading:
    """A stream of requests, or of responses to one request with `method`."""
    connection = h1.Connection(h1.Role.SERVER if method is None else h1.Role.CLIENT)
    if method is not None:
        fields = [
            ("Host", "a"),
            *([("Connection", "upgrade"), ("Upgrade", "websocket")] if method == "UPGRADE" else []),
        ]
        name = "GET" if method == "UPGRADE" else method
        connection.send_request(name, "a:80" if name == "CONNECT" else "/", fields)
        connection.end()
    connection.receive_data(data)
    connection.receive_data(None)
    return _Levante(h1, connection).read(answers=method is None)


class _Levante:
    """Collects the events of a levante connection."""

    def __init__(self, h1: ModuleType, connection: Any) -> None:
        self.h1 = h1
        self.connection = connection
        self.messages: list[Message] = []

    def read(self, *, answers: bool) -> Reading:
        head: Any = None
        body = b""
        while True:
            try:
                event = self.connection.next_event()
            except Exception as error:
                return Reading(self.messages, f"{type(error).__name__}: {error}")
            name = type(event).__name__
            if name == "Data":
                body += event.data
            elif name == "EndOfMessage":
                trailers = (
                    (key.encode(), value.encode("utf-8", "surrogateescape")) for key, value in event.trailers.items()
                )
                self._note(head, body, _lower(trailers))
                body = b""
                if not answers or not self._next():
                    return Reading(self.messages, "" if answers else self._unsolicited())
            elif name in {"RequestHead", "ResponseHead"}:
                head = event
                if name == "ResponseHead" and (event.status < 200 or repr(self.connection).find("SWITCHED") > 0):
                    self._note(head, b"", ())
            else:
                return Reading(self.messages, "")

    def _next(self) -> bool:
        if self.messages[-1].upgrade or not self.connection.keep_alive:
            return False
        self.connection.send_response(200, None, (), 0)
        self.connection.end()
        self.connection.start_next_cycle()
        return True

    def _unsolicited(self) -> str:
        return "unsolicited bytes" if self.connection.keep_alive and self.connection.buffered() else ""

    def _note(self, head: Any, body: bytes, trailers: Pairs) -> None:
        if type(head).__name__ == "RequestHead":
            start = (head.method.encode(), head.target.encode())
            upgrade = head.upgrade is not None or head.method == "CONNECT"
            keep_alive = None if upgrade else self.connection.keep_alive
        else:
            start = (b"%d" % head.status, head.reason.encode("utf-8", "surrogateescape"))
            upgrade = repr(self.connection).find("SWITCHED") > 0
            keep_alive = None if upgrade or head.status < 200 else self.connection.keep_alive
        version = f"{head.version.major}.{head.version.minor}"
        self.messages.append(Message(start, version, _lower(head.raw_headers), body, trailers, keep_alive, upgrade))


def read_h11(data: bytes, *, method: str | None = None) -> Reading:
    """The same by h11."""
    connection = h11.Connection(h11.SERVER if method is None else h11.CLIENT, max_incomplete_event_size=H11_LIMIT)
    if method is not None:
        fields = [
            ("Host", "a"),
            *([("Connection", "upgrade"), ("Upgrade", "websocket")] if method == "UPGRADE" else []),
        ]
        name = "GET" if method == "UPGRADE" else method
        connection.send(h11.Request(method=name, target="a:80" if name == "CONNECT" else "/", headers=fields))
        connection.send(h11.EndOfMessage())
    connection.receive_data(data)
    connection.receive_data(b"")
    messages: list[Message] = []
    head: Any = None
    body = b""
    while True:
        try:
            event = connection.next_event()
        except h11.RemoteProtocolError as error:
            return Reading(messages, f"{type(error).__name__}: {error}")
        if isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.InformationalResponse):
            messages.append(_h11_message(connection, event, b"", ()))
            if messages[-1].upgrade:
                return Reading(messages, "")
        elif isinstance(event, h11.Request | h11.Response):
            head = event
            if connection.their_state is h11.SWITCHED_PROTOCOL:
                return Reading([*messages, _h11_message(connection, head, b"", ())], "")
        elif isinstance(event, h11.EndOfMessage):
            messages.append(_h11_message(connection, head, body, _lower(event.headers.raw_items())))
            body = b""
            if method is not None or messages[-1].upgrade or not messages[-1].keep_alive:
                left = method is not None and messages[-1].keep_alive and connection.trailing_data[0]
                return Reading(messages, "unsolicited bytes" if left else "")
            connection.send(h11.Response(status_code=200, headers=[("Content-Length", "0")]))
            connection.send(h11.EndOfMessage())
            connection.start_next_cycle()
        else:
            return Reading(messages, "")


def _h11_message(connection: h11.Connection, head: Any, body: bytes, trailers: Pairs) -> Message:
    state = connection.their_state
    upgrade = state in (h11.MIGHT_SWITCH_PROTOCOL, h11.SWITCHED_PROTOCOL)
    interim = isinstance(head, h11.InformationalResponse)
    keep_alive = None if upgrade or interim else state is h11.DONE
    if isinstance(head, h11.Request):
        start = (head.method, head.target)
    else:
        start = (b"%d" % head.status_code, bytes(head.reason))
    headers = _lower(head.headers.raw_items())
    return Message(start, head.http_version.decode(), headers, body, trailers, keep_alive, upgrade)


def read_httptools(data: bytes, *, method: str | None = None) -> Reading:
    """The same by httptools. It is told neither the method of the request nor of the end of the stream, so both are
    dealt with here: HEAD and CONNECT have no bodies, and what lasts until the end is complete then.
    """
    notes = _Notes(method)
    parser = httptools.HttpRequestParser(notes) if method is None else httptools.HttpResponseParser(notes)
    notes.parser = parser
    refusal = ""
    try:
        parser.feed_data(data)
    except httptools.HttpParserUpgrade:
        return Reading(notes.messages, "")
    except httptools.HttpParserError as error:
        refusal = f"{type(error).__name__}: {error}"
    if notes.over:
        behind = method == "HEAD" and notes.messages[-1].keep_alive and not data.endswith(b"\r\n\r\n")
        return Reading(notes.messages, "unsolicited bytes" if behind else notes.refusal)
    if refusal:
        return Reading(notes.messages, refusal)
    if notes.begun and notes.head is not None and method is not None and notes.until_close():
        notes.on_message_complete()
        return Reading(notes.messages, "")
    expects = notes.begun or method is not None
    return Reading(notes.messages, "the stream ends inside a message" if expects else "")


class _Notes:
    """The callbacks of httptools."""

    def __init__(self, method: str | None) -> None:
        self.method = method
        self.parser: Any = None
        self.messages: list[Message] = []
        self.over = False
        self.refusal = ""
        self.on_message_begin()
        self.begun = False

    def on_message_begin(self) -> None:
        if self.over:
            if self.messages[-1].keep_alive and self.method is not None:
                self.refusal = "unsolicited bytes"
            return
        self.begun = True
        self.url = b""
        self.reason = b""
        self.fields: list[tuple[bytes, bytes]] = []
        self.head: Pairs | None = None
        self.body = b""

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_status(self, reason: bytes) -> None:
        self.reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        self.fields.append((name, value))

    def on_headers_complete(self) -> None:
        if self.over:
            return
        self.head = _lower(self.fields)
        self.fields = []
        status = self.parser.get_status_code() if self.method is not None else 0
        if (self.method == "HEAD" and status >= 200) or (self.method == "CONNECT" and 200 <= status < 300):
            self.on_message_complete()
            self.over = True

    def on_body(self, body: bytes) -> None:
        self.body += body

    def until_close(self) -> bool:
        """Whether the head at hand gives its body no end."""
        names = {name for name, _ in self.head or ()}
        return b"transfer-encoding" not in names and b"content-length" not in names

    def on_message_complete(self) -> None:
        if self.over:
            return
        keep_alive: bool | None = self.parser.should_keep_alive()
        upgrade = self.parser.should_upgrade()
        if self.method is None:
            start = (self.parser.get_method(), self.url)
        else:
            status = self.parser.get_status_code()
            start = (b"%d" % status, self.reason)
            upgrade = status == 101 or (self.method == "CONNECT" and 200 <= status < 300)
            keep_alive = None if status < 200 else keep_alive
            if self.method == "HEAD":
                keep_alive = self._head_keeps()
            self.over = status >= 200 or status == 101
        if upgrade:
            keep_alive = None
        self.over = self.over or upgrade or keep_alive is False
        version = self.parser.get_http_version()
        self.messages.append(
            Message(start, version, self.head or (), self.body, _lower(self.fields), keep_alive, upgrade)
        )
        self.begun = False

    def _head_keeps(self) -> bool:
        """Whether a response to HEAD keeps the connection, which llhttp takes for one without an end."""
        connection = b",".join(value for name, value in self.head or () if name == b"connection").lower()
        return b"close" not in connection and (self.parser.get_http_version() == "1.1" or b"keep-alive" in connection)


def disagreements(levante: Reading, other: Reading) -> list[str]:
    """What the readings differ in, described; see cases/disagreements.py. The first message that differs is the last
    one that is compared.
    """
    for ours, theirs in zip(levante.messages, other.messages, strict=False):
        if ours != theirs and (found := [*_differences(ours, theirs)]):
            return found
    surplus = len(levante.messages) - len(other.messages)
    if surplus < 0 or (surplus == 0 and levante.refusal and not other.refusal):
        return [f"levante refuses: {levante.refusal or 'nothing, but stops'}"]
    if surplus > 0 or (other.refusal and not levante.refusal):
        return [f"levante reads: {other.refusal or 'what the other does not see'}"]
    return []


def _differences(ours: Message, theirs: Message) -> Iterator[str]:
    for field in ("start", "version", "body"):
        if getattr(ours, field) != getattr(theirs, field):
            yield f"{field}: {getattr(ours, field)!r}, not {getattr(theirs, field)!r}"
    yield from _pairs_differ("header", ours.headers, theirs.headers)
    yield from _pairs_differ("trailer", ours.trailers, theirs.trailers)
    if ours.upgrade != theirs.upgrade:
        yield f"{'an' if ours.upgrade else 'no'} upgrade of HTTP/{ours.version}"
    elif None not in {ours.keep_alive, theirs.keep_alive} and ours.keep_alive != theirs.keep_alive:
        yield f"HTTP/{ours.version} {_framing(ours)} is {'kept' if ours.keep_alive else 'closed'}"


def _pairs_differ(what: str, ours: Pairs, theirs: Pairs) -> Iterator[str]:
    missing = [pair for pair in theirs if pair[0] not in {name for name, _ in ours}]
    for name, value in missing:
        yield f"no {what} {_text(name)}: <{_text(value)}>"
    left = [pair for pair in theirs if pair not in missing]
    if [name for name, _ in ours] != [name for name, _ in left]:
        yield f"other {what}s: {ours!r}, not {left!r}"
        return
    for (name, value), (_, other) in zip(ours, left, strict=True):
        if value != other:
            yield f"{what} {_text(name)}: <{_text(value)}>, not <{_text(other)}>"


def _framing(message: Message) -> str:
    names = {name for name, _ in message.headers}
    length, chunked = b"content-length" in names, b"transfer-encoding" in names
    if length or chunked:
        return "both" if length and chunked else "length" if length else "chunks"
    return "close" if message.start[0].isdigit() and message.start[0] not in {b"204", b"304"} else "none"


def _text(value: bytes) -> str:
    return value.decode("latin-1").encode("unicode_escape").decode("ascii")
