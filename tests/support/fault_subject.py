"""A server to be mistreated, as a program: `python fault_subject.py FOLDER TIMEOUT` serves on a free port of 127.0.0.1,
and prints which.

Its time of day is one that can be set by `/clock?at=SECONDS`: replaced before levante is imported, so that all of
levante has this one; event loops have their own, monotonic, which goes on. TIMEOUT, in seconds, is how long it waits
for heads, bodies, slow readers and lingering peers.
"""

import time

_real_time = time.time
_ahead = 0.0


def _set_time() -> float:
    return _real_time() + _ahead


time.time = _set_time

# ruff: noqa: E402  # whatever imports the clock has to come after it
import os
import sys
from pathlib import Path

from levante import web

PIECE = bytes(64 * 1024)
PAGE = os.sysconf("SC_PAGE_SIZE")
BACKLOG = 2048  # attackers come all at once here, and those whom the system turns away try again for seconds
MIN_RATE = 20_000.0  # bytes a second of bodies, both ways: the attackers of the tests stay far below


async def hello(request: web.Request) -> web.Response:
    return web.Response(text="hello")


async def clock(request: web.Request) -> web.Response:
    global _ahead
    _ahead = float(request.query["at"]) - _real_time()
    return web.Response(text=request.query["at"])


async def upload(request: web.Request) -> web.Response:
    return web.Response(text=str(len(await request.read())))


async def endless(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(PIECE)


async def echo(request: web.Request) -> web.Response:
    """Looks at all that a request says, and answers with a field and a cookie that the request has named."""
    name = request.query["name"]
    response = web.Response(text=f"{request.host} {sorted(request.cookies)}", headers={name: "x"})
    response.set_cookie(name, "x")
    response.etag = name
    return response


async def memory(request: web.Request) -> web.Response:
    return web.Response(text=f"{int(Path('/proc/self/statm').read_text().split()[1]) * PAGE}\n")


def application(folder: Path) -> web.Application:
    app = web.Application()
    app.router.add_get("/", hello)
    app.router.add_get("/clock", clock)
    app.router.add_post("/upload", upload)
    app.router.add_get("/endless", endless)
    app.router.add_get("/echo", echo)
    app.router.add_get("/things/{name}", hello)
    app.router.add_get("/memory", memory)
    app.router.add_static("/static", folder)
    return app


def announce(banner: str) -> None:
    print(banner, flush=True)


if __name__ == "__main__":
    seconds = float(sys.argv[2])
    web.run_app(
        application(Path(sys.argv[1])),
        host="127.0.0.1",
        port=0,
        print=announce,
        access_log=None,
        backlog=BACKLOG,
        head_timeout=seconds,
        body_timeout=seconds,
        body_grace=seconds,
        write_timeout=seconds,
        lingering_time=seconds,
        min_body_rate=MIN_RATE,
        min_write_rate=MIN_RATE,
        max_connection_requests=0,
    )
