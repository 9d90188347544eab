"""Errors carry facts."""

import pickle

from levante.ws import WebSocketError, WSMessageTypeError


def test_errors_hold_facts_and_can_be_pickled() -> None:
    error = pickle.loads(pickle.dumps(WebSocketError(1002, "got nonsense")))
    assert (error.code, error.message, str(error)) == (1002, "got nonsense", "got nonsense")
    assert issubclass(WSMessageTypeError, TypeError)
