"""Hold levante's WebSockets against the Autobahn test suite, and fail on any case that ends otherwise than expected.

Its fuzzing client is set on a server of ours, its fuzzing server on a client of ours; every case has its own verdict,
which the suite writes into index.json. The core (framing to close codes, 247 cases) takes some twenty seconds each way,
the compression cases (216 of them) several minutes. The suite runs on Python 2.7 alone, in an environment of its own
below build/conformance, made when it is first needed from pins with hashes; where there is no Python 2.7 the run says
so and ends well.
"""

import argparse
import asyncio
import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from levante import client, web
from levante.ws import Conversation, WSMessage, WSMsgType

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "build" / "conformance"
PINS = ROOT / "requirements" / "conformance.txt"
# The last line of virtualenv that can make an environment of Python 2.7.
VIRTUALENV = "virtualenv<20.22"
AGENT = "levante"
HOST = "127.0.0.1"
# The largest that the suite sends is half of it; how many fragments a message may have hangs on its limit as well, and
# 9.3.1 and 9.4.1 send 4 MiB in pieces of 64 bytes.
MAX_MESSAGE = 32 * 1024 * 1024
START_SECONDS = 60  # the suite's imports on a busy machine
DEFLATE_BITS = 15

Results = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True)
class Cases:
    """A part of the suite: patterns of case numbers, how many cases they are, and those that must be INFORMATIONAL
    (the suite has no opinion on them) where all others must be OK."""

    patterns: tuple[str, ...]
    count: int
    informational: frozenset[str] = frozenset()


PARTS = {
    "core": Cases(
        ("1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "10.*"), 247, frozenset({"7.1.6", "7.13.1", "7.13.2"})
    ),
    "compression": Cases(("12.*", "13.*"), 216),
    "limits": Cases(("9.*",), 54),
}


def deviations(results: Results, cases: Cases) -> list[str]:
    """A line for each thing in `results` (case, then `behavior` and `behaviorClose`) that is not as expected."""
    found = [] if len(results) == cases.count else [f"got {len(results)} cases; expected {cases.count}"]
    for name, result in results.items():
        wanted = "INFORMATIONAL" if name in cases.informational else "OK"
        if result.get("behavior") != wanted:
            found.append(f"case {name}: got {result.get('behavior')}; expected {wanted}")
        if result.get("behaviorClose") not in {"OK", "INFORMATIONAL"}:
            found.append(f"case {name}: got {result.get('behaviorClose')} at the close; expected OK")
    return found


# The environment of the suite.


def python27() -> Path | None:
    """PYTHON27, else `python2.7` on PATH, else the newest that pyenv has; None where there is none."""
    if told := os.environ.get("PYTHON27"):
        return Path(told) if Path(told).is_file() else None
    if found := shutil.which("python2.7"):
        # A shim of pyenv is on PATH whether the version is there, and chosen, or not.
        if subprocess.run([found, "-c", ""], capture_output=True, check=False).returncode == 0:
            return Path(found)
    versions = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    there = sorted(versions.glob("2.7.*/bin/python"), key=lambda path: int(path.parts[-3].rpartition(".")[2]))
    return there[-1] if there else None


def suite(python: Path) -> Path:
    """The suite's program, installed where it is missing or its pins have changed."""
    place = FOLDER / "suite"
    stamp = place / "installed"
    wanted = f"{python}\n{PINS.read_text()}"
    if not stamp.exists() or stamp.read_text() != wanted:
        print(f"making {place.relative_to(ROOT)}: about a minute", flush=True)
        for folder in (FOLDER / "maker", place):
            shutil.rmtree(folder, ignore_errors=True)
        maker = FOLDER / "maker" / "bin"
        run(sys.executable, "-m", "venv", FOLDER / "maker")
        run(maker / "pip", "-q", "--disable-pip-version-check", "install", VIRTUALENV)
        run(maker / "virtualenv", "-q", "-p", python, place)
        run(place / "bin" / "pip", "-q", "install", "--no-deps", "--require-hashes", "-r", PINS)
        stamp.write_text(wanted)
    return place / "bin" / "wstest"


def run(*command: str | Path) -> None:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{Path(command[0]).name} failed with status {done.returncode}: {done.stderr.strip()[-2000:]}")


def specification(folder: Path, cases: Cases, **more: object) -> Path:
    """What the suite is told, as a file in `folder`, which is emptied for its report."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    path = folder / "specification.json"
    content = {
        "options": {"failByDrop": False},
        "outdir": str(folder),
        "cases": cases.patterns,
        "exclude-cases": [],
        "exclude-agent-cases": {},
        **more,
    }
    path.write_text(json.dumps(content))
    return path


@contextlib.contextmanager
def started(wstest: Path, mode: str, told: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """The suite as a process, gone when the block ends; what it says is in a log beside `told`."""
    with (told.parent / "log").open("wb") as log:
        process = subprocess.Popen(
            [str(wstest), "-m", mode, "-s", str(told), "--webport", "0"],
            cwd=told.parent,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()


# Ours, which are tested.


async def echo(request: web.Request) -> web.WebSocketResponse:
    """The server under test: every message back, as it came."""
    ws = web.WebSocketResponse(max_msg_size=MAX_MESSAGE)
    await ws.prepare(request)
    async for message in ws:
        await send_back(ws, message)
    return ws


async def send_back(ws: Conversation, message: WSMessage) -> None:
    if message.type is WSMsgType.TEXT:
        await ws.send_str(str(message.data))
    elif message.type is WSMsgType.BINARY:
        await ws.send_bytes(message.data)


@contextlib.asynccontextmanager
async def server() -> AsyncIterator[str]:
    """Our server on a free port; its address."""
    app = web.Application()
    app.router.add_get("/", echo)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, HOST, 0)
        await site.start()
        yield f"ws://{HOST}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def visit(session: client.ClientSession, url: str) -> str | None:
    """The client under test on one case: every message back, as it came; the last text."""
    last = None
    ws = await session.ws_connect(url, compress=DEFLATE_BITS, max_msg_size=MAX_MESSAGE)
    try:
        async for message in ws:
            if message.type is WSMsgType.TEXT:
                last = str(message.data)
            await send_back(ws, message)
    finally:
        await ws.close()
        await ws.wait_closed()  # the suite has a verdict only when the connection is gone
    return last


async def visit_all(session: client.ClientSession, url: str, count: int) -> None:
    """Go through the cases of a fuzzing server, then let it write its report."""
    for case in range(1, count + 1):
        try:
            await visit(session, f"{url}/runCase?case={case}&agent={AGENT}")
        except client.ClientConnectionResetError:
            continue  # an echo to one who broke the rules and is gone: how that was dealt with is in the report
    await visit(session, f"{url}/updateReports?agent={AGENT}")


# Both ways.


async def against_server(wstest: Path, part: str) -> Results:
    """The fuzzing client on our server."""
    folder = FOLDER / "reports" / f"server-{part}"
    async with server() as url:
        told = specification(folder, PARTS[part], servers=[{"agent": AGENT, "url": url}])
        with started(wstest, "fuzzingclient", told) as process:
            status = await asyncio.to_thread(process.wait)
    if status:
        raise SystemExit(f"the fuzzing client ended with status {status}: {last_words(folder)}")
    return read_report(folder)


async def against_client(wstest: Path, part: str) -> Results:
    """Our client on the fuzzing server."""
    folder = FOLDER / "reports" / f"client-{part}"
    url = f"ws://{HOST}:{free_port()}"
    told = specification(folder, PARTS[part], url=url)
    with started(wstest, "fuzzingserver", told) as process:
        async with client.ClientSession() as session:
            await visit_all(session, url, await case_count(session, url, process, folder))
    return read_report(folder)


def read_report(folder: Path) -> Results:
    path = folder / "index.json"
    if not path.exists():
        raise SystemExit(f"the suite wrote no report: {last_words(folder)}")
    results: Results = json.loads(path.read_text())[AGENT]
    return results


def last_words(folder: Path) -> str:
    return (folder / "log").read_text(errors="replace").strip()[-2000:]


def free_port() -> int:
    with socket.create_server((HOST, 0)) as listener:
        return int(listener.getsockname()[1])


async def case_count(session: client.ClientSession, url: str, process: "subprocess.Popen[bytes]", folder: Path) -> int:
    """Ask the fuzzing server, as soon as it is there, how many cases it has."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            if count := await visit(session, f"{url}/getCaseCount"):
                return int(count)
        except client.ClientError as error:
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"the fuzzing server did not start ({error}): {last_words(folder)}") from None
        await asyncio.sleep(0.05)


