"""An HTTP cache for sessions (RFC 9111): the rules (`rules`), storages in memory and on disk, and the layer that puts
them between a session and its servers."""

from .answers import Reading
from .disk import DiskStorage
from .entries import Entry, StoredHead
from .layer import Cache
from .storage import CacheStorage, MemoryStorage

__all__ = ["Cache", "CacheStorage", "DiskStorage", "Entry", "MemoryStorage", "Reading", "StoredHead"]
