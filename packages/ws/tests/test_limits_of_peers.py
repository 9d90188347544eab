"""What a peer may make us do in one handshake, one message or one read: at the limit, one above it, ten times above it.
(Sizes of messages, queues and times are asked over a real server, in levante-web.)
"""

from typing import Any

import pytest

from levante.ws import WebSocketError, limits
from levante.ws.deflate import Inflater
from levante.ws.extensions import parse_extensions


def extents(maximum: int) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("count", [maximum, maximum + 1, 10 * maximum], ids=["at", "above", "far"])


@pytest.mark.limit("ws.MAX_EXTENSIONS")
@extents(limits.MAX_EXTENSIONS)
def test_extensions_of_a_handshake(count: int) -> None:
    text = ", ".join(f"x{number}" for number in range(count))
    if count > limits.MAX_EXTENSIONS:
        with pytest.raises(ValueError, match="more than 16 extensions"):
            parse_extensions([text])
    else:
        assert len(parse_extensions([text])) == count


@pytest.mark.limit("ws.MAX_EXTENSION_PARAMETERS")
@extents(limits.MAX_EXTENSION_PARAMETERS)
def test_parameters_of_an_extension(count: int) -> None:
    text = "x" + "".join(f"; p{number}" for number in range(count))
    if count > limits.MAX_EXTENSION_PARAMETERS:
        with pytest.raises(ValueError, match="more than 8 parameters of x"):
            parse_extensions([text])
    else:
        assert len(parse_extensions([text])[0].parameters) == count


@pytest.mark.hardening("W28")
@pytest.mark.limit("ws.MAX_DEFLATE_MEMBERS")
@extents(limits.MAX_DEFLATE_MEMBERS)
def test_streams_in_a_message(count: int) -> None:
    final_empty_block = b"\x03\x00"
    into = Inflater(window_bits=15, no_context_takeover=False)
    if count > limits.MAX_DEFLATE_MEMBERS:
        with pytest.raises(WebSocketError, match="1024 DEFLATE streams") as caught:
            into.inflate(final_empty_block * count, 10)
        assert caught.value.code == 1009
    else:
        assert into.inflate(final_empty_block * count, 10) + into.finish(10) == b""


@pytest.mark.hardening("W30")
@pytest.mark.limit("ws.MAX_PONGS_A_READ")
@extents(limits.MAX_PONGS_A_READ)
async def test_pings_in_one_read(loopback: Any, masked: Any, count: int) -> None:
    """Beyond the limit only the latest of them is answered."""
    server, peer = await loopback.with_peer()
    server.data_received(b"".join(masked(9, str(number).encode()) for number in range(count)))
    await server.send_str("next")
    answered = []
    while (frame := await peer.frame())[0] == 0x8A:
        answered.append(int(frame[1]))
    most = limits.MAX_PONGS_A_READ
    assert answered == [*range(min(count, most)), *([count - 1] if count > most else [])]
