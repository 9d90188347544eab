"""What waits to be published: bounded, in order, and handed out again until it is confirmed."""

import asyncio

from levante.ws.backplanes.outgoing import Outgoing


async def test_a_batch_is_handed_out_until_it_is_confirmed() -> None:
    outgoing = Outgoing(max_messages=10, max_bytes=100, batch=2)
    taking = asyncio.create_task(outgoing.take())
    await asyncio.sleep(0)
    assert not taking.done()
    for number in range(3):
        outgoing.put("a", b"%d" % number)
    assert await taking == [("a", b"0"), ("a", b"1")]
    outgoing.put("b", b"3")
    assert await outgoing.take() == [("a", b"0"), ("a", b"1")]
    outgoing.confirm()
    idle = asyncio.create_task(outgoing.wait_idle())
    assert await outgoing.take() == [("a", b"2"), ("b", b"3")]
    assert (len(outgoing), idle.done()) == (2, False)
    outgoing.confirm()
    await idle
    assert (len(outgoing), outgoing.lost) == (0, 0)


async def test_the_oldest_are_dropped_but_not_those_under_way() -> None:
    outgoing = Outgoing(max_messages=3, max_bytes=100, batch=1)
    outgoing.put("a", b"under way")
    batch = list(await outgoing.take())
    for number in range(4):
        outgoing.put("a", b"%d" % number)
    assert (len(outgoing), outgoing.lost) == (3, 2)
    assert await outgoing.take() == batch
    outgoing.confirm()
    assert await outgoing.take() == [("a", b"2")]


async def test_the_bound_in_bytes() -> None:
    outgoing = Outgoing(max_messages=100, max_bytes=10, batch=100)
    outgoing.put("a", b"x" * 11)
    assert (len(outgoing), outgoing.lost) == (0, 1)
    outgoing.put("a", b"x" * 6)
    outgoing.put("a", b"y" * 4)
    assert (len(outgoing), outgoing.lost) == (2, 1)
    outgoing.put("a", b"z" * 5)
    assert (len(outgoing), outgoing.lost) == (2, 2)
    assert await outgoing.take() == [("a", b"y" * 4), ("a", b"z" * 5)]
    outgoing.confirm()
    outgoing.put("a", b"x" * 10)
    assert (outgoing.clear(), outgoing.lost, len(outgoing)) == (1, 3, 0)
