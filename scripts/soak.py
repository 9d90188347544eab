"""Ask one server for everything it has, lightly and for a long time, and fail when it grows.

A server process with hello, JSON, a form of bytes, a static file, a WebSocket and a stream of events is asked for each
in turn, round after round, by one keep-alive client. Twelve times a minute (more often in a short run) its resident
memory, file descriptors, tasks and objects are noted. After a warm-up of a fifth of the run the memory's slope, by
least squares, may be 0.5 MiB in 10 minutes; descriptors and tasks may not be more than they were. Memory that comes in
steps makes any slope of a short run, so below 10 minutes it is shown and not judged.
"""

import argparse
import asyncio
import contextlib
import gc
import os
import re
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from levante import client, web
from levante.web.sse import sse_response
from levante.ws import WSMsgType

MINUTES = 30.0
WARM_UP = 0.2  # of the run: caches fill, and the allocator finds its size
SCRIPT = str(Path(__file__).resolve())
SAMPLE_SECONDS = 5.0
MIN_SAMPLES = 10
PAUSE = 0.05  # between two rounds: a light load, some 100 requests a second
MAX_SLOPE = 0.5  # MiB in 10 minutes: what one object of 50 bytes for each request exceeds
JUDGED_MINUTES = 10.0
SHOWN_ROWS = 20
MIB = 1024 * 1024
PAGE = os.sysconf("SC_PAGE_SIZE")
STATIC_TEXT = "a static page\n" * 500
FORM = bytes(range(256)) * 64
ROUND = 6


class SoakError(Exception):
    """The server did not do what it should."""


@dataclass(frozen=True)
class Sample:
    """What the server has at a time, in seconds since the start; `rss` is in bytes."""

    at: float
    rss: int
    fds: int
    tasks: int
    objects: int
    requests: int


# The server, a process of its own.


async def hello(_: web.Request) -> web.Response:
    return web.Response(text="hello")


async def as_json(request: web.Request) -> web.Response:
    return web.json_response({"items": list(range(50)), "q": request.query.get("q")})


async def upload(request: web.Request) -> web.Response:
    return web.Response(text=str(len(await request.read())))


async def echo(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    async for message in socket:
        if message.type is WSMsgType.TEXT:
            await socket.send_str(str(message.data))
    return socket


async def events(request: web.Request) -> web.StreamResponse:
    async with sse_response(request) as stream:
        for number in range(3):
            await stream.send(str(number))
    return stream


async def counts(_: web.Request) -> web.Response:
    gc.collect()
    return web.json_response(facts())


def facts() -> dict[str, int]:
    """What this process has."""
    return {
        "rss": int(Path("/proc/self/statm").read_text().split()[1]) * PAGE,
        "fds": len(list(Path("/proc/self/fd").iterdir())),
        "tasks": len(asyncio.all_tasks()),
        "objects": len(gc.get_objects()),
    }


def serve() -> None:
    """Serve on a free port until SIGTERM; the banner says which."""
    app = web.Application()
    app.router.add_get("/hello", hello)
    app.router.add_get("/json", as_json)
    app.router.add_post("/upload", upload)
    app.router.add_get("/echo", echo)
    app.router.add_get("/events", events)
    app.router.add_get("/counts", counts)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "page.txt").write_text(STATIC_TEXT)
        app.router.add_static("/static", folder)
        web.run_app(app, host="127.0.0.1", port=0, print=lambda text: print(text, flush=True))


@contextlib.asynccontextmanager
async def server() -> AsyncIterator[str]:
    """The address of a running server, which has to end well afterwards."""
    command = [sys.executable, SCRIPT, "--serve"]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    try:
        if process.stdout is None:
            raise RuntimeError("a process with stdout=PIPE has no stdout")
        while (line := await process.stdout.readline()) and not (found := re.search(rb"http://[\d.:]+", line)):
            continue
        if not line or found is None:
            raise SoakError("the server ended before it listened")
        yield found[0].decode()
    finally:
        if process.returncode is None:
            process.terminate()
        status = await process.wait()
    if status:
        raise SoakError(f"the server ended with status {status}; expected 0")


# The client.


