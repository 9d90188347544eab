"""Binding the wanted port, or naming its holder and taking the next."""

import socket
import sys

import pytest

from levante.devtools.ports import NoPort, bind, holder


def test_free_port_is_bound_and_listens() -> None:
    bound = bind("localhost", 0)
    with bound.listening, socket.create_connection(("127.0.0.1", bound.port)):
        assert bound.taken_by == ""


@pytest.mark.parity("L9")
def test_taken_port_is_named_and_the_next_one_bound() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        bound = bind("127.0.0.1", port)
        with bound.listening:
            assert bound.port > port
            assert bound.taken_by
            if sys.platform == "linux":
                assert "(process " in bound.taken_by


def test_nobody_holds_a_free_port() -> None:
    with socket.socket() as unbound:
        unbound.bind(("127.0.0.1", 0))
        assert holder(unbound.getsockname()[1]) == "another program"


def test_search_ends_with_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("levante.devtools.ports.TRIES", 1)
    with socket.create_server(("127.0.0.1", 0)) as other, pytest.raises(NoPort, match="all taken; choose another"):
        bind("127.0.0.1", other.getsockname()[1])


@pytest.mark.parametrize("host", ["no-such-host.invalid", "192.0.2.1"])
def test_address_of_another_machine_is_refused(host: str) -> None:
    with pytest.raises(NoPort, match="cannot listen on"):
        bind(host, 0)
