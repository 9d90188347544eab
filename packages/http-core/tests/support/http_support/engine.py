"""Driving a sans-I/O connection through received bytes, and noting what it made of them in plain tuples."""

import itertools
import random
from collections.abc import Iterable, Iterator
from types import ModuleType
from typing import Any

import levante.http.h1 as compiled_or_plain

GOOD = b"GET /good HTTP/1.1\r\nHost: good\r\n\r\n"
GOOD_EVENTS = [("request", "GET", "/good"), ("end", ())]


def whole(data: bytes) -> list[bytes]:
    return [data]


def bytewise(data: bytes) -> list[bytes]:
    return [data[index : index + 1] for index in range(len(data))]


def cut(data: bytes, points: Iterable[int]) -> list[bytes]:
    edges = [0, *sorted(points), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges) if end > start]


def random_cuts(data: bytes, seed: int) -> list[bytes]:
    chance = random.Random(seed)
    return cut(data, (chance.randrange(len(data) + 1) for _ in range(chance.randrange(1, 12))))


def splits(data: bytes) -> Iterator[list[bytes]]:
    """Ways to receive `data` that must not matter; byte by byte only where that is not silly."""
    yield whole(data)
    if len(data) < 20_000:
        yield bytewise(data)
    for seed in range(5):
        yield random_cuts(data, seed)


def serve(
    pieces: Iterable[bytes], *, eof: bool = False, h1: ModuleType = compiled_or_plain, limits: Any = None
) -> list[Any]:
    """What a server makes of the pieces: every request is answered at once, so pipelined ones come through."""
    connection = h1.Connection(h1.Role.SERVER, limits)
    events: list[Any] = []
    for piece in [*pieces, *([None] if eof else [])]:
        connection.receive_data(piece)
        while _take(connection, h1, events):
            pass
        if events and events[-1][0] == "error":
            break
    return events


def _take(connection: Any, h1: ModuleType, events: list[Any]) -> bool:
    try:
        event = connection.next_event()
    except Exception as error:
        events.append(note_error(error))
        return False
    if event is h1.NEED_DATA or event is h1.PAUSED or event is h1.ConnectionClosed:
        return False
    note(event, events)
    if events[-1][0] == "end":
        connection.send_response(200, None, (), 0)
        connection.end()
        if connection.keep_alive:
            connection.start_next_cycle()
        else:
            events.append(("close",))
            return False
    return True


def note(event: Any, events: list[Any]) -> None:
    """Append `event` as a tuple; consecutive data becomes one."""
    name = type(event).__name__
    if name == "RequestHead":
        events.append(("request", event.method, event.target))
    elif name == "ResponseHead":
        events.append(("response", event.status, event.reason))
    elif name == "Data":
        if events[-1][0] == "data":
            event = type(event)(events.pop()[1] + event.data)
        events.append(("data", event.data))
    else:
        events.append(("end", tuple(event.trailers.items())))


def note_error(error: Exception) -> tuple[str, str, int, str]:
    return ("error", type(error).__name__, getattr(error, "status", 0), str(error))


def receive(
    pieces: Iterable[bytes],
    *,
    method: str = "GET",
    headers: Iterable[tuple[str, str]] = (),
    eof: bool = False,
    h1: ModuleType = compiled_or_plain,
    limits: Any = None,
    lenient: bool = False,
) -> list[Any]:
    """What a client makes of the pieces as the answer to one request; ends with ("keep",) or ("close",)."""
    connection = h1.Connection(h1.Role.CLIENT, limits, lenient=lenient)
    connection.send_request(method, "a:80" if method == "CONNECT" else "/", [("Host", "a"), *headers])
    connection.end()
    events: list[Any] = []
    for piece in [*pieces, *([None] if eof else [])]:
        connection.receive_data(piece)
        while True:
            try:
                event = connection.next_event()
            except Exception as error:
                events.append(note_error(error))
                return events
            if isinstance(event, h1.Signal):
                break
            note(event, events)
    if events and events[-1][0] == "end":
        events.append(("keep",) if connection.keep_alive and not connection.buffered() else ("close",))
    return events


def every_split(data: bytes) -> Iterator[list[bytes]]:
    """Whole, byte by byte, in two at every byte, and at random cuts; what is long only near its ends, and what is
    ten thousand bytes and more, of which each pass takes a second where lines are counted, at a few places.
    """
    size = len(data)
    yield whole(data)
    points: Iterable[int] = range(1, size)
    if size > 500:
        points = [*range(1, 100), *range(size - 100, size)]
    if size >= 10_000:
        points = (1, size // 2, size - 1)
    if size < 100_000:
        yield bytewise(data)
    else:
        yield [data[start : start + 61] for start in range(0, size, 61)]
    for point in points:
        yield [data[:point], data[point:]]
    for seed in range(5 if size < 100_000 else 1):
        yield random_cuts(data, seed)
