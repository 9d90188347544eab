"""The opening from both sides: what is accepted, what is refused and with which status."""

import logging
import pickle
from collections.abc import Callable
from typing import Any

import pytest

from levante.ws import DeflateParams, DialHandshake, WSHandshakeError, accept_handshake
from levante.ws.handshake import _accept

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
GOOD = (
    ("Host", "example.com"),
    ("Upgrade", "websocket"),
    ("Connection", "keep-alive, Upgrade"),
    ("Sec-WebSocket-Key", KEY),
    ("Sec-WebSocket-Version", "13"),
)
Head = Callable[..., Any]


def without(name: str, *more: tuple[str, str]) -> list[tuple[str, str]]:
    return [field for field in GOOD if field[0] != name] + list(more)


@pytest.mark.parity("S42")
def test_the_example_of_the_rfc(head: Head) -> None:
    accepted = accept_handshake(head(*GOOD))
    assert accepted.headers == [
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
    ]
    assert accepted.protocol is None
    assert accepted.deflate is None


REFUSED = {
    "post": ((), {"method": "POST"}, 405),
    "http 1.0": ((), {"version": (1, 0)}, 400),
    "no upgrade": ((without("Upgrade")), {}, 400),
    "other upgrade": ((without("Upgrade", ("Upgrade", "h2c"))), {}, 400),
    "no connection": ((without("Connection")), {}, 400),
    "connection without upgrade": ((without("Connection", ("Connection", "keep-alive"))), {}, 400),
    "content-length": (([*GOOD, ("Content-Length", "5")]), {}, 400),
    "chunked": (([*GOOD, ("Transfer-Encoding", "chunked")]), {}, 400),
}


@pytest.mark.hardening("W01", "H86")
@pytest.mark.parity("S42")
@pytest.mark.parametrize(("fields", "options", "status"), REFUSED.values(), ids=REFUSED)
def test_requests_that_are_no_opening(head: Head, fields: Any, options: Any, status: int) -> None:
    with pytest.raises(WSHandshakeError, match="got") as caught:
        accept_handshake(head(*(fields or GOOD), **options))
    assert caught.value.status == status
    assert (("Allow", "GET") in caught.value.headers) == (status == 405)


def test_a_content_length_of_zero_is_no_body(head: Head) -> None:
    assert accept_handshake(head(*GOOD, ("Content-Length", "0")))


@pytest.mark.hardening("W02")
@pytest.mark.parametrize("versions", [[], ["8"], ["7"], ["13", "13"], ["13, 8"], ["012"]])
def test_versions(head: Head, versions: list[str]) -> None:
    with pytest.raises(WSHandshakeError, match="Version") as caught:
        accept_handshake(head(*without("Sec-WebSocket-Version", *(("Sec-WebSocket-Version", v) for v in versions))))
    assert caught.value.status == 426
    assert ("Sec-WebSocket-Version", "13") in caught.value.headers


@pytest.mark.hardening("W03")
@pytest.mark.parametrize("keys", [[], [KEY, KEY], [""], ["dGVzdA=="], ["!" * 24], ["ü" * 24], [KEY[:-1]], [KEY + KEY]])
def test_keys(head: Head, keys: list[str]) -> None:
    with pytest.raises(WSHandshakeError, match="Key") as caught:
        accept_handshake(head(*without("Sec-WebSocket-Key", *(("Sec-WebSocket-Key", key) for key in keys))))
    assert caught.value.status == 400


@pytest.mark.hardening("W06")
@pytest.mark.parity("S42")
def test_subprotocols(head: Head, caplog: pytest.LogCaptureFixture) -> None:
    asking = [("Sec-WebSocket-Protocol", "b, c"), ("Sec-WebSocket-Protocol", "a, bad token")]
    accepted = accept_handshake(head(*GOOD, *asking), protocols=["a", "c"])
    assert accepted.protocol == "c"
    assert ("Sec-WebSocket-Protocol", "c") in accepted.headers
    assert not caplog.records
    with caplog.at_level(logging.WARNING, "levante.ws"):
        accepted = accept_handshake(head(*GOOD, *asking), protocols=["x"])
    assert accepted.protocol is None
    assert "do not overlap" in caplog.text
    assert accept_handshake(head(*GOOD, *asking)).protocol is None
    assert accept_handshake(head(*GOOD), protocols=["x"]).protocol is None


