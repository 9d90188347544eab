"""Which files count, what each asks for, and that only a new content is a change."""

import asyncio
from pathlib import Path

import pytest

from levante.devtools.discover import find_target
from levante.devtools.watch import Change, Kind, Tree, watch

WAIT = 10.0


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").write_text('[tool.levante]\napp = "shop:app"\n')
    for name in ("src/shop/__init__.py", "src/shop/page.html", "src/shop/site.css", "tests/test_shop.py", "var/x.py"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    return tmp_path


def tree(root: Path) -> Tree:
    return Tree(find_target(root))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("src/shop/views.py", Kind.RESTART),
        ("pyproject.toml", Kind.REBOOT),
        ("uv.lock", Kind.REBOOT),
        (".env", Kind.REBOOT),
        ("src/shop/templates/list.html", Kind.PAGE),
        ("src/shop/static/app.js", Kind.PAGE),
        ("src/shop/static/site.css", Kind.STYLE),
        ("src/pyproject.toml", None),
        ("README.md", None),
        ("data.db", None),
        ("tests/test_shop.py", None),
        ("migrations/versions/1.py", None),
        ("var/x.py", None),
        ("src/.venv/lib/x.py", None),
        ("src/__pycache__/x.py", None),
        ("src/shop/.#views.py", None),
        ("/elsewhere/x.py", None),
    ],
)
def test_kinds(root: Path, name: str, kind: Kind | None) -> None:
    assert tree(root).kind(root / name) is kind


def test_gitignore_is_honoured_but_not_for_the_environment(root: Path) -> None:
    (root / ".gitignore").write_text("# local\n.env\n/src/shop/generated/\n*.gen.py\n!keep.gen.py\n")
    seen = tree(root)
    assert seen.kind(root / "src/shop/generated/a.py") is None
    assert seen.kind(root / "src/shop/a.gen.py") is None
    assert seen.kind(root / "src/shop/keep.gen.py") is Kind.RESTART
    assert seen.kind(root / ".env") is Kind.REBOOT


def test_ignored_folders_are_not_watched(root: Path) -> None:
    (root / ".venv" / "lib").mkdir(parents=True)
    names = {folder.relative_to(root).as_posix() for folder in tree(root).folders}
    assert names == {".", "src", "src/shop", "tests"}


def test_code_outside_of_the_root_is_watched_too(tmp_path: Path) -> None:
    package = tmp_path / "outer" / "inner"
    package.mkdir(parents=True)
    for folder in (package, package.parent):
        (folder / "__init__.py").write_text("")
    (package / "web.py").write_text("")
    (tmp_path / "unrelated.py").write_text("")
    seen = Tree(find_target(package / "web.py"))
    assert seen.kind(package.parent / "models.py") is Kind.RESTART
    assert seen.kind(tmp_path / "unrelated.py") is None


def test_only_a_new_content_is_a_change(root: Path) -> None:
    seen, page = tree(root), root / "src/shop/page.html"
    page.write_text("")
    assert seen.update([page]) is None
    page.write_text("new")
    assert seen.update([page]) == Change(Kind.PAGE, (page,))
    page.unlink()
    assert seen.update([page]) == Change(Kind.PAGE, (page,))
    assert seen.update([page]) is None


def test_greatest_kind_of_a_batch_wins(root: Path) -> None:
    seen, paths = tree(root), [root / "src/shop/site.css", root / "src/shop/__init__.py", root / "README.md"]
    for path in paths:
        path.write_text("changed")
    change = seen.update(paths)
    assert change == Change(Kind.RESTART, (paths[1], paths[0]))


async def changes_of(seen: Tree, *actions) -> list[Change]:
    """Perform one action after the other, each once the change before it was seen."""
    stop, found, todo = asyncio.Event(), [], list(actions)
    todo.pop(0)()
    async with asyncio.timeout(WAIT):
        async for change in watch(seen, stop):
            found.append(change)
            if not todo:
                stop.set()
                break
            todo.pop(0)()
    return found


async def test_saved_files_are_seen_also_in_folders_that_appear(root: Path) -> None:
    seen, views, late = tree(root), root / "src/shop/views", root / "src/shop/views/list.py"

    def make_folder() -> None:
        views.mkdir()
        late.write_text("1")

    found = await changes_of(
        seen,
        lambda: (root / "src/shop/site.css").write_text("a {}"),
        make_folder,
        lambda: late.write_text("2"),
    )
    assert [(change.kind, change.paths) for change in found] == [
        (Kind.STYLE, (root / "src/shop/site.css",)),
        (Kind.RESTART, (late,)),
        (Kind.RESTART, (late,)),
    ]


async def test_watch_ends_when_told_to(root: Path) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().call_later(0.05, stop.set)
    async with asyncio.timeout(WAIT):
        assert [change async for change in watch(tree(root), stop)] == []


async def test_folder_that_goes_before_it_is_watched_is_forgotten(root: Path) -> None:
    seen, page = tree(root), root / "src/shop/page.html"
    seen.folders.append(root / "gone")
    assert [change.paths for change in await changes_of(seen, lambda: page.write_text("new"))] == [(page,)]
