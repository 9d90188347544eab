"""The pieces of work: what is sent, what must come back, and how much of it is enough.

A measurement by the clock lasts SECONDS; one that counts instructions under valgrind, fifty times slower, takes
`counted` requests, enough for the caches to have filled and for what happens now and then to be averaged.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum

CONNECTIONS = 8  # each with one request in flight: a server is never idle, and batches are small
UPLOADS = 2
COUNTED = 800
SMALL_HEAD = b"Host: localhost\r\nAccept: */*\r\n\r\n"
BROWSER_FIELDS = (
    b"Host: localhost:8000\r\nConnection: keep-alive\r\nCache-Control: max-age=0\r\n"
    b'sec-ch-ua: "Chromium";v="130", "Not?A_Brand";v="99"\r\nsec-ch-ua-mobile: ?0\r\nsec-ch-ua-platform: "Linux"\r\n'
    b"Upgrade-Insecure-Requests: 1\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/130.0\r\n"
    b"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\nSec-Fetch-Site: none\r\n"
    b"Sec-Fetch-Mode: navigate\r\nAccept-Encoding: gzip, deflate, br\r\nAccept-Language: en-GB,en;q=0.9\r\n\r\n"
)
BROWSER_HEAD = b"GET / HTTP/1.1\r\n" + BROWSER_FIELDS
GREETING = b"Hello, world!"
ITEM = {"id": 42, "name": "a thing", "tags": ["red", "round"], "price": 12.5}
BLOB = bytes(range(256)) * 256  # the download and the static file
UPLOAD_SIZE = 10 * 1024 * 1024
STATIC_NAME = "file.bin"
MEMBERS = 1000
HELD = 1000
MANY_HELD = 10_000 - CONNECTIONS - 2  # as many as a server takes by default, with those that ask meanwhile
MASK = b"\x01\x02\x03\x04"


class Kind(Enum):
    """Who does the work, and how it is measured."""

    SERVER = "a server answers requests"
    IDLE = "a server keeps connections"
    BROADCAST = "a server sends what one says to all"
    CLIENT = "a client sends requests"
    CALL = "a program calls a function of its own"


@dataclass(frozen=True)
class Workload:
    """One piece of work; `request` and `is_right` (of the body of an answer) are a server's. Of a broadcast every
    message that a member gets counts."""

    key: str
    title: str
    kind: Kind
    request: bytes = b""
    is_right: Callable[[bytes], bool] = GREETING.__eq__
    is_websocket: bool = False
    path: str = "/ws"  # of the WebSocket
    connections: int = CONNECTIONS
    counted: int = COUNTED
    method: str = "GET"
    held: int = HELD  # idle connections


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\n".encode() + SMALL_HEAD


def post(path: str, content_type: str, body: bytes) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + SMALL_HEAD + body


def is_json(expected: object) -> Callable[[bytes], bool]:
    """Frameworks differ in blanks and escapes; the value is what must be the same."""
    return lambda body: bool(json.loads(body) == expected)


def document(size: int) -> dict[str, object]:
    """What is `size` bytes of JSON, about: a list of small objects, as an API has it."""
    entry = {"id": 1000, "name": "a thing of some name", "price": 12.5, "is_new": True}
    return {"entries": [entry] * (size // len(json.dumps(entry)))}


def echo(key: str, title: str, size: int, counted: int) -> Workload:
    value = document(size)
    request = post("/echo", "application/json", json.dumps(value).encode())
    return Workload(key, title, Kind.SERVER, request, is_json(value), counted=counted)


def text_message(payload: bytes) -> bytes:
    """A masked text frame, as a browser sends it."""
    size = len(payload)
    if size < 126:
        length = bytes([0x80 | size])
    elif size < 2**16:
        length = b"\xfe" + size.to_bytes(2, "big")
    else:
        length = b"\xff" + size.to_bytes(8, "big")
    masked = int.from_bytes(payload, "big") ^ int.from_bytes((MASK * (size // 4 + 1))[:size], "big")
    return b"\x81" + length + MASK + masked.to_bytes(size, "big")


def websocket(key: str, title: str, size: int, counted: int) -> Workload:
    payload = (b"levante " * (size // 8 + 1))[:size]
    return Workload(key, title, Kind.SERVER, text_message(payload), payload.__eq__, is_websocket=True, counted=counted)


def broadcast(key: str, title: str, size: int, counted: int) -> Workload:
    room = websocket(key, title, size, counted)
    return replace(room, kind=Kind.BROADCAST, connections=MEMBERS, path="/room")


def client(key: str, title: str, method: str, at_once: int) -> Workload:
    return Workload(key, title, Kind.CLIENT, connections=at_once, method=method)


WORKLOADS = (
    Workload("hello-2", "hello, 2 headers", Kind.SERVER, get("/")),
    Workload("hello-13", "hello, 13 headers", Kind.SERVER, BROWSER_HEAD),
    Workload("json", "JSON, path parameter", Kind.SERVER, get("/items/42"), is_json(ITEM)),
    echo("echo-1k", "POST JSON echo, 1 KiB", 1024, COUNTED),
    echo("echo-100k", "POST JSON echo, 100 KiB", 100 * 1024, 50),
    Workload("download", "download, 64 KiB", Kind.SERVER, get("/download"), BLOB.__eq__, counted=400),
    Workload(
        "upload",
        "streamed upload, 10 MiB",
        Kind.SERVER,
        post("/upload", "application/octet-stream", bytes(UPLOAD_SIZE)),
        str(UPLOAD_SIZE).encode().__eq__,
        connections=UPLOADS,
        counted=4,
    ),
    Workload("static", "static file, 64 KiB", Kind.SERVER, get(f"/static/{STATIC_NAME}"), BLOB.__eq__, counted=200),
    Workload("idle", "idle keep-alive connection", Kind.IDLE, get("/")),
    Workload("idle-10k", "idle, one of 10,000, and hello", Kind.IDLE, get("/"), held=MANY_HELD),
    websocket("ws-64", "WebSocket echo, 64 bytes", 64, COUNTED),
    websocket("ws-64k", "WebSocket echo, 64 KiB", 65536, 200),
    broadcast("broadcast", "broadcast, 200 bytes to 1,000", 200, 20 * MEMBERS),
    Workload(
        "idle-ws",
        "idle WebSocket, heartbeat, 10,000",
        Kind.IDLE,
        text_message(GREETING),
        is_websocket=True,
        path="/beat",
        held=MANY_HELD,
    ),
    client("client-get", "client GET", "GET", 1),
    client("client-get-32", "client GET, 32 at once", "GET", 32),
    client("client-call", "client GET, 3 fields and a deadline", "CALL", 1),
    client("client-post", "client POST 1 KiB", "POST", 1),
    client("client-post-32", "client POST 1 KiB, 32 at once", "POST", 32),
    Workload("parse", "parse a head, 13 fields", Kind.CALL, counted=2000),
    Workload("session", "load and save a session cookie", Kind.CALL, counted=400),
)


def chosen(words: list[str]) -> list[Workload]:
    """The workloads whose key is one of `words` or begins with one; all where there is none."""
    for word in words:
        if not any(matches(workload, word) for workload in WORKLOADS):
            keys = ", ".join(workload.key for workload in WORKLOADS)
            raise SystemExit(f"no such work: {word}; expected some of (or their first words): {keys}")
    return [workload for workload in WORKLOADS if not words or any(matches(workload, word) for word in words)]


def matches(workload: Workload, word: str) -> bool:
    return workload.key == word or workload.key.startswith(f"{word}-")
