"""System calls that fail as only a system in distress has them fail: X8. strace runs the server, and replaces what the
kernel would have said to one call in a few, a number of times; then all is well again, as should be the server.
"""

import asyncio
import os
import time
from collections import Counter
from collections.abc import Callable

import pytest
from peers import Peer
from processes import PATIENCE, tool
from servers import get
from shops import Shop

Start = Callable[..., Shop]

WHEN = "when=3..60+3"  # of each kind of call: twenty of them, and not the first ones
ROUNDS = 10
CLIENTS = 8
BODY = b"x" * 200_000  # more than a socket takes at once
UPLOAD = (
    b"POST /upload HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: %d\r\n\r\n"
)
FORM = b'--b\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n' + BODY + b"\r\n--b--\r\n"
FAULTS = [
    {"accept4": "ENFILE", "recvfrom": "ENOMEM", "sendto": "ENOBUFS", "epoll_wait": "EINTR"},
    {"accept4": "ENOBUFS", "recvfrom": "EINTR", "sendto": "EPIPE"},
    {"accept4": "ENOMEM", "recvfrom": "ENOBUFS", "sendto": "EINTR"},
    {"accept4": "ECONNABORTED", "recvfrom": "ECONNRESET", "sendto": "ENOMEM"},
    {"accept4": "EINTR", "setsockopt": "ENOBUFS", "recvfrom": "EINTR"},
]


async def client(server: Shop, seen: Counter[str]) -> None:
    """Asks, uploads, and takes a stream; a connection that ends is no fault of the answers that came whole."""
    for _ in range(ROUNDS):
        try:
            async with asyncio.timeout(PATIENCE):
                peer = await Peer.connect(server.port)
                try:
                    await converse(peer)
                finally:
                    peer.writer.transport.abort()
            seen["whole"] += 1
        except (OSError, EOFError):
            seen["cut"] += 1


async def converse(peer: Peer) -> None:
    assert (await peer.request("GET", "/hello")).text == "hello"
    await peer.send(UPLOAD % len(FORM) + FORM)
    assert (await peer.answer()).text == f"[{len(BODY)}]"
    await peer.send(b"GET /stream?pieces=1 HTTP/1.1\r\nHost: a\r\n\r\n")
    assert (await peer.answer()).body == b"piece\n"


@pytest.mark.hardening("X8")
@pytest.mark.parametrize("faults", FAULTS, ids=["-".join(faults.values()) for faults in FAULTS])
async def test_calls_that_fail(shop: Start, faults: dict[str, str]) -> None:
    """The loop is asyncio's, whose calls are known here; accepting is our own with uvloop as well."""
    injections = [text for name, error in faults.items() for text in ("-e", f"inject={name}:error={error}:{WHEN}")]
    traced = f"trace={','.join(faults)}"
    log = f"--output={os.devnull}"
    strace = [tool("strace"), "-D", "-f", "-qq", "--seccomp-bpf", log, "-e", "signal=none", "-e", traced, *injections]
    server = shop(before=strace, environment={"LEVANTE_NO_UVLOOP": "1"})
    seen: Counter[str] = Counter()
    await asyncio.gather(*(client(server, seen) for _ in range(CLIENTS)))
    assert seen["whole"] + seen["cut"] == ROUNDS * CLIENTS
    assert seen["whole"] > ROUNDS * CLIENTS // 4
    after = await asyncio.to_thread(server.facts)
    async with asyncio.timeout(PATIENCE):
        while after["connections"] > 1:
            await asyncio.sleep(0.05)
            after = await asyncio.to_thread(server.facts)
    began, used, open_files = time.monotonic(), after["cpu"], after["fds"]
    await asyncio.sleep(1.0)
    after = await asyncio.to_thread(server.facts)
    assert (after["cpu"] - used) / (time.monotonic() - began) < 0.1
    assert (after["fds"], after["connections"]) == (open_files, 1)
    assert "/levante/" not in server.program.log  # no traceback goes through us
    for _ in range(3):
        assert await asyncio.to_thread(get, server.port, "/hello") == (200, "hello")
