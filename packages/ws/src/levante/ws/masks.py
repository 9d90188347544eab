"""Bytes on their way through a mask (RFC 6455 section 5.3), and keys that nobody can guess.

The loop takes four bytes a turn, one for each byte of the key: that is what C compilers turn into vector instructions
whatever the alignment, so it runs at the speed of memory. It writes straight into the object that is handed out, be
that bytes or text. Interpreted, that loop would take a second for a few megabytes; there, and in no other place, the
plain form has a body of its own: one XOR of two long numbers. Tests hold both to the same bytes. Keys come from the
system's random source in batches, one system call for a thousand frames.
"""

import os
from typing import Any

from . import blanks

__all__ = ["joined", "new_key", "xor", "xor_text"]

_KEY = 4
# Keys fetched in one system call.
_BATCH = 4096
_plain = __file__.endswith(".py")


def xor(data: bytes, start: int, end: int, keys: bytes, key_at: int, offset: int) -> bytes:
    """The bytes `data[start:end]` masked, or unmasked, by the four bytes of `keys` from `key_at` on; the first of them
    meets byte `offset % 4` of the key."""
    size = _check(data, start, end, keys, key_at)
    if _plain:
        return _mask_as_number(data[start:end], keys[key_at : key_at + _KEY], offset)
    masked = blanks.new_bytes(size)
    _mask(masked, data, start, size, keys, key_at, offset)
    return masked


def xor_text(data: bytes, start: int, end: int, keys: bytes, key_at: int) -> str:
    """What `xor` gives from offset 0, decoded; UnicodeDecodeError where it is not UTF-8."""
    size = _check(data, start, end, keys, key_at)
    if _plain:
        return _mask_as_number(data[start:end], keys[key_at : key_at + _KEY], 0).decode("utf-8")
    # Most text is ASCII, and then this is it.
    text = blanks.new_ascii(size)
    out = blanks.octets(text)
    _mask(out, data, start, size, keys, key_at, 0)
    # For the type checker, which sees bytes: compiled, this decodes where the bytes are.
    return text if _is_ascii(out, size) else out[:size].decode("utf-8")


def joined(head: bytes, text: str) -> bytes:
    """`head` and the bytes of a text behind it; ValueError for a text that is not ASCII."""
    if _plain:
        return head + text.encode("ascii")
    begins = len(head)
    size = len(text)
    octets = blanks.octets(text)
    if not octets:
        raise ValueError(f"got {text[:40]!r} to join with a head as it is; expected ASCII")
    whole = blanks.new_bytes(begins + size)
    blanks.copy(whole, 0, head, begins)
    blanks.copy(whole, begins, octets, size)
    return whole


def _check(data: bytes, start: int, end: int, keys: bytes, key_at: int) -> int:
    """How many bytes are meant; ValueError where not all of them are there."""
    if start < 0 or end < start or end > len(data) or key_at < 0 or key_at + _KEY > len(keys):
        raise ValueError(
            f"got bytes {start} to {end} of {len(data)}, and a key at {key_at} of {len(keys)}; expected 4 bytes there"
        )
    return end - start


def _mask_as_number(data: bytes, key: bytes, offset: int) -> bytes:
    size = len(data)
    start = offset % _KEY
    mask = (key * (size // _KEY + 2))[start : start + size]
    return (int.from_bytes(data, "big") ^ int.from_bytes(mask, "big")).to_bytes(size, "big")


def _mask(out: Any, data: bytes, start: int, size: int, keys: bytes, key_at: int, offset: int) -> None:
    """Any: the new object's bytes, which only C can write to."""
    source = data
    key = keys
    first = key[key_at + (offset & 3)]
    second = key[key_at + ((offset + 1) & 3)]
    third = key[key_at + ((offset + 2) & 3)]
    fourth = key[key_at + ((offset + 3) & 3)]
    whole = size & ~3
    for i in range(0, whole, 4):
        out[i] = source[start + i] ^ first
        out[i + 1] = source[start + i + 1] ^ second
        out[i + 2] = source[start + i + 2] ^ third
        out[i + 3] = source[start + i + 3] ^ fourth
    for i in range(whole, size):
        out[i] = source[start + i] ^ key[key_at + ((offset + i) & 3)]


def _is_ascii(octets: Any, size: int) -> bool:
    """In four streams, so that none waits for another."""
    first = second = third = fourth = 0
    part = size // 4
    for i in range(part):
        first |= octets[i]
        second |= octets[part + i]
        third |= octets[2 * part + i]
        fourth |= octets[3 * part + i]
    for i in range(4 * part, size):
        first |= octets[i]
    return (first | second | third | fourth) < 128


class _Keys:
    """A batch of random bytes, given out four at a time."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        self._batch = b""
        self._used = _BATCH

    def take(self) -> bytes:
        if self._used >= _BATCH:
            self._batch = os.urandom(_BATCH)
            self._used = 0
        start = self._used
        self._used = start + _KEY
        return self._batch[start : start + _KEY]


_keys = _Keys()


def _forget_keys() -> None:
    """A forked child must not mask with the keys that its parent will use."""
    _keys.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_keys)


def new_key() -> bytes:
    """Four fresh bytes from the system's cryptographic random source, for one frame."""
    return _keys.take()
