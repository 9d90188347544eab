"""The signed cookie: its layout, byte for byte, computed here by other means."""

import base64
import hashlib
import hmac
import struct

import pytest

from levante.sessions import SignedCookieStorage


def hkdf(key, purpose):
    """RFC 5869, one block."""
    secret = hmac.digest(b"levante.sessions", key, "sha256")
    return hmac.digest(secret, purpose + b"\x01", "sha256")


@pytest.mark.parity("L4", "L5")
@pytest.mark.hardening("S2", "S5")
async def test_the_layout(keys, clock, browser):
    visitor = browser(SignedCookieStorage(keys, clock=clock, app="shop"))
    session = await visitor.load()
    session.user = "José"
    session.update(user="ñ", n=[1])
    await visitor.save(session)
    token = base64.urlsafe_b64decode(visitor.value + "=" * (-len(visitor.value) % 4))
    assert token[0] == 1
    assert token[1:5] == hkdf(keys[0], b"key id")[:4]
    created, seen, max_age, identity, generation, user_size = struct.unpack(">QQI16sQB", token[5:50])
    assert (created, seen, max_age) == (int(clock()), int(clock()), 0)
    assert identity.hex() == session.identity
    assert (generation, user_size, token[50:55].decode()) == (0, 5, "José")
    assert token[55:-32].decode() == '{"user":"ñ","n":[1]}'  # readable
    context = b"".join(
        struct.pack(">I", len(part)) + part for part in (b"session cookie, signed", b"shop", b"__Host-session")
    )
    derived = hkdf(keys[0], b"session cookie, signed")
    assert token[-32:] == hmac.new(derived, context + token[:-32], hashlib.sha256).digest()
