import asyncio
import gzip
import os
import ssl
from pathlib import Path
from typing import Any

import pytest
import trustme
from file_ways import way as way

from levante import web
from levante.web.file_access import AtOnce, Waiting
from levante.web.files import CONTENT_TYPES
from levante.web.opened_files import SMALL_FILE

CONTENT = b"0123456789"

pytestmark = pytest.mark.usefixtures("way")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "data.txt"
    file.write_bytes(CONTENT)
    os.utime(file, ns=(0, 784111777_500_000_000))
    return file


@pytest.fixture
async def served(serve: Any, path: Path) -> Any:
    async def handler(request: web.Request) -> web.FileResponse:
        response = web.FileResponse(path)
        if "status" in request.query:
            response.set_status(int(request.query["status"]))
        if "compress" in request.query:
            response.enable_compression()
        return response

    return await serve(handler)


@pytest.mark.parity("S36")
async def test_the_whole_file(served: Any, path: Path) -> None:
    answer = await served.get("/")
    assert (answer.status, answer.body) == (200, CONTENT)
    assert answer.headers["Content-Type"] == "text/plain"
    assert answer.headers["Content-Length"] == "10"
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert answer.headers["Last-Modified"] == "Sun, 06 Nov 1994 08:49:37 GMT"
    assert answer.headers["ETag"] == f'"{784111777_500_000_000:x}-a"'
    answer = await served.request("HEAD", "/")
    assert (answer.status, answer.headers["Content-Length"]) == (200, "10")


DATE, EARLIER, LATER = (f"Sun, 06 Nov 1994 08:49:{second} GMT" for second in (37, 36, 38))
TAG = f'"{784111777_500_000_000:x}-a"'


@pytest.mark.parity("S36")
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([("If-None-Match", TAG)], 304),
        ([("If-None-Match", f"W/{TAG}")], 304),
        ([("If-None-Match", "*")], 304),
        ([("If-None-Match", '"x"')], 200),
        ([("If-None-Match", '"x"'), ("If-Modified-Since", DATE)], 200),
        ([("If-Modified-Since", DATE)], 304),
        ([("If-Modified-Since", EARLIER)], 200),
        ([("If-Modified-Since", "nonsense")], 200),
        ([("If-Match", TAG)], 200),
        ([("If-Match", f"W/{TAG}")], 412),
        ([("If-Match", '"x"')], 412),
        ([("If-Unmodified-Since", EARLIER)], 412),
        ([("If-Unmodified-Since", DATE)], 200),
    ],
)
async def test_conditions(served: Any, headers: Any, status: int) -> None:
    answer = await served.request("GET", "/", headers)
    assert answer.status == status
    if status == 304:
        assert answer.headers["ETag"] == TAG
        assert answer.headers["Last-Modified"] == DATE
        assert "Content-Type" not in answer.headers
    if status == 412:
        assert answer.headers["Content-Length"] == "0"


@pytest.mark.parity("S37", "V19")
@pytest.mark.parametrize(
    ("value", "status", "body", "content_range"),
    [
        ("bytes=0-9", 206, CONTENT, "bytes 0-9/10"),
        ("bytes=2-4", 206, b"234", "bytes 2-4/10"),
        ("bytes=7-", 206, b"789", "bytes 7-9/10"),
        ("bytes=7-100", 206, b"789", "bytes 7-9/10"),
        ("bytes=-3", 206, b"789", "bytes 7-9/10"),
        ("bytes=-100", 206, CONTENT, "bytes 0-9/10"),
        ("bytes=10-", 416, b"", "bytes */10"),
        ("bytes=5-2", 416, b"", "bytes */10"),
        ("bytes=0-1,5-2", 416, b"", "bytes */10"),
        ("bytes=\u0660-\u0669", 416, b"", "bytes */10"),
        ("bytes=,", 416, b"", "bytes */10"),
        ("bytes=10-,20-", 416, b"", "bytes */10"),
        ("bytes=" + "0-0," * 16 + "0-0", 416, b"", "bytes */10"),
        ("bytes=2-4,4-6,3-3", 206, b"23456", "bytes 2-6/10"),
        ("bytes=2-4, 100-", 206, b"234", "bytes 2-4/10"),
    ],
)
async def test_ranges(served: Any, value: str, status: int, body: bytes, content_range: str) -> None:
    answer = await served.request("GET", "/", [("Range", value)])
    assert (answer.status, answer.body, answer.headers["Content-Range"]) == (status, body, content_range)
    assert answer.headers["Content-Length"] == str(len(body))


