"""Driving the readers of multipart bodies, in either form, and noting what they made of a body in plain values."""

import itertools
import sys
from collections.abc import Iterable, Iterator
from types import ModuleType
from typing import Any

import levante.http.formdecoder
import levante.http.multipart
import levante.http.multipart_reader
from levante.http import MultipartLimits, RemoteProtocolError

from .engine import cut, random_cuts

EVERY_BOUNDARY = 600
"""Bodies up to this size, in bytes, are cut in two at every place."""


def splits(data: bytes) -> Iterator[list[bytes]]:
    """Ways to receive a body that must not matter."""
    yield [data]
    if len(data) < 20_000:
        yield [data[index : index + 1] for index in range(len(data))]
    if len(data) <= EVERY_BOUNDARY:
        yield from ([data[:at], data[at:]] for at in range(1, len(data)))
    for seed in range(3):
        yield random_cuts(data, seed)
    yield cut(data, itertools.takewhile(lambda place: place < len(data), itertools.accumulate(itertools.count(1))))


def events_of(
    pieces: Iterable[bytes],
    *,
    boundary: str = "b",
    module: ModuleType = levante.http.multipart,
    limits: MultipartLimits | None = None,
) -> list[Any]:
    """What the decoder makes of the pieces; data that is not parted becomes one."""
    decoder = module.MultipartDecoder(boundary, limits=limits)
    noted: list[Any] = []
    try:
        for piece in pieces:
            for event in decoder.feed(piece):
                _note(event, noted)
        decoder.feed_eof()
    except Exception as error:
        noted.append(_refusal(error))
    return noted


def _note(event: Any, noted: list[Any]) -> None:
    name = type(event).__name__
    if name == "PartHead":
        noted.append(("head", tuple(event.headers.items())))
    elif name == "PartData" and noted[-1][0] == "data":
        noted[-1] = ("data", noted[-1][1] + event.data)
    elif name == "PartData":
        noted.append(("data", event.data))
    else:
        noted.append((name,))


def _refusal(error: Exception) -> tuple[str, str, int, str]:
    return ("error", type(error).__name__, getattr(error, "status", 500), str(error))


def fields_of(
    content_type: str, pieces: Iterable[bytes], *, module: ModuleType = levante.http.formdecoder
) -> list[tuple[str, str | None, bytes]] | int:
    """The fields that a form decoder finds, or the status that it refuses the form with."""
    fields: list[tuple[str, str | None, bytes]] = []
    data: list[bytes] = []
    try:
        decoder = module.FormDecoder(content_type)
        for piece in pieces:
            for event in decoder.feed(piece):
                kind = type(event).__name__
                if kind == "FieldStart":
                    start, data = event, []
                elif kind == "FieldData":
                    data.append(event.data)
                else:
                    fields.append((start.name, start.filename, b"".join(data)))
        decoder.feed_eof()
    except refusal_of(module) as error:
        return error.status
    return fields


def refusal_of(module: ModuleType) -> type[RemoteProtocolError]:
    """What the peer's faults are raised as, in the form that the module has."""
    errors = sys.modules[f"{module.__name__.rpartition('.')[0]}.errors"]
    error: type[RemoteProtocolError] = errors.RemoteProtocolError
    return error


class Pieces:
    """A body that comes piece by piece."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)

    async def readany(self) -> bytes:
        return next(self._pieces, b"")


async def parts_of(
    content_type: str, pieces: Iterable[bytes], *, module: ModuleType = levante.http.multipart_reader
) -> list[Any] | int:
    """The data of the parts, each read whole under the limits of forms, or the status that the body is refused with."""
    limits = MultipartLimits()
    try:
        reader = module.MultipartReader(
            {"Content-Type": content_type},
            Pieces(pieces),
            client_max_size=limits.max_field_size,
            max_field_size=limits.max_header_size,
            max_headers=limits.max_headers,
        )
        return await _contents(reader)
    except refusal_of(module) as error:
        return error.status


async def _contents(reader: Any) -> list[Any]:
    found: list[Any] = []
    while (part := await reader.next()) is not None:
        nested = hasattr(part, "next")
        found.append(await _contents(part) if nested else bytes(await part.read(decode=True)))
    return found
