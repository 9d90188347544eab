"""The error tree: facts and the sentences made of them."""

import pytest

from levante.http import (
    ExchangeTimeout,
    IllegalCharacter,
    LimitExceeded,
    LineTooLong,
    LocalProtocolError,
    PeerDisconnected,
    ProtocolError,
    RemoteProtocolError,
)
from levante.http.errors import shown


def test_fault_and_status() -> None:
    assert LocalProtocolError("x").status == 500
    assert RemoteProtocolError("x").status == 400
    assert RemoteProtocolError("x", status=505).status == 505
    assert str(ProtocolError("why")) == ProtocolError("why").message == "why"


@pytest.mark.parametrize(
    ("limit", "status"),
    [("max_line_size", 414), ("max_field_size", 431), ("max_headers", 431), ("max_trailers", 431), ("body", 413)],
)
def test_limits(limit: str, status: int) -> None:
    error = LineTooLong(limit, maximum=5, actual=7)
    assert (error.status, error.limit, error.maximum, error.actual) == (status, limit, 5, 7)
    assert str(error) == f"more than {limit} allows: at most 5, got 7"
    assert LimitExceeded(limit, maximum=5, status=400).status == 400


def test_kinship() -> None:
    assert issubclass(IllegalCharacter, ValueError)
    assert issubclass(PeerDisconnected, ConnectionResetError)
    assert isinstance(ExchangeTimeout("body"), TimeoutError)
    assert ExchangeTimeout("body").phase == "body"


def test_shown_is_short() -> None:
    assert len(shown("x" * 1000)) < 80
    assert len(shown(b"x" * 1000)) < 80


def test_shown_is_safe_and_tells_nothing_of_python() -> None:
    assert shown(b"ab") == shown("ab") == "'ab'"
    assert shown(b"\r\n\x1b[31m\xff") == r"'\r\n\x1b[31m\xff'"
    assert shown(b"it's") == '"it\'s"'
