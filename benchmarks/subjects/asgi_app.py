"""ASGI without a framework: what a server costs by itself. No static files: it has no support of its own."""

import json
from typing import Any

import settings

GREETING = settings.GREETING.encode()
ITEMS = "/items/"


async def whole_body(receive: Any) -> bytes:
    pieces = []
    while True:
        message = await receive()
        pieces.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(pieces)


async def body_size(receive: Any) -> int:
    size = 0
    while True:
        message = await receive()
        size += len(message.get("body", b""))
        if not message.get("more_body"):
            return size


async def answer(path: str, receive: Any) -> tuple[bytes, bytes]:
    """The content type and the body."""
    if path == "/":
        return b"text/plain; charset=utf-8", GREETING
    if path.startswith(ITEMS):
        return b"application/json", json.dumps(settings.item(path[len(ITEMS) :])).encode()
    if path == "/echo":
        return b"application/json", json.dumps(json.loads(await whole_body(receive))).encode()
    if path == "/download":
        return b"application/octet-stream", settings.DOWNLOAD
    if path == "/upload":
        return b"text/plain", str(await body_size(receive)).encode()
    raise LookupError(path)


async def app(scope: Any, receive: Any, send: Any) -> None:
    content_type, body = await answer(scope["path"], receive)
    headers = [(b"content-type", content_type), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
