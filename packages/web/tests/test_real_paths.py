"""Paths none of whose parts may be a link, with and without openat2, and on a system that can open nothing below a
folder.
"""

import os
from pathlib import Path

import pytest

from levante.web import openat2
from levante.web.real_paths import list_folder, open_real, resolve

pytestmark = pytest.mark.hardening("S21")


@pytest.fixture(params=["openat2", "step by step"], autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "step by step":
        monkeypatch.setattr(openat2, "find", lambda: None)
    elif openat2.find() is None:
        pytest.skip("this system has no openat2")
    return str(request.param)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = Path(os.path.realpath(tmp_path))
    (root / "a" / "b").mkdir(parents=True)
    (root / "a" / "b" / "file").write_text("text")
    (root / "link").symlink_to("a")
    (root / "a" / "b" / "last").symlink_to("file")
    (root / "circle").symlink_to("circle")
    (root / "dangling").symlink_to("nowhere")
    return root


def test_open(root: Path) -> None:
    for path, content in ((root / "a/b/file", b"text"), (root / "a", None), (Path("/"), None)):
        descriptor = open_real(str(path), os.O_RDONLY)
        if content is not None:
            assert os.read(descriptor, 9) == content
        os.close(descriptor)


@pytest.mark.parametrize("name", ["link/b/file", "a/b/last", "circle", "circle/x", "dangling", "none", "a/none/file"])
def test_a_link_on_the_way_is_not_there(root: Path, name: str) -> None:
    with pytest.raises((FileNotFoundError, NotADirectoryError)):
        open_real(str(root / name), os.O_RDONLY)


def test_a_file_is_no_folder(root: Path) -> None:
    with pytest.raises(NotADirectoryError):
        open_real(str(root / "a/b/file/x"), os.O_RDONLY)


def test_nothing_is_left_open(root: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for name in ("link/b/file", "a/b/last", "none", "a/b/file/x"):
        with pytest.raises(OSError):
            open_real(str(root / name), os.O_RDONLY)
    list_folder(str(root))
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_where_nothing_can_be_opened_below_a_folder(root: Path, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    if way == "openat2":
        pytest.skip("there it is not asked for")
    monkeypatch.setattr(os, "supports_dir_fd", set())
    os.close(open_real(str(root / "a/b/file"), os.O_RDONLY))
    with pytest.raises(FileNotFoundError, match="link"):
        open_real(str(root / "a/b/last"), os.O_RDONLY)


@pytest.mark.parametrize(
    ("name", "real"),
    [
        ("a/b/file", "a/b/file"),
        ("a/b/", "a/b"),
        ("link/b/file", "a/b/file"),
        ("link/", "a"),
        ("a/b/last", "a/b/file"),
        ("none/x", "none/x"),
        ("link/none", "a/none"),
        ("a/b/file/x", "a/b/file/x"),
        ("dangling", "nowhere"),
    ],
)
def test_resolve(root: Path, name: str, real: str) -> None:
    assert resolve(f"{root}/{name}") == str(root / real) == os.path.realpath(root / name)


def test_resolve_the_root_and_what_is_too_long() -> None:
    assert resolve("/") == resolve("//") == "/"
    assert resolve("/" + "x" * 5000) == "/" + "x" * 5000


def test_list_folder(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = [("a", True), ("circle", False), ("dangling", False), ("link", True)]
    assert list_folder(str(root)) == found
    with pytest.raises((FileNotFoundError, NotADirectoryError)):
        list_folder(str(root / "link"))
    monkeypatch.setattr(os, "supports_fd", set())
    assert list_folder(str(root)) == found
