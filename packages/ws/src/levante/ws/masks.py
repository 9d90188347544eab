"""Masking: XOR of a payload with a key of four bytes (RFC 6455 section 5.3), and keys that nobody can guess.

The loop takes four bytes a turn, one for each byte of the key, from one buffer into another: that is what C compilers
turn into vector instructions whatever the alignment, so it runs at the speed of memory. What fits is masked in a
buffer that is kept. Interpreted, that loop would take a second for a few megabytes; there, and in no other place, the
plain form has a body of its own: one XOR of two long numbers. Tests hold both to the same bytes. Keys come from the
system's random source in batches, one system call for a thousand frames.
"""

import os

__all__ = ["new_key", "xor"]

_KEY = 4
# Keys fetched in one system call.
_BATCH = 4096
# The largest read of uvloop and asyncio; larger payloads, of messages that are sent, get a buffer of their own.
_SCRATCH = 256 * 1024
# The buffer that is kept; None says that this is the plain form.
_shared = None if __file__.endswith(".py") else bytearray(_SCRATCH)


def xor(data: bytes, start: int, end: int, key: bytes, offset: int) -> bytes:
    """The bytes `data[start:end]` masked, or unmasked, by `key`; the first of them meets `key[offset % 4]`."""
    size = end - start
    if start < 0 or size < 0 or end > len(data) or len(key) != _KEY:
        raise ValueError(f"got bytes {start} to {end} of {len(data)}, and a key of {len(key)} bytes; expected 4")
    if _shared is None:
        return _mask_as_number(data[start:end], key[offset % _KEY :] + key[: offset % _KEY])
    buffer = _shared if size <= _SCRATCH else bytearray(size)
    out = buffer
    _mask(out, data, start, size, key, offset)
    # For the type checker, which sees a bytearray: compiled, the slice is bytes already and this costs nothing.
    return b"" + out[:size]


def _mask_as_number(data: bytes, key: bytes) -> bytes:
    size = len(data)
    mask = (key * (size // _KEY + 1))[:size]
    return (int.from_bytes(data, "big") ^ int.from_bytes(mask, "big")).to_bytes(size, "big")


def _mask(out: bytearray, data: bytes, start: int, size: int, key: bytes, offset: int) -> None:
    source = data
    keys = key
    first = keys[offset & 3]
    second = keys[(offset + 1) & 3]
    third = keys[(offset + 2) & 3]
    fourth = keys[(offset + 3) & 3]
    whole = size & ~3
    for i in range(0, whole, 4):
        out[i] = source[start + i] ^ first
        out[i + 1] = source[start + i + 1] ^ second
        out[i + 2] = source[start + i + 2] ^ third
        out[i + 3] = source[start + i + 3] ^ fourth
    for i in range(whole, size):
        out[i] = source[start + i] ^ keys[(offset + i) & 3]


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
