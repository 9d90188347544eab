"""What was written and has not arrived."""

import asyncio
import socket
import sys
from typing import Any

import pytest

from levante.http.sendqueue import unsent


class Transport:
    """As much of a transport as is asked."""

    def __init__(self, endpoint: Any, held: int) -> None:
        self.endpoint = endpoint
        self.held = held

    def get_write_buffer_size(self) -> int:
        return self.held

    def get_extra_info(self, name: str) -> Any:
        assert name == "socket"
        return self.endpoint


def as_transport(endpoint: Any, held: int) -> asyncio.WriteTransport:
    transport: Any = Transport(endpoint, held)
    return transport


@pytest.mark.skipif(sys.platform != "linux", reason="other kernels do not tell")
def test_the_kernel_is_asked() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.send(b"x" * 1000)
        assert unsent(as_transport(ours, 5)) >= 1005
        theirs.recv(1000)
        assert unsent(as_transport(ours, 5)) == 5


def test_without_a_socket_the_transport_knows() -> None:
    assert unsent(as_transport(None, 7)) == 7


def test_closed_meanwhile() -> None:
    ours, theirs = socket.socketpair()
    theirs.close()
    ours.close()
    assert unsent(as_transport(ours, 7)) == 7


def test_other_systems(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.send(b"x" * 1000)
        assert unsent(as_transport(ours, 7)) == 7
