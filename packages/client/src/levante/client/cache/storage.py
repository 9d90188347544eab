"""Where responses are kept: the seam, and the storage in memory. A storage keeps entries under keys, several for one
key (variants), within a number of bytes; what was not used for longest goes first."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Protocol

from .entries import Entry, StoredHead

# Bytes of bodies and fields. Enough for the configuration and the lists that services keep asking for.
MEMORY_SIZE = 64 * 1024 * 1024
# Variants of one URL: a server whose answers vary by what is different each time does not push out all others.
MAX_VARIANTS = 16

Selects = Callable[[StoredHead], bool]
"""Whether an entry with this head is the one that is looked for."""


class CacheStorage(Protocol):
    """What a cache needs of a storage. A storage that fails logs that and has nothing: requests go on without it."""

    async def find(self, key: str, selects: Selects) -> Entry | None:
        """The newest entry under `key` whose head `selects` likes."""
        ...

    async def put(self, key: str, entry: Entry) -> None:
        """Keep `entry` under `key`, instead of that with the same variant."""
        ...

    async def remove(self, key: str) -> None:
        """Forget all entries under `key`."""
        ...


class MemoryStorage:
    """Keeps up to `max_bytes` bytes in memory, for as long as the process lives. ValueError for none."""

    def __init__(self, max_bytes: int = MEMORY_SIZE) -> None:
        if max_bytes < 1:
            raise ValueError(f"max_bytes is a number of bytes above 0, got {max_bytes!r}")
        self._max_bytes = max_bytes
        self._entries: OrderedDict[tuple[str, str], Entry] = OrderedDict()
        self._variants: dict[str, list[str]] = {}
        self.size = 0
        """Bytes that are kept."""

    def __len__(self) -> int:
        return len(self._entries)

    async def find(self, key: str, selects: Selects) -> Entry | None:
        """The newest entry under `key` whose head `selects` likes."""
        for variant in reversed(self._variants.get(key, ())):
            entry = self._entries[key, variant]
            if selects(entry.head):
                self._entries.move_to_end((key, variant))
                return entry
        return None

    async def put(self, key: str, entry: Entry) -> None:
        """Keep `entry` under `key`, not if it is larger than all there may be."""
        variant = entry.head.variant
        self._drop(key, variant)
        if entry.size > self._max_bytes:
            return
        variants = self._variants.setdefault(key, [])
        variants.append(variant)
        self._entries[key, variant] = entry
        self.size += entry.size
        if len(variants) > MAX_VARIANTS:
            self._drop(key, variants[0])
        while self.size > self._max_bytes:
            self._drop(*next(iter(self._entries)))

    async def remove(self, key: str) -> None:
        """Forget all entries under `key`."""
        for variant in list(self._variants.get(key, ())):
            self._drop(key, variant)

    def _drop(self, key: str, variant: str) -> None:
        entry = self._entries.pop((key, variant), None)
        if entry is None:
            return
        self.size -= entry.size
        variants = self._variants[key]
        variants.remove(variant)
        if not variants:
            del self._variants[key]
