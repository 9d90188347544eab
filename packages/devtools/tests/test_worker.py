"""The parts of a server process: what it shows, how it loads, what it lets others know."""

import importlib.util
import sys

import pytest

from levante.devtools import worker
from levante.web import AppKey, Application


def test_access_line_is_short_and_safe() -> None:
    line = worker.access_line("GET", "/items?a=\x1b[31m", 200, 1234, 0.0031)
    assert line.endswith("/items?a=?[31m")
    assert "1.2 kB" in line
    assert "3 ms" in line


@pytest.mark.parametrize(("size", "shown"), [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (2_500_000, "2.5 MB")])
def test_sizes(size: int, shown: str) -> None:
    assert worker._size(size) == shown


def test_loop_is_uvloops_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert worker.loop_factory() is not None or importlib.util.find_spec("uvloop") is None
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert worker.loop_factory() is None


def test_templates_are_read_again_in_all_applications(monkeypatch: pytest.MonkeyPatch) -> None:
    jinja2 = pytest.importorskip("jinja2")
    app, below = Application(), Application()
    key = AppKey("templates", jinja2.Environment)
    for it in (app, below):
        it[key] = jinja2.Environment(auto_reload=False, autoescape=True)
    app.add_subapp("/below", below)
    with monkeypatch.context() as without:
        without.delitem(sys.modules, "jinja2")
        worker.reload_templates(app)
    assert not app[key].auto_reload
    worker.reload_templates(app)
    assert app[key].auto_reload
    assert below[key].auto_reload


async def test_factory_that_gives_something_else_is_told_so() -> None:
    async def wrong() -> int:
        return 3

    with pytest.raises(TypeError, match=r"gives int, expected a levante.web.Application"):
        await worker._awaited(wrong())
