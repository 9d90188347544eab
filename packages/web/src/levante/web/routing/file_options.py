"""The options of routes to files, as keyword arguments."""

import re
from typing import TypedDict


class FileOptions(TypedDict, total=False):
    """Of one file and of folders."""

    chunk_size: int
    cache_control: str | None
    content_etag: bool


class StaticOptions(FileOptions, total=False):
    """Of folders."""

    show_index: bool
    break_symlink_sandbox: bool
    append_version: bool
    index: str | None
    fallback: str | None
    immutable: bool | re.Pattern[str]
