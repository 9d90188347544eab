"""Opcodes and close codes."""

import pytest

from levante.ws import WSCloseCode, WSMsgType
from levante.ws.codes import is_sendable_close_code


@pytest.mark.parity("W1")
def test_message_types() -> None:
    expected = {"CONTINUATION": 0, "TEXT": 1, "BINARY": 2, "CLOSE": 8, "PING": 9, "PONG": 10}
    assert {kind.name: kind.value for kind in WSMsgType} == {**expected, "CLOSING": 256, "CLOSED": 257, "ERROR": 258}


@pytest.mark.parity("W1")
def test_close_codes() -> None:
    assert {code.value for code in WSCloseCode} == {1000, 1001, 1002, 1003, *range(1006, 1015)}


@pytest.mark.hardening("W20")
def test_codes_that_may_travel() -> None:
    sendable = {code for code in range(66_000) if is_sendable_close_code(code)}
    assert sendable == {1000, 1001, 1002, 1003, *range(1007, 1015), *range(3000, 5000)}
