"""RSGI, granian's own interface, without a framework."""

import json
from typing import Any

import settings

ITEMS = "/items/"
STATIC = "/static/"
TEXT = [("content-type", "text/plain; charset=utf-8")]
JSON = [("content-type", "application/json")]
BYTES = [("content-type", "application/octet-stream")]


async def app(scope: Any, protocol: Any) -> None:
    path = scope.path
    if path == "/":
        protocol.response_str(200, TEXT, settings.GREETING)
    elif path.startswith(ITEMS):
        protocol.response_str(200, JSON, json.dumps(settings.item(path[len(ITEMS) :])))
    elif path == "/echo":
        protocol.response_str(200, JSON, json.dumps(json.loads(await protocol())))
    elif path == "/download":
        protocol.response_bytes(200, BYTES, settings.DOWNLOAD)
    elif path == "/upload":
        size = 0
        async for piece in protocol:
            size += len(piece)
        protocol.response_str(200, TEXT, str(size))
    elif path.startswith(STATIC):
        protocol.response_file(200, BYTES, str(settings.STATIC / path[len(STATIC) :]))
    else:
        protocol.response_empty(404, [])
