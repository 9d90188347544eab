"""What every subject answers with, and where it serves: the same for all, so that only the frameworks differ."""

import os
from pathlib import Path

HOST = "127.0.0.1"
PORT = int(os.environ.get("BENCH_PORT", "0"))
STATIC = Path(os.environ.get("BENCH_STATIC", "."))

GREETING = "Hello, world!"
DOWNLOAD = bytes(range(256)) * 256
KEEP_ALIVE = 600  # seconds, for servers that would close what is measured
HEARTBEAT = 600  # seconds, above any measurement, for its clients are mute
UNBOUNDED = 1_000_000_000
LARGEST_BODY = 64 * 1024 * 1024  # above all that is sent, for frameworks that limit what is streamed, too


def item(number: str) -> dict[str, object]:
    return {"id": int(number), "name": "a thing", "tags": ["red", "round"], "price": 12.5}
