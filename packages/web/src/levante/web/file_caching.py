"""How long browsers and caches may keep a file. A name, or a version in the URL, that changes with the content makes a
file immutable: nobody ever has to ask whether it is still the same (RFC 8246).
"""

import base64
import os
import re
from dataclasses import dataclass

from .digests import digests
from .file_access import Waiting, open_regular

IMMUTABLE = "public, max-age=31536000, immutable"
"""A year is as long as anybody means for ever."""

FINGERPRINT = re.compile(r"[.\-_](?=[0-9]*[a-f])(?=[a-f]*[0-9])[0-9a-f]{8,64}\.")
"""How bundlers put the hash of a file into its name: eight or more hexadecimal digits between separators, both letters
and numbers among them, for numbers alone are a date or a count.
"""

FILES = Waiting(real=True)


@dataclass(frozen=True, slots=True)
class FileCaching:
    """Decides by the name that a URL has for a file. `cache_control` None says nothing; `immutable` True knows names by
    FINGERPRINT, a pattern by that.
    """

    cache_control: str | None = None
    immutable: bool | re.Pattern[str] = False

    def header(self, name: str, path: str, version: str | None) -> str | None:
        """The Cache-Control of `path`, asked for as `name`, with `?v=` and `version`: with one, in a thread."""
        if self.immutable is not False:
            pattern = FINGERPRINT if self.immutable is True else self.immutable
            if pattern.search(name) is not None or (version is not None and version == file_version(path)):
                return IMMUTABLE
        return self.cache_control


def file_version(path: str) -> str | None:
    """What `append_version` appends to the URL of a real path: a hash of the content in base64; None when it cannot be
    read.
    """
    try:
        descriptor, info = open_regular(path, FILES)
    except OSError:
        return None
    try:
        return base64.urlsafe_b64encode(digests.of(descriptor, info)).decode("ascii")
    finally:
        os.close(descriptor)
