"""The encrypted cookie: its layout, opened here by hand, and that it hides what it holds."""

import base64
import struct

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from levante.sessions import EncryptedCookieStorage
from levante.sessions.signing import derive


def unsealed(value):
    return base64.urlsafe_b64decode(value + "=" * (-len(value) % 4))


@pytest.mark.parity("L5")
@pytest.mark.hardening("S1", "S2", "S5")
async def test_the_layout(keys, clock, browser):
    visitor = browser(EncryptedCookieStorage(keys, clock=clock))
    session = await visitor.visit(user="ñ")
    token = unsealed(visitor.value)
    assert token[0] == 1
    assert token[1:5] == derive(keys[0], "key id")[:4]
    context = b"".join(
        struct.pack(">I", len(part)) + part for part in (b"session cookie, encrypted", b"", b"__Host-session")
    )
    cipher = AESGCM(derive(keys[0], "session cookie, encrypted"))
    body = cipher.decrypt(token[5:17], token[17:], context + token[:5])
    created, seen, max_age, identity, generation, user_size = struct.unpack(">QQI16sQB", body[:45])
    assert (created, seen, max_age) == (int(clock()), int(clock()), 0)
    assert identity.hex() == session.identity
    assert (generation, user_size) == (0, 0)
    assert body[45:].decode() == '{"user":"ñ"}'
    with pytest.raises(InvalidTag):
        cipher.decrypt(token[5:17], token[17:], context + b"\x02" + token[1:5])


@pytest.mark.hardening("S1")
async def test_it_hides_the_data_and_seals_the_same_data_differently(keys, browser):
    values = set()
    for _ in range(100):
        visitor = browser(EncryptedCookieStorage(keys))
        await visitor.visit(user="someone")
        assert b"someone" not in unsealed(visitor.value)
        values.add(visitor.value)
    assert len(values) == 100


@pytest.mark.parity("L5")
async def test_a_key_may_be_raw_bytes_or_text(keys, browser):
    visitor = browser(EncryptedCookieStorage(keys[0]))
    await visitor.visit(user=7)
    visitor.storage = EncryptedCookieStorage(base64.b64encode(keys[0]).decode())
    assert (await visitor.load())["user"] == 7
