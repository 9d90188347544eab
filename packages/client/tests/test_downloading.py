"""A body into a file, from servers that break off, change their minds, and lie."""

import asyncio
import errno
import hashlib
import json
import os
import pickle
import threading
from pathlib import Path

import pytest

from levante.client import (
    Backoff,
    ChecksumMismatch,
    ClientPayloadError,
    ClientResponseError,
    ResponseTooLarge,
    download,
    downloading,
)

pytestmark = pytest.mark.parity("U19")

# More than is ever buffered: what is buffered and not read yet is lost with its connection.
BODY = bytes(range(256)) * 16_000
HALF = len(BODY) // 2
FAST = Backoff(first=0.001, last=0.002)


class Shelf:
    """A server of one file that knows ranges. `cuts` says after how many bytes of a body each answer breaks off."""

    def __init__(self, body: bytes = BODY, etag: str | None = '"a"', cuts: tuple[int, ...] = ()) -> None:
        self.body = body
        self.etag = etag
        self.cuts = list(cuts)
        self.ranges: list[str | None] = []
        self.if_ranges: list[str | None] = []

    def __call__(self, seen) -> bytes:
        asked, if_range = seen.value("Range"), seen.value("If-Range")
        self.ranges.append(asked)
        self.if_ranges.append(if_range)
        start = 0
        head = b"HTTP/1.1 200 OK\r\n"
        if asked is not None and if_range == self.etag:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            if start >= len(self.body):
                return b"HTTP/1.1 416 No\r\nContent-Range: bytes */%d\r\nContent-Length: 0\r\n\r\n" % len(self.body)
            span = b"Content-Range: bytes %d-%d/%d\r\n" % (start, len(self.body) - 1, len(self.body))
            head = b"HTTP/1.1 206 Partial Content\r\n" + span
        if self.etag is not None:
            head += b"ETag: " + self.etag.encode() + b"\r\n"
        rest = self.body[start:]
        head += b"Content-Length: %d\r\n\r\n" % len(rest)
        return head + (rest[: self.cuts.pop(0)] if self.cuts else rest)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def test_a_file(serve, session, tmp_path: Path) -> None:
    told = []
    server = await serve(Shelf())
    got = await download(session, server.url, tmp_path / "f", progress=lambda *done: told.append(done), fsync=True)
    assert (got.path.read_bytes() == BODY, got.size, got.resumed) == (True, len(BODY), 0)
    assert told[-1] == (len(BODY), len(BODY))
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert names(tmp_path) == ["f"]
    assert server.last.value("Accept-Encoding") == "identity"


async def test_it_goes_on_where_it_broke_off(serve, session, tmp_path: Path) -> None:
    # What was received and not read yet is lost with its connection: that may be all of a short piece.
    shelf = Shelf(cuts=(HALF, 0, 1))
    server = await serve(shelf, close=True)
    got = await download(session, server.url, tmp_path / "f", backoff=FAST, attempts=4)
    assert got.path.read_bytes() == BODY
    assert 0 < got.resumed <= HALF + 1
    assert len(shelf.ranges) == 4
    assert shelf.ranges[3] == f"bytes={got.resumed}-"
    assert shelf.if_ranges == [None, '"a"', '"a"', '"a"']


async def test_a_later_call_goes_on_too(serve, session, tmp_path: Path) -> None:
    shelf = Shelf(cuts=(HALF,))
    server = await serve(shelf, close=True)
    with pytest.raises(ClientPayloadError):
        await download(session, server.url, tmp_path / "f", attempts=1)
    assert names(tmp_path) == ["f.part", "f.part.json"]
    assert server.url not in (tmp_path / "f.part.json").read_text()
    got = await download(session, server.url, tmp_path / "f")
    assert got.path.read_bytes() == BODY
    assert 0 < got.resumed <= HALF
    assert names(tmp_path) == ["f"]


async def interrupted(serve, session, path: Path, shelf: Shelf):
    """A server of which `path` has the first half."""
    shelf.cuts.append(HALF)
    server = await serve(shelf, close=True)
    with pytest.raises(ClientPayloadError):
        await download(session, server.url, path, attempts=1)
    return server


@pytest.mark.parametrize(
    "case", ["another etag", "no ranges", "resume=False", "another address", "no note", "bad note"]
)
async def test_it_begins_anew(serve, session, tmp_path: Path, case: str) -> None:
    shelf = Shelf()
    server = await interrupted(serve, session, tmp_path / "f", shelf)
    url, note = server.url, tmp_path / "f.part.json"
    if case == "another etag":
        shelf.etag, shelf.body = '"b"', BODY[::-1]
    elif case == "no ranges":
        shelf.body, shelf.etag = BODY[::-1], None
    elif case == "another address":
        url += "?other"
    elif case == "no note":
        note.unlink()
    elif case == "bad note":
        note.write_text('["nonsense"]')
    got = await download(session, url, tmp_path / "f", resume=case != "resume=False")
    assert (got.path.read_bytes() == shelf.body, got.resumed) == (True, 0)
    assert names(tmp_path) == ["f"]