async def ask_for_everything(session: client.ClientSession, url: str) -> None:
    """One round: each feature once; an answer that is not the right one ends the run."""
    async with session.get(f"{url}/hello") as answer:
        expect("hello", await answer.text())
    async with session.get(f"{url}/json", params={"q": "a b"}) as answer:
        expect({"items": list(range(50)), "q": "a b"}, await answer.json())
    async with session.post(f"{url}/upload", data=FORM) as answer:
        expect(str(len(FORM)), await answer.text())
    async with session.get(f"{url}/static/page.txt") as answer:
        expect(STATIC_TEXT, await answer.text())
    async with session.get(f"{url}/events") as answer:
        expect(["0", "1", "2"], re.findall(r"^data: (\d)\r?$", await answer.text(), re.MULTILINE))
    async with session.ws_connect(f"{url}/echo") as socket:
        await socket.send_str("wave")
        expect("wave", await socket.receive_str())


def expect(wanted: object, got: object) -> None:
    if got != wanted:
        raise SoakError(f"the server answered {got!r:.200}; expected {wanted!r:.200}")


async def soak(minutes: float) -> list[Sample]:
    """Run for so long and give what was noted."""
    seconds = minutes * 60
    every = min(SAMPLE_SECONDS, seconds / (2 * MIN_SAMPLES))
    samples: list[Sample] = []
    requests = 0
    async with server() as url, client.ClientSession() as session:
        start = time.monotonic()
        while (at := time.monotonic() - start) < seconds or len(samples) < MIN_SAMPLES:
            await ask_for_everything(session, url)
            requests += ROUND
            if at >= len(samples) * every:
                async with session.get(f"{url}/counts") as answer:
                    samples.append(Sample(at, requests=requests, **await answer.json()))
            await asyncio.sleep(PAUSE)
    return samples


# The judgement.


def slope(samples: Sequence[Sample]) -> float:
    """MiB in 10 minutes by which the memory grows, by least squares."""
    middle = sum(sample.at for sample in samples) / len(samples)
    spread = sum((sample.at - middle) ** 2 for sample in samples)
    return sum((sample.at - middle) * sample.rss for sample in samples) / spread / MIB * 600


def warmed_up(samples: Sequence[Sample]) -> list[Sample]:
    """Those after the warm-up."""
    return [sample for sample in samples if sample.at >= samples[-1].at * WARM_UP]


def is_long_enough(samples: Sequence[Sample]) -> bool:
    """Whether the slope of the memory means anything; the last sample comes a little before the end."""
    return samples[-1].at >= JUDGED_MINUTES * 60 - 4 * SAMPLE_SECONDS


def faults(samples: Sequence[Sample]) -> list[str]:
    """What grew that may not: a line each."""
    warm = warmed_up(samples)
    found = []
    if is_long_enough(samples) and slope(warm) > MAX_SLOPE:
        found.append(f"memory grows by {slope(warm):.2f} MiB in 10 minutes; expected at most {MAX_SLOPE}")
    third = len(warm) // 3
    for name in ("fds", "tasks"):
        # The least of the last third against the most of the first: one that is just being closed is no leak.
        before = max(getattr(sample, name) for sample in warm[:third])
        after = min(getattr(sample, name) for sample in warm[-third:])
        if after > before:
            found.append(f"{name} grew from at most {before} to at least {after}; expected no more than before")
    return found


def table(samples: Sequence[Sample]) -> str:
    """Some twenty of the samples, the last among them."""
    rows = [f"{'minute':>8}{'requests':>10}{'MiB':>9}{'fds':>6}{'tasks':>7}{'objects':>9}"]
    step = -(-len(samples) // SHOWN_ROWS)
    rows += [
        f"{each.at / 60:>8.2f}{each.requests:>10}{each.rss / MIB:>9.2f}{each.fds:>6}{each.tasks:>7}{each.objects:>9}"
        for each in samples[::-1][::step][::-1]
    ]
    return "\n".join(rows)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=MINUTES)
    parser.add_argument("--serve", action="store_true", help="be the server that is asked")
    given = parser.parse_args()
    if given.serve:
        serve()
        return 0
    try:
        samples = asyncio.run(soak(given.minutes))
    except SoakError as error:
        raise SystemExit(f"FAILED: {error}") from None
    found = faults(samples)
    print(table(samples))
    judged = "" if is_long_enough(samples) else f"; not judged below {JUDGED_MINUTES:g} minutes"
    print(f"memory: {slope(warmed_up(samples)):+.2f} MiB in 10 minutes after the warm-up{judged}")
    for line in found:
        print(f"FAILED: {line}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
