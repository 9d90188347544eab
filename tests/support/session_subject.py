"""A service with logins, as a program: `python session_subject.py PORT WORKERS`. The environment has REDIS (a URL),
KIND ("redis", or "sealed" for encrypted cookies with revocations in Redis) and SECRET_KEYS_FILE, which is read when a
process starts.
"""

import asyncio
import os
import sys

from levante import web
from levante.sessions import (
    AbstractStorage,
    EncryptedCookieStorage,
    Session,
    get_session,
    guard_websocket,
    keys_from_environment,
    setup,
)
from levante.sessions.redis import RedisRevocations, RedisStorage
from levante.web import health

RECHECK = 0.1  # seconds: an open WebSocket hears of a logout within a second
PATIENCE = 10.0  # seconds: the tests ask for sessions on a machine that is busy with others


def make_storage() -> AbstractStorage:
    url = os.environ["REDIS"]
    if os.environ["KIND"] == "redis":
        return RedisStorage(url, patience=PATIENCE, secure=False)
    keys = keys_from_environment(environment="production")
    return EncryptedCookieStorage(keys, revocations=RedisRevocations(url, patience=PATIENCE), secure=False)


def number(session: Session, name: str) -> int:
    value: int = session.get(name, 0)
    return value


async def log_in(request: web.Request) -> web.Response:
    session = await get_session(request)
    session.user = request.query["user"]
    return web.Response(text=session.user or "")


async def who(request: web.Request) -> web.Response:
    session = await get_session(request)
    if session.user is None:
        raise web.HTTPUnauthorized
    return web.Response(text=session.user, headers={"X-Pid": str(os.getpid())})


async def count(request: web.Request) -> web.Response:
    """Adds to a number, slowly: others change the session meanwhile."""
    session, name = await get_session(request), request.query["name"]
    session[name] = number(session, name) + 1
    await asyncio.sleep(float(request.query.get("seconds", "0")))
    return web.json_response(dict(session))


async def log_out(request: web.Request) -> web.Response:
    (await get_session(request)).invalidate()
    return web.Response()


async def shut_out(request: web.Request) -> web.Response:
    storage: RedisStorage | EncryptedCookieStorage = request.app[STORAGE]
    await storage.revoke_user(request.query["user"])
    return web.Response()


async def listen(request: web.Request) -> web.StreamResponse:
    ws = web.WebSocketResponse()
    async with guard_websocket(request, ws, recheck=RECHECK):
        async for message in ws:
            await ws.send_str(str(message.data))
    return ws


STORAGE: web.AppKey[RedisStorage | EncryptedCookieStorage] = web.AppKey("STORAGE")


def make() -> web.Application:
    app = web.Application()
    storage = make_storage()
    if not isinstance(storage, RedisStorage | EncryptedCookieStorage):
        raise TypeError(f"{storage!r} cannot revoke")
    app[STORAGE] = storage
    setup(app, storage)
    health.setup(app)
    for path, handler in (("/login", log_in), ("/logout", log_out), ("/shut-out", shut_out), ("/count", count)):
        app.router.add_post(path, handler)
    app.router.add_get("/who", who)
    app.router.add_get("/listen", listen)
    return app


if __name__ == "__main__":
    web.run_app(
        "session_subject:make", host="127.0.0.1", port=int(sys.argv[1]), workers=int(sys.argv[2]), access_log=None
    )
