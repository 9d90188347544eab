"""Merging a part's module into a service's, and recording the part."""

import tomllib

import pytest

from levante.devtools.edits import EditConflict, merge_module, record_part

VIEWS = '''"""Doc."""

from .home import Home
from .resource import Resource

RESOURCES: list[Resource] = []


def setup() -> None: ...
'''


def views(plural: str) -> str:
    return f"from .{plural} import {plural.upper()}\n\nRESOURCES = [{plural.upper()}]\n"


def merged(target: str, addition: str) -> str:
    return merge_module(target, addition, package="shop")


def test_elements_join_the_list_a_line_each() -> None:
    once = merged(VIEWS, views("items"))
    assert "RESOURCES: list[Resource] = [\n    ITEMS,\n]\n" in once
    assert "from .home import Home\nfrom .items import ITEMS\nfrom .resource import Resource\n" in once
    twice = merged(once, views("orders"))
    assert "[\n    ITEMS,\n    ORDERS,\n]\n" in twice
    assert merged(twice, views("orders")) == twice


def test_comments_in_the_list_stay() -> None:
    source = "A = [\n    # the first\n    ONE,  # one\n    TWO,  # two\n]\n"
    assert (
        merged(source, "A = [THREE]\n") == "A = [\n    # the first\n    ONE,  # one\n    TWO,  # two\n    THREE,\n]\n"
    )


def test_definition_goes_to_the_end() -> None:
    assert merged("x = 1\n", "class A:\n    pass\n") == "x = 1\n\n\nclass A:\n    pass\n"
    assert merged("x = 1\n", "def a(): ...\n") == "x = 1\n\n\ndef a(): ...\n"


def test_same_definition_is_there_already() -> None:
    source = "x = 1\n\n\nclass A:\n    pass\n"
    assert merged(source, "class A:\n    pass\n") == source


@pytest.mark.parametrize(
    "line", ["class A: ...", "def A(): ...", "A = 1", "A: int = 1", "import A", "from b import c as A", "import A.b"]
)
def test_name_that_is_taken_is_a_conflict(line: str) -> None:
    with pytest.raises(EditConflict, match="the name A is taken"):
        merged(f"{line}\n", "class A:\n    pass\n")


@pytest.mark.parametrize(
    ("target", "addition", "reason"),
    [
        ("x = (\n", "import os\n", "syntax error"),
        ("x = 1\n", "RESOURCES = [A]\n", "there is no list RESOURCES"),
        ("RESOURCES = (A,)\n", "RESOURCES = [B]\n", "there is no list RESOURCES"),
        ("x = 1\n", "run()\n", "a part can merge imports, lists and definitions"),
        ("x = 1\n", "if x:\n    y = 1\n", "a part can merge"),
        ("x = 1\n", "a = b = [1]\n", "a part can merge"),
    ],
)
def test_conflicts(target: str, addition: str, reason: str) -> None:
    with pytest.raises(EditConflict, match=reason):
        merged(target, addition)


PYPROJECT = """[project]
name = "shop"  # ours

[tool.levante]
app = "shop.app:create_app"

[tool.levante.answers]
name = "shop"

[tool.ruff]
line-length = 120
"""


def test_part_is_recorded_and_the_rest_stays() -> None:
    once = record_part(PYPROJECT, "resource", {"name": "item", "fields": ["name:str"]})
    twice = record_part(once, "resource", {"name": "order", "fields": []})
    assert [part["name"] for part in tomllib.loads(twice)["tool"]["levante"]["parts"]] == ["item", "order"]
    assert tomllib.loads(twice)["tool"]["ruff"] == {"line-length": 120}
    assert 'name = "shop"  # ours\n' in twice
    assert "\n\n[[tool.levante.parts]]\n" in once


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[tool", "cannot be read"),
        ("[tool.ruff]\n", "has no"),
        ("tool = 1\n", "has no"),
        ("[tool.levante]\nparts = 1\n", "is not an array"),
    ],
)
def test_pyproject_that_cannot_be_edited(text: str, reason: str) -> None:
    with pytest.raises(EditConflict, match=reason):
        record_part(text, "resource", {})