def report(way: str, part: str, results: Results, seconds: float) -> bool:
    """Print one line, and one for each deviation; whether there was none."""
    wrong = deviations(results, PARTS[part])
    informational = sum(result.get("behavior") == "INFORMATIONAL" for result in results.values())
    fine = sum(result.get("behavior") == "OK" for result in results.values())
    verdict = "as expected" if not wrong else f"{len(wrong)} DEVIATIONS"
    print(f"{part:<12}{way:<8}{fine:>5} OK {informational:>3} informational {seconds:>6.0f} s  {verdict}", flush=True)
    for line in wrong:
        print(f"    {line}")
    return not wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", help=f"some of {', '.join(PARTS)}; core where none is given")
    parser.add_argument("--way", choices=["server", "client"], help="test this one alone; both where it is not given")
    options = parser.parse_args()
    parts = options.parts or ["core"]
    if unknown := [part for part in parts if part not in PARTS]:
        raise SystemExit(f"no such part: {', '.join(unknown)}; expected some of: {', '.join(PARTS)}")
    python = python27()
    if python is None:
        print("SKIPPED: the Autobahn suite needs Python 2.7, which is not here (PYTHON27=path names one)", flush=True)
        return 0
    wstest = suite(python)
    is_clean = True
    for part in parts:
        for way, test in (("server", against_server), ("client", against_client)):
            if options.way in (None, way):
                begun = time.monotonic()
                results = asyncio.run(test(wstest, part))
                is_clean = report(way, part, results, time.monotonic() - begun) and is_clean
    return 0 if is_clean else 1


if __name__ == "__main__":
    sys.exit(main())
