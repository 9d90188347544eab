"""Log records of a project that is being loaded, and of one that runs."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

import pytest

from levante.devtools import logs


@contextmanager
def new_process() -> Iterator[None]:
    """The root logger is as in a new process; pytest's own handlers come between a fixture and its test."""
    root = logging.getLogger()
    with mock.patch.object(root, "handlers", []), mock.patch.object(logging, "lastResort"):
        level = root.level
        root.setLevel(logging.WARNING)
        yield
        root.setLevel(level)


def test_early_records_have_the_form_of_later_ones(capsys: pytest.CaptureFixture[str]) -> None:
    with new_process():
        logs.show_early_records()
        logging.getLogger("shop").warning("no key")
        logging.getLogger("shop").info("not so important")
        logs.configure_logging(verbose=False)
        logging.getLogger("shop").warning("no key")
    assert capsys.readouterr().err == "WARNING shop: no key\n" * 2


def test_level_of_early_records(capsys: pytest.CaptureFixture[str]) -> None:
    with new_process():
        logs.show_early_records(logging.ERROR)
        logging.getLogger("quiet").warning("no key")
        logs.show_early_records(logging.DEBUG)
        logging.getLogger("loud").debug("every step")
    assert capsys.readouterr().err == "DEBUG   loud: every step\n"


def test_what_the_project_configures_while_it_loads_holds(capsys: pytest.CaptureFixture[str]) -> None:
    with new_process():
        logs.show_early_records()
        logging.basicConfig(format="mine: %(message)s")
        logs.configure_logging(verbose=False)
        logging.getLogger("shop").warning("no key")
    assert capsys.readouterr().err == "mine: no key\n"


def test_logging_is_configured_unless_the_project_did(monkeypatch: pytest.MonkeyPatch) -> None:
    with new_process():
        calls: list[int] = []
        monkeypatch.setattr(logging, "basicConfig", lambda **options: calls.append(options["level"]))
        logs.configure_logging(verbose=False)
        monkeypatch.setattr(logging.getLogger(), "handlers", [logging.NullHandler()])
        logs.configure_logging(verbose=False)
        logs.configure_logging(verbose=True)
    assert calls == [logging.INFO, logging.DEBUG]
