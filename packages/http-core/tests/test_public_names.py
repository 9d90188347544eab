"""What the package lists, it has; what it imports lazily, it imports from where the type checker sees it."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import levante.http


def test_every_listed_name_is_there() -> None:
    assert len(set(levante.http.__all__)) == len(levante.http.__all__)
    for name in levante.http.__all__:
        assert getattr(levante.http, name) is not None


def test_lazy_names_come_from_where_the_type_checker_sees_them() -> None:
    tree = ast.parse(Path(levante.http.__file__).read_text(encoding="utf-8"))
    seen = {
        name.name: node.module
        for block in tree.body
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for name in node.names
    }
    assert seen == levante.http._HOME
    assert set(seen) <= set(levante.http.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = levante.http.no_such_name  # type: ignore[attr-defined]


def test_costly_modules_wait_until_they_are_asked_for() -> None:
    code = (
        "import sys, levante.http; "
        "late = {'codings', 'multipart', 'payloads', 'forms', 'forwarded'}; "
        "print(sorted(name for name in late if f'levante.http.{name}' in sys.modules), 'brotli' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[] False"
