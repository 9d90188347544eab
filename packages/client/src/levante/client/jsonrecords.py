"""Streams of JSON values: one a line (NDJSON, JSON Lines), or each between a record separator and a line feed (JSON
text sequences, RFC 7464). Bytes in, the texts of the values out; a record beyond its limit is an error as soon as that
is known. No I/O."""

from collections.abc import AsyncIterable, AsyncIterator
from typing import Literal

from .errors import ClientPayloadError, ResponseTooLarge

JSONFormat = Literal["lines", "seq"]

SEQUENCE_TYPES = frozenset({"application/json-seq", "application/geo+json-seq"})
# Bytes of one value: a large record fits, a peer that never ends one costs no more than this.
MAX_RECORD_SIZE = 4 * 1024 * 1024

_SEPARATORS: dict[JSONFormat, bytes] = {"lines": b"\n", "seq": b"\x1e"}
_BLANKS = b" \t\r\n"
# A number or a literal that nothing follows may be the beginning of a longer one (RFC 7464 section 2.4).
_SELF_DELIMITED = (b'"', b"]", b"}")


class RecordSplitter:
    """Cuts pieces of bytes at the separators of `form`; empty records are left out. `max_size` in bytes."""

    def __init__(self, form: JSONFormat, *, max_size: int = MAX_RECORD_SIZE) -> None:
        if form not in _SEPARATORS:
            raise ValueError(f"got form={form!r}; expected 'lines' or 'seq'")
        self._form = form
        self._separator = _SEPARATORS[form]
        self._max = max_size
        self._held: list[bytes] = []
        self._size = 0
        self._begun = form == "lines"

    def feed(self, data: bytes) -> list[str]:
        """The records that `data` ends."""
        first, *others = data.split(self._separator)
        self._hold(first)
        if not others:
            return []
        records = [self._take()]
        for record in others[:-1]:
            self._hold(record)
            records.append(self._take())
        self._hold(others[-1])
        return [record for record in records if record]

    def finish(self) -> list[str]:
        """The record that the end of the bytes ends, if there is one."""
        record = self._take()
        return [record] if record else []

    def _hold(self, data: bytes) -> None:
        self._held.append(data)
        self._size += len(data)
        if self._size > self._max:
            raise ResponseTooLarge("record", maximum=self._max)

    def _take(self) -> str:
        whole = b"".join(self._held)
        self._held.clear()
        self._size = 0
        record = whole.strip(_BLANKS)
        if self._form == "seq" and record:
            self._check_sequence(whole, record)
        self._begun = True
        return record.decode("utf-8")

    def _check_sequence(self, whole: bytes, record: bytes) -> None:
        if not self._begun:
            raise ClientPayloadError(f"a JSON text sequence begins with a record separator (0x1E), got {record[:40]!r}")
        if not record.endswith(_SELF_DELIMITED) and whole[-1] not in _BLANKS:
            raise ClientPayloadError(f"a record of the JSON text sequence is cut short: {record[:40]!r}")


async def records_of(pieces: AsyncIterable[bytes], splitter: RecordSplitter) -> AsyncIterator[str]:
    """The texts of the JSON values in `pieces`."""
    async for piece in pieces:
        for record in splitter.feed(piece):
            yield record
    for record in splitter.finish():
        yield record
