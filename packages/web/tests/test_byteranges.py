"""Several ranges in one answer."""

import os
import re
import time
from email import message_from_bytes
from email.message import Message
from pathlib import Path
from typing import Any

import pytest

from levante import web
from levante.web.byteranges import FileBody, interval, multipart

CONTENT = os.urandom(100_000)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "data.bin"
    file.write_bytes(CONTENT)
    return file


@pytest.fixture
async def served(serve: Any, path: Path) -> Any:
    async def handler(request: web.Request) -> web.FileResponse:
        response = web.FileResponse(path, content_etag="content" in request.query)
        if "type" in request.query:
            response.content_type = "text/plain"
        return response

    return await serve(handler)


def parts(answer: Any) -> list[tuple[str, str, bytes]]:
    """Content-Type, Content-Range and bytes of each part, by somebody else's parser."""
    message = message_from_bytes(b"Content-Type: %s\r\n\r\n" % answer.headers["Content-Type"].encode() + answer.body)
    found = []
    for part in message.get_payload():
        assert isinstance(part, Message)
        boundary = answer.headers["Content-Type"].partition("boundary=")[2].encode()
        assert boundary
        content_range = part["Content-Range"]
        size = [int(number) for number in re.findall(r"\d+", content_range)]
        marker = f"Content-Range: {content_range}\r\n\r\n".encode()
        start = answer.body.index(marker) + len(marker)
        found.append((part["Content-Type"], content_range, answer.body[start : start + size[1] - size[0] + 1]))
    return found


@pytest.mark.parity("U14")
@pytest.mark.parametrize("sendfile", ["0", "1"])
async def test_parts(served: Any, sendfile: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEVANTE_NOSENDFILE", sendfile)
    answer = await served.get("/?type=1", Range="bytes=0-9, 500-599,-10")
    assert answer.status == 206
    assert "Content-Range" not in answer.headers
    assert re.fullmatch(r"multipart/byteranges; boundary=[0-9a-f]{32}", answer.headers["Content-Type"])
    assert parts(answer) == [
        ("text/plain", "bytes 0-9/100000", CONTENT[:10]),
        ("text/plain", "bytes 500-599/100000", CONTENT[500:600]),
        ("text/plain", "bytes 99990-99999/100000", CONTENT[-10:]),
    ]
    assert int(answer.headers["Content-Length"]) == len(answer.body)
    assert answer.body.endswith(b"--\r\n")


@pytest.mark.parity("U14")
async def test_the_connection_goes_on_behind_them(served: Any) -> None:
    peer = await served.connect()
    for _ in range(3):
        answer = await peer.request("GET", "/", [("Range", "bytes=5-6,90000-90001,0-1")])
        assert [body for _, _, body in parts(answer)] == [CONTENT[5:7], CONTENT[90000:90002], CONTENT[:2]]


@pytest.mark.parity("U14")
@pytest.mark.hardening("H90")
async def test_overlaps_are_merged(served: Any) -> None:
    answer = await served.get("/", Range="bytes=50-99,0-59,1000-1001")
    assert [body for _, _, body in parts(answer)] == [CONTENT[:100], CONTENT[1000:1002]]
    answer = await served.get("/", Range="bytes=0-1,0-1,1-2")
    assert (answer.status, answer.body, answer.headers["Content-Range"]) == (206, CONTENT[:3], "bytes 0-2/100000")


@pytest.mark.hardening("H90")
@pytest.mark.parametrize(
    "asked",
    [
        "bytes=" + ",".join(["0-"] * 10_000),
        "bytes=" + ",".join(f"{n}-{n}" for n in range(1300, 0, -1)),
        "bytes=" + ",".join(f"-{n}" for n in range(1, 1300)),
    ],
)
async def test_more_than_anybody_needs(serve: Any, path: Path, asked: str) -> None:
    async def handler(_: web.Request) -> web.FileResponse:
        return web.FileResponse(path)

    served = await serve(handler, max_field_size=100_000, max_head_size=200_000)
    start = time.process_time()
    answer = await served.get("/", Range=asked)
    assert time.process_time() - start < 1  # CPU seconds; it is a few milliseconds
    assert (answer.status, answer.headers["Content-Range"]) == (416, "bytes */100000")


@pytest.mark.hardening("H90")
async def test_never_more_than_the_file(serve: Any, tmp_path: Path) -> None:
    file = tmp_path / "small"
    file.write_bytes(b"0123456789")

    async def handler(_: web.Request) -> web.FileResponse:
        return web.FileResponse(file)

    answer = await (await serve(handler)).get("/", Range="bytes=0-0,2-2,4-4")
    assert (answer.status, answer.body, answer.headers["Content-Type"]) == (
        200,
        b"0123456789",
        "application/octet-stream",
    )


@pytest.mark.parity("S37", "U14")
async def test_another_unit_is_ignored(served: Any) -> None:
    answer = await served.get("/", Range="items=0-1")
    assert (answer.status, answer.body) == (200, CONTENT)
    assert (await served.get("/", Range="Bytes=0-1")).status == 206


@pytest.mark.parity("U14")
async def test_if_range_with_a_tag_of_the_content(served: Any, path: Path) -> None:
    tag = (await served.get("/?content=1")).headers["ETag"]
    os.utime(path, (1, 1))  # a copy of another age
    for if_range, status in ((tag, 206), ('"other"', 200)):
        answer = await served.get("/?content=1", Range="bytes=0-0,5-5", If_Range=if_range)
        assert answer.status == status
    assert (await served.get("/?content=1", If_None_Match=tag)).status == 304
    path.write_bytes(b"x" * 100_000)
    assert (await served.get("/?content=1", Range="bytes=0-0", If_Range=tag)).status == 200


async def test_head_has_no_ranges(served: Any) -> None:
    answer = await served.request("HEAD", "/", [("Range", "bytes=0-1,5-6")])
    assert (answer.status, answer.headers["Content-Length"]) == (200, "100000")


def test_lengths_are_counted() -> None:
    assert (FileBody().length, interval(2, 5).length, interval(0, 0).length) == (0, 3, 0)
    body, content_type = multipart([(0, 2), (5, 6)], size=9, content_type="a/b")
    boundary = content_type.partition("boundary=")[2]
    head = f"--{boundary}\r\nContent-Type: a/b\r\nContent-Range: bytes %s/9\r\n\r\n"
    assert [piece.before for piece in body.pieces] == [(head % "0-1").encode(), b"\r\n" + (head % "5-5").encode()]
    assert body.length == sum(len(piece.before) for piece in body.pieces) + 3 + len(body.after)
    with pytest.raises(ValueError, match="CR, LF"):
        multipart([(0, 1)], size=9, content_type="a/b\r\nX: y")
