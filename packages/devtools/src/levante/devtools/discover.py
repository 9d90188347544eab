"""What `devtools runserver PATH` is to serve: a service folder, a folder or a file, found without importing any of
it.

A service names its application in pyproject.toml (`[tool.levante] app = "shop.app:create_app"`, code below `src/`). A
plain folder has `main.py` or `app.py`; a file is itself. `find_target` only reads; `load_target` imports, and belongs
in the child process. The environment of a service comes from its `.env`, under what the real environment says.
"""

import ast
import importlib
import inspect
import os
import sys
import tomllib
from collections.abc import Awaitable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from dotenv import dotenv_values

if TYPE_CHECKING:
    from levante.web import Application

# Looked up in this order in a module that no pyproject.toml describes, as aiohttp-devtools does.
APP_ATTRIBUTES = ("app", "app_factory", "get_app", "create_app")
APP_FILES = ("main.py", "app.py")


class TargetError(ValueError):
    """PATH holds nothing that can be served; str() is the one line to show."""


@dataclass(frozen=True, slots=True)
class Target:
    """An application to serve: `module` is imported with `source` first on sys.path; `root` is watched for changes.

    `attribute` is empty when APP_ATTRIBUTES are to be tried. `service` tells that pyproject.toml named the application:
    the child then runs in `root`, as the service does in production.
    """

    name: str
    root: Path
    source: Path
    module: str
    attribute: str
    service: bool

    def to_json(self) -> dict[str, Any]:
        """Plain data for another process; `from_json` reads it."""
        return {key: str(value) if isinstance(value, Path) else value for key, value in asdict(self).items()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The target that `to_json` wrote."""
        return cls(**{**data, "root": Path(data["root"]), "source": Path(data["source"])})


def find_target(path: Path) -> Target:
    """The target at `path`; raises TargetError in one line that says what was got, what was expected and the cure."""
    if not path.exists():
        raise TargetError(f"{path} does not exist; expected the folder of a service, or a Python file")
    path = path.resolve()
    if path.is_file():
        if path.suffix != ".py":
            raise TargetError(f"{path} is not a Python file; expected a .py file or the folder of a service")
        return _file_target(path)
    described = service_target(path)
    if described is not None:
        return described
    for name in APP_FILES:
        if (path / name).is_file():
            return _file_target(path / name)
    raise TargetError(
        f"{path} has no {' or '.join(APP_FILES)}, and no pyproject.toml with "
        '[tool.levante] app = "package.module:create_app"'
    )


def service_target(root: Path) -> Target | None:
    """The application that pyproject.toml in `root` names, None when it names none; TargetError when it cannot be
    read."""
    project = root / "pyproject.toml"
    if not project.is_file():
        return None
    try:
        table = tomllib.loads(project.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise TargetError(f"{project} cannot be read: {error}") from error
    app = table.get("tool", {}).get("levante", {}).get("app")
    if app is None:
        return None
    module, _, attribute = app.partition(":") if isinstance(app, str) else ("", "", "")
    if not all(part.isidentifier() for part in [*module.split("."), *(attribute.split(".") if attribute else [])]):
        raise TargetError(f'{project}: [tool.levante] app is {app!r}; expected "package.module:create_app"')
    source = root / "src" if (root / "src").is_dir() else root
    return Target(root.name, root, source, module, attribute, service=True)


def _file_target(file: Path) -> Target:
    source, parts = file.parent, [] if file.stem == "__init__" else [file.stem]
    while (source / "__init__.py").is_file():  # inside a package: import it by its full name
        parts.insert(0, source.name)
        source = source.parent
    return Target(file.stem, file.parent, source, ".".join(parts), "", service=False)


def child_environment(target: Target, base: Mapping[str, str]) -> dict[str, str]:
    """The environment of the application: `base`, then what `.env` adds to it, and the marks of development.

    Raises TargetError when `.env` cannot be read.
    """
    file = target.root / ".env"
    try:
        found = dotenv_values(file, encoding="utf-8") if file.is_file() else {}
    except (OSError, UnicodeDecodeError) as error:
        raise TargetError(f"{file} cannot be read: {error}") from error
    added = {key: value for key, value in found.items() if value is not None}
    return {"LEVANTE_ENV": "development", **added, **base, "LEVANTE_DEV": "1"}


def load_target(target: Target) -> "Application | Awaitable[Application]":
    """Import the target and make its application: what it returns is awaited by the caller if it is awaitable.

    Whatever the project's code raises passes through. TargetError when there is no application in it.
    """
    if str(target.source) not in sys.path[:1]:
        sys.path.insert(0, str(target.source))
    module = importlib.import_module(target.module)
    home = Path(getattr(module, "__file__", None) or "").resolve()
    if not home.is_relative_to(target.source):
        raise TargetError(f"the module {target.module!r} was found in {home}, not below {target.source}; rename it")
    if target.attribute:
        found: Any = module
        for part in target.attribute.split("."):
            found = _attribute(found, part, home=home)
    else:
        name = next((name for name in APP_ATTRIBUTES if hasattr(module, name)), None)
        if name is None:
            raise TargetError(f"{home} defines none of {', '.join(APP_ATTRIBUTES)}; name the application one of them")
        found = getattr(module, name)
    return _called(found, home)


def _attribute(found: Any, name: str, *, home: Path) -> Any:
    try:
        return getattr(found, name)
    except AttributeError as error:
        raise TargetError(f"{home} has no {name!r}; correct [tool.levante] app in pyproject.toml") from error


def _called(found: Any, home: Path) -> "Application | Awaitable[Application]":
    from levante.web import Application

    made = found
    if not isinstance(found, Application) and callable(found):
        needed = [name for name, it in inspect.signature(found).parameters.items() if _is_required(it)]
        if needed:
            raise TargetError(f"{home}: the factory needs {', '.join(needed)}; it must be callable without arguments")
        made = found()
    if isinstance(made, Application) or inspect.isawaitable(made):
        return made
    raise TargetError(
        f"{home} gives {type(made).__name__}, expected a levante.web.Application or a function that makes one"
    )


def _is_required(parameter: inspect.Parameter) -> bool:
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return parameter.default is inspect.Parameter.empty and parameter.kind not in variadic


def third_party_imports(target: Target, files: Iterable[Path]) -> list[str]:
    """The modules from outside the project that `files` import at module level: what is worth loading ahead of time.

    Read from the syntax tree; nothing is imported, and a file that cannot be parsed is left to the child to show.
    """
    names: set[str] = set()
    for file in files:
        try:
            tree = ast.parse(file.read_bytes(), str(file))
        except (SyntaxError, ValueError, OSError):
            continue
        names.update(_module_level_imports(tree.body))
    return sorted(name for name in names if not _is_local(name.partition(".")[0], target))


def _module_level_imports(body: list[ast.stmt]) -> set[str]:
    names: set[str] = set()
    for node in body:
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module)
        elif isinstance(node, ast.Try):
            names |= _module_level_imports([*node.body, *node.orelse, *node.finalbody])
        elif isinstance(node, ast.If) and "TYPE_CHECKING" not in ast.unparse(node.test):
            names |= _module_level_imports(node.body)
    return names


def _is_local(name: str, target: Target) -> bool:
    folders = {target.source, target.root}
    return any((folder / name).is_dir() or (folder / f"{name}.py").is_file() for folder in folders)


def is_project_file(file: str, target: Target) -> bool:
    """Whether a module's file belongs to the project, not to an environment that may lie inside its folder."""
    path = Path(file)
    inside = path.is_relative_to(target.root) or path.is_relative_to(target.source)
    return inside and not {"site-packages", "dist-packages"} & set(path.parts)


def foreign_modules(target: Target, known: Iterable[str]) -> list[str]:
    """Names of the loaded modules that are neither the project's nor in `known`: worth loading early."""
    skipped = {*known, "__main__", "__mp_main__"}
    names = []
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if name not in skipped and isinstance(file, str) and not is_project_file(os.path.realpath(file), target):
            names.append(name)
    return names
