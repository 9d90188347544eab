"""Events over as many connections as it takes, from scripted servers."""

import asyncio
import logging

import pytest

from levante.client import (
    Backoff,
    ClientResponseError,
    ClientTimeout,
    ContentTypeError,
    EventSource,
    ResponseTooLarge,
    ServerDisconnectedError,
)

pytestmark = pytest.mark.parity("U19")

FAST = Backoff(first=0.001, last=0.01)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
CUT = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 99\r\n\r\n"
DONE = b"HTTP/1.1 204 No Content\r\n\r\n"


def status(line: bytes, *fields: bytes) -> bytes:
    return b"HTTP/1.1 " + line + b"\r\n" + b"".join(field + b"\r\n" for field in fields) + b"Content-Length: 0\r\n\r\n"


async def collect(events: EventSource) -> list[tuple[str, str]]:
    async with events:
        return [(event.data, event.id) async for event in events]


async def scripted(serve, *answers: bytes):
    pending = iter(answers)
    return await serve(lambda _: next(pending), close=True)


async def test_it_comes_back_with_the_last_id_until_204(serve, session) -> None:
    server = await scripted(
        serve,
        HEAD + b"id: a\ndata: 1\n\n",
        CUT + "id: é\ndata: 2\n\nid: x\ndata: never".encode(),
        HEAD + b"data: 3\n\n",
        DONE,
    )
    source = EventSource(session, server.url, backoff=FAST, headers={"X-Own": "1"})
    assert await collect(source) == [("1", "a"), ("2", "é"), ("3", "é")]
    assert [seen.value("Last-Event-ID") for seen in server.seen] == [None, "a", "Ã©", "Ã©"]
    assert {seen.value("Accept") for seen in server.seen} == {"text/event-stream"}
    assert {seen.value("X-Own") for seen in server.seen} == {"1"}
    assert (source.last_event_id, source.connections) == ("é", 3)
    assert session.connector._pool.leased_count == 0


async def test_it_begins_where_it_is_told_and_leaves_out_what_no_header_can_say(serve, session) -> None:
    server = await scripted(serve, HEAD + b"id: a\x01b\ndata: 1\n\n", DONE)
    source = EventSource(session, server.url, last_event_id="7", backoff=FAST)
    assert await collect(source) == [("1", "a\x01b")]
    assert [seen.value("Last-Event-ID") for seen in server.seen] == ["7", None]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (status(b"404 Not Found"), ClientResponseError),
        (status(b"201 Created", b"Content-Type: text/event-stream"), ClientResponseError),
        (status(b"200 OK", b"Content-Type: text/html"), ContentTypeError),
        (HEAD + b"data: " + b"x" * 200 + b"\n\n", ResponseTooLarge),
    ],
)
async def test_what_will_be_the_same_is_raised(serve, session, answer: bytes, error: type[Exception]) -> None:
    server = await scripted(serve, answer)
    source = EventSource(session, server.url, backoff=FAST, max_event_size=100)
    with pytest.raises(error) as caught:
        await collect(source)
    assert type(caught.value) is error
    assert len(server.seen) == 1
    assert [event async for event in source] == []


async def test_what_may_pass_is_tried_again(serve, session, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "levante.client")
    server = await scripted(
        serve, status(b"503 Busy", b"Retry-After: 0"), b"", status(b"429 Slow"), HEAD, HEAD + b"data: 1\n\n", DONE
    )
    url = server.url.replace("//", "//me:secret@") + "?token=secret"
    assert await collect(EventSource(session, url, backoff=FAST)) == [("1", "")]
    assert len(server.seen) == 6
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 3
    assert "secret" not in caplog.text


async def test_attempts_in_a_row_are_bounded(serve, session) -> None:
    server = await scripted(serve, b"", HEAD + b"data: 1\n\n", b"", b"", b"never")
    source = EventSource(session, server.url, backoff=FAST, max_attempts=3)
    assert (await anext(source)).data == "1"
    with pytest.raises(ServerDisconnectedError):
        await anext(source)
    assert len(server.seen) == 4
    with pytest.raises(ValueError, match="max_attempts"):
        EventSource(session, server.url, max_attempts=0)


async def test_how_long_it_waits(serve, session, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    sleep = asyncio.sleep

    async def note(seconds: float) -> None:
        slept.append(seconds)
        await sleep(0)

    monkeypatch.setattr("levante.client.eventsource.random.uniform", lambda _low, high: high)
    server = await scripted(
        serve,
        HEAD + b"data: 1\n\n",  # no wish: the first delay
        HEAD + b"retry: 250\ndata: 2\n\n",  # its wish
        HEAD,  # its wish again, for an event came
        HEAD,  # nothing came: the longer of wish and backoff
        HEAD + b"retry: 999000\n\n",
        status(b"503 Busy", b"Retry-After: 7"),
        DONE,
    )
    source = EventSource(session, server.url, backoff=Backoff(first=0.2, last=8.0, factor=4.0))
    with monkeypatch.context() as patched:
        patched.setattr("levante.client.eventsource.asyncio.sleep", note)
        await collect(source)
    assert [seconds for seconds in slept if seconds] == pytest.approx([0.2, 0.25, 0.8, 3.2, 8.0, 8.0])


async def test_closing_ends_a_silent_stream(serve, session) -> None:
    gone = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(HEAD + b"data: 1\n\n")
        await reader.read()
        gone.set()

    server = await serve(talk=talk)
    async with EventSource(session, server.url) as events:
        assert (await anext(events)).data == "1"
        waiting = asyncio.ensure_future(anext(events))
        await asyncio.sleep(0)
        await events.close()
        with pytest.raises(StopAsyncIteration):
            await waiting
    await asyncio.wait_for(gone.wait(), 5)


async def test_a_cancelled_wait_leaves_nothing(serve, session) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(HEAD)
        await reader.read()

    server = await serve(talk=talk)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05), EventSource(session, server.url) as events:
            await anext(events)
    assert session.connector._pool.leased_count == 0


async def test_a_stream_that_falls_silent_is_missed_by_sock_read(serve, session) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(HEAD + b"data: 1\n\n")
        await reader.read()

    server = await serve(talk=talk)
    timeout = ClientTimeout(total=None, sock_read=0.05)
    async with EventSource(session, server.url, backoff=FAST, timeout=timeout) as events:
        assert [(await anext(events)).data, (await anext(events)).data] == ["1", "1"]
    assert server.connections == 2
