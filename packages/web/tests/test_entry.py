import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from levante import web
from levante.web.entry import Entry, EntryError, as_factory

MODULE = """
from levante import web
app = web.Application()
def make():
    return app
def with_arguments(argv):
    return argv
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "entry_module.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith("entry_")]:
        del sys.modules[name]


@pytest.mark.parity("S63")
def test_what_a_name_may_lead_to(folder: Path) -> None:
    assert isinstance(Entry("entry_module:make")(), web.Application)
    assert isinstance(Entry("entry_module:app")(), web.Application)
    arguments: Any = Entry("entry_module:with_arguments", ["--own"])()
    assert arguments == ["--own"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("entry_module", "expected module:function, got 'entry_module'"),
        ("entry_module:", "expected module:function"),
        (".entry_module:make", "relative module names"),
    ],
)
def test_names_of_no_function(name: str, words: str) -> None:
    with pytest.raises(EntryError, match=words):
        Entry(name)


def test_names_that_lead_nowhere(folder: Path) -> None:
    with pytest.raises(EntryError, match="cannot import entry_nowhere"):
        Entry("entry_nowhere:make").load()
    with pytest.raises(EntryError, match=r"cannot import entry_nowhere\.inside"):
        Entry("entry_nowhere.inside:make").load()
    with pytest.raises(EntryError, match="module 'entry_module' has no attribute 'missing'"):
        Entry("entry_module:missing").load()
    (folder / "entry_broken.py").write_text("import entry_no_such_thing")
    with pytest.raises(ModuleNotFoundError, match="entry_no_such_thing"):  # its own fault, with its own traceback
        Entry("entry_broken:make").load()


def test_logging_is_set_up_first(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    levels: list[Any] = []
    monkeypatch.setattr(logging, "basicConfig", lambda **kwargs: levels.append(kwargs["level"]))
    Entry("entry_module:make", log_level=logging.DEBUG)()
    assert levels == [logging.DEBUG]


@pytest.mark.parity("S52")
async def test_what_run_app_may_be_given(folder: Path) -> None:
    app = web.Application()

    async def make() -> web.Application:
        return app

    def make_at_once() -> web.Application:
        return app

    assert as_factory(app)() is app
    assert as_factory(make_at_once)() is app
    for awaitable in (as_factory(make)(), as_factory(make())()):
        assert not isinstance(awaitable, web.Application)
        assert await awaitable is app
    assert isinstance(as_factory("entry_module:make")(), web.Application)
    with pytest.raises(TypeError, match=r"expected a web\.Application, an awaitable of one, a function"):
        as_factory(5)
