"""Hashes of passwords: right, wrong, of nobody, old, and never more than a few at once."""

import asyncio
import threading
import time
from typing import Literal

import pytest
from argon2 import PasswordHasher

from levante.web.auth.passwords import MAX_PASSWORD, Match, Passwords

CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
DEARER = PasswordHasher(time_cost=2, memory_cost=8, parallelism=1)


async def test_right_and_wrong() -> None:
    passwords = Passwords(CHEAP)
    stored = await passwords.hash("Grüße, Zoë")
    assert stored.startswith("$argon2id$")
    assert stored != await passwords.hash("Grüße, Zoë")
    assert await passwords.verify(stored, "Grüße, Zoë") == Match(True)
    for wrong in ("", "grüße, Zoë", "Grüße, Zoë ", "x" * (MAX_PASSWORD + 1), "\ud800"):
        assert await passwords.verify(stored, wrong) == Match(False)


async def test_an_old_hash_is_made_anew() -> None:
    stored = await Passwords(CHEAP).hash("secret")
    dearer = Passwords(DEARER)
    match = await dearer.verify(stored, "secret")
    assert match.is_right
    assert match.rehash is not None
    assert await dearer.verify(match.rehash, "secret") == Match(True)
    assert await dearer.verify(stored, "wrong") == Match(False)


@pytest.mark.parametrize("stored", ["", "plain", "$argon2id$nonsense", "$2b$12$abc"])
async def test_what_is_no_hash_is_wrong(stored: str) -> None:
    assert await Passwords(CHEAP).verify(stored, "secret") == Match(False)


@pytest.mark.parametrize("size", [0, MAX_PASSWORD + 1])
async def test_a_password_has_a_length(size: int) -> None:
    with pytest.raises(ValueError, match=f"1 to 1024 bytes of UTF-8; got {size}"):
        await Passwords(CHEAP).hash("x" * size)
    assert await Passwords(CHEAP).hash("x" * MAX_PASSWORD)


class Counting(PasswordHasher):
    """Counts what is done, and how much of it at once."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=8, parallelism=1)
        self.lock = threading.Lock()
        self.now = self.most = self.verified = 0

    def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:  # noqa: A002 - the library's name
        with self.lock:
            self.now += 1
            self.verified += 1
            self.most = max(self.most, self.now)
        time.sleep(0.01)  # long enough for others to come in, if they may
        try:
            return super().verify(hash, password)
        finally:
            with self.lock:
                self.now -= 1


async def test_a_name_that_does_not_exist_costs_as_much() -> None:
    hasher = Counting()
    passwords = Passwords(hasher)
    for _ in range(2):
        assert await passwords.verify(None, "secret") == Match(False)
    assert await passwords.verify(await passwords.hash("x"), "") == Match(False)
    assert hasher.verified == 3


async def test_only_a_few_at_once() -> None:

    hasher = Counting()
    passwords = Passwords(hasher, at_once=2)
    stored = await passwords.hash("secret")
    matches = await asyncio.gather(*(passwords.verify(stored, "secret") for _ in range(8)))
    assert all(match.is_right for match in matches)
    assert hasher.most == 2


async def test_requests_that_were_cancelled_are_counted_on() -> None:
    hasher = Counting()
    passwords = Passwords(hasher, at_once=1)
    stored = await passwords.hash("secret")
    for _ in range(4):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.002):
                await passwords.verify(stored, "secret")
    assert (await passwords.verify(stored, "secret")).is_right
    assert hasher.most == 1


@pytest.mark.parametrize("stored", ["!", "", "$2b$12$abc"])
async def test_who_has_no_password_costs_as_much(stored: str) -> None:
    hasher = Counting()
    assert await Passwords(hasher).verify(stored, "secret") == Match(False)
    assert hasher.verified == 1


def test_one_for_several_event_loops() -> None:
    passwords = Passwords(CHEAP, at_once=1)

    async def several() -> list[str]:
        return await asyncio.gather(*(passwords.hash("secret") for _ in range(4)))

    for _ in range(2):
        assert len(set(asyncio.run(several()))) == 4


async def test_the_default_costs_are_those_of_the_rfc() -> None:
    stored = await Passwords().hash("secret")
    assert "m=65536,t=3,p=4" in stored
    assert (await Passwords().verify(stored, "secret")).is_right
