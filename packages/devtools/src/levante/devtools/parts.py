"""Adding a part to a service: first a plan, in which every file is either new, an edit of one that is there, or a
conflict; then, if nothing is in the way, the plan is written. Planning reads the service and writes nothing to it."""

import fnmatch
import tempfile
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .edits import EditConflict, merge_module, record_part
from .names import ServiceName
from .scaffold import Template


class NotAService(Exception):
    """A folder that is not a service made by the generator; its text says what is missing."""


@dataclass(frozen=True, slots=True)
class Service:
    """A service that stands: its folder, and the names it was made with."""

    root: Path
    names: ServiceName

    @classmethod
    def read(cls, root: Path) -> "Service":
        """The service in the folder `root`; raises `NotAService`."""
        pyproject = root / "pyproject.toml"
        if not pyproject.is_file():
            raise NotAService(
                f"{root} has no pyproject.toml; go into a service's folder, or name it with --service PATH"
            )
        try:
            answers = tomllib.loads(pyproject.read_text(encoding="utf-8"))["tool"]["levante"]["answers"]
            return cls(root, ServiceName(answers["name"], answers["package"]))
        except (tomllib.TOMLDecodeError, KeyError, TypeError) as error:
            reason = f"{type(error).__name__}: {error}"
            raise NotAService(f"{pyproject} has no [tool.levante.answers] with name and package ({reason})") from None


@dataclass(slots=True)
class Plan:
    """What adding a part would do. Paths are relative to the service, as keys of what the files will hold."""

    new: dict[Path, bytes] = field(default_factory=dict)
    edited: dict[Path, bytes] = field(default_factory=dict)
    conflicts: list[str] = field(default_factory=list)

    def write(self, root: Path) -> None:
        """Write every file of the plan below `root`: all of them, or, when one cannot be written, none."""
        written: list[Path] = []
        try:
            for path, content in self.new.items():
                target = root / path
                target.parent.mkdir(parents=True, exist_ok=True)
                with target.open("xb") as file:
                    written.append(target)
                    file.write(content)
            _replace({root / path: content for path, content in self.edited.items()})
        except BaseException:
            for target in written:
                target.unlink()
            raise


def _replace(contents: Mapping[Path, bytes]) -> None:
    """Replace files, each in one step; on a failure those that were replaced get their old content back."""
    staged = {target: target.with_name(f".{target.name}.new") for target in contents}
    before = {target: target.read_bytes() for target in contents}
    replaced: list[Path] = []
    try:
        for target, stage in staged.items():
            stage.write_bytes(contents[target])
            stage.chmod(target.stat().st_mode)
        for target, stage in staged.items():
            stage.replace(target)
            replaced.append(target)
    except BaseException:
        for target in replaced:
            target.write_bytes(before[target])
        raise
    finally:
        for stage in staged.values():
            stage.unlink(missing_ok=True)


def plan_part(
    service: Service, template: Template, variables: Mapping[str, Any], *, answers: Mapping[str, object]
) -> Plan:
    """What rendering `template` into `service` means for each file; `answers` is what pyproject.toml records of it."""
    plan = Plan()
    with tempfile.TemporaryDirectory(prefix="levante-part-") as scratch:
        rendered = template.render(Path(scratch), **variables)
        for file in sorted(path for path in rendered.rglob("*") if path.is_file()):
            _plan_file(plan, service, template, file.relative_to(rendered), file.read_bytes())
    pyproject = Path("pyproject.toml")
    text = (service.root / pyproject).read_text(encoding="utf-8")
    try:
        plan.edited[pyproject] = record_part(text, template.folder.name, answers).encode()
    except EditConflict as error:
        plan.conflicts.append(f"{pyproject}: {error}")
    return plan


def _plan_file(plan: Plan, service: Service, template: Template, path: Path, content: bytes) -> None:
    target = service.root / path
    merges = any(fnmatch.fnmatch(path.as_posix(), pattern) for pattern in template.options["_merge"])
    if not merges:
        if target.exists():
            plan.conflicts.append(f"{path}: exists")
        else:
            plan.new[path] = content
        return
    if not target.is_file():
        plan.conflicts.append(f"{path}: is not there to be edited")
        return
    try:
        merged = merge_module(
            target.read_text(encoding="utf-8"),
            content.decode(),
            package=service.names.package,
        )
        plan.edited[path] = merged.encode()
    except EditConflict as error:
        plan.conflicts.append(f"{path}: {error}")
