"""The writing end, on a transport that only counts."""

import asyncio
from typing import Any

import pytest

from levante.http.errors import PeerDisconnected
from levante.ws.outbox import Outbox


class Transport:
    def __init__(self) -> None:
        self.limits: dict[str, int] = {}
        self.written: list[bytes] = []
        self.closing = False

    def set_write_buffer_limits(self, **limits: int) -> None:
        self.limits = limits

    def is_closing(self) -> bool:
        return self.closing

    def write(self, data: bytes) -> None:
        self.written.append(data)


def attached() -> tuple[Outbox, Any]:
    outbox, transport = Outbox(limit=1000), Transport()
    outbox.attach(transport)  # type: ignore[arg-type]
    return outbox, transport


def test_it_writes_while_there_is_a_transport() -> None:
    outbox = Outbox(limit=1)
    assert outbox.is_closing()
    with pytest.raises(PeerDisconnected):
        outbox.write(b"x")
    outbox, transport = attached()
    assert transport.limits == {"high": 1000, "low": 250}
    outbox.write(b"x")
    assert transport.written == [b"x"]
    transport.closing = True
    with pytest.raises(PeerDisconnected, match="is gone"):
        outbox.write(b"y")


async def test_all_who_wait_go_on_together_and_all_are_told_of_the_loss() -> None:
    outbox, _ = attached()
    await outbox.drain()
    for end in (outbox.resume, outbox.lose):
        outbox.pause()
        waiting = [asyncio.create_task(outbox.drain()) for _ in range(3)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        await asyncio.sleep(0)
        end()
        results = await asyncio.gather(*waiting, return_exceptions=True)
        assert isinstance(results[0], asyncio.CancelledError)
        wanted = PeerDisconnected if outbox.lost else type(None)
        assert [type(result) for result in results[1:]] == [wanted] * 2


def test_listeners_stop_when_one_of_them_fills_the_buffer() -> None:
    outbox, _ = attached()
    called: list[int] = []

    def greedy() -> None:
        called.append(1)
        outbox.pause()

    outbox.add_listener(greedy)
    outbox.add_listener(lambda: called.append(2))
    outbox.resume()
    assert called == [1]
    outbox.remove_listener(greedy)
    outbox.remove_listener(greedy)
    outbox.resume()
    assert called == [1, 2]
