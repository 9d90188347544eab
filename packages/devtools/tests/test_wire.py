"""Messages survive however the bytes arrive, and an end is told from a message."""

import socket

from levante.devtools.wire import Channel, Lines, encode


def test_lines_are_cut_wherever_the_bytes_are() -> None:
    data = encode({"a": 1}) + encode({"b": "two\nlines"})
    assert Lines().feed(data) == [{"a": 1}, {"b": "two\nlines"}]
    lines = Lines()
    assert [message for byte in data for message in lines.feed(bytes([byte]))] == [{"a": 1}, {"b": "two\nlines"}]


async def test_channel_sends_and_receives_until_the_end() -> None:
    one, two = socket.socketpair()
    left, right = await Channel.open(one), await Channel.open(two)
    left.send({"n": 1})
    assert await right.receive() == {"n": 1}
    await left.close()
    left.send({"n": 2})
    assert await right.receive() is None
    await right.close()


async def test_half_a_message_is_an_end() -> None:
    one, two = socket.socketpair()
    channel = await Channel.open(one)
    two.sendall(b'{"n"')
    two.close()
    assert await channel.receive() is None
    await channel.close()
