"""How far an upload is."""

import io

import pytest

from levante.client import FormData, with_progress

pytestmark = pytest.mark.parity("U19")


class Told:
    def __init__(self) -> None:
        self.calls: list[tuple[int, int | None]] = []

    def __call__(self, done: int, total: int | None) -> None:
        self.calls.append((done, total))

    def check(self, size: int, *, total: int | None) -> None:
        assert self.calls[0] == (0, total)
        assert self.calls[-1] == (size, total)
        assert [done for done, _ in self.calls] == sorted(done for done, _ in self.calls)
        assert {each for _, each in self.calls} == {total}


async def pieces():
    for _ in range(3):
        yield b"x" * 1000


@pytest.mark.parametrize("kind", ["bytes", "file", "large file", "iterator", "text", "form", "compressed"])
async def test_it_tells_every_piece(serve, session, kind: str) -> None:
    bodies = {
        "bytes": (b"x" * 5000, 5000),
        "file": (io.BytesIO(b"x" * 5000), 5000),
        "large file": (io.BytesIO(b"x" * 3_000_000), 3_000_000),
        "iterator": (pieces(), None),
        "text": ("grün", 5),
        "form": (FormData({"a": "b"}), 3),
        "compressed": (b"x" * 5000, 5000),
    }
    body, total = bodies[kind]
    told = Told()
    server = await serve()
    options = {"compress": "gzip"} if kind == "compressed" else {}
    async with session.post(server.url, data=with_progress(body, told), **options) as response:
        assert response.status == 200
    told.check(3000 if total is None else total, total=total)
    if kind == "large file":
        assert len(told.calls) > 3
    if kind == "form":
        assert server.last.value("Content-Type") == "application/x-www-form-urlencoded"
    if kind == "text":
        assert server.last.value("Content-Type") == "text/plain; charset=utf-8"
        assert server.last.body == "grün".encode()
    if kind != "compressed":
        assert len(server.last.body) == (3000 if total is None else total)


async def test_it_begins_anew_when_the_body_is_sent_again(serve, session) -> None:
    told = Told()
    answers = iter([b"HTTP/1.1 307 Go\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n", b"HTTP/1.1 204 No\r\n\r\n"])
    server = await serve(lambda _: next(answers))
    async with session.put(server.url, data=with_progress(io.BytesIO(b"abc"), told)):
        pass
    assert [seen.body for seen in server.seen] == [b"abc", b"abc"]
    assert told.calls == [(0, 3), (3, 3), (0, 3), (3, 3)]


async def test_an_iterator_is_not_sent_again(serve, session) -> None:
    from levante.client import ClientPayloadError

    server = await serve(b"HTTP/1.1 307 Go\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n")
    with pytest.raises(ClientPayloadError, match="used up"):
        await session.put(server.url, data=with_progress(pieces(), Told()))


async def test_what_it_raises_fails_the_request(serve, session) -> None:
    def fail(done: int, _total: int | None) -> None:
        if done:
            raise KeyError("stop")

    server = await serve()
    with pytest.raises(KeyError):
        await session.put(server.url, data=with_progress(io.BytesIO(b"x" * 200_000), fail))
    assert session.connector._pool.leased_count == 0


async def test_as_a_payload() -> None:
    told = Told()
    payload = with_progress(b"abc", told)
    assert (payload.size, payload.decode(), await payload.as_bytes(), payload.consumed) == (3, "abc", b"abc", False)
    assert [chunk async for chunk in payload.chunks()] == [b"abc"]
    assert told.calls == [(0, 3), (3, 3)]
    written = []

    class Writer:
        async def write(self, data: bytes) -> None:
            written.append(data)

    await payload.write_with_length(Writer(), 2)
    assert (written, told.calls[2:]) == ([b"ab"], [(0, 2), (2, 2)])
