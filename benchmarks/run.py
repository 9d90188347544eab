"""Measure levante and its peers side by side, in one run: user instructions, CPU time and requests a second.

A subject is a program of benchmarks/subjects/, run with the interpreter of the environment that has what it imports:
ours for levante, build/bench for the peers. A server subject prints its port and serves; it is loaded from this
process over loopback by plain blocking sockets, so that the load costs nothing that perf counts. A client subject is
handed the address of a server and the number of requests. User instructions are stable within 2 % on a noisy machine;
the other figures are only to be compared within one run.
"""

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
PEERS = ROOT / "build" / "bench"
RESULTS = HERE / "results"
WARM_UP = 1000  # requests before counting: caches are filled, code is specialised
CONNECTIONS = 8
GREETING = b"Hello, world!"

PLAIN_HEAD = b"GET / HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n"
BROWSER_HEAD = (
    b"GET / HTTP/1.1\r\nHost: localhost:8000\r\nConnection: keep-alive\r\nCache-Control: max-age=0\r\n"
    b'sec-ch-ua: "Chromium";v="130", "Not?A_Brand";v="99"\r\nsec-ch-ua-mobile: ?0\r\nsec-ch-ua-platform: "Linux"\r\n'
    b"Upgrade-Insecure-Requests: 1\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/130.0\r\n"
    b"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\nSec-Fetch-Site: none\r\n"
    b"Sec-Fetch-Mode: navigate\r\nAccept-Encoding: gzip, deflate, br\r\nAccept-Language: en-GB,en;q=0.9\r\n\r\n"
)
SERVER_WORK = {"hello, 2 headers": PLAIN_HEAD, "hello, 13 headers": BROWSER_HEAD}
SERVERS = {"levante": "levante_server.py", "aiohttp": "aiohttp_server.py", "uvicorn + starlette": "starlette_server.py"}
CLIENTS = {"levante": "levante_client.py", "aiohttp": "aiohttp_client.py"}
ECHOES = {"levante": "levante_server.py", "aiohttp": "aiohttp_server.py"}


@dataclass(frozen=True)
class Row:
    """One subject at one piece of work; costs are per request or message."""

    work: str
    subject: str
    instructions: float | None
    cpu_microseconds: float
    per_second: float


def interpreter(subject: str) -> Path:
    return Path(sys.executable) if subject == "levante" else PEERS / "bin" / "python"


def ensure_peers() -> None:
    stamp = PEERS / ".installed"
    pins = HERE / "requirements.txt"
    if stamp.exists() and stamp.read_text() == pins.read_text():
        return
    print("installing the peers into build/bench", flush=True)
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(PEERS)], check=True)
    pip = [
        str(PEERS / "bin" / "python"),
        "-m",
        "pip",
        "-q",
        "--disable-pip-version-check",
        "install",
        "--require-hashes",
    ]
    subprocess.run([*pip, "-r", str(pins)], check=True)
    stamp.write_text(pins.read_text())


class Subject:
    """A server subject as a process; `.measure()` loads it and reads what it cost."""

    def __init__(self, name: str, program: str) -> None:
        self.name = name
        self.process = subprocess.Popen(
            [str(interpreter(name)), str(HERE / "subjects" / program)], stdout=subprocess.PIPE, text=True, cwd=ROOT
        )
        line = self.process.stdout.readline() if self.process.stdout else ""
        if not line.strip().isdigit():
            raise SystemExit(f"{program}: got {line!r} as its first line; expected the port that it serves")
        self.port = int(line)

    def __enter__(self) -> "Subject":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(10)
        if self.process.stdout:
            self.process.stdout.close()

    def measure(self, work: str, load: Callable[[int, int], None], count: int) -> Row:
        load(self.port, WARM_UP)
        before = cpu_seconds(self.process.pid)
        with Counter(self.process.pid) as counter:
            started = time.monotonic()
            load(self.port, count)
            seconds = time.monotonic() - started
        cpu = cpu_seconds(self.process.pid) - before
        instructions = counter.instructions / count if counter.instructions is not None else None
        return Row(work, self.name, instructions, cpu / count * 1e6, count / seconds)


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Counter:
    """`perf stat` on a running process, for the length of a block."""

    instructions: int | None = None

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.perf: subprocess.Popen[str] | None = None

    def __enter__(self) -> "Counter":
        if HAS_PERF:
            command = ["perf", "stat", "-x,", "-e", "instructions:u", "-p", str(self.pid)]
            self.perf = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
            time.sleep(0.3)  # perf attaches without saying when it is done; the loss is a constant at most
        return self

    def __exit__(self, *_: object) -> None:
        if self.perf is not None:
            self.perf.send_signal(2)
            text = self.perf.communicate()[1]
            first = text.strip().splitlines()[0].split(",")[0] if text.strip() else ""
            self.instructions = int(first) if first.isdigit() else None


