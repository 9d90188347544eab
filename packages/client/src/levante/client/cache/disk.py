"""The storage on disk: a folder with a file for each entry, written beside its place and then renamed, so that a crash
leaves the old file or the new one. All work with files is done in a thread of its own, one piece after the other. Names
of files are digests, whatever the URL is. What cannot be read back exactly is not there.

A file is a line of JSON, with the head and a digest, and the body. The folder is read when it is first used; what
others put there later is not seen, so each process has a folder of its own as a rule. Sharing one does no harm but that
the bound holds for each alone.
"""

import asyncio
import hashlib
import json
import logging
import os
import re
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

from levante.client.atomicfile import PART, replace_file

from .entries import Entry, StoredHead, fingerprint
from .storage import MAX_VARIANTS, Selects

_logger = logging.getLogger("levante.client")

# Bytes of files.
DISK_SIZE = 256 * 1024 * 1024
# Seconds after which an unfinished file is nobody's any more.
PART_AGE = 3600.0
_FORMAT = 2
_NAME = re.compile(r"[0-9a-f]{32}-[0-9a-f]{32}")


R = TypeVar("R")


class DiskStorage:
    """Keeps up to `max_bytes` bytes of files in `folder`, which is made where it is missing, readable by its owner
    only. ValueError for none."""

    def __init__(self, folder: str | os.PathLike[str], max_bytes: int = DISK_SIZE) -> None:
        if max_bytes < 1:
            raise ValueError(f"max_bytes is a number of bytes above 0, got {max_bytes!r}")
        self._folder = Path(folder)
        self._max_bytes = max_bytes
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="levante-cache")
        self._sizes: OrderedDict[str, int] | None = None  # by name, those used last at the end
        self._variants: dict[str, OrderedDict[str, None]] = {}  # the names under a key, in the same order
        self.size = 0
        """Bytes of the files that are known."""

    async def find(self, key: str, selects: Selects) -> Entry | None:
        """The newest entry under `key` whose head `selects` likes."""
        try:
            return await self._in_thread(partial(self._find, key, selects))
        except OSError as error:
            _logger.warning("the cache in %s cannot be read: %s", self._folder, error)
            return None

    async def put(self, key: str, entry: Entry) -> None:
        """Keep `entry` under `key`, not if it is larger than all there may be."""
        try:
            await self._in_thread(partial(self._put, key, entry))
        except OSError as error:
            _logger.warning("the cache in %s cannot be written to: %s", self._folder, error)

    async def remove(self, key: str) -> None:
        """Forget all entries under `key`."""
        try:
            await self._in_thread(partial(self._remove, key))
        except OSError as error:
            _logger.warning("the cache in %s cannot be written to: %s", self._folder, error)

    async def _in_thread(self, work: Callable[[], R]) -> R:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    # In the thread.

    def _find(self, key: str, selects: Selects) -> Entry | None:
        sizes = self._opened()
        for name in self._names(key):
            entry = self._read(name, key, selects)
            if entry is not None:
                self._note(name, sizes[name])
                os.utime(self._folder / name)
                return entry
        return None

    def _put(self, key: str, entry: Entry) -> None:
        head = entry.head.to_json()
        line = {"format": _FORMAT, "key": key, "head": head, "digest": _digest(head, entry.body)}
        data = json.dumps(line).encode() + b"\n" + entry.body
        name = f"{fingerprint(key)}-{entry.head.variant}"
        sizes = self._opened()
        self._drop(name)
        if len(data) > self._max_bytes:
            return
        replace_file(self._folder / name, data)
        self._note(name, len(data))
        self.size += len(data)
        for surplus in self._names(key)[MAX_VARIANTS:]:
            self._drop(surplus)
        while self.size > self._max_bytes:
            self._drop(next(iter(sizes)))

    def _remove(self, key: str) -> None:
        for name in self._names(key):
            self._drop(name)

    def _read(self, name: str, key: str, selects: Selects) -> Entry | None:
        try:
            with (self._folder / name).open("rb") as file:
                line = json.loads(file.readline())
                if line["format"] != _FORMAT:
                    raise ValueError(f"expected the format {_FORMAT}")
                if line["key"] != key:
                    return None
                head = StoredHead.from_json(line["head"])
                if not selects(head):
                    return None
                body = file.read()
                if _digest(line["head"], body) != line["digest"]:
                    raise ValueError("its digest is another one")
                return Entry(head, body)
        except FileNotFoundError:
            pass  # another process dropped it
        except (ValueError, KeyError, TypeError) as error:
            _logger.warning("%s in the cache is no entry and goes: %s", name, error)
        self._drop(name)
        return None

    def _drop(self, name: str) -> None:
        sizes = self._opened()
        if name in sizes:
            self.size -= sizes.pop(name)
            place = _place(name)
            del self._variants[place][name]
            if not self._variants[place]:
                del self._variants[place]
            (self._folder / name).unlink(missing_ok=True)

    def _names(self, key: str) -> list[str]:
        """Those under `key`, the last used first."""
        self._opened()
        return list(reversed(self._variants.get(fingerprint(key), ())))

    def _note(self, name: str, size: int) -> None:
        """`name` is used, and has so many bytes."""
        sizes, variants = self._opened(), self._variants.setdefault(_place(name), OrderedDict())
        sizes[name] = size
        sizes.move_to_end(name)
        variants[name] = None
        variants.move_to_end(name)

    def _opened(self) -> OrderedDict[str, int]:
        if self._sizes is None:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            found: list[tuple[float, str, int]] = []
            with os.scandir(self._folder) as files:
                for file in files:
                    try:
                        status = file.stat(follow_symlinks=False)
                    except FileNotFoundError:
                        continue  # another process has renamed or dropped it
                    if _NAME.fullmatch(file.name):
                        found.append((status.st_mtime, file.name, status.st_size))
                    elif file.name.endswith(PART) and status.st_mtime < time.time() - PART_AGE:
                        Path(file.path).unlink(missing_ok=True)
            self._sizes = OrderedDict()
            for _, name, size in sorted(found):
                self._note(name, size)
            self.size = sum(self._sizes.values())
        return self._sizes


def _place(name: str) -> str:
    """What the name of a file tells of its key."""
    return name.partition("-")[0]


def _digest(head: str, body: bytes) -> str:
    """Of all that is read back, so that what a crash or a disk made of a file is found out."""
    return hashlib.sha256(head.encode() + b"\n" + body).hexdigest()
