"""Payloads that are read as they are sent: files, streams and async iterables. A file is read by 256 KiB in a
thread, from where it stood when the payload was made, and from there again when it is replayed; what has no way
back can be sent once."""

import asyncio
import io
import os
import stat
import threading
from collections.abc import AsyncGenerator, AsyncIterable
from pathlib import PurePath
from typing import IO, Any, ClassVar

from .hdrs import CONTENT_DISPOSITION
from .limits import FILE_CHUNK
from .payloadbase import LooseHeaders, Order, Payload, payload_type, register_payload, settle_charset
from .streams import StreamReader


class IOBasePayload(Payload):
    """A binary file. With a name (its own, or `filename`) it also says so by `Content-Disposition: attachment`,
    unless `disposition` is ""."""

    _reads_in_thread: ClassVar[bool] = True

    def __init__(
        self,
        value: IO[Any],
        headers: LooseHeaders | None = None,
        *,
        disposition: str = "attachment",
        content_type: str | None = None,
        filename: str | None = None,
        encoding: str | None = None,
    ) -> None:
        name = getattr(value, "name", None)
        if filename is None and isinstance(name, str) and name:
            filename = PurePath(name).name
        super().__init__(value, headers, content_type=content_type, filename=filename, encoding=encoding)
        if filename is not None and disposition and CONTENT_DISPOSITION not in self.headers:
            self.set_content_disposition(disposition, filename=filename)
        self._seekable = _can_seek(value)
        self._start = value.tell() if self._seekable else 0
        self._turn = 0
        self._reading = threading.Lock()

    @property
    def size(self) -> int | None:
        """Bytes from where the file stood to its end; None for what is no regular file."""
        try:
            status = os.fstat(self._value.fileno())
        except (OSError, AttributeError):
            return None
        return max(0, status.st_size - self._start) if stat.S_ISREG(status.st_mode) and self._seekable else None

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """The rest of the file as text, read at once; the file then stands where it stood."""
        if not self._seekable:
            raise TypeError("a file that cannot seek can only be sent, not decoded")
        self._value.seek(self._start)
        text = self._to_bytes(self._value.read()).decode(encoding, errors)
        self._value.seek(self._start)
        return text

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """The content by FILE_CHUNK. RuntimeError where the file cannot seek and was sent already."""
        if self._consumed:
            raise RuntimeError("the file was sent already and cannot seek back; make a new payload")
        self._consumed = not self._seekable
        rewind = self._seekable
        self._turn += 1
        turn = self._turn
        while True:
            if self._reads_in_thread:
                data = await asyncio.get_running_loop().run_in_executor(None, self._read, turn, rewind)
            else:
                data = self._read(turn, rewind)
            if not data:
                return
            rewind = False
            yield data

    async def close(self) -> None:
        """Close the file, in a thread."""
        if not self._value.closed:
            await asyncio.get_running_loop().run_in_executor(None, self._value.close)

    def _read(self, turn: int, rewind: bool) -> bytes:
        """The next piece, for the iteration number `turn`. One that was given up may have a thread that still reads:
        that ends before the next iteration begins, or does not begin."""
        with self._reading:
            if turn != self._turn:
                raise RuntimeError("the file is being read anew: one payload cannot be sent twice at a time")
            if rewind:
                self._value.seek(self._start)
            return self._to_bytes(self._value.read(FILE_CHUNK))

    def _to_bytes(self, data: Any) -> bytes:
        return bytes(data) if data is not None else b""


def _can_seek(file: IO[Any]) -> bool:
    try:
        return bool(file.seekable())
    except AttributeError:  # a member of a tar archive that is read as a stream asks that, which has no answer
        return False


@payload_type((io.BufferedIOBase, io.RawIOBase))
class BufferedReaderPayload(IOBasePayload):
    """A file opened in binary mode."""


@payload_type(io.BytesIO, order=Order.TRY_FIRST)
class BytesIOPayload(IOBasePayload):
    """io.BytesIO: in memory, so read without a thread."""

    _reads_in_thread = False
    _autoclose = True

    @property
    def size(self) -> int:
        """Bytes from where it stood to its end."""
        return max(0, int(self._value.getbuffer().nbytes) - self._start)

    async def close(self) -> None:
        """Nothing: the memory is the caller's."""


@payload_type(io.TextIOBase)
class TextIOPayload(IOBasePayload):
    """A file opened in text mode, in the charset of `encoding`, else of the content type, else UTF-8; its size is
    not known before."""

    def __init__(
        self,
        value: IO[str],
        headers: LooseHeaders | None = None,
        *,
        disposition: str = "attachment",
        content_type: str | None = None,
        filename: str | None = None,
        encoding: str | None = None,
    ) -> None:
        encoding, content_type = settle_charset(encoding, content_type, headers)
        super().__init__(
            value,
            headers,
            disposition=disposition,
            content_type=content_type,
            filename=filename,
            encoding=encoding,
        )

    @property
    def size(self) -> None:
        """None: line ends and charset change the size on the way."""

    def _to_bytes(self, data: Any) -> bytes:
        return str(data or "").encode(self._encoding or "utf-8")


@payload_type(AsyncIterable, order=Order.TRY_LAST)
class AsyncIterablePayload(Payload):
    """An async iterable of bytes: its size is unknown, and it can be sent once."""

    def __init__(self, value: AsyncIterable[bytes], headers: LooseHeaders | None = None, **options: Any) -> None:
        if not isinstance(value, AsyncIterable):
            raise TypeError(f"expected an async iterable of bytes, got {type(value).__name__}")
        super().__init__(value, headers, **options)

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:  # noqa: ARG002 - the signature of all payloads
        """Always TypeError: the content must be waited for."""
        raise TypeError("an async iterable can only be sent, not decoded")

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """What the iterable yields. RuntimeError the second time."""
        if self._consumed:
            raise RuntimeError("the async iterable was sent already and cannot be sent again; make a new payload")
        self._consumed = True
        async for chunk in self._value:
            yield chunk

    async def close(self) -> None:
        """Close a generator, so that what it holds is given back now, wherever it stands, and not when it is collected.
        Nothing happens while another task is in it, whose business it is then.
        """
        aclose = getattr(self._value, "aclose", None)
        if aclose is not None and not getattr(self._value, "ag_running", False):
            await aclose()


@payload_type(StreamReader)
class StreamReaderPayload(AsyncIterablePayload):
    """The body of another message, passed on as it arrives."""

    def __init__(self, value: StreamReader, headers: LooseHeaders | None = None, **options: Any) -> None:
        super().__init__(value.iter_any(), headers, **options)


register_payload(IOBasePayload, io.IOBase)  # behind all that are more exact
