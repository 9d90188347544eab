"""Masking: XOR of a payload with a key of four bytes (RFC 6455 section 5.3), and keys that nobody can guess.

Short payloads are done byte by byte; for longer ones the bytes are looked at as words of eight, which the C compiler
turns into vector instructions. Keys come from the system's random source in batches, one system call for a thousand
frames.
"""

import os

__all__ = ["new_key", "xor"]

# Below this making the view of words costs more than it saves.
_WORDWISE_FROM = 128
_WORD = 8
_KEY = 4
# Keys fetched in one system call.
_BATCH = 4096


def xor(data: bytes, start: int, end: int, key: bytes, offset: int) -> bytes:
    """The bytes `data[start:end]` masked, or unmasked, by `key`; the first of them meets `key[offset % 4]`."""
    out = bytearray(data[start:end])
    turned = key[offset % _KEY :] + key[: offset % _KEY]
    done = 0
    if end - start >= _WORDWISE_FROM:
        done = (end - start) // _WORD * _WORD
        _xor_words(memoryview(out)[:done].cast("Q"), _word_of(turned), done // _WORD)
    _xor_bytes(out, turned, done, end - start)
    return bytes(out)


def _xor_words(words: memoryview, word: int, count: int) -> None:
    for i in range(count):
        words[i] ^= word


def _xor_bytes(out: bytearray, key: bytes, start: int, end: int) -> None:
    for i in range(start, end):
        out[i] ^= key[i & 3]


def _word_of(key: bytes) -> int:
    """The key twice, as a word in the byte order of this machine."""
    return memoryview(key + key).cast("Q")[0]


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