@pytest.mark.parametrize(
    "lie",
    [
        b"HTTP/1.1 206 P\r\nContent-Length: 3\r\n\r\nabc",
        b"HTTP/1.1 206 P\r\nContent-Range: bytes 0-2/3\r\nContent-Length: 3\r\n\r\nabc",
        b"HTTP/1.1 416 No\r\nContent-Range: bytes */5\r\nContent-Length: 0\r\n\r\n",
    ],
)
async def test_an_answer_that_does_not_fit_is_asked_again_for_all_of_it(
    serve, session, tmp_path: Path, lie: bytes
) -> None:
    shelf = Shelf(cuts=(HALF,))
    server = await serve(lambda seen: lie if seen.value("Range") else shelf(seen), close=True)
    with pytest.raises(ClientPayloadError):
        await download(session, server.url, tmp_path / "f", attempts=1)
    got = await download(session, server.url, tmp_path / "f")
    assert (got.path.read_bytes() == BODY, got.resumed) == (True, 0)
    assert shelf.ranges == [None, None]


async def test_a_rest_that_is_too_long_is_an_error_and_thrown_away(serve, session, tmp_path: Path) -> None:
    shelf = Shelf(cuts=(HALF,))
    size = len(BODY)

    def answer(seen) -> bytes:
        if seen.value("Range") is None:
            return shelf(seen)
        start = int(seen.value("Range").removeprefix("bytes=").removesuffix("-"))
        return (
            b"HTTP/1.1 206 P\r\nContent-Range: bytes %d-%d/%d\r\n\r\n" % (start, size - 1, size) + BODY[start:] + b"x"
        )

    server = await serve(answer, close=True)
    with pytest.raises(ClientPayloadError, match="not usable"):
        await download(session, server.url, tmp_path / "f", attempts=1)
    with pytest.raises(ClientPayloadError, match=f"got {size + 1} bytes of a body of which {size}"):
        await download(session, server.url, tmp_path / "f", attempts=1)
    assert names(tmp_path) == []


async def test_all_of_it_was_there_already(serve, session, tmp_path: Path) -> None:
    shelf = Shelf()
    server = await interrupted(serve, session, tmp_path / "f", shelf)
    (tmp_path / "f.part").write_bytes(BODY)
    got = await download(session, server.url, tmp_path / "f")
    assert (got.path.read_bytes() == BODY, got.size, got.resumed) == (True, len(BODY), len(BODY))
    assert names(tmp_path) == ["f"]


async def test_without_a_validator_nothing_is_gone_on_with(serve, session, tmp_path: Path) -> None:
    shelf = Shelf(etag=None)
    await interrupted(serve, session, tmp_path / "f", shelf)
    assert names(tmp_path) == ["f.part"]


async def test_a_server_that_always_breaks_off_is_given_up(serve, session, tmp_path: Path) -> None:
    shelf = Shelf(etag=None, cuts=(10,) * 10)
    server = await serve(shelf, close=True)
    with pytest.raises(ClientPayloadError):
        await download(session, server.url, tmp_path / "f", attempts=3, backoff=FAST)
    assert len(shelf.ranges) == 3


