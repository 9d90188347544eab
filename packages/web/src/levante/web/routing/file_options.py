"""The options of routes to files, as keyword arguments."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from levante.web.types import Middleware


class FileOptions(TypedDict, total=False):
    """Of one file and of folders."""

    chunk_size: int
    cache_control: str | None
    content_etag: bool


class StaticOptions(FileOptions, total=False):
    """Of folders."""

    middlewares: "Sequence[Middleware]"
    show_index: bool
    break_symlink_sandbox: bool
    append_version: bool
    index: str | None
    fallback: str | None
    immutable: bool | re.Pattern[str]
