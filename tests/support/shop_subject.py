"""A service with a handler for each way to be mistreated, as a program and as a module that workers import.

`python shop_subject.py OPTIONS` serves `make()` at 127.0.0.1 with the arguments of `run_app` that OPTIONS, a JSON
object, names. In it are besides: "tls", the path of a certificate with its key; "nofile" and "fsize", how many files
the process may have open, and how large they may be; "logs", for an access log. What the service has is told by
`/facts`; times are those of the monotonic clock, which all processes share.
"""

import asyncio
import gc
import json
import logging
import os
import resource
import shutil
import ssl
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from levante import web
from levante.web import health

PAGE = os.sysconf("SC_PAGE_SIZE")
PIECE = b"piece\n"

log = logging.getLogger("shop")
told: dict[str, tuple[str, float]] = {}

SERVERS = web.AppKey("SERVERS", list[web.Server])


def server_of(request: web.Request) -> web.Server:
    if request.server is None:
        raise RuntimeError("a request without a server")
    return request.server


async def hello(request: web.Request) -> web.Response:
    return web.Response(text="hello")


async def pid(request: web.Request) -> web.Response:
    return web.Response(text=str(os.getpid()))


async def slow(request: web.Request) -> web.Response:
    """Takes a time, in which it counts as begun."""
    log.info("ENTERED")
    await asyncio.sleep(float(request.query["seconds"]))
    return web.Response(text="slow")


async def busy(request: web.Request) -> web.Response:
    """The same without a word."""
    await asyncio.sleep(float(request.query["seconds"]))
    return web.Response(text="done")


async def stubborn(request: web.Request) -> web.Response:
    """Will not be cancelled."""
    log.info("ENTERED")
    while True:
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            log.info("SWALLOWED")


async def forever(request: web.Request) -> web.Response:
    if server_of(request) not in request.app[SERVERS]:
        request.app[SERVERS].append(server_of(request))
    log.info("ENTERED")
    try:
        await asyncio.sleep(1000)
    finally:
        log.info("FINALLY")
    return web.Response(text="never")


async def stream(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    for _ in range(int(request.query["pieces"])):
        await response.write(PIECE)
        await asyncio.sleep(0.05)
    return response


async def live(request: web.Request) -> web.WebSocketResponse:
    websocket = web.WebSocketResponse()
    await websocket.prepare(request)
    async for message in websocket:
        await websocket.send_str(str(message.data))
    return websocket


async def block(request: web.Request) -> web.Response:
    time.sleep(float(request.query["seconds"]))
    return web.Response(text="blocked")


async def abort(request: web.Request) -> web.Response:
    os.abort()


async def upload(request: web.Request) -> web.Response:
    """A form, whose files go to disk when they are large."""
    fields = await request.post()
    sizes = [len(value.file.read()) for value in fields.values() if isinstance(value, web.FileField)]
    return web.json_response(sizes)


async def fetch(request: web.Request) -> web.Response:
    """What comes of asking somebody else."""
    from levante import client  # here, for it is half of what starting costs

    try:
        async with client.ClientSession() as session, session.get(request.query["url"]) as answer:
            return web.Response(text=await answer.text())
    except client.ClientError as exc:
        return web.Response(status=502, text=type(exc).__name__)


async def notice(request: web.Request) -> web.StreamResponse:
    """Tells when, and how, it has learned that its client is gone: it waits in the way that is asked for. Before that
    it says something, so that the client knows.
    """
    name, way = request.query["name"], request.query["way"]
    if way != "write":
        await request.send_early_hints(["</begun>"])
    told[name] = ("began", time.monotonic())
    try:
        if way == "cancel":
            request.cancel_on_disconnect = True
            await asyncio.sleep(1000)
        elif way == "ask":
            await request.disconnected()
            told[name] = ("disconnected", time.monotonic())
        elif way == "post":
            await request.post()
        else:
            response = web.StreamResponse()
            await response.prepare(request)
            while True:
                await response.write(bytes(65_536))
    except BaseException as exc:
        told[name] = (type(exc).__name__, time.monotonic())
        raise
    return web.Response()


async def noticed(request: web.Request) -> web.Response:
    return web.json_response(told)


@web.never_shed
async def facts(request: web.Request) -> web.Response:
    server = server_of(request)
    gc.collect()
    return web.json_response(
        {
            "blocks": sys.getallocatedblocks(),
            "rss": int(Path("/proc/self/statm").read_text().split()[1]) * PAGE,
            "fds": len(list(Path("/proc/self/fd").iterdir())),
            "tasks": len(asyncio.all_tasks()),
            "connections": len(server.connections),
            "cpu": time.process_time(),
            "temporary": shutil.disk_usage(tempfile.gettempdir()).used,
        }
    )


HANDLERS = (hello, pid, slow, busy, stubborn, forever, stream, live, block, abort, fetch, notice, noticed, facts)


async def goodbye(app: web.Application) -> None:
    for server in app[SERVERS]:
        log.info("CANCELLED %d", server.cancelled_count)
    log.info("CLEANUP")


async def begin(app: web.Application) -> None:
    if os.environ.get("SHOP_STARTUP") == "waits":
        log.info("STARTING")
        await asyncio.sleep(1000)


def make() -> web.Application:
    logging.basicConfig(level=logging.INFO)
    app = web.Application(client_max_size=0)
    app[SERVERS] = []
    for handler in HANDLERS:
        app.router.add_get(f"/{handler.__name__}", handler)
    app.router.add_post("/upload", upload)
    app.router.add_post("/notice", notice)
    app.router.add_static("/static", Path.cwd())
    health.setup(app)
    app.on_startup.append(begin)
    app.on_cleanup.append(goodbye)
    return app


def secured() -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(os.environ["SHOP_CERTIFICATE"])
    return context


def stall() -> None:
    """As a module does that takes long to import."""
    if os.environ.get("SHOP_STARTUP") == "imports":
        print("IMPORTING\n", end="", flush=True)
        time.sleep(1000)


def announce(banner: str) -> None:
    print(banner, flush=True)


def main(options: dict[str, Any]) -> None:
    logging.basicConfig(level=logging.INFO)
    if options.get("workers", 1) == 1:
        stall()
    if (files := options.pop("nofile", None)) is not None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    if (size := options.pop("fsize", None)) is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    if options.pop("logs", None):
        options["access_log"] = logging.getLogger("levante.access")
    if (path := options.pop("tls", None)) is not None:
        os.environ["SHOP_CERTIFICATE"] = path
        options["ssl_context"] = secured
    web.run_app(make, **{"host": "127.0.0.1", "port": 0, "print": announce, "access_log": None, **options})


if __name__ != "__main__":
    stall()
else:
    main(json.loads(sys.argv[1]))
