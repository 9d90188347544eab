"""No room on the disk, or none that may be written to, for uploads and for the log: X9."""

import asyncio
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from peers import Answer
from processes import missing, tool
from shops import Shop

Start = Callable[..., Shop]

MIB = 1024 * 1024
ROOM = 3 * MIB  # on the disk; up to 1 MiB of a file stays in memory
LARGE, SMALL = 5 * MIB, 1000
HEAD = (
    b"POST /upload HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=x\r\nContent-Length: %d\r\n\r\n"
)
FORM = b'--x\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n%s\r\n--x--\r\n'


async def upload(server: Shop, size: int) -> Answer:
    peer = await server.connect()
    body = FORM % bytes(size)
    peer.writer.write(HEAD % len(body) + body)
    return await peer.answer()


def own_disk(folder: Path) -> list[str]:
    """A command in front of another one, that gives it a small disk at `folder`, which nobody else sees."""
    own = [tool("unshare"), "--map-root-user", "--mount"]
    if subprocess.run([*own, "mount", "-t", "tmpfs", "none", str(folder)], check=False, capture_output=True).returncode:
        missing("a mount in a namespace of one's own")
    return [*own, "sh", "-c", f'mount -t tmpfs -o size={ROOM} none {folder} && exec "$@"', "sh"]


@pytest.mark.hardening("X9")
@pytest.mark.parametrize("how", ["full", "limit", "read-only"])
async def test_an_upload_without_room(shop: Start, tmp_path: Path, how: str) -> None:
    """A disk that is full, a file that would be larger than the process may have, a disk that has become read-only."""
    folder = tmp_path / "disk"
    folder.mkdir()
    options: dict[str, Any] = {"fsize": ROOM} if how == "limit" else {"before": own_disk(folder)}
    server = shop(environment={"TMPDIR": str(folder)}, **options)
    before = await asyncio.to_thread(server.facts)  # the temporary folder is chosen now
    assert (await upload(server, 2 * MIB)).text == f"[{2 * MIB}]"
    same = {"fds", "tasks"} if how == "limit" else {"fds", "tasks", "temporary"}  # others use that disk as well
    await server.has_again({name: before[name] for name in same})
    if how == "read-only":
        inside = [tool("nsenter"), "--target", str(server.pid), "--user", "--preserve-credentials", "--mount"]
        subprocess.run([*inside, "mount", "-o", "remount,ro", str(folder)], check=True)
    kept = await server.connect()
    failing = asyncio.gather(*(upload(server, LARGE) for _ in range(3)))
    while not failing.done():
        assert (await kept.request("GET", "/hello")).status == 200
        assert (await upload(server, SMALL)).text == f"[{SMALL}]"
    assert {answer.status for answer in await failing} == {507 if how == "full" else 500}
    await asyncio.to_thread(server.program.wait_for, "OSError: ", count=3)
    await server.has_again({name: before[name] for name in same})
    assert list(folder.iterdir()) == []
    assert len(server.program.found("OSError: ")) == 3  # each was told once
    assert (await upload(server, SMALL)).status == 200


@pytest.mark.hardening("X9")
async def test_a_log_that_cannot_be_written(shop: Start) -> None:
    """The access log goes to standard error, and so does what logging says of its own trouble: to a full disk."""
    server = shop(before=["sh", "-c", 'exec "$@" 2>/dev/full', "sh"], logs=True)
    assert Path(f"/proc/{server.pid}/fd/2").readlink() == Path("/dev/full")
    peer = await server.connect()
    for _ in range(100):
        assert (await peer.request("GET", "/hello")).text == "hello"
    failed = await server.connect()
    assert (await failed.request("GET", "/upload")).status == 405
    assert (await (await server.connect()).request("GET", "/busy")).status == 500  # its traceback is lost as well
    after = await asyncio.to_thread(server.facts)
    assert after["connections"] <= 4