async def test_an_old_file_stays_until_the_new_one_is_whole(serve, session, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"old")
    server = await interrupted(serve, session, tmp_path / "f", Shelf())
    assert (tmp_path / "f").read_bytes() == b"old"
    await download(session, server.url, tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == BODY


@pytest.mark.parametrize("coding", [b"gzip", b""])
async def test_a_coded_answer_is_decoded_and_never_gone_on_with(serve, session, tmp_path: Path, coding: bytes) -> None:
    import gzip

    body = gzip.compress(BODY)
    fields = b'Content-Encoding: gzip\r\nETag: "a"\r\n'
    whole = b"HTTP/1.1 200 OK\r\n%sContent-Length: %d\r\n\r\n" % (fields, len(body)) + body
    answers = iter([whole[:-900], whole] if coding else [whole])
    told = []
    server = await serve(lambda _: next(answers), close=True)
    got = await download(session, server.url, tmp_path / "f", backoff=FAST, progress=lambda *done: told.append(done))
    assert (got.path.read_bytes() == BODY, got.resumed) == (True, 0)
    assert {total for _, total in told} == {None}
    assert [seen.value("Range") for seen in server.seen] == [None] * len(server.seen)


@pytest.mark.parametrize("status", [b"404 Not Found", b"204 No Content", b"206 Partial Content", b"500 Oops"])
async def test_other_answers_are_errors(serve, session, tmp_path: Path, status: bytes) -> None:
    server = await serve(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\n\r\n")
    with pytest.raises(ClientResponseError) as caught:
        await download(session, server.url, tmp_path / "f", attempts=1)
    assert caught.value.status == int(status[:3])
    assert names(tmp_path) == []


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
async def test_checksums(serve, session, tmp_path: Path, algorithm: str) -> None:
    server = await serve(Shelf())
    digest = hashlib.new(algorithm, BODY).hexdigest()
    await download(session, server.url, tmp_path / "f", checksum=f"{algorithm}:{digest.upper()}")
    with pytest.raises(ChecksumMismatch) as caught:
        await download(session, server.url, tmp_path / "g", checksum=f"{algorithm}:{'0' * len(digest)}")
    again = pickle.loads(pickle.dumps(caught.value))
    assert (again.algorithm, again.expected, again.got) == (algorithm, "0" * len(digest), digest)
    assert digest in str(again)
    assert names(tmp_path) == ["f"]


async def test_arguments(session, tmp_path: Path) -> None:
    url, path = "http://127.0.0.1:1/", tmp_path / "f"
    for checksum in ("sha256", "nonsense:00", "sha256:xyz"):
        with pytest.raises(ValueError, match="checksum"):
            await download(session, url, path, checksum=checksum)
    with pytest.raises(ValueError, match="Range"):
        await download(session, url, path, headers={"range": "bytes=1-"})
    with pytest.raises(ValueError, match="attempts"):
        await download(session, url, path, attempts=0)


async def test_a_limit_on_the_body(serve, session, tmp_path: Path) -> None:
    server = await serve(Shelf())
    with pytest.raises(ResponseTooLarge):
        await download(session, server.url, tmp_path / "f", max_body_size=len(BODY) - 1)
    assert len(server.seen) == 1


async def test_a_full_disk_is_not_tried_again(serve, session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("levante.client.downloading._Part.write", full)
    server = await serve(Shelf())
    with pytest.raises(OSError, match="space") as caught:
        await download(session, server.url, tmp_path / "f")
    assert caught.value.errno == errno.ENOSPC
    assert len(server.seen) == 1


@pytest.mark.skipif(not hasattr(os, "O_NOFOLLOW"), reason="links cannot be refused here")
async def test_a_part_that_is_a_link_is_refused(serve, session, tmp_path: Path) -> None:
    (tmp_path / "victim").write_bytes(b"mine")
    (tmp_path / "f.part").symlink_to(tmp_path / "victim")
    server = await serve(Shelf())
    with pytest.raises(OSError, match="symbolic"):
        await download(session, server.url, tmp_path / "f")
    assert (tmp_path / "victim").read_bytes() == b"mine"


async def test_nothing_is_written_through_a_link(serve, session, tmp_path: Path) -> None:
    (tmp_path / "victim").write_bytes(b"mine")
    (tmp_path / "f.part.json").symlink_to(tmp_path / "victim")
    server = await serve(Shelf())
    await download(session, server.url, tmp_path / "f")
    assert (tmp_path / "victim").read_bytes() == b"mine"
    assert names(tmp_path) == ["f", "victim"]


async def test_who_is_cancelled_twice_waits_for_the_file_all_the_same(
    serve, session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = threading.Event(), threading.Event()
    write = downloading._Part.write

    def slow(part, data: bytes) -> None:
        begun.set()
        go_on.wait(10)
        write(part, data)

    monkeypatch.setattr(downloading._Part, "write", slow)
    server = await serve(Shelf())
    task = asyncio.ensure_future(download(session, server.url, tmp_path / "f"))
    await asyncio.to_thread(begun.wait, 10)
    for _ in range(3):
        task.cancel()
        await asyncio.wait([task], timeout=0.01)
    assert not task.done()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert names(tmp_path) == ["f.part", "f.part.json"]


async def test_files_are_written_off_the_loop(serve, session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    threads = set()
    real = os.open

    def noting(*args: object) -> int:
        threads.add(threading.current_thread())
        return real(*args)

    monkeypatch.setattr("levante.client.downloading.os.open", noting)
    server = await serve(Shelf())
    await download(session, server.url, tmp_path / "f", fsync=True)
    assert threads
    assert threading.main_thread() not in threads


async def test_a_cancelled_download_leaves_what_it_has(serve, session, tmp_path: Path) -> None:
    stop = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b'HTTP/1.1 200 OK\r\nETag: "a"\r\nContent-Length: %d\r\n\r\n' % len(BODY) + BODY[:HALF])
        await stop.wait()

    server = await serve(talk=talk)
    arrived = asyncio.Event()
    task = asyncio.ensure_future(
        download(session, server.url, tmp_path / "f", progress=lambda done, _: done >= 256 * 1024 and arrived.set())
    )
    await asyncio.wait_for(arrived.wait(), 5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    stop.set()
    kept = (tmp_path / "f.part").read_bytes()
    assert len(kept) >= 256 * 1024
    assert BODY.startswith(kept)
    assert json.loads((tmp_path / "f.part.json").read_text())["validator"] == '"a"'
    assert session.connector._pool.leased_count == 0


async def test_relative_to_the_base_of_the_session(serve, tmp_path: Path) -> None:
    from levante.client import ClientSession

    server = await serve(Shelf())
    async with ClientSession(server.url) as session:
        await download(session, "file", tmp_path / "f")
    assert server.last.target == "/file"