@pytest.mark.parity("S37")
@pytest.mark.parametrize(
    ("if_range", "status"),
    [(DATE, 206), (LATER, 206), (EARLIER, 200), (TAG, 206), (f"W/{TAG}", 200), ('"x"', 200), ("x", 200)],
)
async def test_if_range(served: Any, if_range: str, status: int) -> None:
    answer = await served.request("GET", "/", [("Range", "bytes=2-4"), ("If-Range", if_range)])
    assert (answer.status, answer.body) == (status, b"234" if status == 206 else CONTENT)


async def test_a_range_of_head_or_of_another_status_is_ignored(served: Any) -> None:
    assert (await served.request("HEAD", "/", [("Range", "bytes=0-1")])).status == 200
    answer = await served.request("GET", "/?status=404", [("Range", "bytes=0-1"), ("If-None-Match", TAG)])
    assert (answer.status, answer.body) == (404, CONTENT)


@pytest.mark.parity("S38")
async def test_precompressed_siblings(served: Any, path: Path) -> None:
    squeezed = gzip.compress(CONTENT)
    path.with_name("data.txt.gz").write_bytes(squeezed)
    answer = await served.get("/", Accept_Encoding="gzip, br")
    assert answer.body == squeezed
    assert answer.headers["Content-Encoding"] == "gzip"
    assert answer.headers["Content-Type"] == "text/plain"
    assert answer.headers["Vary"] == "Accept-Encoding"
    assert answer.headers["ETag"].endswith('-gzip"')
    answer = await served.get("/", Accept_Encoding="gzip;q=0")
    assert (answer.body, answer.headers["Vary"]) == (CONTENT, "Accept-Encoding")
    path.with_name("data.txt.br").write_bytes(b"brotli")
    assert (await served.get("/", Accept_Encoding="gzip, br")).headers["Content-Encoding"] == "br"
    assert (await served.get("/", Accept_Encoding="br;q=0.1, gzip")).headers["Content-Encoding"] == "gzip"
    path.with_name("data.txt.zst").write_bytes(b"zstandard")
    assert (await served.get("/", Accept_Encoding="gzip, zstd")).body == b"zstandard"
    assert (await served.get("/", Accept_Encoding="gzip, zstd, br")).headers["Content-Encoding"] == "br"
    answer = await served.request("GET", "/", [("Accept-Encoding", "br;q=0"), ("Accept-Encoding", "*;q=0.5")])
    assert (answer.headers["Content-Encoding"], answer.headers["Content-Type"]) == ("zstd", "text/plain")
    answer = await served.get("/", Accept_Encoding="zstd", Range="bytes=0-1")
    assert (answer.status, answer.body, answer.headers["Content-Range"]) == (206, b"zs", "bytes 0-1/9")


