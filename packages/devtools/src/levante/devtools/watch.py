"""Watch a project and say what each saved file asks for: a new fork server, a new server, or only a word to the
browsers.

Only folders that .gitignore and the list below let through are watched, each by itself: a busy database in `var/` or
a virtual environment inside the project costs nothing. Files are remembered by digest, so a save that changes nothing
is no change, and a folder that appears is read once for what came with it. Kinds are an allow-list of suffixes: an
application that writes data files beside its code does not restart itself for ever.
"""

import asyncio
import hashlib
import os
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from pathspec import GitIgnoreSpec
from watchfiles import Change as FileChange
from watchfiles import awatch

from .discover import Target

# How long a burst of events must be quiet before it is looked at. An edit is seen after one to two steps.
STEP_MS = 20
# The longest that a burst is waited for: an endless one must not starve the reload.
BURST_MS = 100

IGNORED = (
    ".git/", ".hg/", "__pycache__/", ".venv/", "venv/", "node_modules/", "var/", ".mypy_cache/", ".pytest_cache/",
    ".ruff_cache/", ".hypothesis/", ".tox/", ".nox/", ".idea/", ".vscode/",
    "*.egg-info/", "htmlcov/", "*.swp", "*~", ".#*",
)  # fmt: skip
# Not part of the running server, though they are Python: top folders of a service.
NOT_SERVED = frozenset({"tests", "migrations"})
STYLES = frozenset({".css"})
PAGES = frozenset({
    ".html", ".htm", ".jinja", ".jinja2", ".j2", ".js", ".mjs", ".map", ".svg", ".png", ".jpg", ".jpeg", ".gif",
    ".webp", ".avif", ".ico", ".woff", ".woff2", ".ttf", ".xml", ".webmanifest",
})  # fmt: skip
BOOT_FILES = frozenset({".env", "pyproject.toml", "uv.lock"})


class Kind(IntEnum):
    """What a change asks for; the greater one includes the lesser."""

    STYLE = 1
    PAGE = 2
    RESTART = 3
    REBOOT = 4


@dataclass(frozen=True, slots=True)
class Change:
    """Files that were changed, created or deleted together, and the greatest kind among them."""

    kind: Kind
    paths: tuple[Path, ...]


class Tree:
    """The watched files of a target: which folders and files count, and what they contained when last seen."""

    def __init__(self, target: Target) -> None:
        self.root = target.root
        self._roots = [target.root]
        if not target.source.is_relative_to(target.root):
            self._roots.append(target.source / target.module.partition(".")[0])
        lines = list(IGNORED)
        ignore_file = target.root / ".gitignore"
        if ignore_file.is_file():
            lines += ignore_file.read_text("utf-8", errors="replace").splitlines()
        self._ignored = GitIgnoreSpec.from_lines([*lines, "!.env"])
        self._digests: dict[Path, bytes] = {}
        self.folders: list[Path] = []
        self.rescan()

    def kind(self, path: Path) -> Kind | None:
        """What a change of this file asks for; None when nothing."""
        root = next((root for root in self._roots if path.is_relative_to(root)), None)
        if root is None or self._is_ignored(path.relative_to(root)):
            return None
        if path.name in BOOT_FILES and path.parent == self.root:
            return Kind.REBOOT
        if path.suffix == ".py":
            return None if path.relative_to(root).parts[0] in NOT_SERVED else Kind.RESTART
        if path.suffix in STYLES:
            return Kind.STYLE
        return Kind.PAGE if path.suffix in PAGES else None

    def _is_ignored(self, relative: Path, *, folder: bool = False) -> bool:
        return self._ignored.match_file(f"{relative.as_posix()}/" if folder else relative.as_posix())

    def files(self) -> list[Path]:
        """Every file that counts, as last scanned."""
        return list(self._digests)

    def rescan(self) -> Change | None:
        """Walk the tree: which folders there are now, and what is unlike the last time. None when nothing is."""
        self.folders = []
        seen: set[Path] = set()
        for root in self._roots:
            for folder, files in self._walk(root):
                self.folders.append(folder)
                seen.update(path for path in files if self.kind(path) is not None)
        return self.update([*seen, *(path for path in self._digests if path not in seen)])

    def _walk(self, root: Path) -> Iterator[tuple[Path, list[Path]]]:
        for name, folders, files in os.walk(root):
            folder = Path(name)
            inside = folder.relative_to(root)
            folders[:] = [it for it in folders if not self._is_ignored(inside / it, folder=True)]
            yield folder, [folder / file for file in files]

    def update(self, paths: Iterable[Path]) -> Change | None:
        """Look at these files again. The change that they make up, or None: not ours, or the same content as before."""
        changed: list[tuple[Kind, Path]] = []
        for path in paths:
            kind = self.kind(path)
            if kind is not None and self._differs(path):
                changed.append((kind, path))
        if not changed:
            return None
        return Change(max(kind for kind, _ in changed), tuple(sorted(path for _, path in changed)))

    def _differs(self, path: Path) -> bool:
        before = self._digests.get(path)
        try:
            after = hashlib.blake2b(path.read_bytes(), digest_size=16).digest()
        except OSError:  # deleted, or not ours to read
            return self._digests.pop(path, None) is not None
        self._digests[path] = after
        return after != before


async def watch(tree: Tree, stop: asyncio.Event) -> AsyncIterator[Change]:
    """Yield each change of the tree until `stop` is set. Looks at no file while nothing happens."""
    while not stop.is_set():
        known = set(tree.folders)
        events = awatch(
            *tree.folders, watch_filter=None, debounce=BURST_MS, step=STEP_MS, stop_event=stop, recursive=False,
            rust_timeout=0,
        )  # fmt: skip
        batch = asyncio.ensure_future(_next_batch(events))
        await asyncio.sleep(0)  # one turn of the loop arms the watch; only then look for what happened before it
        change = tree.rescan()
        try:
            while True:
                if change is not None:
                    yield change
                if set(tree.folders) != known:  # watch the folders that there are now
                    break
                try:
                    paths = await batch
                except FileNotFoundError:  # a folder has gone since the scan; its rest is noticed by the next one
                    tree.rescan()
                    break
                if not paths:
                    break
                batch = asyncio.ensure_future(_next_batch(events))
                change = tree.rescan() if any(_is_folder(path, known) for path in paths) else tree.update(paths)
        finally:
            batch.cancel()
            await asyncio.gather(batch, return_exceptions=True)  # whatever it was, the next watch meets it again
            await events.aclose()


async def _next_batch(events: AsyncGenerator[set[tuple[FileChange, str]], None]) -> list[Path]:
    async for batch in events:
        return [Path(name) for _, name in batch]
    return []  # asked to stop


def _is_folder(path: Path, known: Collection[Path]) -> bool:
    return path in known or path.is_dir()
