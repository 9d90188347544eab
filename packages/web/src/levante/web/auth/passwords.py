"""Passwords as hashes by Argon2id (RFC 9106), of the library argon2-cffi (the extra `passwords`). A hash takes time and
memory on purpose: it is made in a thread, and only a few at once. Who logs in with a name that does not exist waits as
long as who has the wrong password, so that names cannot be found out."""

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, TypeVar

from argon2 import PasswordHasher, extract_parameters
from argon2.exceptions import InvalidHashError, VerificationError

MAX_PASSWORD: Final = 1024
"""Bytes of UTF-8: longer than any sentence, and short enough that hashing it costs no more than another."""

MAX_AT_ONCE: Final = max(1, (os.cpu_count() or 1) // 2)
"""Hashes that are made at the same time: each takes 64 MiB and a core, and others want to be answered meanwhile."""


_Made = TypeVar("_Made")


@dataclass(frozen=True, slots=True)
class Match:
    """Whether a password was right; `rehash` is the hash to be stored in place of the old one, None if it is good."""

    is_right: bool
    rehash: str | None = None


class Passwords:
    """Makes and checks hashes, at most `at_once` at a time. `hasher` has the costs: argon2-cffi's own by default, which
    are the second recommendation of RFC 9106."""

    def __init__(self, hasher: PasswordHasher | None = None, *, at_once: int = MAX_AT_ONCE) -> None:
        self._hasher = PasswordHasher() if hasher is None else hasher
        # Threads of our own: they count what is being hashed even for requests that were cancelled meanwhile, and they
        # belong to no event loop.
        self._threads = ThreadPoolExecutor(at_once, "passwords")
        self._nobodys: str | None = None

    async def hash(self, password: str) -> str:
        """The hash to store, in the usual text form. ValueError for an empty password and one of more than 1,024
        bytes."""
        size = len(_encoded(password))
        if not 0 < size <= MAX_PASSWORD:
            raise ValueError(f"a password has 1 to {MAX_PASSWORD} bytes of UTF-8; got {size}")
        return await self._make(password)

    async def verify(self, stored: str | None, password: str) -> Match:
        """Whether `password` is the one of the hash `stored`; None, for a user who does not exist, takes as long and is
        wrong. So does what is no hash, such as the "!" of a user who has no password."""
        if not 0 < len(_encoded(password)) <= MAX_PASSWORD:
            password, stored = "nobody's", None
        if stored is None or not _is_hash(stored):
            if self._nobodys is None:
                self._nobodys = await self._make(os.urandom(16).hex())
            await self._check(self._nobodys, password)
            return Match(False)
        if not await self._check(stored, password):
            return Match(False)
        return Match(True, await self._make(password) if self._hasher.check_needs_rehash(stored) else None)

    async def _make(self, password: str) -> str:
        return await self._in_turn(lambda: self._hasher.hash(_encoded(password)))

    async def _check(self, stored: str, password: str) -> bool:
        try:
            return await self._in_turn(lambda: self._hasher.verify(stored, _encoded(password)))
        except (VerificationError, InvalidHashError):
            return False

    async def _in_turn(self, work: Callable[[], _Made]) -> _Made:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


def _is_hash(stored: str) -> bool:
    try:
        extract_parameters(stored)
    except InvalidHashError:
        return False
    return True


def _encoded(password: str) -> bytes:
    return password.encode("utf-8", "surrogatepass")
