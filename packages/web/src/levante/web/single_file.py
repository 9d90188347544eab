"""A route to one file: `/favicon.ico`, `/robots.txt`."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from .files import CHUNK_SIZE, FileResponse

if TYPE_CHECKING:
    from .types import Handler, PathLike, Request


def file_handler(
    file: "PathLike",
    *,
    chunk_size: int = CHUNK_SIZE,
    cache_control: str | None = None,
    content_etag: bool = False,
) -> "Handler":
    """A handler that sends the file at `file`, with `cache_control` as its Cache-Control. ValueError when there is no
    such file now; if it disappears later, the answer is 404.
    """
    path = Path(file).expanduser()
    if not path.is_file():
        raise ValueError(f"there is no file {os.fspath(file)!r} to serve")
    path = path.absolute()  # the working directory may change
    headers = {} if cache_control is None else {"Cache-Control": cache_control}

    async def send_file(_: "Request") -> FileResponse:
        return FileResponse(path, chunk_size, headers=headers, content_etag=content_etag)

    return send_file
