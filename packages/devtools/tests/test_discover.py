"""Finding what to serve: services, folders, files; their environment; what they import from outside."""

import sys
from pathlib import Path

import pytest

from levante.devtools.discover import (
    Target,
    TargetError,
    child_environment,
    find_target,
    foreign_modules,
    is_project_file,
    load_target,
    third_party_imports,
)
from levante.web import Application


def write(root: Path, **files: str) -> Path:
    for name, text in files.items():
        path = root / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.fixture(autouse=True)
def _clean_imports(monkeypatch: pytest.MonkeyPatch):
    before = set(sys.modules)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield
    for name in set(sys.modules) - before:
        del sys.modules[name]


def service(root: Path, app: str = "shop_under_test.app:create_app") -> Path:
    write(root, pyproject_dot_toml=f'[tool.levante]\napp = "{app}"\n')
    package = root / "src" / "shop_under_test"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "app.py").write_text(
        "from levante.web import Application\ndef create_app():\n    return Application()\n"
    )
    return root


def test_service_is_found_by_its_pyproject(tmp_path: Path) -> None:
    target = find_target(service(tmp_path))
    assert target.module == "shop_under_test.app"
    assert target.attribute == "create_app"
    assert target.source == tmp_path / "src"
    assert target.root == tmp_path
    assert target.service
    assert isinstance(load_target(target), Application)


def test_service_without_src_is_imported_from_its_root(tmp_path: Path) -> None:
    write(tmp_path, pyproject_dot_toml='[tool.levante]\napp = "thing:app"\n')
    assert find_target(tmp_path).source == tmp_path


@pytest.mark.parametrize("app", ['"no spaces:please"', '"a:b:c"', '""', "3", '":app"'])
def test_service_with_a_wrong_app_is_refused(tmp_path: Path, app: str) -> None:
    write(tmp_path, pyproject_dot_toml=f"[tool.levante]\napp = {app}\n")
    with pytest.raises(TargetError, match=r"expected \"package.module:create_app\""):
        find_target(tmp_path)


def test_unreadable_pyproject_is_one_line(tmp_path: Path) -> None:
    write(tmp_path, pyproject_dot_toml="[[[")
    with pytest.raises(TargetError, match="cannot be read"):
        find_target(tmp_path)


@pytest.mark.parity("L8")
@pytest.mark.parametrize("name", ["main.py", "app.py"])
def test_folder_has_main_or_app(tmp_path: Path, name: str) -> None:
    write(tmp_path, pyproject_dot_toml="[project]\nname = 'x'\n")
    (tmp_path / name).write_text("")
    target = find_target(tmp_path)
    assert target.module == name.removesuffix(".py")
    assert not target.service


def test_folder_with_nothing_says_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(TargetError, match=r"main\.py or app\.py"):
        find_target(tmp_path)


def test_missing_path_and_wrong_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TargetError, match="does not exist"):
        find_target(tmp_path / "nowhere")
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(TargetError, match="not a Python file"):
        find_target(tmp_path / "notes.txt")


def test_file_inside_a_package_is_imported_by_its_full_name(tmp_path: Path) -> None:
    package = tmp_path / "outer" / "inner"
    package.mkdir(parents=True)
    for folder in (package, package.parent):
        (folder / "__init__.py").write_text("")
    (package / "web.py").write_text("")
    assert find_target(package / "web.py").module == "outer.inner.web"
    assert find_target(package / "__init__.py").module == "outer.inner"
    assert find_target(package / "web.py").source == tmp_path


@pytest.mark.parity("L8")
@pytest.mark.parametrize("name", ["app", "app_factory", "get_app", "create_app"])
async def test_attributes_are_tried(tmp_path: Path, name: str) -> None:
    value = "Application()" if name == "app" else "lambda: Application()"
    file = tmp_path / "attribute_app.py"
    file.write_text(f"from levante.web import Application\n{name} = {value}\n")
    assert isinstance(load_target(find_target(file)), Application)


