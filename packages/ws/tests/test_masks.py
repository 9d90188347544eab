"""Masking: right at every length and offset in both forms, and keys that do not repeat."""

import os
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from levante.ws import masks


def reference(data: bytes, key: bytes, offset: int) -> bytes:
    return bytes(byte ^ key[(i + offset) % 4] for i, byte in enumerate(data))


@pytest.mark.parametrize("offset", range(5))
def test_every_short_length_and_offset(ws: ModuleType, offset: int) -> None:
    data = bytes(range(256)) * 2
    for end in [*range(40), *range(120, 150), 511]:
        expected = reference(data[3:end], b"\x01\x80\xff\x55", offset)
        assert ws.masks.xor(data, 3, max(3, end), b"--\x01\x80\xff\x55-", 2, offset) == expected


@given(st.binary(max_size=600), st.binary(min_size=4, max_size=4), st.integers(0, 1000))
def test_masking_twice_gives_the_data_back(data: bytes, key: bytes, offset: int) -> None:
    once = masks.xor(data, 0, len(data), key, 0, offset)
    assert once == reference(data, key, offset)
    assert masks.xor(once, 0, len(once), key, 0, offset) == data


@pytest.mark.parametrize("text", ["", "a", "abc", "levante " * 9, "l\u00e9vante \U0001f389" * 5, "a" * 100 + "\u00ff"])
def test_text_is_decoded_where_it_is_unmasked(ws: ModuleType, text: str) -> None:
    key = b"\x01\x80\xff\x55"
    payload = text.encode()
    data = b"-" + key + reference(payload, key, 0) + b"-"
    assert ws.masks.xor_text(data, 5, len(data) - 1, data, 1) == text


@given(st.binary(max_size=100))
def test_text_is_what_utf_8_says_or_refused(payload: bytes) -> None:
    key = b"\x01\x80\xff\x55"
    masked = reference(payload, key, 0)
    try:
        expected = payload.decode()
    except UnicodeDecodeError as error:
        with pytest.raises(UnicodeDecodeError) as caught:
            masks.xor_text(masked, 0, len(masked), key, 0)
        assert (caught.value.object, caught.value.start, caught.value.reason) == (payload, error.start, error.reason)
    else:
        assert masks.xor_text(masked, 0, len(masked), key, 0) == expected


@pytest.mark.parametrize("text", ["", "a", "levante " * 9000])
def test_a_head_and_a_text_in_one(ws: ModuleType, text: str) -> None:
    assert ws.masks.joined(b"\x81\x05", text) == b"\x81\x05" + text.encode()


@pytest.mark.parametrize("text", ["l\u00e9vante", "\U0001f389"])
def test_what_is_not_ascii_has_to_be_encoded_first(ws: ModuleType, text: str) -> None:
    with pytest.raises(ValueError, match=r"ascii|ASCII"):
        ws.masks.joined(b"\x81\x05", text)


@pytest.mark.parametrize("at", [0, 1, 63, 64, 127, 128, 191, 192, 255, 256, 257, 258])
def test_one_character_that_is_not_ascii_is_found_wherever_it_is(ws: ModuleType, at: int) -> None:
    payload = b"a" * at + "\u00e9".encode() + b"b" * (258 - at)
    masked = reference(payload, b"\x01\x80\xff\x55", 0)
    assert ws.masks.xor_text(masked, 0, len(masked), b"\x01\x80\xff\x55", 0) == payload.decode()


@pytest.mark.parametrize(("start", "end", "key_at"), [(-1, 3, 0), (3, 2, 0), (0, 9, 0), (0, 8, -1), (0, 8, 1)])
def test_nothing_outside_the_data_is_touched(ws: ModuleType, start: int, end: int, key_at: int) -> None:
    for mask in (lambda *of: ws.masks.xor(*of, 0), ws.masks.xor_text):
        with pytest.raises(ValueError, match="expected 4 bytes there"):
            mask(bytes(8), start, end, b"abcd", key_at)


@pytest.mark.hardening("W35")
def test_keys_are_fresh_and_come_from_the_system(ws: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = [ws.masks.new_key() for _ in range(3000)]
    assert all(len(key) == 4 for key in keys)
    assert len(set(keys)) > 2990
    monkeypatch.setattr(os, "urandom", lambda size: b"\x07" * size)
    assert any(ws.masks.new_key() == b"\x07" * 4 for _ in range(1025))
    monkeypatch.undo()
    assert any(ws.masks.new_key() != b"\x07" * 4 for _ in range(1025))


@pytest.mark.hardening("W35")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_child_does_not_repeat_the_keys_of_its_parent(ws: ModuleType) -> None:
    ws.masks.new_key()
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.write(writing, ws.masks.new_key())
        os._exit(0)
    ours = ws.masks.new_key()
    os.waitpid(child, 0)
    theirs = os.read(reading, 4)
    os.close(reading)
    os.close(writing)
    assert len(theirs) == 4
    assert theirs != ours
