import sys
from pathlib import Path
from typing import Any

import pytest

from levante.web import __main__ as main


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Any]:
    found: list[Any] = []
    monkeypatch.setattr(main, "run_app", lambda app, **kwargs: found.append((app, kwargs)))
    monkeypatch.setattr("logging.basicConfig", lambda **kwargs: None)
    (tmp_path / "entry_for_main.py").write_text("def make(argv):\n    return argv\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield found  # type: ignore[misc]
    sys.modules.pop("entry_for_main", None)


@pytest.mark.parity("S63")
@pytest.mark.parametrize(
    ("argv", "rest", "where"),
    [
        (["entry_for_main:make"], [], ("localhost", 8080, None)),
        (["-H", "::1", "-P", "81", "entry_for_main:make", "--own", "x"], ["--own", "x"], ("::1", 81, None)),
        (["-P", "0", "entry_for_main:make"], [], ("localhost", 0, None)),
        (["-U", "/s", "entry_for_main:make"], [], (None, None, "/s")),
        (["-U", "/s", "-P", "81", "entry_for_main:make"], [], ("localhost", 81, "/s")),
    ],
)
def test_arguments(calls: list[Any], argv: list[str], rest: list[str], where: Any) -> None:
    main.main(argv)
    entry, kwargs = calls[0]
    assert entry() == rest
    assert kwargs["workers"] == 1
    assert (kwargs["host"], kwargs["port"], kwargs["path"]) == where


@pytest.mark.parity("S63")
@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("entry_for_main", "module:function"),
        (":make", "module:function"),
        (".entry:make", "relative"),
        ("entry_for_main:nothing", "no attribute"),
        ("no_such_module_at_all:make", "cannot import"),
    ],
)
def test_mistakes(calls: list[Any], capsys: pytest.CaptureFixture[str], entry: str, words: str) -> None:
    with pytest.raises(SystemExit) as caught:
        main.main([entry])
    assert caught.value.code == 2
    assert words in capsys.readouterr().err
    assert not calls
