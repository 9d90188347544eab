"""A response body into a file: off the event loop, piece by piece, and visible under its name only when it is whole.

What has come so far is in `NAME.part` beside it, and in `NAME.part.json` what it is a part of: the validator of the
representation, and a digest of the address. An interrupted download, in this process or an earlier one, goes on there
if the server confirms by If-Range that nothing has changed, and begins anew otherwise."""

import asyncio
import contextlib
import hashlib
import json
import os
import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from yarl import URL

from levante.http import hdrs

from .errors import ChecksumMismatch, ClientError, ClientPayloadError, ClientResponseError
from .eventsource import is_stream_temporary
from .progress import Progress
from .response import ClientResponse
from .resuming import PARTIAL, UNSATISFIABLE, Kept, address_digest, goes_on, is_all_there, strong_validator
from .session import ClientSession
from .timeouts import ClientTimeout
from .waits import SURE_SHARE, Backoff

T = TypeVar("T")

# Seconds of silence after which a server is gone; the whole may take as long as it takes.
DOWNLOAD_TIMEOUT = ClientTimeout(total=None, connect=10.0, sock_read=60.0)
# Bytes that are gathered for one write in a thread: a hop to a thread costs as much as copying some tens of KiB.
WRITE_SIZE = 256 * 1024
ATTEMPTS = 3
_BACKOFF = Backoff()
# Bytes of the file beside a part; ours have less than 300.
_MAX_NOTE = 4096


@dataclass(frozen=True, slots=True)
class Downloaded:
    """What `download` did: `size` bytes are at `path`, `resumed` of them from an earlier attempt."""

    path: Path
    size: int
    resumed: int


class _Part:
    """The files beside the one to be. Everything here blocks, and runs in a thread."""

    def __init__(self, path: Path, url: URL) -> None:
        self.path = path
        self.part = path.with_name(path.name + ".part")
        self.note = path.with_name(path.name + ".part.json")
        self._address = address_digest(url)
        self._file: BinaryIO | None = None

    def kept(self) -> Kept | None:
        """What an earlier attempt left, if it can be gone on with."""
        try:
            size = self.part.stat().st_size
            with self.note.open("rb") as file:
                note = json.loads(file.read(_MAX_NOTE))
        except (OSError, ValueError):
            return None
        good = isinstance(note, dict) and note.get("url") == self._address and isinstance(note.get("validator"), str)
        return Kept(size, note["validator"]) if good and size else None

    def open(self, at: int, validator: str | None, *, keep_note: bool) -> None:
        """Open the part for writing behind its first `at` bytes, which become all of it. The note says what it is a
        part of, in its own time: it never speaks of bytes that are not there."""
        self._file = _open_own(self.part)
        self._file.truncate(at)
        self._file.seek(at)
        if keep_note:
            return
        self.note.unlink(missing_ok=True)
        if validator is not None:
            with _open_own(self.note) as note:
                note.write(json.dumps({"url": self._address, "validator": validator}).encode())

    def write(self, data: bytes) -> None:
        if self._file is not None:
            self._file.write(data)

    def close(self) -> None:
        """Leave what is there for another attempt."""
        file, self._file = self._file, None
        if file is not None:
            file.close()

    def discard(self) -> None:
        self.close()
        self.part.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)

    def digest(self, algorithm: str) -> str:
        with self.part.open("rb") as file:
            return hashlib.file_digest(file, algorithm).hexdigest()

    def finish(self, *, fsync: bool) -> None:
        """Give the part its name."""
        if fsync:
            _sync(self.part)
        self.part.replace(self.path)
        self.note.unlink(missing_ok=True)
        if fsync and os.name == "posix":
            _sync(self.path.parent)


def _open_own(path: Path) -> BinaryIO:
    """The file at `path`, made where it is missing. OSError for a link: somebody else put it there, for us to write
    where they may not."""
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    return os.fdopen(os.open(path, flags, 0o666), "r+b")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class _Download:
    """The attempts of one download. `most` is how much was ever here."""

    def __init__(self, part: _Part, *, progress: Progress | None) -> None:
        self.part = part
        self.size = 0
        self.most = 0
        self.resumed = 0
        self._progress = progress

    async def attempt(self, session: ClientSession, url: URL, *, resume: bool, options: dict[str, Any]) -> None:
        """One request, and its body into the part. Any: the keywords of ClientSession.get, each of its own type."""
        kept = await _in_thread(self.part.kept) if resume else None
        headers = {hdrs.ACCEPT_ENCODING: "identity", **dict(options.get("headers") or {})}
        if kept is not None:
            headers.update(kept.headers())
        async with session.get(url, **{**options, "headers": headers}) as response:
            if kept is None or response.status not in (PARTIAL, UNSATISFIABLE):
                await self._take(_whole(response), at=0, total=response.content_length)
                return
            if is_all_there(kept, response.status, response.headers):
                self.size = self.resumed = kept.size
                return
            total = goes_on(kept, response.status, response.headers)
            if total is not None:
                await self._take(response, at=kept.size, total=total)
                return
        await _in_thread(self.part.discard)
        await self.attempt(session, url, resume=False, options=options)

    async def _take(self, response: ClientResponse, *, at: int, total: int | None) -> None:
        if hdrs.CONTENT_ENCODING in response.headers:
            total = None  # how large it is decoded, nobody says
        try:
            await _in_thread(self.part.open, at, strong_validator(response.headers), keep_note=at > 0)
            self.size = self.resumed = at
            await self._copy(response, total)
        finally:
            await _in_thread(self.part.close)
        if total is not None and self.size != total:
            await _in_thread(self.part.discard)
            raise ClientPayloadError(f"got {self.size} bytes of a body of which {total} were announced")

    async def _copy(self, response: ClientResponse, total: int | None) -> None:
        held: list[bytes] = []
        waiting = 0
        try:
            async for piece in response.content.iter_chunked(WRITE_SIZE):
                held.append(piece)
                waiting += len(piece)
                if waiting >= WRITE_SIZE:
                    await self._write(held, total)
                    waiting = 0
        finally:
            await self._write(held, total)  # and if it was cut: what is here need not come again

    async def _write(self, held: list[bytes], total: int | None) -> None:
        data = b"".join(held)
        held.clear()
        await _in_thread(self.part.write, data)
        self.size += len(data)
        self.most = max(self.most, self.size)
        if self._progress is not None:
            self._progress(self.size, total)


