"""The templates and how they are rendered: `cookiecutter/` is a whole service, each folder of `templates/` a part
that goes into one. cookiecutter renders them, by its inner function: no prompt, no hook, no user configuration,
nothing kept in the home folder. Tags are written `[[ ]]` and `[% %]`, because the rendered files hold jinja2
templates of their own."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from .fields import Field
from .names import ResourceName, ServiceName

_PACKAGED = Path(__file__).parent / "scaffold"
_REPOSITORY = Path(__file__).resolve().parents[5]


@dataclass(frozen=True)
class Template:
    """A folder with a cookiecutter.json and one folder to render."""

    folder: Path

    @cached_property
    def options(self) -> dict[str, Any]:
        """What cookiecutter.json says: variables with their defaults, and `_private` settings that are passed on as
        they are."""
        options: dict[str, Any] = json.loads((self.folder / "cookiecutter.json").read_text(encoding="utf-8"))
        return options

    def render(self, into: Path, **variables: Any) -> Path:
        """Render into the existing folder `into`; gives back the new folder in it, which is called as the variable
        `name`."""
        # Imported here because it loads jinja2, requests and more, which only who renders should pay for.
        from cookiecutter.generate import generate_files  # type: ignore[import-untyped]

        unknown = variables.keys() - self.options.keys()
        if unknown:
            raise KeyError(f"{self.folder.name}/cookiecutter.json does not know {', '.join(sorted(unknown))}")
        context = {"cookiecutter": {**self.options, **variables}}
        return Path(generate_files(self.folder, context, into, accept_hooks=False))


def service_template() -> Template:
    """The template of a whole service."""
    return Template(_root("service", _REPOSITORY / "cookiecutter"))


def part_template(part: str) -> Template:
    """The template of a part, as `resource`."""
    return Template(_root(f"parts/{part}", _REPOSITORY / "templates" / part))


def _root(packaged: str, in_repository: Path) -> Path:
    # An installed wheel carries the templates inside the package; the repository has them at its root.
    return _PACKAGED / packaged if _PACKAGED.is_dir() else in_repository


def resource_variables(service: ServiceName, resource: ResourceName, fields: list[Field]) -> dict[str, Any]:
    """What the resource part is rendered with."""
    described = [field.context() for field in fields]
    return {
        "name": service.name,
        "package": service.package,
        "singular": resource.singular,
        "plural": resource.plural,
        "class_name": resource.class_name,
        "title": resource.title,
        "plural_title": resource.plural_title,
        "_fields": described,
        "_model_imports": _united(field["model_imports"] for field in described),
        "_schema_imports": _united(field["schema_imports"] for field in described),
    }


def _united(groups: Any) -> list[str]:
    return sorted({line for group in groups for line in group})
