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
        assert ws.masks.xor(data, 3, max(3, end), b"\x01\x80\xff\x55", offset) == expected


@given(st.binary(max_size=600), st.binary(min_size=4, max_size=4), st.integers(0, 1000))
def test_masking_twice_gives_the_data_back(data: bytes, key: bytes, offset: int) -> None:
    once = masks.xor(data, 0, len(data), key, offset)
    assert once == reference(data, key, offset)
    assert masks.xor(once, 0, len(once), key, offset) == data


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