def _whole(response: ClientResponse) -> ClientResponse:
    """`response` if its body is the whole representation."""
    response.raise_for_status()
    if response.status != 200:
        raise ClientResponseError(
            response.request_info,
            response.history,
            status=response.status,
            message=f"expected a whole body with status 200, got {response.status} {response.reason}",
            headers=response.headers,
        )
    return response


async def _in_thread(work: Callable[..., T], *args: Any, **options: Any) -> T:  # Any: what `work` takes
    """What `work` returns, done in a thread. Whoever is cancelled waits until it is done, for it holds the file."""
    loop = asyncio.get_running_loop()
    running = loop.run_in_executor(None, partial(work, *args, **options))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        while not running.done():
            with contextlib.suppress(asyncio.CancelledError):  # again: the file is held all the same
                await asyncio.wait((running,))
        if not running.cancelled():
            running.exception()  # nobody asks for it any more
        raise


async def download(
    session: ClientSession,
    url: str | URL,
    path: str | os.PathLike[str],
    *,
    resume: bool = True,
    fsync: bool = False,
    checksum: str | None = None,
    progress: Progress | None = None,
    attempts: int = ATTEMPTS,
    backoff: Backoff = _BACKOFF,
    **options: Any,  # the keywords of ClientSession.get, each of its own type
) -> Downloaded:
    """GET `url` into the file at `path`, which is replaced once all of it is here.

    `resume` goes on with what an earlier download of the same address left, if the server confirms that it has not
    changed; `NAME.part` and `NAME.part.json` beside the file are ours, so let two downloads not share a path. A body
    that breaks off is gone on with, after the times of `backoff`; `attempts` that fail in a row, counted from the last
    one that brought something new, are enough.
    `fsync` makes the file survive a crash of the machine. `checksum`, as "sha256:hex digits" of any algorithm that
    hashlib has, is compared before the file gets its name. `progress(done, total)` is called in the event loop after
    each write, in bytes, `total` None where it is not known. `options` are keywords of `ClientSession.get`; the timeout
    is by default 10 s for connecting, 60 s of silence and none for the whole; `max_body_size` is for each answer.

    Raises ClientResponseError for any status but 200 (and 206 and 416 when resuming), ChecksumMismatch (nothing is
    left), OSError of the file system, ValueError for arguments, and what a request and its body raise, in which case
    the part is left for the next attempt.
    """
    algorithm, expected = _checked(checksum, attempts, headers=options.get("headers"))
    address = URL(url) if session.base_url is None else session.base_url.join(URL(url))
    part = _Part(Path(path), address)
    run = _Download(part, progress=progress)
    options = {"timeout": DOWNLOAD_TIMEOUT, **options}
    failures = 0
    while True:
        most = run.most
        try:
            await run.attempt(session, address, resume=resume, options=options)
            break
        except (ClientError, TimeoutError) as error:
            failures = 1 if run.most > most else failures + 1
            if failures >= attempts or not is_stream_temporary(error):
                raise
        resume = True  # what this call has got is good, whatever an earlier one left
        # The chance is for spreading attempts, and guards nothing.
        await asyncio.sleep(backoff.delay(failures - 1) * random.uniform(SURE_SHARE, 1.0))  # noqa: S311
    if algorithm:
        got = await _in_thread(part.digest, algorithm)
        if got != expected:
            await _in_thread(part.discard)
            raise ChecksumMismatch(algorithm, expected=expected, got=got)
    await _in_thread(part.finish, fsync=fsync)
    return Downloaded(Path(path), run.size, run.resumed)


def _checked(checksum: str | None, attempts: int, *, headers: Any) -> tuple[str, str]:  # Any: as for a request
    """Algorithm and hex digits of `checksum`, both "" for none. ValueError for arguments that cannot be."""
    if {name.lower() for name in dict(headers or {})} & {"range", "if-range"}:
        raise ValueError("download() asks for ranges itself: leave Range and If-Range out of the headers")
    if attempts < 1:
        raise ValueError(f"got attempts={attempts!r}; expected at least 1")
    if checksum is None:
        return "", ""
    algorithm, _, digits = checksum.partition(":")
    if algorithm not in hashlib.algorithms_available or not re.fullmatch("[0-9a-fA-F]+", digits):
        raise ValueError(f"got checksum={checksum!r}; expected an algorithm and hex digits, as 'sha256:9f86...'")
    return algorithm, digits.lower()
