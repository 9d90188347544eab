"""Which names a service and a resource may have. A name becomes a folder, a Python package, a table and a route, so
everything that would break one of those later is refused here, at once, in one line that says what was got and what
to write instead. Standard library only and no import from levante: the bootstrap loads this file by its path, before
the environment exists."""

import importlib.util
import keyword
import re
import sys
from dataclasses import dataclass
from pathlib import Path

MAX_NAME_LENGTH = 40
"""A name is part of import lines, table, index and cookie names; PostgreSQL cuts identifiers off at 63 bytes."""

RESERVED_PACKAGES = frozenset({"levante", "tests", "migrations", "conftest"})
"""Would shadow the framework, or a folder of the service itself."""

RESERVED_PLURALS = frozenset(
    {"api", "base", "errors", "home", "healthz", "live", "new", "pages", "readyz", "resource", "static"}
)
"""Routes, view modules and templates that every service has already."""

RESERVED_CLASSES = frozenset(
    {
        "Annotated",
        "Any",
        "Base",
        "Decimal",
        "DeclarativeBase",
        "Float",
        "Mapped",
        "MetaData",
        "Numeric",
        "Schema",
        "String",
        "Text",
    }
)
"""Names that models.py and schemas.py import or define."""

_PATTERN = re.compile(r"[a-z][a-z0-9]*(?:[-_][a-z0-9]+)*")
_PATH_CHARACTERS = frozenset("/\\.~:\0")


class InvalidName(ValueError):
    """A name that cannot be used; its text is the one line to show."""

    def __init__(self, what: str, name: str, reason: str) -> None:
        super().__init__(f"{what}={name!r}: {reason}" if name else f"{what} is missing: {reason}")


@dataclass(frozen=True, slots=True)
class ServiceName:
    """A service's name as given (folder, distribution, cookie) and the Python package it makes."""

    name: str
    package: str


@dataclass(frozen=True, slots=True)
class ResourceName:
    """A resource's name in every form that a file of the service needs."""

    singular: str
    plural: str
    class_name: str

    @property
    def title(self) -> str:
        return self.singular.replace("_", " ").capitalize()

    @property
    def plural_title(self) -> str:
        return self.plural.replace("_", " ").capitalize()


def check_service_name(name: str, parent: Path) -> ServiceName:
    """The name of a new service in the folder `parent`; raises `InvalidName` with the reason and the cure."""
    package = _check_identifier("NAME", name, example="make new-service NAME=shop")
    if package in sys.stdlib_module_names:
        raise InvalidName("NAME", name, "the standard library has a module of that name; choose another")
    if package in RESERVED_PACKAGES:
        raise InvalidName("NAME", name, "reserved, every service needs it for something else; choose another")
    if _is_installed(package):
        raise InvalidName("NAME", name, "an installed module has that name and would be shadowed; choose another")
    if parent.exists() and not parent.is_dir():
        raise InvalidName("NAME", name, f"{parent} is not a folder, so no service can go into it")
    for taken in _siblings(parent):
        if taken.name.replace("-", "_") == package:
            raise InvalidName("NAME", name, f"{taken} exists; choose another name, or remove it first")
    return ServiceName(name, package)


def check_resource_name(name: str, *, plural: str | None = None) -> ResourceName:
    """A resource's name, as `order` or `order-line`; raises `InvalidName`. `plural` overrides the guessed English
    plural."""
    singular = _check_identifier("RESOURCE", name, example="devtools add resource order title:str")
    many = _check_identifier("PLURAL", plural, example="--plural people") if plural else pluralise(singular)
    if many == singular:
        raise InvalidName("RESOURCE", name, "the plural must differ; give one with --plural")
    if many in RESERVED_PLURALS or singular in RESERVED_PLURALS:
        raise InvalidName("RESOURCE", name, "reserved, every service has that route or module already; choose another")
    class_name = "".join(part.capitalize() for part in singular.split("_"))
    if class_name in RESERVED_CLASSES:
        raise InvalidName(
            "RESOURCE", name, f"the class would be called {class_name}, which models.py uses; choose another"
        )
    return ResourceName(singular, many, class_name)


def pluralise(word: str) -> str:
    """The English plural by the common rules: `category` to `categories`, `box` to `boxes`, `order` to `orders`."""
    if re.search(r"[^aeiou]y$", word):
        return word[:-1] + "ies"
    if re.search(r"(?:s|x|z|ch|sh)$", word):
        return word + "es"
    return word + "s"


def _check_identifier(what: str, name: str, *, example: str) -> str:
    if not name:
        raise InvalidName(what, "", f"write for example `{example}`")
    if len(name) > MAX_NAME_LENGTH:
        raise InvalidName(what, name, f"{len(name)} characters; at most {MAX_NAME_LENGTH} are allowed")
    if _PATH_CHARACTERS.intersection(name):
        raise InvalidName(what, name, "a name, not a path: no slashes, dots, colons or tildes")
    if name != name.lower():
        raise InvalidName(what, name, f"upper case; write {name.lower()!r}")
    if not _PATTERN.fullmatch(name):
        raise InvalidName(what, name, "expected a-z, then a-z, 0-9 and single - or _ between them, as in 'my-shop'")
    package = name.replace("-", "_")
    if keyword.iskeyword(package):
        raise InvalidName(what, name, "a keyword of Python; choose another")
    return package


def _is_installed(package: str) -> bool:
    spec = importlib.util.find_spec(package)
    if spec is None:
        return False
    # A plain folder below the working directory looks like a namespace package when that directory is on sys.path.
    is_folder = spec.origin is None and spec.submodule_search_locations is not None
    return not (is_folder and all(Path(place).parent == Path.cwd() for place in spec.submodule_search_locations or ()))


def _siblings(parent: Path) -> list[Path]:
    return sorted(parent.iterdir()) if parent.is_dir() else []
