"""Steps show that they run, that they are done, and that they failed."""

import io
import sys

import pytest

from levante.devtools.progress import step


class Terminal(io.StringIO):
    """A terminal that cannot show a check mark."""

    encoding = "ascii"

    def isatty(self) -> bool:
        return True


def test_done(capsys: pytest.CaptureFixture[str]) -> None:
    with step("work") as running:
        running.result = "worked"
    line = capsys.readouterr().out
    assert line.startswith("  ✓ worked ")
    assert line.endswith(" s\n")


def test_failed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyError), step("work"):
        raise KeyError
    assert capsys.readouterr().out == "  ✗ work\n"


def test_terminal_shows_what_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    with step("work"):
        assert "work ..." in terminal.getvalue()
    assert "\x1b[K  + work" in terminal.getvalue()
