"""A file that a mounted application names (`http.response.pathsend`), sent by the kernel where it can."""

import asyncio
from io import FileIO
from typing import TYPE_CHECKING

from levante.web.file_access import Waiting, open_regular
from levante.web.files import CHUNK_SIZE
from levante.web.stream_response import StreamResponse

if TYPE_CHECKING:
    from levante.web.types import Request

FILES = Waiting(real=False)


async def send_file(response: StreamResponse, request: "Request", path: str) -> None:
    """Send all of the file at `path` as the body of a prepared response. OSError when it cannot be read."""
    loop = asyncio.get_running_loop()
    file, size = await loop.run_in_executor(None, _open, path)
    try:
        if not response.compression:
            await request.exchange.sendfile(file, 0, size)
            return
        while data := await loop.run_in_executor(None, file.read, CHUNK_SIZE):
            await response.write(data)
    finally:
        await loop.run_in_executor(None, file.close)


def _open(path: str) -> tuple[FileIO, int]:
    descriptor, info = open_regular(path, FILES)
    return FileIO(descriptor), info.st_size