@pytest.mark.parity("S38", "V13", "S15")
async def test_a_sibling_that_is_a_link_is_ignored(served: Any, path: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    path.with_name("data.txt.gz").symlink_to(secret)
    answer = await served.get("/", Accept_Encoding="gzip")
    assert answer.body == CONTENT
    assert "Vary" not in answer.headers


@pytest.mark.parity("S39")
async def test_without_sendfile(served: Any, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEVANTE_NOSENDFILE", "1")
    for content in (CONTENT, CONTENT + bytes(SMALL_FILE)):
        path.write_bytes(content)
        assert (await served.get("/")).body == content
        assert (await served.request("GET", "/", [("Range", "bytes=2-4")])).body == b"234"


@pytest.mark.parity("S38", "V13")
async def test_a_sibling_that_becomes_a_link_on_the_way(
    served: Any, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is swapped for a link to the outside between being looked at and being opened."""
    (tmp_path / "secret").write_text("secret")
    sibling = path.with_name("data.txt.gz")
    sibling.write_bytes(b"zipped")
    for kind in (AtOnce, Waiting):
        real = kind.open

        def swap_then_open(self: Any, name: str, *, follow: bool, real: Any = real) -> Any:
            sibling.unlink()
            sibling.symlink_to(tmp_path / "secret")
            return real(self, name, follow=follow)

        monkeypatch.setattr(kind, "open", swap_then_open)
    answer = await served.get("/", Accept_Encoding="gzip")
    assert (answer.status, answer.body) in {(404, answer.body), (200, CONTENT)}
    assert b"secret" not in answer.body


@pytest.mark.parity("S39")
@pytest.mark.parametrize("tls", [False, True])
async def test_a_mebibyte_by_the_kernel_or_by_chunks(
    serve: Any, path: Path, monkeypatch: pytest.MonkeyPatch, tls: bool
) -> None:
    content = os.urandom(1024 * 1024)
    path.write_bytes(content)
    by_kernel = 0
    real = os.sendfile

    def count(*args: int) -> int:
        nonlocal by_kernel
        sent = real(*args)
        by_kernel += sent
        return sent

    monkeypatch.setattr(os, "sendfile", count)

    async def handler(_: web.Request) -> web.FileResponse:
        return web.FileResponse(path)

    served = await serve(handler)
    if not tls:
        assert (await served.get("/")).body == content
        assert by_kernel == len(content)
        return
    authority = trustme.CA()
    context, trust = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), ssl.create_default_context()
    authority.issue_cert("localhost").configure_cert(context)
    authority.configure_trust(trust)
    site = web.TCPSite(served.runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port, ssl=trust, server_hostname="localhost")
    writer.write(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert (await reader.read()).endswith(content)
    writer.close()
    await writer.wait_closed()
    assert by_kernel == 0


@pytest.mark.parity("S39")
async def test_large_and_empty_files(served: Any, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for sendfile in ("0", "1"):
        monkeypatch.setenv("LEVANTE_NOSENDFILE", sendfile)
        path.write_bytes(b"x" * 3_000_000)
        assert len((await served.get("/")).body) == 3_000_000
        path.write_bytes(b"")
        answer = await served.get("/")
        assert (answer.status, answer.body, answer.headers["Content-Length"]) == (200, b"", "0")


async def test_compressing_on_the_way(served: Any) -> None:
    answer = await served.get("/?compress=1", Accept_Encoding="gzip")
    assert gzip.decompress(answer.body) == CONTENT
    assert "Content-Length" not in answer.headers
    answer = await served.request("GET", "/?compress=1", [("Accept-Encoding", "gzip"), ("Range", "bytes=2-4")])
    assert (answer.status, answer.body) == (206, b"234")
    assert "Content-Encoding" not in answer.headers
    assert answer.headers["Vary"] == "Accept-Encoding"


async def test_headers_of_ones_own(serve: Any, path: Path) -> None:
    async def handler(request: web.Request) -> web.FileResponse:
        return web.FileResponse(path, headers={"Content-Type": "a/b", "Content-Encoding": "own"})

    path.with_name("data.txt.gz").write_bytes(b"other")
    answer = await (await serve(handler)).get("/", Accept_Encoding="gzip")
    assert (answer.headers["Content-Type"], answer.headers["Content-Encoding"], answer.body) == ("a/b", "own", CONTENT)


@pytest.mark.parity("S36")
async def test_files_that_cannot_be_sent(serve: Any, tmp_path: Path) -> None:
    async def handler(request: web.Request) -> web.FileResponse:
        return web.FileResponse(tmp_path / request.match_info["tail"])

    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    served = await serve(handler)
    statuses = {name: (await served.get(f"/{name}")).status for name in ("none", "fifo", "folder", "file/x")}
    assert statuses == {"none": 404, "fifo": 403, "folder": 403, "file/x": 404}


async def test_a_file_that_shrinks(serve: Any, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEVANTE_NOSENDFILE", "1")
    path.write_bytes(bytes(SMALL_FILE + 1))

    async def handler(request: web.Request) -> web.FileResponse:
        response = web.FileResponse(path)
        request.add_prepare_hook(lambda _: path.write_bytes(b"01"))
        return response

    peer = await (await serve(handler)).connect()
    await peer.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
        await peer.answer()


@pytest.mark.parity("S38")
@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.gz", "application/gzip"),
        ("a.tar.gz", "application/gzip"),
        ("a.br", "application/x-brotli"),
        ("a.bz2", "application/x-bzip2"),
        ("a.Z", "application/x-compress"),
        ("a.xz", "application/x-xz"),
        ("a.zst", "application/zstd"),
        ("a.nonsense", None),
    ],
)
def test_types(name: str, kind: str | None) -> None:
    assert CONTENT_TYPES.guess_type(name)[0] == kind


@pytest.mark.parity("S38")
async def test_vary_keeps_what_was_there(serve: Any, path: Path) -> None:
    path.with_name(path.name + ".gz").write_bytes(b"gz")

    async def handler(_: web.Request) -> web.FileResponse:
        return web.FileResponse(path, headers={"Vary": "Origin"})

    served = await serve(handler)
    assert (await served.get("/", Accept_Encoding="gzip")).headers.getall("Vary") == ["Origin, Accept-Encoding"]
