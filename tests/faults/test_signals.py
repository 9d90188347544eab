"""Signals at the wrong time: X2. The exit statuses are those of docs/how-to/deploy.md."""

import asyncio
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from processes import wait_until
from servers import is_running
from shops import Shop
from slowdown import Slowdown

Start = Callable[..., Shop]

SIGNALS = [signal.SIGINT, signal.SIGTERM]
HUGE = 4 * 1024 * 1024  # bytes of an upload that is on disk when the signal comes


def family(pid: int) -> list[int]:
    """A process and its children."""
    return [pid, *(int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]


async def upload_a_part(server: Shop) -> None:
    """So much that a temporary file is open, and not all of it."""
    peer = await server.connect()
    head = b"POST /upload HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=x\r\n"
    head += b"Content-Length: %d\r\n\r\n" % (2 * HUGE)
    start = b'--x\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n'
    await peer.send(head + start + bytes(HUGE))
    pids = family(server.pid)
    await asyncio.to_thread(wait_until, "a temporary file", lambda: any(temporary_files(pid) for pid in pids))


def temporary_files(pid: int) -> list[str]:
    """Those that a process has open and that have no name, or had one and were removed."""
    found = []
    for link in Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = str(link.readlink())
        except FileNotFoundError:
            continue  # closed since
        if target.endswith(" (deleted)") and not target.startswith("/memfd:"):
            found.append(target)
    return found


@pytest.mark.hardening("X2")
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("second", SIGNALS)
async def test_a_second_signal_ends_it_within_a_second(
    shop: Start, tmp_path: Path, workers: int, second: signal.Signals
) -> None:
    """With requests that would never end, one that cannot be cancelled, and a temporary file; a Unix socket has to go
    as well.
    """
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    server = shop(workers=workers, environment={"TMPDIR": str(temporary)})
    for target in ("/forever", "/stubborn"):
        peer = await server.connect()
        await peer.send(f"GET {target} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    server.program.wait_for("ENTERED", count=2)
    await upload_a_part(server)
    pids = family(server.pid)
    assert len(pids) == (1 if workers == 1 else 1 + workers)
    server.program.send(signal.SIGTERM)
    await refusal(server)
    with Slowdown() as machine:
        server.program.send(second)
        told = time.monotonic()
        status = await asyncio.to_thread(server.program.end)
        took = time.monotonic() - told
    assert status == 1
    assert took < machine.allows(1.0)
    assert not any(is_running(pid) for pid in pids)
    assert list(temporary.iterdir()) == []


async def refusal(server: Shop) -> None:
    """Wait until it listens no more: it has heard the signal."""
    while True:
        try:
            await server.connect()
        except ConnectionError:
            return
        await asyncio.sleep(0.01)


@pytest.mark.hardening("X2")
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("number", SIGNALS)
async def test_a_signal_in_startup_ends_it_with_status_0(
    shop: Start, tmp_path: Path, workers: int, number: signal.Signals
) -> None:
    """Nobody has been promised anything yet, and what has been started is cleaned up."""
    path = tmp_path / "socket"
    server = shop(workers=workers, waits=False, path=str(path), environment={"SHOP_STARTUP": "waits"})
    server.program.wait_for("STARTING", count=workers)
    pids = family(server.pid)
    with Slowdown() as machine:
        server.program.send(number)
        told = time.monotonic()
        status = await asyncio.to_thread(server.program.end)
        took = time.monotonic() - told
    assert status == 0
    assert took < machine.allows(1.0)
    assert len(server.program.found("CLEANUP")) == workers
    assert not any(is_running(pid) for pid in pids)
    assert not path.exists()


@pytest.mark.hardening("X2")
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("number", SIGNALS)
async def test_a_signal_before_the_application_is_there(shop: Start, workers: int, number: signal.Signals) -> None:
    """A process that is still importing has no handler for SIGTERM yet: the system ends it. Its supervisor says that
    all went well, as it does whenever it was told to end.
    """
    server = shop(workers=workers, waits=False, environment={"SHOP_STARTUP": "imports"})
    server.program.wait_for("IMPORTING", count=workers)
    pids = family(server.pid)
    with Slowdown() as machine:
        server.program.send(number)
        told = time.monotonic()
        status = await asyncio.to_thread(server.program.end)
        took = time.monotonic() - told
    assert status == (0 if workers > 1 else -number)
    assert took < machine.allows(1.0)
    assert not any(is_running(pid) for pid in pids)


@pytest.mark.hardening("X2")
async def test_a_unix_socket_of_a_server_that_is_cut_short_goes_as_well(shop: Start, tmp_path: Path) -> None:
    path = tmp_path / "socket"
    for workers in (1, 2):
        server = shop(workers=workers, waits=False, path=str(path))
        server.program.wait_for("Running on")
        assert path.is_socket()
        server.program.send(signal.SIGTERM)
        os.kill(server.pid, signal.SIGTERM)
        # Two at once may count as one; and the second may come when all is done and nobody listens for it any more.
        assert await asyncio.to_thread(server.program.end) in (0, 1, -signal.SIGTERM)
        assert not path.exists()
