"""What adding a part would do to a service, and doing it: all of it, or nothing."""

from pathlib import Path

import pytest

from levante.devtools.names import ServiceName
from levante.devtools.parts import NotAService, Plan, Service


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "kept.py").write_text("old\n")
    (tmp_path / "edited.py").write_text("old\n")
    (tmp_path / "edited.py").chmod(0o640)
    return tmp_path


def contents(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_plan_is_written(folder: Path) -> None:
    Plan(new={Path("a/new.py"): b"new\n"}, edited={Path("edited.py"): b"changed\n"}).write(folder)
    assert contents(folder) == {"kept.py": "old\n", "edited.py": "changed\n", "a/new.py": "new\n"}
    assert (folder / "edited.py").stat().st_mode & 0o777 == 0o640


def test_file_that_appeared_meanwhile_is_not_overwritten(folder: Path) -> None:
    before = contents(folder)
    plan = Plan(new={Path("new.py"): b"new\n", Path("kept.py"): b"new\n"}, edited={Path("edited.py"): b"changed\n"})
    with pytest.raises(FileExistsError):
        plan.write(folder)
    assert contents(folder) == before


def test_edit_that_fails_half_way_is_taken_back(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = contents(folder)
    replace = Path.replace

    def fail_on_the_second(self: Path, target: Path) -> Path:
        if target.name == "kept.py":
            raise OSError("disk full")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", fail_on_the_second)
    plan = Plan(new={Path("new.py"): b"n\n"}, edited={Path("edited.py"): b"changed\n", Path("kept.py"): b"changed\n"})
    with pytest.raises(OSError, match="disk full"):
        plan.write(folder)
    assert contents(folder) == before


def test_service_is_read(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.levante.answers]\nname = "my-shop"\npackage = "my_shop"\n')
    assert Service.read(tmp_path).names == ServiceName("my-shop", "my_shop")


@pytest.mark.parametrize("text", [None, "[tool", "[tool.ruff]\n", "tool = 1\n", "[tool.levante.answers]\nname = 'x'\n"])
def test_folder_that_is_no_service(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "pyproject.toml").write_text(text)
    with pytest.raises(NotAService, match=r"pyproject\.toml"):
        Service.read(tmp_path)
