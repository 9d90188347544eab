"""No row of the hardening catalogue is without a test: the requests (H), the forms and cookies (M), the responses (C),
the WebSockets (W, but for those over HTTP/2, which is not there yet), the faults from outside (X) and the sessions (S),
whose names stand in hardening_rows.txt.

The marks are read from the source of the tests. A row is found in `hardening("H01")`, in the literal behind a name in
`hardening(*ROWS)`, and in the first column of the tables in `cases/` that a test module names whose marks are computed.
"""

import ast
import re
import runpy
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROWS = (Path(__file__).parent / "hardening_rows.txt").read_text().split()
# The S rows end at 22: in the tables of tests stand names of the parity table as well, which has more of them.
ROW = re.compile(r"[HMCW][0-9]{2}[a-z]?|X[0-9]{1,2}|S(?:[1-9]|1[0-9]|2[0-2])")


def modules() -> Iterator[Path]:
    for folder in (ROOT / "packages").glob("*/tests"):
        yield from folder.rglob("test_*.py")
    yield from (ROOT / "tests").rglob("test_*.py")


def marked_rows(source: str, cases: Path) -> set[str]:
    """The rows that the tests in `source` are marked with; `cases` is the folder of its tables."""
    tree = ast.parse(source)
    marks = [
        argument
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "hardening"
        for argument in node.args
    ]
    found = {text for mark in marks for text in _strings(mark)}
    computed = [mark for mark in marks if not isinstance(mark, ast.Constant)]
    for name in {node.id for mark in computed for node in ast.walk(mark) if isinstance(node, ast.Name)}:
        found.update(_assigned(tree, name))
    if computed:
        for text in _strings(tree):
            found.update(_first_column(cases / f"{text}.py") if text.isidentifier() else ())
    return {text for text in found if ROW.fullmatch(text)}


def _strings(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def _assigned(tree: ast.Module, name: str) -> Iterator[str]:
    for node in tree.body:
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        if any(isinstance(target, ast.Name) and target.id == name for target in targets):
            yield from _strings(node)


@cache
def _first_column(path: Path) -> frozenset[str]:
    if not path.is_file():
        return frozenset()
    tables = [table for table in runpy.run_path(str(path)).values() if isinstance(table, list)]
    return frozenset(row[0] for table in tables for row in table if isinstance(row, tuple) and isinstance(row[0], str))


@cache
def found_rows() -> frozenset[str]:
    return frozenset(row for path in modules() for row in marked_rows(path.read_text(), path.parent / "cases"))


def test_every_row_has_a_test() -> None:
    assert sorted(set(ROWS) - found_rows()) == []


def test_every_mark_names_a_row() -> None:
    """A mark that names no row is a slip of the pen, or a row that is new: then add it to the list."""
    assert sorted(found_rows() - set(ROWS)) == []


def test_rows_are_listed_once() -> None:
    assert len(ROWS) == len(set(ROWS)) > 150
    assert all(ROW.fullmatch(row) for row in ROWS)


@pytest.mark.parametrize(
    ("source", "rows"),
    [
        ("@pytest.mark.hardening('H01', 'N1')\ndef test(): ...", {"H01"}),
        ("BAD = {'H02': b''}\n@pytest.mark.hardening(*BAD)\ndef test(): ...", {"H02"}),
        ("BAD: list = [('H03', 1)]\n@pytest.mark.hardening(*sorted({a for a, _ in BAD}))\ndef test(): ...", {"H03"}),
        ("ROWS = ['H04']\ndef test(): ...", set()),
        ("load('table')\npytest.mark.hardening(row)", {"H05", "M05"}),
        ("load('other')\npytest.mark.hardening(row)", set()),
        ("load('table')\npytest.mark.hardening('H01')", {"H01"}),
        ("# hardening('H06')\n'hardening(\"H07\")'", set()),
    ],
)
def test_marks_are_found(tmp_path: Path, source: str, rows: set[str]) -> None:
    (tmp_path / "table.py").write_text("A = [('H05', 1)]\nB = [('M05', 1), ('x', 2)]\nC = ('H08',)\n")
    assert marked_rows(source, tmp_path) == rows