def perf_counts() -> bool:
    if shutil.which("perf") is None:
        return False
    done = subprocess.run(
        ["perf", "stat", "-x,", "-e", "instructions:u", "true"], capture_output=True, text=True, check=False
    )
    return done.returncode == 0 and done.stderr.strip().split(",")[0].isdigit()


HAS_PERF = perf_counts()


def request_load(head: bytes) -> Callable[[int, int], None]:
    """One request in flight on each of a few kept-alive connections."""

    def load(port: int, count: int) -> None:
        connections = [connect(port) for _ in range(CONNECTIONS)]
        for sent in range(0, count, CONNECTIONS):
            batch = connections[: min(CONNECTIONS, count - sent)]
            for connection in batch:
                connection.sendall(head)
            for connection in batch:
                check_answer(connection)
        for connection in connections:
            connection.close()

    return load


def check_answer(connection: socket.socket) -> None:
    """Read one answer, in however many pieces it comes; the greeting is its end."""
    answer = connection.recv(65536)
    while not answer.endswith(GREETING):
        more = connection.recv(65536)
        if not more or not answer.startswith(b"HTTP/1.1 200"):
            raise SystemExit(f"got {answer!r}; expected 200 with the greeting")
        answer += more


def echo_load(port: int, count: int) -> None:
    """Masked 64-byte text messages, one in flight on each connection."""
    upgrade = (
        b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    key, payload = b"\x01\x02\x03\x04", b"x" * 64
    masked = bytes(byte ^ key[index % 4] for index, byte in enumerate(payload))
    message, expected = b"\x81\xc0" + key + masked, 66
    connections = [connect(port) for _ in range(CONNECTIONS)]
    for connection in connections:
        connection.sendall(upgrade)
        if not connection.recv(65536).startswith(b"HTTP/1.1 101"):
            raise SystemExit("the WebSocket was refused")
    for sent in range(0, count, CONNECTIONS):
        batch = connections[: min(CONNECTIONS, count - sent)]
        for connection in batch:
            connection.sendall(message)
        for connection in batch:
            if len(connection.recv(65536)) != expected:
                raise SystemExit("an echo came back in pieces or changed")
    for connection in connections:
        connection.close()


def connect(port: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=30)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def measure_client(name: str, program: str, port: int, count: int) -> Row:
    """A client is counted whole, twice; the difference is what the further requests cost."""
    costs = []
    for requests in (WARM_UP, WARM_UP + count):
        command = [str(interpreter(name)), str(HERE / "subjects" / program), str(port), str(requests)]
        with tempfile.NamedTemporaryFile("r") as report:
            prefix = ["perf", "stat", "-x,", "-e", "instructions:u", "-o", report.name] if HAS_PERF else []
            before, started = os.times(), time.monotonic()
            subprocess.run([*prefix, *command], check=True, cwd=ROOT)
            after, seconds = os.times(), time.monotonic() - started
            lines = [line for line in report.read().splitlines() if "instructions" in line]
        cpu = after.children_user - before.children_user + after.children_system - before.children_system
        costs.append((int(lines[0].split(",")[0]) if lines else None, cpu, seconds))
    (few, few_cpu, few_seconds), (many, many_cpu, many_seconds) = costs
    instructions = (many - few) / count if few is not None and many is not None else None
    return Row(
        "client GET", name, instructions, (many_cpu - few_cpu) / count * 1e6, count / (many_seconds - few_seconds)
    )


def measure_all(count: int) -> list[Row]:
    rows = []
    for work, head in SERVER_WORK.items():
        for name, program in SERVERS.items():
            with Subject(name, program) as subject:
                rows.append(subject.measure(work, request_load(head), count))
    for name, program in ECHOES.items():
        with Subject(name, program) as subject:
            rows.append(subject.measure("WebSocket echo, 64 bytes", echo_load, count))
    with Subject("levante", SERVERS["levante"]) as server:
        rows.extend(measure_client(name, program, server.port, count) for name, program in CLIENTS.items())
    return rows


def table(rows: list[Row]) -> str:
    lines = [f"{'work':<26}{'subject':<22}{'instructions:u':>15}{'CPU us':>9}{'per second':>12}"]
    for row in rows:
        instructions = f"{row.instructions / 1000:,.1f}k" if row.instructions is not None else "-"
        lines.append(
            f"{row.work:<26}{row.subject:<22}{instructions:>15}{row.cpu_microseconds:>9.1f}{row.per_second:>12,.0f}"
        )
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=20_000, help="requests a measurement")
    options = parser.parse_args()
    ensure_peers()
    if not HAS_PERF:
        print("perf cannot count instructions here (Debian: linux-perf, and a machine that lets it); the rest follows")
    rows = measure_all(options.count)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "latest.json").write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n")
    print(table(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
