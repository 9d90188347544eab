"""Errors of the engine in, errors of the client out."""

import pytest
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from levante import client
from levante.client.translation import body_error, head_error
from levante.http import (
    ExchangeTimeout,
    IllegalCharacter,
    IncompleteMessage,
    LimitExceeded,
    LocalProtocolError,
    PeerDisconnected,
    RemoteProtocolError,
)

INFO = client.RequestInfo(URL("http://h/"), "GET", CIMultiDictProxy(CIMultiDict()), URL("http://h/"))


@pytest.mark.parity("C41")
@pytest.mark.parametrize(
    ("error", "becomes"),
    [
        (ExchangeTimeout("read"), client.SocketTimeoutError),
        (IncompleteMessage("cut"), client.ClientPayloadError),
        (LimitExceeded("max_chunk_extensions", maximum=1), client.ClientPayloadError),
        (PeerDisconnected("gone"), client.ClientPayloadError),
        (ConnectionResetError(104, "reset"), client.ClientPayloadError),
    ],
)
def test_in_a_body(error: Exception, becomes: type[Exception]) -> None:
    found = body_error(error)
    assert type(found) is becomes
    assert found.__cause__ is error
    assert body_error(found) is found
    other = KeyError("x")
    assert body_error(other) is other


@pytest.mark.parity("C41")
@pytest.mark.parametrize(
    ("error", "becomes"),
    [
        (ExchangeTimeout("read"), client.SocketTimeoutError),
        (IncompleteMessage("cut"), client.ServerDisconnectedError),
        (PeerDisconnected("gone"), client.ServerDisconnectedError),
        (RemoteProtocolError("bad"), client.ClientResponseError),
        (LocalProtocolError("ours"), client.ClientPayloadError),
        (ConnectionResetError(104, "reset"), client.ClientConnectionResetError),
        (BrokenPipeError(32, "pipe"), client.ClientOSError),
    ],
)
def test_before_the_head(error: Exception, becomes: type[Exception]) -> None:
    assert type(head_error(error, INFO)) is becomes


@pytest.mark.parametrize(
    "error", [KeyError("x"), TimeoutError(), IllegalCharacter("x"), client.ClientConnectionError("x"), ValueError("x")]
)
def test_what_passes(error: Exception) -> None:
    assert head_error(error, INFO) is error


def test_facts_are_kept() -> None:
    found = head_error(RemoteProtocolError("bad line", status=431), INFO)
    assert isinstance(found, client.ClientResponseError)
    assert (found.status, found.message, found.request_info) == (431, "bad line", INFO)
    os_error = head_error(BrokenPipeError(32, "pipe"), INFO)
    assert isinstance(os_error, OSError)
    assert os_error.errno == 32
