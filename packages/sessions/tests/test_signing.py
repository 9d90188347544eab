"""Keys and seals: what is refused, what opens, and that nothing that was touched opens."""

import base64
import os
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from levante.sessions import generate_key, parse_keys
from levante.sessions.errors import SealRejected, WeakKey
from levante.sessions.signing import (
    MAX_KEYS,
    EncryptingSealer,
    Sealer,
    SigningSealer,
    decode,
    derive,
    encode,
    load_keys,
)

KEY = bytes(random.Random(1).randbytes(32))
OTHER = bytes(random.Random(2).randbytes(32))
THIRD = bytes(random.Random(3).randbytes(32))

both = pytest.mark.parametrize("sealer_class", [SigningSealer, EncryptingSealer])


def make(sealer_class: type[Sealer], *keys: bytes, cookie_name: str = "session", app: str = "") -> Sealer:
    return sealer_class(keys or (KEY,), cookie_name=cookie_name, app=app)


def refused(sealer: Sealer, value: str) -> str:
    with pytest.raises(SealRejected) as caught:
        sealer.open(value)
    return caught.value.kind


# keys


@pytest.mark.hardening("S4")
def test_generated_keys_are_accepted_and_differ():
    keys = {generate_key() for _ in range(200)}
    assert len(keys) == 200
    for key in keys:
        (raw,) = parse_keys(key)
        assert len(raw) == 32
        assert len(key) == 43


def test_keys_come_in_the_order_given_in_any_spelling():
    newest, older, oldest = encode(KEY), base64.b64encode(OTHER).decode(), THIRD.hex()
    assert parse_keys(f" {newest} , {older},{oldest}") == (KEY, OTHER, THIRD)
    assert load_keys([KEY, older]) == (KEY, OTHER)
    assert load_keys(KEY) == (KEY,)
    assert load_keys(newest) == (KEY,)


WEAK = {
    "": "none given",
    "   ": "none given",
    encode(KEY) + ",": "key 2: it is empty",
    "changeme": "sample",
    "my-very-own-SECRET-key-for-sessions-0123456789": "sample",
    "hunter2": "passphrase",
    "Hunter21": "only 6 bytes",
    encode(KEY[:31]): "only 31 bytes",
    "A" * 43: "repeats one pattern",
    "abcdABCD" * 8: "repeats one pattern",
    "0123456789abcdef" * 4: "repeats one pattern",
    "00" * 31 + "01": "repeats bytes",
    encode(bytes(range(16)) * 2): "repeats bytes",
    bytes(range(32)).hex(): "counts up or down",
    bytes(range(132, 100, -1)).hex(): "counts up or down",
    encode(b"Thirty  two  length  bytes  key."): "text, not random",
    "correcthorsebatterystaplecorrecthorsebatterystapler": "passphrase",
    "Correct-horse-battery-staple-and-another-staple": "passphrase",
    "CORRECTHORSEBATTERYSTAPLECORRECTHORSEBATTERYSTAPLER": "passphrase",
    "correct horse battery staple, correct": "not base64",
    encode(KEY)[:-1] + "!": "not base64",
    encode(KEY)[:-1] + chr(ord(encode(KEY)[-1]) + 1): "not base64",
    f"{encode(KEY)},{KEY.hex()}": "key 2: it is the same as key 1",
    ",".join(generate_key() for _ in range(MAX_KEYS + 1)): f"at most {MAX_KEYS}",
}


@pytest.mark.hardening("S4")
@pytest.mark.parametrize("text", WEAK, ids=[f"weak{n}" for n in range(len(WEAK))])
def test_weak_keys_are_refused_with_the_cure_and_without_the_key(text):
    with pytest.raises(WeakKey) as caught:
        parse_keys(text)
    message = str(caught.value)
    assert WEAK[text] in message
    assert "generate_key" in message
    assert isinstance(caught.value, ValueError)
    for part in text.split(","):
        assert len(part.strip()) < 8 or part.strip() not in message
    assert caught.value.__cause__ is None


@pytest.mark.hardening("S4")
def test_raw_keys_are_held_to_the_same_rules():
    for raw, problem in (
        (b"short", "only 5 bytes"),
        (b"\xff" * 32, "repeats"),
        (b"Thirty  two  length  bytes  key.", "text"),
    ):
        with pytest.raises(WeakKey, match=problem):
            load_keys(raw)
    with pytest.raises(WeakKey, match="key 2"):
        load_keys([KEY, b"\xff" * 32])
    with pytest.raises(WeakKey, match="none given"):
        load_keys([])


def test_each_purpose_has_its_own_key():
    assert derive(KEY, "one") != derive(KEY, "two") != KEY
    assert derive(KEY, "one") == derive(KEY, "one")


# the spelling


@given(st.binary(max_size=200))
def test_base64url_round_trip(data):
    text = encode(data)
    assert "=" not in text
    assert decode(text) == data


