"""`devtools routes`: method, path, name and place of every handler."""

import logging
import os
import sys
from pathlib import Path
from unittest import mock

import pytest
from click.testing import CliRunner

from levante.devtools.cli import main

APP = """
import functools
from levante.web import Application, Response, View

class Items(View):
    async def get(self):
        return Response()

async def hello(request, *, greeting="hi"):
    return Response(text=greeting)

async def create_app():
    app = Application()
    app.router.add_view("/items", Items, name="items")
    app.router.add_get("/", functools.partial(hello, greeting="ho"))
    below = Application()
    below.router.add_post("/deep/{id}", hello)
    app.add_subapp("/sub", below)
    return app
"""


@pytest.fixture(autouse=True)
def _process_is_put_back(monkeypatch: pytest.MonkeyPatch):
    """The command belongs to a process of its own: it sets variables and imports the project."""
    modules = set(sys.modules)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(logging, "lastResort", logging.lastResort)
    with mock.patch.dict(os.environ):
        yield
    for name in set(sys.modules) - modules:
        del sys.modules[name]


def test_routes_are_listed_with_their_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "routes_app.py").write_text(APP)
    done = CliRunner().invoke(main, ["routes", "routes_app.py"])
    rows = [line.split() for line in done.output.splitlines()]
    assert done.exit_code == 0
    assert ["/items", "GET", "HEAD", "items", "routes_app.py:5"] in rows
    assert ["/", "GET", "HEAD", "routes_app.py:9"] in rows
    assert ["/sub/deep/{id}", "POST", "routes_app.py:9"] in rows


def test_nothing_to_list_is_a_usage_error(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["routes", str(tmp_path)])
    assert done.exit_code == 2
    assert "no main.py or app.py" in done.output.splitlines()[-1]


def test_application_that_does_not_load_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "broken_app.py").write_text("def create_app():\n    return 1 / 0\n")
    done = CliRunner().invoke(main, ["routes", str(tmp_path / "broken_app.py")])
    assert done.exit_code == 1
    assert done.stderr.startswith(
        "Error: broken_app does not load: ZeroDivisionError: division by zero (broken_app.py:2)"
    )
    assert done.stderr.count("\n") == 1


def test_built_in_handlers_have_no_place(tmp_path: Path) -> None:
    (tmp_path / "builtin_app.py").write_text(
        "from levante.web import Application\napp = Application()\napp.router.add_static('/static', '.')\n"
    )
    done = CliRunner().invoke(main, ["routes", str(tmp_path / "builtin_app.py")])
    assert done.exit_code == 0
    (row,) = done.output.splitlines()
    assert row.split()[:4] == ["/static", "GET", "HEAD", "static"] or row.split()[:3] == ["/static", "GET", "HEAD"]
    assert "levante.web." in row
