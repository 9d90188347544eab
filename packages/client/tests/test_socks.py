"""SOCKS on bytes alone: what is sent, what is understood, what is refused."""

import errno

import pytest

from levante.client import BasicAuth
from levante.client.socks import Dialogue, SocksError, SocksRefusal, socks_dialogue

ANN = BasicAuth("ann", "pw")


def run(dialogue: Dialogue, answers: bytes) -> bytes:
    """All that is sent when the proxy says `answers`, which must be used up."""
    step = next(dialogue)
    sent = step.data
    while True:
        piece, answers = answers[: step.need], answers[step.need :]
        assert len(piece) == step.need
        try:
            step = dialogue.send(piece)
        except StopIteration:
            assert not answers
            return sent
        sent += step.data


@pytest.mark.parity("U7")
def test_four() -> None:
    answer = b"\0\x5a" + bytes(6)
    assert run(socks_dialogue("socks4", "1.2.3.4", 80, None), answer) == b"\4\1\0\x50\1\2\3\4\0"
    assert run(socks_dialogue("socks4", "1.2.3.4", 443, ANN), answer) == b"\4\1\1\xbb\1\2\3\4ann\0"
    assert run(socks_dialogue("socks4a", "name", 80, ANN), answer) == b"\4\1\0\x50\0\0\0\1ann\0name\0"


@pytest.mark.parity("U7")
@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("1.2.3.4", b"\1\1\2\3\4"),
        ("name", b"\3\4name"),
        ("::1", b"\4" + bytes(15) + b"\1"),
        ("n" * 255, b"\3\xff" + b"n" * 255),
    ],
)
def test_five(host: str, address: bytes) -> None:
    sent = run(socks_dialogue("socks5h", host, 80, None), b"\5\0" + b"\5\0\0\1" + bytes(6))
    assert sent == b"\5\1\0" + b"\5\1\0" + address + b"\0\x50"


@pytest.mark.parity("U7")
@pytest.mark.parametrize("bound", [b"\1" + bytes(6), b"\4" + bytes(18), b"\3\3abc" + bytes(2), b"\3\0" + bytes(2)])
def test_five_may_connect_from_any_kind_of_address(bound: bytes) -> None:
    run(socks_dialogue("socks5", "1.2.3.4", 80, None), b"\5\0" + b"\5\0\0" + bound)


@pytest.mark.parity("U7")
def test_login() -> None:
    done = b"\5\0\0\1" + bytes(6)
    asked = b"\5\1\0\1\1\2\3\4\0\x50"
    sent = run(socks_dialogue("socks5", "1.2.3.4", 80, ANN), b"\5\2" + b"\1\0" + done)
    assert sent == b"\5\2\0\2" + b"\1\3ann\2pw" + asked
    assert run(socks_dialogue("socks5", "1.2.3.4", 80, ANN), b"\5\0" + done) == b"\5\2\0\2" + asked
    assert run(socks_dialogue("socks5", "1.2.3.4", 80, BasicAuth("ü")), b"\5\2\1\0" + done).startswith(
        b"\5\2\0\2\1\2\xc3\xbc\0"
    )


@pytest.mark.parity("U7")
@pytest.mark.parametrize(
    ("scheme", "auth", "answers", "message", "number"),
    [
        ("socks4", None, b"\0\x5b" + bytes(6), "rejected", errno.ECONNREFUSED),
        ("socks4", None, b"\0\x5d" + bytes(6), "identd", errno.EACCES),
        ("socks4", None, b"\0\x99" + bytes(6), "code 153", None),
        ("socks5", None, b"\5\0\5\1\0\1", "general", None),
        ("socks5", None, b"\5\0\5\2\0\1", "rules", errno.EACCES),
        ("socks5", None, b"\5\0\5\4\0\1", "host unreachable", errno.EHOSTUNREACH),
        ("socks5", None, b"\5\0\5\5\0\1", "refused", errno.ECONNREFUSED),
        ("socks5", None, b"\5\0\5\x63\0\1", "code 99", None),
    ],
)
def test_refusals(scheme: str, auth: BasicAuth | None, answers: bytes, message: str, number: int | None) -> None:
    with pytest.raises(SocksRefusal, match=message) as caught:
        run(socks_dialogue(scheme, "1.2.3.4", 80, auth), answers)
    assert caught.value.errno == number
    assert "1.2.3.4:80" in str(caught.value)


@pytest.mark.parity("U7")
@pytest.mark.parametrize(
    ("scheme", "auth", "answers", "message"),
    [
        ("socks4", None, b"HTTP/1.1", "SOCKS 4"),
        ("socks4", None, b"\5\x5a" + bytes(6), "SOCKS 4"),
        ("socks5", None, b"HT", "SOCKS 5"),
        ("socks5", None, b"\5\xff", "give a login"),
        ("socks5", ANN, b"\5\xff", "takes no login"),
        ("socks5", None, b"\5\2", "give a login"),
        ("socks5", ANN, b"\5\1", "none of our ways"),
        ("socks5", ANN, b"\5\2\1\1", "does not accept"),
        ("socks5", None, b"\5\0\4\0\0\1", "SOCKS 5"),
        ("socks5", None, b"\5\0\5\0\1\1", "SOCKS 5"),
        ("socks5", None, b"\5\0\5\0\0\2", "type of an address"),
    ],
)
def test_nonsense(scheme: str, auth: BasicAuth | None, answers: bytes, message: str) -> None:
    with pytest.raises(SocksError, match=message):
        run(socks_dialogue(scheme, "1.2.3.4", 80, auth), answers)


@pytest.mark.parity("U7")
@pytest.mark.parametrize(
    ("scheme", "host", "auth", "answers"),
    [
        ("socks5h", "n" * 256, None, b"\5\0"),
        ("socks5h", "a\0b", None, b"\5\0"),
        ("socks5", "1.2.3.4", BasicAuth("l" * 256), b"\5\2"),
        ("socks5", "1.2.3.4", BasicAuth(""), b"\5\2"),
        ("socks5", "1.2.3.4", BasicAuth("l", "p" * 256), b"\5\2"),
        ("socks4", "1.2.3.4", BasicAuth("a\0b"), b""),
        ("socks4a", "::1", None, b""),
    ],
)
def test_what_socks_cannot_carry(scheme: str, host: str, auth: BasicAuth | None, answers: bytes) -> None:
    with pytest.raises(ValueError, match="SOCKS"):
        run(socks_dialogue(scheme, host, 80, auth), answers)