@pytest.mark.hardening("W29")
@pytest.mark.parity("W3")
def test_compression(head: Head) -> None:
    offered = ("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits")
    accepted = accept_handshake(head(*GOOD, offered))
    assert accepted.deflate == DeflateParams()
    assert accepted.headers[-1] == ("Sec-WebSocket-Extensions", "permessage-deflate")
    wishes = DeflateParams(client_max_window_bits=10)
    assert accept_handshake(head(*GOOD, offered), compress=wishes).deflate == wishes
    assert accept_handshake(head(*GOOD, offered), compress=False).deflate is None
    for bad in ("permessage-deflate; server_max_window_bits=7", "permessage-deflate;;", "x" * 4096):
        accepted = accept_handshake(head(*GOOD, ("Sec-WebSocket-Extensions", bad)))
        assert accepted.deflate is None
        assert len(accepted.headers) == 3


def answer(handshake: DialHandshake, *more: tuple[str, str], accept: str | None = None) -> list[tuple[str, str]]:
    key = dict(handshake.headers())["Sec-WebSocket-Key"]
    return [
        ("Upgrade", "WebSocket"),
        ("Connection", "upgrade"),
        ("Sec-WebSocket-Accept", _accept(key) if accept is None else accept),
        *more,
    ]


@pytest.mark.parity("C38")
def test_a_client_and_a_server_agree(head: Head) -> None:
    handshake = DialHandshake(["chat", "json"], compress=12, origin="https://example.com")
    fields = [("Host", "example.com"), *handshake.headers()]
    accepted = accept_handshake(head(*fields), protocols=["json"])
    agreed = DeflateParams(server_max_window_bits=12, client_max_window_bits=12)
    assert handshake.verify(head(*accepted.headers)) == ("json", agreed)
    assert accepted.deflate == agreed


@pytest.mark.parity("C38")
def test_a_client_asks_for_nothing_by_default(head: Head) -> None:
    handshake = DialHandshake()
    names = {name for name, _ in handshake.headers()}
    assert names == {"Upgrade", "Connection", "Sec-WebSocket-Version", "Sec-WebSocket-Key"}
    assert handshake.verify(head(*answer(handshake))) == (None, None)
    assert handshake.headers() != DialHandshake().headers()


@pytest.mark.parity("C38")
def test_what_a_client_must_not_ask_for() -> None:
    with pytest.raises(ValueError, match="compress=8"):
        DialHandshake(compress=8)
    with pytest.raises(ValueError, match="subprotocol 'a b'"):
        DialHandshake(["a b"])


@pytest.mark.hardening("W34")
@pytest.mark.parity("C38")
@pytest.mark.parametrize(
    ("drop", "more"),
    [
        ("Upgrade", []),
        ("Upgrade", [("Upgrade", "h2c")]),
        ("Connection", []),
        ("Connection", [("Connection", "close")]),
        ("Sec-WebSocket-Accept", []),
        ("Sec-WebSocket-Accept", [("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")]),
        ("", [("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")]),
        ("Sec-WebSocket-Accept", [("Sec-WebSocket-Accept", "\udcff")]),
        ("", [("Sec-WebSocket-Protocol", "other")]),
        ("", [("Sec-WebSocket-Protocol", "chat"), ("Sec-WebSocket-Protocol", "chat")]),
        ("", [("Sec-WebSocket-Extensions", "x-unknown")]),
        ("", [("Sec-WebSocket-Extensions", "permessage-deflate, permessage-deflate")]),
        ("", [("Sec-WebSocket-Extensions", "permessage-deflate; unknown")]),
        ("", [("Sec-WebSocket-Extensions", "permessage-deflate;")]),
    ],
)
def test_answers_that_a_client_refuses(head: Head, drop: str, more: list[tuple[str, str]]) -> None:
    handshake = DialHandshake(["chat"], compress=15)
    fields = [field for field in answer(handshake) if field[0] != drop] + more
    with pytest.raises(WSHandshakeError, match="invalid answer") as caught:
        handshake.verify(head(*fields))
    assert caught.value.status == 101
    assert caught.value.headers == tuple(fields)


@pytest.mark.hardening("W34")
@pytest.mark.parametrize("status", [200, 302, 401, 500])
def test_another_status_than_101(head: Head, status: int) -> None:
    handshake = DialHandshake()
    with pytest.raises(WSHandshakeError, match=f"got status {status}; expected 101") as caught:
        handshake.verify(head(*answer(handshake), status=status))
    assert caught.value.status == status


@pytest.mark.hardening("W34")
def test_compression_that_was_not_offered(head: Head) -> None:
    handshake = DialHandshake()
    with pytest.raises(WSHandshakeError, match="expected none"):
        handshake.verify(head(*answer(handshake, ("Sec-WebSocket-Extensions", "permessage-deflate"))))


def test_the_error_can_be_pickled() -> None:
    error = pickle.loads(pickle.dumps(WSHandshakeError("no", status=403, headers=[("A", "b")])))
    assert (error.message, error.status, error.headers) == ("no", 403, (("A", "b"),))
