"""`make conformance` judges every case, needs Python 2.7 and says so where there is none; what it tests is ours."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import conformance
import pytest

from levante import client, web
from levante.ws import WSMsgType

ROOT = Path(__file__).resolve().parent.parent
CORE = conformance.PARTS["core"]
GOOD = {"behavior": "OK", "behaviorClose": "OK"}


def core_results() -> dict[str, dict[str, str]]:
    silent = {key: {"behavior": "INFORMATIONAL", "behaviorClose": "INFORMATIONAL"} for key in CORE.informational}
    return silent | {f"1.1.{number}": GOOD for number in range(CORE.count - len(silent))}


def test_what_is_expected_is_no_deviation() -> None:
    assert conformance.deviations(core_results(), CORE) == []


@pytest.mark.parametrize("behavior", ["NON-STRICT", "FAILED", "UNIMPLEMENTED", "WRONG CODE", "INFORMATIONAL"])
def test_every_other_verdict_is_one(behavior: str) -> None:
    results = core_results() | {"1.1.7": GOOD | {"behavior": behavior}}
    assert conformance.deviations(results, CORE) == [f"case 1.1.7: got {behavior}; expected OK"]


def test_so_are_a_bad_close_and_a_case_that_is_missing() -> None:
    results = core_results() | {"1.1.7": GOOD | {"behaviorClose": "UNCLEAN"}}
    assert conformance.deviations(results, CORE) == ["case 1.1.7: got UNCLEAN at the close; expected OK"]
    del results["1.1.7"]
    assert conformance.deviations(results, CORE) == ["got 246 cases; expected 247"]


def test_a_verdict_better_than_expected_is_one_too() -> None:
    assert conformance.deviations(core_results() | {"7.1.6": GOOD}, CORE) == [
        "case 7.1.6: got OK; expected INFORMATIONAL"
    ]


def run(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, str(ROOT / "scripts" / "conformance.py"), *arguments]
    environment = {**os.environ, **environment}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def test_without_python_27_it_says_so_and_ends_well() -> None:
    done = run(PYTHON27="/nowhere")
    assert (done.returncode, done.stdout.startswith("SKIPPED: ")) == (0, True)


def test_an_unknown_part_is_refused_with_the_known_ones() -> None:
    done = run("tea", PYTHON27="/nowhere")
    assert done.returncode != 0
    assert "expected some of: core, compression" in done.stderr


def test_python_27_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHON27", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    assert conformance.python27() is None
    for version in ("2.7.9", "2.7.18", "3.11.1"):
        (tmp_path / "versions" / version / "bin").mkdir(parents=True)
        (tmp_path / "versions" / version / "bin" / "python").touch()
    assert conformance.python27() == tmp_path / "versions" / "2.7.18" / "bin" / "python"
    (tmp_path / "bin").mkdir()
    shim = tmp_path / "bin" / "python2.7"
    shim.write_text("#!/bin/sh\nexit 127\n")
    shim.chmod(0o755)
    assert conformance.python27() == tmp_path / "versions" / "2.7.18" / "bin" / "python"
    shim.write_text("#!/bin/sh\nexit 0\n")
    assert conformance.python27() == shim
    monkeypatch.setenv("PYTHON27", str(tmp_path / "other"))
    assert conformance.python27() is None


def test_a_run_without_a_report_ends_with_what_the_suite_said(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("Traceback: no")
    with pytest.raises(SystemExit, match="no report: Traceback: no"):
        conformance.read_report(tmp_path)
    (tmp_path / "index.json").write_text(json.dumps({"levante": {"1.1.1": GOOD}}))
    assert conformance.read_report(tmp_path) == {"1.1.1": GOOD}


def test_the_exit_status_tells_of_deviations(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    results = core_results()

    async def found(wstest: Path, part: str) -> conformance.Results:
        return results

    monkeypatch.setattr(conformance, "python27", lambda: Path("python"))
    monkeypatch.setattr(conformance, "suite", lambda python: Path("wstest"))
    monkeypatch.setattr(conformance, "against_server", found)
    monkeypatch.setattr(conformance, "against_client", found)
    monkeypatch.setattr(sys, "argv", ["conformance.py"])
    assert conformance.main() == 0
    assert capsys.readouterr().out.count("244 OK   3 informational") == 2
    results["6.4.3"] = GOOD | {"behavior": "NON-STRICT"}
    assert conformance.main() == 1
    assert "case 6.4.3: got NON-STRICT; expected OK" in capsys.readouterr().out


async def test_the_client_under_test_goes_through_all_cases_on_our_own_server(tmp_path: Path) -> None:
    """A fuzzing server of our own that breaks no rules: it is waited for, and every message of each case comes back."""
    asked = []

    async def fuzz(request: web.Request) -> web.WebSocketResponse:
        asked.append(request.path_qs)
        if len(asked) == 1:
            raise web.HTTPServiceUnavailable
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        if request.path == "/getCaseCount":
            await ws.send_str("3")
        elif request.path == "/runCase":
            await ws.send_str("grüße")
            await ws.send_bytes(b"\x00")
            assert [(await ws.receive()).data for _ in range(2)] == ["grüße", b"\x00"]
        return ws

    app = web.Application()
    app.router.add_get("/{path:.*}", fuzz)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = f"ws://127.0.0.1:{runner.addresses[0][1]}"
    with subprocess.Popen(["sleep", "60"]) as process:
        async with client.ClientSession() as session:
            count = await conformance.case_count(session, url, process, tmp_path)
            await conformance.visit_all(session, url, count)
        process.kill()
    await runner.cleanup()
    cases = [f"/runCase?case={number}&agent=levante" for number in (1, 2, 3)]
    assert asked == ["/getCaseCount", "/getCaseCount", *cases, "/updateReports?agent=levante"]


async def test_a_fuzzing_server_that_ends_is_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("address already in use")
    with subprocess.Popen(["false"]) as process:
        process.wait()
        async with client.ClientSession() as session:
            url = f"ws://127.0.0.1:{conformance.free_port()}"
            with pytest.raises(SystemExit, match=r"did not start .*: address already in use"):
                await conformance.case_count(session, url, process, tmp_path)


async def test_the_server_under_test_echoes() -> None:
    async with (
        conformance.server() as url,
        client.ClientSession() as session,
        session.ws_connect(url, max_msg_size=0) as ws,
    ):
        await ws.send_str("grüße")
        await ws.send_bytes(bytes(5_000_000))
        messages = [await asyncio.wait_for(ws.receive(), 10) for _ in range(2)]
        assert [message.type for message in messages] == [WSMsgType.TEXT, WSMsgType.BINARY]
        assert [message.data for message in messages] == ["grüße", bytes(5_000_000)]
