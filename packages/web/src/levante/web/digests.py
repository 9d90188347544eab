"""Hashes of the content of files, which are computed once and kept for as long as the file is the same: by its inode,
its size and both of its times. For entity tags and versions that are equal on all machines that serve the same content,
whenever it was copied there.
"""

import hashlib
import os
import threading
import time

MAX_DIGESTS = 4096
"""Files whose hash is kept: some 300 bytes each."""

SETTLED = 2.0
"""Seconds since the last change of a file before its hash is kept: a second change within one tick of the file system's
clock would not be seen. FAT counts in steps of 2 seconds, others in milliseconds.
"""

Identity = tuple[int, int, int, int, int]


class Digests:
    """SHA-256 of files. For threads: files are read in an executor."""

    def __init__(self) -> None:
        self._known: dict[Identity, bytes] = {}
        self._lock = threading.Lock()

    def known(self, info: os.stat_result) -> bytes | None:
        """The hash of the file that `info` is of, as long as that is the same; None where it would have to be read."""
        identity = _identity(info)
        with self._lock:
            known = self._known.pop(identity, None)
            if known is not None:
                self._known[identity] = known  # the last to be forgotten
            return known

    def of(self, descriptor: int, info: os.stat_result) -> bytes:
        """The hash of an open file, which `info` is of; its position is lost."""
        known = self.known(info)
        if known is not None:
            return known
        identity = _identity(info)
        with open(descriptor, "rb", buffering=0, closefd=False) as file:
            file.seek(0)
            digest = hashlib.file_digest(file, "sha256").digest()
        is_settled = time.time() - max(info.st_mtime, info.st_ctime) > SETTLED
        if is_settled and _identity(os.fstat(descriptor)) == identity:
            with self._lock:
                self._known[identity] = digest
                if len(self._known) > MAX_DIGESTS:
                    del self._known[next(iter(self._known))]
        return digest


def _identity(info: os.stat_result) -> Identity:
    return info.st_dev, info.st_ino, info.st_mtime_ns, info.st_ctime_ns, info.st_size


digests = Digests()
"""Those of this process."""
