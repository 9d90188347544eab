"""Who may import whom: DESIGN's table of packages, read from the source itself.

Each module is parsed, never run. Found are imports at any depth of the file, inside functions and under TYPE_CHECKING
too: a dependency that is taken lazily is still a dependency.
"""

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = {"http": "http-core"} | {name: name for name in ("ws", "web", "client", "sessions", "devtools")}
MAY_IMPORT = {
    "http": set(),
    "ws": {"http"},
    "web": {"http", "ws"},
    "client": {"http", "ws"},
    "sessions": {"http", "web"},
    "devtools": {"http", "ws", "web", "client", "sessions"},
}
# Whichever module of a package comes first, its __init__ runs before it: so what that imports is imported in that order
# always, and the others need no more than to be imported behind it, each without the others.
IMPORT_EACH_ALONE = """
import sys
__import__(sys.argv[1])
first = set(sys.modules)
for name in sys.argv[1:]:
    __import__(name)
    for other in set(sys.modules) - first:
        if other.startswith("levante."):
            del sys.modules[other]
"""
SAME_PACKAGE_FIVE = ("pyproject.toml", "README.md", "CHANGELOG.md", "src", "tests")


def source_folder(package: str) -> Path:
    return ROOT / "packages" / FOLDERS[package] / "src" / "levante" / package


def modules(package: str) -> dict[str, Path]:
    """Dotted name to file, for every module of a package."""
    base = source_folder(package).parent.parent
    found = {}
    for path in sorted(source_folder(package).rglob("*.py")):
        if "scaffold" in path.parts:  # templates that devtools ships: not code of ours until they are rendered
            continue
        parts = path.relative_to(base).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def all_modules() -> dict[str, Path]:
    return {name: path for package in FOLDERS for name, path in modules(package).items()}


def imports(name: str, path: Path, *, run_time_only: bool = False) -> Iterator[str]:
    """The levante modules that a module imports, absolute, submodules told from names."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in module_level(tree) if run_time_only else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("levante."))
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                anchor = package.split(".")
                anchor = anchor[: len(anchor) - node.level + 1]
                base = ".".join([*anchor, base] if base else anchor)
            if base.startswith("levante"):
                for alias in node.names:
                    submodule = f"{base}.{alias.name}"
                    yield submodule if submodule in all_modules() else base


def module_level(tree: ast.Module) -> Iterator[ast.AST]:
    """Statements that run when the module is imported: not those of functions, not those under TYPE_CHECKING."""
    pending: list[ast.AST] = list(tree.body)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            pending.extend(node.orelse)
            continue
        yield node
        pending.extend(ast.iter_child_nodes(node))


def test_the_checker_sees_the_packages() -> None:
    for package in FOLDERS:
        assert len(modules(package)) > 3, f"levante.{package} has next to no modules: is the folder where it was?"
    seen = set(imports("levante.web.server", source_folder("web") / "server.py"))
    assert any(name.startswith("levante.http") for name in seen)


@pytest.mark.parametrize("package", FOLDERS)
def test_a_package_imports_only_what_the_design_lets_it(package: str) -> None:
    wrong = []
    for name, path in modules(package).items():
        for imported in imports(name, path):
            other = imported.split(".")[1]
            if other != package and other not in MAY_IMPORT[package]:
                wrong.append(f"{name} imports {imported}")
    assert wrong == []


@pytest.mark.parametrize("package", FOLDERS)
def test_private_modules_stay_inside_their_package(package: str) -> None:
    wrong = []
    for name, path in modules(package).items():
        for imported in imports(name, path):
            parts = imported.split(".")
            if parts[1] != package and any(part.startswith("_") for part in parts):
                wrong.append(f"{name} imports {imported}")
    assert wrong == []


@pytest.mark.parametrize("package", FOLDERS)
def test_there_is_no_import_cycle(package: str) -> None:
    """Counted is what runs at import time; an `__init__` that gathers its own modules is not a cycle by itself."""
    graph = {
        name: {target for target in imports(name, path, run_time_only=True) if target in all_modules()}
        for name, path in modules(package).items()
        if path.name != "__init__.py" or name.count(".") > 1
    }
    assert find_cycle(graph) is None


def find_cycle(graph: dict[str, set[str]]) -> list[str] | None:
    finished: set[str] = set()

    def visit(name: str, trail: list[str]) -> list[str] | None:
        if name in trail:
            return [*trail[trail.index(name) :], name]
        if name in finished:
            return None
        for target in sorted(graph.get(name, ())):
            if found := visit(target, [*trail, name]):
                return found
        finished.add(name)
        return None

    for name in graph:
        if found := visit(name, []):
            return found
    return None


def test_the_cycle_finder_finds() -> None:
    assert find_cycle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert find_cycle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) is None


@pytest.mark.parametrize("package", FOLDERS)
def test_each_public_module_can_be_imported_first(package: str) -> None:
    """In a fresh process: no module leans on another having been imported before it."""
    names = [name for name in modules(package) if not name.endswith("__main__")]
    assert names[0] == f"levante.{package}"
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_EACH_ALONE, *names], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_levante_is_a_namespace_without_an_init() -> None:
    assert [str(path) for path in ROOT.glob("packages/*/src/levante/__init__.py")] == []


@pytest.mark.parametrize("package", FOLDERS)
def test_each_package_has_the_same_five_things(package: str) -> None:
    folder = ROOT / "packages" / FOLDERS[package]
    assert [name for name in SAME_PACKAGE_FIVE if not (folder / name).exists()] == []
    assert (source_folder(package) / "py.typed").exists()
    assert any((folder / "tests").glob("test_*.py"))


@pytest.mark.parametrize("package", FOLDERS)
def test_declared_dependencies_are_what_is_imported(package: str) -> None:
    project = tomllib.loads((ROOT / "packages" / FOLDERS[package] / "pyproject.toml").read_text())["project"]
    names = {line.split("[")[0].split(">")[0].strip() for line in project["dependencies"]}
    assert project["name"] == f"levante-{FOLDERS[package]}"
    ours = {name.removeprefix("levante-") for name in names if name.startswith("levante-")}
    used = {imported.split(".")[1] for name, path in modules(package).items() for imported in imports(name, path)}
    assert ours == {FOLDERS[other] for other in used - {package}}
