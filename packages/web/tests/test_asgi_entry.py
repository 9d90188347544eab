"""ASGI applications of others, served by `python -m levante.web --asgi`."""

import http.client
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from levante import web
from levante.web import __main__ as main
from levante.web.entry import EntryError
from levante.web.gateway.entry import AsgiEntry

pytestmark = pytest.mark.parity("L23")

APP = """
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

app = Starlette(routes=[Route("/{rest:path}", lambda request: PlainTextResponse(f"served {request.url.path}"))])
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "asgi_entry_app.py").write_text(APP)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr("logging.basicConfig", lambda **_: None)
    return tmp_path


async def test_an_application_by_name(folder: Path, serve: Any) -> None:
    app = AsgiEntry("asgi_entry_app:app", log_level=10)()
    assert isinstance(app, web.Application)
    served = await serve(app)
    assert (await served.get("/a/b")).text == "served /a/b"
    with pytest.raises(EntryError, match="expected module:function"):
        AsgiEntry("asgi_entry_app")


def test_the_command(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    calls: list[Any] = []
    monkeypatch.setattr(main, "run_app", lambda app, **_: calls.append(app))
    main.main(["--asgi", "asgi_entry_app:app"])
    assert calls == [AsgiEntry("asgi_entry_app:app", log_level=10)]
    with pytest.raises(SystemExit):
        main.main(["--asgi", "asgi_entry_app:app", "argument"])
    assert "takes no arguments; got argument" in capsys.readouterr().err


class OverUnix(http.client.HTTPConnection):
    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.host)


@pytest.mark.skipif(os.name != "posix", reason="workers and signals are POSIX")
@pytest.mark.parametrize("workers", ["1", "2"])
def test_as_a_program(tmp_path: Path, workers: str) -> None:
    (tmp_path / "asgi_entry_app.py").write_text(APP)
    path = str(tmp_path / "socket")
    command = ["-m", "levante.web", "--asgi", "-U", path, "--workers", workers, "asgi_entry_app:app"]
    program = subprocess.Popen(
        [sys.executable, *command], cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert program.stdout is not None
        while "Running on" not in (line := program.stdout.readline()):
            assert line
        connection = OverUnix(path, timeout=20)
        connection.request("GET", "/x", headers={"Host": "localhost"})
        assert connection.getresponse().read() == b"served /x"
        connection.close()
        program.send_signal(signal.SIGTERM)
        assert program.wait(20) == 0
    finally:
        program.kill()
        program.communicate()
