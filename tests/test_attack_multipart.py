"""Every multipart body of the engine's table, sent to a server: what `post()` and `multipart()` make of it is what the
table says, a refusal is answered with its status, and the next request on a fresh connection finds all as it was."""

import asyncio
import random
import runpy
import zlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from levante import web
from levante.http import BodyPartReader

PATIENCE = 20.0  # seconds that a busy machine may take for what takes a few milliseconds
CASES = runpy.run_path(str(Path(__file__).parents[1] / "packages/http-core/tests/cases/multipart.py"))["CASES"]
SMALL = 300  # bytes; such bodies are sent one byte at a time, too


def digest(data: bytes | bytearray) -> list[int]:
    return [len(data), zlib.crc32(data)]


async def show_fields(request: web.Request) -> web.Response:
    found: list[Any] = []
    for name, value in (await request.post()).items():
        if isinstance(value, web.FileField):
            found.append([name, value.filename, *digest(value.file.read())])
        else:
            found.append([name, None, *digest(value.encode() if isinstance(value, str) else value)])
    return web.json_response(found)


async def show_parts(request: web.Request) -> web.Response:
    return web.json_response(await contents(await request.multipart()))


async def contents(reader: Any) -> list[Any]:
    found: list[Any] = []
    async for part in reader:
        nested = not isinstance(part, BodyPartReader)
        found.append(await contents(part) if nested else digest(await part.read(decode=True)))
    return found


@pytest.fixture
async def port() -> AsyncIterator[int]:
    app = web.Application(client_max_size=0)
    app.router.add_post("/fields", show_fields)
    app.router.add_post("/parts", show_parts)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield site.port
    await runner.cleanup()


async def post(port: int, target: str, content_type: str, pieces: list[bytes]) -> tuple[int, bytes]:
    """Status and body of the answer. A server that has refused need not read the rest, so sending may fail."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"POST {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: {content_type}\r\n"
    head += f"Content-Length: {sum(map(len, pieces))}\r\n\r\n"
    try:
        async with asyncio.timeout(PATIENCE):
            answer = asyncio.ensure_future(reader.read())
            try:
                for piece in (head.encode("latin-1"), *pieces):
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0)
            except ConnectionError:
                pass
            head_line, _, rest = (await answer).partition(b"\r\n")
            return int(head_line.split()[1]), rest.partition(b"\r\n\r\n")[2]
    finally:
        writer.close()


def ways(body: bytes) -> Iterator[list[bytes]]:
    yield [body]
    middle = random.Random(len(body)).randrange(len(body) + 1)
    yield [body[:middle], body[middle:]]
    if len(body) <= SMALL:
        yield [body[at : at + 1] for at in range(len(body))]


def sendable(content_type: str) -> bool:
    """Whether a request can have such a header at all; what the parser of heads refuses is tested there."""
    return len(content_type) < 8000 and content_type.isprintable()


def field_cases() -> list[Any]:
    for_forms = [case for case in CASES if case[2].lower().startswith("multipart/form-data") and sendable(case[2])]
    return [pytest.param(*case[2:5], id=f"{case[0]} {case[1]}"[:80]) for case in for_forms]


def answer_to(fields: Any) -> tuple[int, Any]:
    if isinstance(fields, int):
        return fields, None
    for _, filename, data in fields:
        if filename is None and not is_utf8(data):
            return 400, None
    return 200, [[name, filename, *digest(data)] for name, filename, data in fields]


def is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


@pytest.mark.parity("S24", "V12", "V22", "V29", "V30")
@pytest.mark.parametrize(("content_type", "body", "fields"), field_cases())
async def test_fields(port: int, content_type: str, body: bytes, fields: Any) -> None:
    status, expected = answer_to(fields)
    if b"charset=utf-7" in body:  # refused by name rather than misread
        status = 415
    for pieces in ways(body):
        answer = await post(port, "/fields", content_type, pieces)
        assert answer[0] == status
        if status == 200:
            assert answer[1] == web.json_response(expected).body


# The reader of parts has aiohttp's limits: 128 headers of 8,190 bytes, no limit for text, as no client_max_size is set.
ITS_OWN_LIMITS = ("M07", "M08", "M09", "M14 100,000 semicolons")


def part_cases() -> list[Any]:
    chosen = [case for case in CASES if not f"{case[0]} {case[1]}".startswith(ITS_OWN_LIMITS) and sendable(case[2])]
    return [pytest.param(*case[2:], id=f"{case[0]} {case[1]}"[:80]) for case in chosen]


@pytest.mark.parity("S23", "W7", "W8")
@pytest.mark.parametrize(("content_type", "body", "fields", "parts"), part_cases())
async def test_parts(port: int, content_type: str, body: bytes, fields: Any, parts: Any) -> None:
    if parts is None:
        parts = [data for _, _, data in fields]
    for pieces in ways(body):
        status, answer = await post(port, "/parts", content_type, pieces)
        if isinstance(parts, int):
            assert status == parts
        else:
            assert (status, answer) == (200, web.json_response(digests(parts)).body)


def digests(parts: Any) -> Any:
    return digest(parts) if isinstance(parts, bytes) else [digests(part) for part in parts]
