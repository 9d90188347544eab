"""Code-aware edits of a service that stands already: a part's module merged into the service's, and a part recorded
in pyproject.toml. The service's own text, comments and layout are kept; what cannot be merged is an `EditConflict`,
never a guess."""

from collections.abc import Mapping

import libcst as cst
import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import AoT, Table

from .imports import add_import, is_import
from .sequences import LAST_LINE, NEXT_LINE, inserted, one_a_line

_BLANK = cst.EmptyLine(indent=False)


class EditConflict(Exception):
    """A merge that would change what is there, or cannot be read; its text says what stands in the way."""


def merge_module(target: str, addition: str, *, package: str) -> str:
    """The source `target` with `addition` merged in: imports are sorted in, elements of a list join the list of the
    same name, classes and functions go to the end. A definition that is there already is a conflict, unless it is
    `shared` or identical."""
    module = _parse(target)
    for statement in _parse(addition).body:
        if is_import(statement):
            module = add_import(module, _code(statement), package=package)
        elif isinstance(statement, cst.ClassDef | cst.FunctionDef):
            module = _with_definition(module, statement)
        elif (assigned := _assigned_list(statement)) is not None:
            module = _with_elements(module, *assigned)
        else:
            raise EditConflict(f"a part can merge imports, lists and definitions, not {_code(statement)!r}")
    return module.code


def record_part(pyproject: str, part: str, answers: Mapping[str, object]) -> str:
    """The text of a pyproject.toml with one more `[[tool.levante.parts]]`: which part went in, and with what
    answers."""
    try:
        document = tomlkit.parse(pyproject)
    except TOMLKitError as error:
        raise EditConflict(f"cannot be read: {error}") from None
    tool = document.get("tool")
    levante = tool.get("levante") if isinstance(tool, Mapping) else None
    if not isinstance(levante, Table):
        raise EditConflict("has no [tool.levante] table")
    parts = levante.setdefault("parts", tomlkit.aot())
    if not isinstance(parts, AoT):
        raise EditConflict("tool.levante.parts is not an array of tables")
    table = tomlkit.table()
    table.update({"part": part, **answers})
    table.add(tomlkit.nl())
    parts.append(table)
    return tomlkit.dumps(document)


def _parse(source: str) -> cst.Module:
    try:
        return cst.parse_module(source)
    except cst.ParserSyntaxError as error:
        raise EditConflict(f"syntax error in line {error.raw_line}: {error.message}") from None


def _code(statement: cst.CSTNode) -> str:
    return cst.Module([]).code_for_node(statement).strip()


def _with_definition(module: cst.Module, definition: cst.ClassDef | cst.FunctionDef) -> cst.Module:
    name = definition.name.value
    for statement in module.body:
        if name not in _bound_names(statement):
            continue
        if _code(statement) == _code(definition):
            return module
        raise EditConflict(f"the name {name} is taken")
    return module.with_changes(body=[*module.body, definition.with_changes(leading_lines=[_BLANK, _BLANK])])


def _bound_names(statement: cst.CSTNode) -> set[str]:
    if isinstance(statement, cst.ClassDef | cst.FunctionDef):
        return {statement.name.value}
    if not isinstance(statement, cst.SimpleStatementLine):
        return set()
    names: set[str] = set()
    for part in statement.body:
        if isinstance(part, cst.Import | cst.ImportFrom) and not isinstance(part.names, cst.ImportStar):
            names.update(alias.evaluated_alias or alias.evaluated_name.partition(".")[0] for alias in part.names)
        elif isinstance(part, cst.Assign):
            names.update(target.target.value for target in part.targets if isinstance(target.target, cst.Name))
        elif isinstance(part, cst.AnnAssign) and isinstance(part.target, cst.Name):
            names.add(part.target.value)
    return names


def _assigned_list(statement: cst.CSTNode) -> tuple[str, cst.List] | None:
    if not isinstance(statement, cst.SimpleStatementLine):
        return None
    assignment = statement.body[0]
    if not isinstance(assignment, cst.Assign | cst.AnnAssign) or not isinstance(assignment.value, cst.List):
        return None
    names = _bound_names(statement)
    return (names.pop(), assignment.value) if len(names) == 1 else None


def _with_elements(module: cst.Module, name: str, added: cst.List) -> cst.Module:
    for place, statement in enumerate(module.body):
        found = _assigned_list(statement)
        if found is None or found[0] != name:
            continue
        present = found[1]
        codes = {_code(element.value) for element in present.elements}
        new = [element for element in added.elements if _code(element.value) not in codes]
        changed = statement.deep_replace(present, _extended(present, new))
        body = list(module.body)
        body[place] = cst.ensure_type(changed, cst.SimpleStatementLine)
        return module.with_changes(body=body)
    raise EditConflict(f"there is no list {name} = [...] to register in")


def _extended(present: cst.List, new: list[cst.BaseElement]) -> cst.List:
    if not isinstance(present.lbracket.whitespace_after, cst.ParenthesizedWhitespace):
        brackets = {"lbracket": cst.LeftSquareBracket(NEXT_LINE), "rbracket": cst.RightSquareBracket(LAST_LINE)}
        return present.with_changes(elements=one_a_line([*present.elements, *new]), **brackets)
    elements, close = list(present.elements), present.rbracket.whitespace_before
    for element in new:
        elements, close = inserted(elements, len(elements), element, close=close)
    return present.with_changes(elements=elements, rbracket=cst.RightSquareBracket(close))
