"""All targets, the programs that fuzz some of them together, and the corpus that is kept.

A corpus is data: `corpus/<target>.txt` has one input a line, as a Python bytes literal, so that a reader sees what it
is and a diff what was added. Inputs of a program with several targets begin with a byte that chooses among them.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

from . import codings, fields, http1, locators, multiparts, octets, websockets
from .target import Target

# What one merge adds at most, and the bytes of one input: every test run walks through all of it, and a diff shows it.
MAX_KEPT = 50
MAX_KEPT_SIZE = 300

CORPUS = Path(__file__).resolve().parent.parent / "corpus"

TARGETS: dict[str, Target] = {
    target.name: target
    for module in (http1, octets, multiparts, fields, locators, codings, websockets)
    for target in module.TARGETS
}

# Each runs for 60 seconds in CI, two at a time. What belongs together is what shares a grammar, and so the inputs that
# are interesting.
PROGRAMS: dict[str, tuple[str, ...]] = {
    "server": ("h1-server", "h1-written", "target"),
    "client": ("h1-client", "chunked", "octets"),
    "multipart": ("multipart", "form", "disposition"),
    "fields": ("cookie", "set-cookie", "urlencoded", "media-types", "validators", "dates", "forwarded"),
    "codings": ("coding", "encoded"),
    "websocket": ("ws-frames", "ws-messages", "ws-masks", "ws-opening"),
}


def chosen(name: str) -> tuple[Target, ...]:
    """The targets that a name stands for: a program, a target, or `compiled`, all that run compiled code."""
    if name == "compiled":
        return tuple(target for target in TARGETS.values() if target.is_compiled)
    names = PROGRAMS.get(name) or ((name,) if name in TARGETS else ())
    if not names:
        known = ", ".join((*PROGRAMS, "compiled", *TARGETS))
        raise SystemExit(f"no program or target is called {name!r}; expected one of {known}")
    return tuple(TARGETS[target] for target in names)


def corpus(target: Target) -> list[bytes]:
    """The seeds of a target and what was kept for it, without doubles, in a fixed order."""
    return list(dict.fromkeys((*target.seeds(), *kept(target.name))))


def kept(name: str) -> Iterator[bytes]:
    path = CORPUS / f"{name}.txt"
    if path.exists():
        for line in path.read_text(encoding="ascii").splitlines():
            value = ast.literal_eval(line)
            if not isinstance(value, bytes):
                raise TypeError(f"{path.name}: {line[:60]!r} is no bytes literal")
            yield value


def keep_merged(name: str, folder: Path) -> None:
    """Keep what a merge has left of the inputs of a program: those that reach what no smaller one does."""
    targets = chosen(name)
    found: dict[str, list[bytes]] = {target.name: [] for target in targets}
    for path in (folder / "merged" / name).iterdir():
        data = path.read_bytes()
        if data and len(data) <= MAX_KEPT_SIZE:
            found[targets[data[0] % len(targets)].name].append(data[1:])
    for target in targets:
        new = sorted(set(found[target.name]) - set(corpus(target)), key=lambda data: (len(data), data))
        keep(target.name, new[:: 1 + len(new) // MAX_KEPT])  # of every length some


def keep(name: str, inputs: list[bytes]) -> None:
    """Add inputs to what is kept for a target."""
    if not inputs:
        return
    lines = {repr(data) for data in (*kept(name), *inputs)}
    CORPUS.mkdir(exist_ok=True)
    (CORPUS / f"{name}.txt").write_text("".join(f"{line}\n" for line in sorted(lines)), encoding="ascii")