@pytest.mark.parity("L8")
async def test_first_attribute_in_order_wins_and_coroutines_are_awaited_by_the_caller(tmp_path: Path) -> None:
    file = tmp_path / "async_app.py"
    file.write_text(
        "from levante.web import Application\nasync def app_factory():\n    return Application()\ncreate_app = 3\n"
    )
    made = load_target(find_target(file))
    assert not isinstance(made, Application)
    assert isinstance(await made, Application)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1\n", "defines none of app, app_factory, get_app, create_app"),
        ("app = 3\n", "gives int, expected"),
        ("def app(loop, *, debug):\n    pass\n", "the factory needs loop, debug"),
        ("def app():\n    return 'no'\n", "gives str, expected"),
    ],
)
def test_module_without_an_application_is_told_so(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "odd_app.py").write_text(text)
    with pytest.raises(TargetError, match=message):
        load_target(find_target(tmp_path / "odd_app.py"))


def test_missing_attribute_of_a_service(tmp_path: Path) -> None:
    target = find_target(service(tmp_path, app="shop_under_test.app:make"))
    with pytest.raises(TargetError, match=r"has no 'make'; correct \[tool.levante\] app"):
        load_target(target)


def test_module_shadowed_by_another_is_named(tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text("app = 1\n")
    with pytest.raises(TargetError, match="module 'json' was found in"):
        load_target(find_target(tmp_path / "json.py"))


def test_environment_is_under_the_real_one(tmp_path: Path) -> None:
    write(tmp_path, pyproject_dot_toml='[tool.levante]\napp = "a:app"\n')
    (tmp_path / ".env").write_text("# comment\nexport A='one'\nB=two\nLEVANTE_DEV=0\nEMPTY\n")
    made = child_environment(find_target(tmp_path), {"B": "real"})
    assert made == {"LEVANTE_ENV": "development", "A": "one", "B": "real", "LEVANTE_DEV": "1"}


def test_environment_mode_can_be_chosen(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("")
    target = find_target(tmp_path)
    assert child_environment(target, {"LEVANTE_ENV": "test"})["LEVANTE_ENV"] == "test"
    (tmp_path / ".env").write_text("LEVANTE_ENV=staging\n")
    assert child_environment(target, {})["LEVANTE_ENV"] == "staging"


def test_unreadable_environment_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("")
    (tmp_path / ".env").write_bytes(b"A=\xff\xfe\n")
    with pytest.raises(TargetError, match=r"\.env cannot be read"):
        child_environment(find_target(tmp_path), {})


def test_target_goes_to_another_process(tmp_path: Path) -> None:
    target = find_target(service(tmp_path))
    assert Target.from_json(target.to_json()) == target


def test_imports_from_outside_are_read_without_importing(tmp_path: Path) -> None:
    target = find_target(service(tmp_path))
    file = tmp_path / "src" / "shop_under_test" / "app.py"
    file.write_text(
        "import json, sqlalchemy.orm\nfrom typing import TYPE_CHECKING\nfrom . import views\nimport shop_under_test\n"
        "if TYPE_CHECKING:\n    import heavy\nif 1:\n    import chosen\n"
        "try:\n    import fast\nexcept ImportError:\n    import slow\n"
        "def later():\n    import lazy\n"
    )
    broken = tmp_path / "src" / "broken.py"
    broken.write_text("def (")
    found = third_party_imports(target, [file, broken, tmp_path / "gone.py"])
    assert found == ["chosen", "fast", "json", "sqlalchemy.orm", "typing"]


def test_project_files_are_told_from_an_environment_inside_the_project(tmp_path: Path) -> None:
    target = find_target(service(tmp_path))
    assert is_project_file(str(tmp_path / "src" / "shop_under_test" / "app.py"), target)
    assert not is_project_file(str(tmp_path / ".venv" / "lib" / "site-packages" / "x.py"), target)
    assert not is_project_file("/usr/lib/x.py", target)


def test_foreign_modules_leave_out_the_project_and_what_is_known(tmp_path: Path) -> None:
    target = find_target(service(tmp_path))
    load_target(target)
    names = foreign_modules(target, known={"json"})
    assert "shop_under_test.app" not in names
    assert "json" not in names
    assert "pytest" in names