@pytest.mark.parametrize("text", ["A", "AB", "AA=", "AA==", "A A", "AAAA\n", "A+AA", "A/AA", "é", "\udcff", "AA!A"])
def test_other_spellings_are_refused(text):
    with pytest.raises(ValueError):  # several kinds of it
        decode(text)


# seals


@both
@given(body=st.binary(max_size=500))
def test_round_trip(sealer_class, body):
    sealer = make(sealer_class)
    assert sealer.open(sealer.seal(body)) == (body, True)


@pytest.mark.hardening("S1")
@both
def test_every_flipped_bit_is_detected(sealer_class):
    sealer = make(sealer_class)
    for size in (0, 1, 2, 30):
        value = sealer.seal(os.urandom(size)).encode()
        for position in range(len(value) * 8):
            changed = bytearray(value)
            changed[position // 8] ^= 1 << position % 8
            refused(sealer, changed.decode("latin-1"))


@pytest.mark.hardening("S1")
@both
def test_every_flipped_bit_of_the_decoded_token_is_a_bad_seal_or_version(sealer_class):
    sealer = make(sealer_class)
    token = decode(sealer.seal(b'{"user":1}'))
    for position in range(len(token) * 8):
        changed = bytearray(token)
        changed[position // 8] ^= 1 << position % 8
        assert refused(sealer, encode(bytes(changed))) == ("unknown version" if position < 8 else "bad seal")


@pytest.mark.hardening("S12")
@both
def test_truncated_and_extended_values_are_refused(sealer_class):
    sealer = make(sealer_class)
    value = sealer.seal(b"some body")
    for end in range(len(value)):
        refused(sealer, value[:end])
    for extra in ("A", "AA", "AAA", "AAAA", "=", " "):
        refused(sealer, value + extra)


@pytest.mark.hardening("S12")
@both
@given(value=st.text(max_size=200))
def test_anything_else_is_refused(sealer_class, value):
    refused(make(sealer_class), value)


@pytest.mark.hardening("S2")
@both
def test_another_cookie_name_app_or_purpose_does_not_open(sealer_class):
    value = make(sealer_class, cookie_name="session", app="shop").seal(b"body")
    assert make(sealer_class, cookie_name="session", app="shop").open(value) == (b"body", True)
    other_class = EncryptingSealer if sealer_class is SigningSealer else SigningSealer
    for stranger in (
        make(sealer_class, cookie_name="sessio", app="nshop"),
        make(sealer_class, cookie_name="__Host-session", app="shop"),
        make(sealer_class, cookie_name="session", app=""),
        make(sealer_class, cookie_name="shop", app="session"),
        make(other_class, cookie_name="session", app="shop"),
    ):
        assert refused(stranger, value) == "bad seal"


@pytest.mark.hardening("S3")
@both
def test_rotation_newest_seals_all_open_removed_refused(sealer_class):
    old = make(sealer_class, KEY)
    value = old.seal(b"body")
    rotated = make(sealer_class, OTHER, KEY)
    assert rotated.open(value) == (b"body", False)
    assert rotated.open(rotated.seal(b"body")) == (b"body", True)
    assert refused(old, rotated.seal(b"body")) == "bad seal"
    retired = make(sealer_class, OTHER)
    assert refused(retired, value) == "bad seal"
    assert retired.open(rotated.seal(b"body")) == (b"body", True)


@pytest.mark.hardening("S13")
@both
def test_an_unknown_key_costs_the_same_work_as_a_wrong_tag(sealer_class, monkeypatch):
    sealer = make(sealer_class, KEY, OTHER)
    tried = []
    opened = sealer._open
    monkeypatch.setattr(sealer, "_open", lambda at, head, token: tried.append(at) or opened(at, head, token))
    stranger = make(sealer_class, THIRD).seal(b"body")
    assert refused(sealer, stranger) == "bad seal"
    assert tried == [0]


@pytest.mark.hardening("S13")
@both
def test_an_authentic_body_under_an_unknown_key_id_is_still_refused(sealer_class, monkeypatch):
    sealer = make(sealer_class)
    monkeypatch.setattr(sealer, "_open", lambda at, head, token: b"opened after all")
    value = make(sealer_class, OTHER).seal(b"body")
    assert refused(sealer, value) == "bad seal"


@pytest.mark.hardening("S1")
def test_nonces_do_not_repeat():
    sealer = make(EncryptingSealer)
    nonces = {decode(sealer.seal(b""))[5:17] for _ in range(20_000)}
    assert len(nonces) == 20_000


def test_a_signed_body_is_readable_and_an_encrypted_one_is_not():
    assert b"readable" in decode(make(SigningSealer).seal(b"readable"))
    assert b"readable" not in decode(make(EncryptingSealer).seal(b"readable"))


@pytest.mark.hardening("S15")
@both
def test_the_repr_holds_no_key(sealer_class):
    text = repr(make(sealer_class, KEY, OTHER))
    assert "2 keys" in text
    assert repr(KEY)[3:10] not in text
