"""A site with logins, a list of one's sessions and a WebSocket, for real browsers: over TLS at 127.0.0.1, and a page of
another site at localhost that tries what such pages try."""

import asyncio
import ssl
from dataclasses import dataclass, field
from html import escape

import trustme

from levante import web
from levante.client import ClientSession
from levante.sessions import MemoryStorage, csrf_exempt, csrf_token, get_session, guard_websocket, setup
from levante.sessions.oidc import HttpClient, OpenIdLogin
from levante.web.middlewares import security_headers

RECHECK = 0.1  # seconds


@dataclass
class Seen:
    """What came to the site: the transfers that were made, and the cookies that came with requests to /echo."""

    own: str = ""
    foreign: str = ""
    issuer: str = ""
    transfers: int = 0
    cookies: list[str] = field(default_factory=list)
    storage: MemoryStorage = field(default_factory=MemoryStorage)
    login: OpenIdLogin | None = None


SEEN = web.AppKey("SEEN", Seen)


def page(body: str) -> web.Response:
    return web.Response(text=f"<!doctype html><title>page</title>{body}", content_type="text/html")


def form(action: str, token: str, fields: str = "", label: str = "go") -> str:
    hidden = f'<input type=hidden name=csrf_token value="{escape(token)}">' if token else ""
    return f'<form id={action.strip("/")} method=post action="{action}">{hidden}{fields}<button>{label}</button></form>'


class Front(web.View):
    """Who is here, and since when."""

    async def get(self) -> web.Response:
        seen, session, token = self.request.app[SEEN], await get_session(self.request), await csrf_token(self.request)
        if session.user is None:
            return page("<p id=who>nobody</p>" + form("/login", token, "<input name=user>"))
        rows = "".join(
            f"<li>{form('/revoke', token, f'<input type=hidden name=handle value={info.handle}>', 'end')}</li>"
            for info in await seen.storage.sessions_of(session.user)
        )
        forms = form("/transfer", token) + form("/logout", token)
        return page(f"<p id=who>{escape(session.user)}</p><ul id=sessions>{rows}</ul>{forms}")


async def log_in(request: web.Request) -> web.Response:
    (await get_session(request)).user = str((await request.post())["user"])
    raise web.HTTPSeeOther("/")


async def log_out(request: web.Request) -> web.Response:
    (await get_session(request)).invalidate()
    raise web.HTTPSeeOther("/")


async def revoke(request: web.Request) -> web.Response:
    seen, session, wanted = request.app[SEEN], await get_session(request), (await request.post())["handle"]
    for info in await seen.storage.sessions_of(session.user or ""):
        if info.handle == wanted:
            await seen.storage.revoke(info.handle)
    raise web.HTTPSeeOther("/")


async def transfer(request: web.Request) -> web.Response:
    request.app[SEEN].transfers += 1
    return page("<p id=who>moved</p>")


@csrf_exempt
async def echo(request: web.Request) -> web.Response:
    """Notes which cookies a page of another site can have sent along."""
    request.app[SEEN].cookies.append(request.headers.get("Cookie", ""))
    return page("")


async def listen(request: web.Request) -> web.StreamResponse:
    ws = web.WebSocketResponse()
    async with guard_websocket(request, ws, recheck=RECHECK) as session:
        await ws.send_str(f"hello {session.user}")
        async for _ in ws:
            pass
    return ws


def the_login(request: web.Request) -> OpenIdLogin:
    login = request.app[SEEN].login
    if login is None:
        raise web.HTTPNotFound
    return login


async def begin(request: web.Request) -> web.Response:
    raise web.HTTPSeeOther(await the_login(request).begin(request, next_page=request.query.get("next", "/")))


async def callback(request: web.Request) -> web.Response:
    done = await the_login(request).finish(request)
    (await get_session(request)).user = done.subject
    raise web.HTTPSeeOther(done.next_page)


def site(seen: Seen) -> web.Application:
    app = web.Application(middlewares=[security_headers()])
    app[SEEN] = seen
    setup(app, seen.storage)
    app.router.add_view("/", Front)
    for path, handler in (("/login", log_in), ("/logout", log_out), ("/revoke", revoke), ("/transfer", transfer)):
        app.router.add_post(path, handler)
    app.router.add_route("*", "/echo", echo)
    app.router.add_get("/listen", listen)
    app.router.add_get("/begin", begin)
    app.router.add_get("/callback", callback)
    return app


def stranger(seen: Seen) -> web.Application:
    """Another site: forms that post themselves to ours."""

    async def forged(request: web.Request) -> web.Response:
        action = seen.own + request.query["to"]
        script = "<script>document.forms[0].submit()</script>" if "post" in request.query else ""
        return page(
            f'<form method=post action="{action}"><input name=user value=eve></form>{script}'
            f'<a id=link href="{action}">prizes</a>'
        )

    app = web.Application()
    app.router.add_get("/", forged)
    return app


def certificate() -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("127.0.0.1", "localhost").configure_cert(context)
    return context


async def serve(seen: Seen, issuer: str, started: "asyncio.Future[None]", stop: asyncio.Event) -> None:
    """Both sites, until `stop`; tells `started` when they are there."""
    async with ClientSession() as client:
        runners = [web.AppRunner(app, shutdown_timeout=1.0) for app in (site(seen), stranger(seen))]
        try:
            ports = []
            for runner in runners:
                await runner.setup()
                listening = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=certificate())
                await listening.start()
                ports.append(listening.port)
            seen.own, seen.foreign = f"https://127.0.0.1:{ports[0]}", f"https://localhost:{ports[1]}"
            seen.login = openid(client, issuer, seen.own)
            started.set_result(None)
            await stop.wait()
        finally:
            for runner in runners:
                await runner.cleanup()


def openid(client: HttpClient, issuer: str, own: str) -> OpenIdLogin:
    return OpenIdLogin(
        issuer, client_id="shop", client_secret="s3cret:+ /", redirect_uri=f"{own}/callback", http=client
    )
