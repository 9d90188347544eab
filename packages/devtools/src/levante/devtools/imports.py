"""Where an import line belongs. Adding a name to a module must leave its imports as `ruff` (rule I) sorts them:
sections in order with a blank line between, `import x` before `from x import y` inside a section, names by kind
(CONSTANT, Class, function) and then by spelling. Everything else in the block, comments included, stays as it was."""

import sys
from collections.abc import Sequence
from itertools import pairwise

import libcst as cst

from .sequences import LAST_LINE, NEXT_LINE, inserted, one_a_line

LINE_LENGTH = 120
"""Of the generated services' ruff settings; a longer import is put in parentheses, a name a line."""

FUTURE, STDLIB, THIRD_PARTY, FIRST_PARTY, LOCAL = range(5)


def add_import(module: cst.Module, line: str, *, package: str) -> cst.Module:
    """`module` with the import that `line` is; unchanged where it is imported already. `package` is the module's own
    package."""
    statement = cst.ensure_type(cst.parse_statement(line), cst.SimpleStatementLine)
    body = list(module.body)
    start, end = _block(body)
    block = [cst.ensure_type(item, cst.SimpleStatementLine) for item in body[start:end]]
    block = _merged(block, statement, package)
    if start == end:
        block[0] = block[0].with_changes(leading_lines=[cst.EmptyLine(indent=False)] if start else [])
    return module.with_changes(body=[*body[:start], *block, *body[end:]])


def is_import(statement: cst.CSTNode) -> bool:
    """Whether a top-level statement is one import and nothing else."""
    return (
        isinstance(statement, cst.SimpleStatementLine)
        and len(statement.body) == 1
        and isinstance(statement.body[0], cst.Import | cst.ImportFrom)
    )


def _block(body: Sequence[cst.CSTNode]) -> tuple[int, int]:
    imports = [place for place, statement in enumerate(body) if is_import(statement)]
    if not imports:
        place = 1 if body and _is_docstring(body[0]) else 0
        return place, place
    end = imports[0]
    while end < len(body) and is_import(body[end]):
        end += 1
    return imports[0], end


def _is_docstring(statement: cst.CSTNode) -> bool:
    return isinstance(statement, cst.SimpleStatementLine) and isinstance(statement.body[0], cst.Expr)


def _merged(
    block: list[cst.SimpleStatementLine], statement: cst.SimpleStatementLine, package: str
) -> list[cst.SimpleStatementLine]:
    key = _sort_key(statement, package)
    for place, present in enumerate(block):
        if _sort_key(present, package) == key:
            block[place] = _joined(present, statement)
            return block
    place = sum(_sort_key(present, package) < key for present in block)
    if place == 0 and block:
        statement = statement.with_changes(leading_lines=_blank(block[0])[:1])
    return _spaced([*block[:place], statement, *block[place:]], package)


def _spaced(block: list[cst.SimpleStatementLine], package: str) -> list[cst.SimpleStatementLine]:
    spaced = block[:1]
    for before, statement in pairwise(block):
        new_section = _sort_key(before, package)[0] != _sort_key(statement, package)[0]
        comments = [line for line in statement.leading_lines if line.comment]
        lines = [cst.EmptyLine(indent=False), *comments] if new_section else comments
        spaced.append(statement.with_changes(leading_lines=lines))
    return spaced


def _blank(statement: cst.SimpleStatementLine) -> list[cst.EmptyLine]:
    return [line for line in statement.leading_lines if not line.comment]


def _sort_key(statement: cst.SimpleStatementLine, package: str) -> tuple[int, int, str]:
    node = statement.body[0]
    if isinstance(node, cst.Import):
        name = _dotted(node.names[0].name)
        return _section(name, package), 0, name.lower()
    source = cst.ensure_type(node, cst.ImportFrom)
    name = "." * len(source.relative) + (_dotted(source.module) if source.module else "")
    return _section(name, package), 1, name.lower()


def _section(name: str, package: str) -> int:
    top = name.partition(".")[0]
    if not top:
        return LOCAL
    if top == "__future__":
        return FUTURE
    if top in sys.stdlib_module_names:
        return STDLIB
    return FIRST_PARTY if top == package else THIRD_PARTY


def _joined(present: cst.SimpleStatementLine, added: cst.SimpleStatementLine) -> cst.SimpleStatementLine:
    source, extra = present.body[0], added.body[0]
    if not isinstance(source, cst.ImportFrom) or not isinstance(extra, cst.ImportFrom):
        return present
    if isinstance(source.names, cst.ImportStar):
        return present
    for alias in _names(extra):
        source = _with_name(source, alias)
    joined = present.with_changes(body=[source])
    code = cst.Module([joined.with_changes(leading_lines=[])]).code.rstrip("\n")
    return _wrapped(joined) if "\n" not in code and len(code) > LINE_LENGTH else joined


def _with_name(source: cst.ImportFrom, alias: cst.ImportAlias) -> cst.ImportFrom:
    present = _names(source)
    if any(name.evaluated_name == alias.evaluated_name for name in present):
        return source
    place = sum(_name_key(name) < _name_key(alias) for name in present)
    if source.rpar is None:
        return source.with_changes(names=inserted(present, place, alias, close=cst.SimpleWhitespace(""))[0])
    names, close = inserted(present, place, alias, close=source.rpar.whitespace_before)
    return source.with_changes(names=names, rpar=source.rpar.with_changes(whitespace_before=close))


def _names(source: cst.ImportFrom) -> list[cst.ImportAlias]:
    return [] if isinstance(source.names, cst.ImportStar) else list(source.names)


def _name_key(alias: cst.ImportAlias) -> tuple[int, str]:
    name = alias.evaluated_name
    if name.isupper() and len(name) > 1:
        return 0, name
    return (1, name) if name[:1].isupper() else (2, name)


def _wrapped(statement: cst.SimpleStatementLine) -> cst.SimpleStatementLine:
    source = cst.ensure_type(statement.body[0], cst.ImportFrom)
    brackets = {"lpar": cst.LeftParen(NEXT_LINE), "rpar": cst.RightParen(LAST_LINE)}
    return statement.with_changes(body=[source.with_changes(names=one_a_line(_names(source)), **brackets)])


def _dotted(name: cst.BaseExpression) -> str:
    if isinstance(name, cst.Attribute):
        return f"{_dotted(name.value)}.{name.attr.value}"
    return cst.ensure_type(name, cst.Name).value
