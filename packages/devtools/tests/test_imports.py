"""Imports are added where the formatter would sort them."""

import libcst as cst
import pytest

from levante.devtools.imports import add_import

MODULE = '''"""Doc."""

import os

from levante import web  # the framework

from shop.models import Base

from .home import Home

x = 1
'''


def added(source: str, line: str) -> str:
    return add_import(cst.parse_module(source), line, package="shop").code


@pytest.mark.parametrize(
    ("line", "before", "after"),
    [
        ("import datetime", "import os\n", "import datetime\nimport os\n"),
        ("import sys", "import os\n", "import os\nimport sys\n"),
        ("from decimal import Decimal", "import os\n", "import os\nfrom decimal import Decimal\n"),
        ("import os", "import os\n", "import os\n"),
        ("from levante import http", "import web ", "import http, web "),
        ("from levante import web", "import web ", "import web "),
        ("from levante import Request", "import web ", "import Request, web "),
        ("from levante import zoo", "import web ", "import web, zoo "),
        ("from .items import ITEMS", "import Home\n", "import Home\nfrom .items import ITEMS\n"),
        ("from shop.db import SESSION", "from shop.models", "from shop.db import SESSION\nfrom shop.models"),
        ("from __future__ import annotations", "import os\n", "from __future__ import annotations\n\nimport os\n"),
    ],
)
def test_sorted_in(line: str, before: str, after: str) -> None:
    assert added(MODULE, line) == MODULE.replace(before, after, 1)


def test_first_import_of_a_module() -> None:
    assert added('"""Doc."""\n\nx = 1\n', "import os") == '"""Doc."""\n\nimport os\n\nx = 1\n'
    assert added("x = 1\n", "import os") == "import os\nx = 1\n"


def test_new_section_gets_a_blank_line() -> None:
    assert added("from .home import Home\n", "import os") == "import os\n\nfrom .home import Home\n"


def test_comments_stay() -> None:
    source = "import os\n\n# why\nfrom levante import web\n"
    assert added(source, "import sys") == "import os\nimport sys\n\n# why\nfrom levante import web\n"


def test_parentheses_stay() -> None:
    source = "from levante import (\n    a,  # first\n    c,\n)\n"
    assert added(source, "from levante import b") == "from levante import (\n    a,  # first\n    b,\n    c,\n)\n"
    assert added(source, "from levante import d") == "from levante import (\n    a,  # first\n    c,\n    d,\n)\n"


def test_long_line_is_wrapped() -> None:
    names = [f"{letter * 20}" for letter in "abcde"]
    source = f"from levante import {', '.join(names)}\n"
    assert (
        added(source, "from levante import z")
        == "from levante import (\n" + "".join(f"    {name},\n" for name in [*names, "z"]) + ")\n"
    )


def test_star_is_left_alone() -> None:
    assert added("from levante import *\n", "from levante import web") == "from levante import *\n"
