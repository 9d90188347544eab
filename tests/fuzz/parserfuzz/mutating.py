"""A driver that mutates what the corpus holds, by chance alone: it needs no instrumentation, so it runs where atheris
does not, and where a sanitizer is looked for.

The chance has a seed, which is printed; the same seed and corpus give the same inputs. The input that is being checked
lies in a mapped file meanwhile, so that it survives the death of the process.
"""

import mmap
import random
import time
from collections.abc import Sequence
from pathlib import Path

from .catalogue import corpus
from .target import Target

# Inputs are kept below this: what takes more bytes to show itself is the business of tests that know where to look.
MAX_SIZE = 3000
# How many inputs one target gets before it is the next one's turn.
TURN = 200

_NUMBERS = (0, 1, 0x7F, 0x80, 0xFF, 0x0D, 0x0A, 0x20, 0x2C, 0x3A)


class Mutator:
    """Makes inputs for one target out of its corpus."""

    def __init__(self, target: Target, chance: random.Random) -> None:
        self.target = target
        self._chance = chance
        self._corpus = [data for data in corpus(target) if len(data) <= MAX_SIZE] or [b""]
        self._words = target.words or (b"\0",)

    def make(self) -> bytes:
        data = self._chance.choice(self._corpus)
        for _ in range(self._chance.choice((1, 1, 1, 2, 2, 3, 5, 8))):
            data = self._mutate(data)
        return data[:MAX_SIZE]

    def _mutate(self, data: bytes) -> bytes:
        chance = self._chance
        at = chance.randrange(len(data) + 1)
        length = min(chance.choice((1, 1, 2, 4, 16)), len(data) - at)
        match chance.randrange(8):
            case 0:
                return data[:at] + chance.choice(self._words) + data[at:]
            case 1:
                return data[:at] + chance.choice(self._words) + data[at + length :]
            case 2:
                return data[:at] + data[at + length :]
            case 3:
                return data[:at] + data[at : at + length] * chance.choice((2, 2, 3, 40)) + data[at + length :]
            case 4:
                return data[:at] + bytes([chance.choice(_NUMBERS)]) + data[at + 1 :]
            case 5:
                return (
                    data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1 :]
                    if at < len(data)
                    else data
                )
            case 6:
                other = chance.choice(self._corpus)
                return data[:at] + other[chance.randrange(len(other) + 1) :]
            case _:
                to = chance.randrange(len(data) + 1)
                piece = data[at : at + length]
                rest = data[:at] + data[at + length :]
                return rest[:to] + piece + rest[to:]


class BlackBox:
    """A file that always holds the input in hand, behind its length and the name of its target."""

    def __init__(self, path: Path) -> None:
        size = MAX_SIZE + 200
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(size))
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), size)

    def note(self, name: str, data: bytes) -> None:
        record = b"%s %d\n%s" % (name.encode(), len(data), data)
        self._memory[: len(record)] = record

    @staticmethod
    def read(path: Path) -> tuple[str, bytes]:
        head, _, rest = path.read_bytes().partition(b"\n")
        name, _, size = head.decode().partition(" ")
        return name, rest[: int(size or 0)]


def fuzz(targets: Sequence[Target], *, seconds: float, seed: int, box: Path) -> tuple[int, Target | None, bytes]:
    """Check mutated inputs for so many seconds, the targets in turn. Returns how many there were, and the target and
    input that failed; the error is raised again by running that.
    """
    chance = random.Random(seed)
    mutators = [Mutator(target, chance) for target in targets]
    record = BlackBox(box)
    end = time.monotonic() + seconds
    count = 0
    while time.monotonic() < end:
        mutator = mutators[count // TURN % len(mutators)]
        data = mutator.make()
        record.note(mutator.target.name, data)
        count += 1
        try:
            mutator.target.run(data)
        except Exception:
            return count, mutator.target, data
    return count, None, b""


def smaller(target: Target, data: bytes, *, seconds: float = 20) -> bytes:
    """The input with everything left out that the failure does not need: pieces of halving size, while they last."""
    end = time.monotonic() + seconds
    size = len(data) // 2
    while size and time.monotonic() < end:
        at = 0
        while at < len(data):
            shorter = data[:at] + data[at + size :]
            if _fails(target, shorter):
                data = shorter
            else:
                at += size
        size //= 2
    return data


def _fails(target: Target, data: bytes) -> bool:
    try:
        target.run(data)
    except Exception:
        return True
    return False
