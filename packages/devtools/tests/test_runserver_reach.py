"""Who can reach the error pages of the development server: this machine, unless somebody says otherwise, and is told
what that means."""

from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from levante.devtools import runserver
from levante.devtools.runserver import runserver_command

pytestmark = pytest.mark.hardening("S22")


class Served:
    """A development server that ends at once."""

    def __init__(self, *_: Any, **options: Any) -> None:
        pass

    async def run(self) -> int:
        return 0


@pytest.fixture
def hosts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Where servers listened, while none really does."""
    found: list[str] = []

    def bind(host: str, port: int) -> Any:
        found.append(host)
        return SimpleNamespace(taken_by=None, port=port)

    monkeypatch.delenv("DEVTOOLS_HOST", raising=False)
    monkeypatch.setattr(runserver, "find_target", lambda path: path)
    monkeypatch.setattr(runserver, "child_environment", lambda *_: {})
    monkeypatch.setattr(runserver, "bind", bind)
    monkeypatch.setattr(runserver, "DevServer", Served)
    return found


@pytest.mark.parametrize("arguments", [[], ["--host", "127.0.0.1"], ["--host", "::1"], ["--host", "localhost"]])
def test_this_machine_only(hosts: list[str], arguments: list[str]) -> None:
    said = CliRunner().invoke(runserver_command, arguments)
    assert said.exit_code == 0, said.output
    assert hosts == (arguments[1:] or ["127.0.0.1"])
    assert "source code" not in said.output


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])
def test_others_by_a_flag_that_is_told_about(hosts: list[str], host: str) -> None:
    said = CliRunner().invoke(runserver_command, ["--host", host])
    assert said.exit_code == 0, said.output
    assert hosts == [host]
    assert f"whoever can reach {host} sees source code on error pages" in said.output
