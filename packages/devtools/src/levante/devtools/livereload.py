"""What development adds to an application, from outside: live reload, error pages, and an account of what runs.

One middleware, the outermost, answers the paths below `/_levante/`, turns an unhandled error into the error page for
clients that want HTML, and knows the running requests so that a reload never waits for a WebSocket or an event
stream. A signal puts a script tag into HTML answers. The script is a file of the same origin, which a policy of
`'self'` permits; where the policy works by nonces, the tag carries the response's own.
"""

import asyncio
import logging
import re
import secrets
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import cache
from importlib.resources import files
from ipaddress import ip_address
from socket import gethostname
from urllib.parse import urlsplit

from levante.web import (
    Application,
    HTTPException,
    Request,
    Response,
    StreamResponse,
    WebSocketResponse,
)
from levante.ws import WSCloseCode

from . import error_page

PREFIX = "/_levante/"
SOCKET_PATH = "/_levante/livereload"
SCRIPT_PATH = "/_levante/livereload.js"
# How long a closing handshake of a WebSocket may take, seconds.
CLOSE_PATIENCE = 0.5
# Not shown on the error page: credentials stay out of screenshots.
MASKED_HEADERS = frozenset({"authorization", "cookie", "proxy-authorization", "x-csrf-token"})

logger = logging.getLogger("levante.devtools")
Handler = Callable[[Request], Awaitable[StreamResponse]]


@cache
def _script() -> str:
    return files(__package__).joinpath("assets", "livereload.js").read_text("utf-8")


class DevTools:
    """The development side of one server process, named by `boot`; `install` puts it around an application."""

    def __init__(self, *, boot: str, livereload: bool, is_project: Callable[[str], bool]) -> None:
        self.boot = boot
        self.livereload = livereload
        self.is_project = is_project
        self._leaving = False
        self._tabs: set[WebSocketResponse] = set()
        self._sockets: dict[asyncio.Task[object], WebSocketResponse] = {}
        self._requests: set[asyncio.Task[object]] = set()
        self._streams: set[asyncio.Task[object]] = set()

    def install(self, app: Application) -> None:
        """Wrap `app`, before it starts."""
        app.middlewares.insert(0, self._handle)
        app.on_response_prepare.append(self._prepare)

    async def _handle(self, request: Request, handler: Handler) -> StreamResponse:
        if request.path.startswith(PREFIX) and self.livereload:
            return await self._own(request)
        if self._leaving and is_navigation(request):  # a tab that reloads over its old connection: to the new server
            return Response(status=307, headers={"Location": request.raw_path, "Cache-Control": "no-store"})
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a request runs outside of a task")
        self._requests.add(task)
        try:
            return await handler(request)
        except HTTPException:
            raise
        except Exception as error:
            if not wants_html(request) or not has_own_name(request):
                raise
            error_page.own_frames_removed(error)
            logger.exception("error in %s %s", request.method, request.path)
            return self.page(error, heading=f"{request.method} {request.path} failed", request=request)
        finally:
            self._requests.discard(task)
            self._streams.discard(task)
            self._sockets.pop(task, None)

    def page(self, error: BaseException, *, heading: str, request: Request) -> Response:
        """The error page as a response of status 500, with a policy of its own."""
        nonce = secrets.token_urlsafe(16)
        text = error_page.render(
            error, heading=heading, is_project=self.is_project, facts=request_facts(request), nonce=nonce,
            script=self.script_url if self.livereload else "",
        )  # fmt: skip
        policy = (
            f"default-src 'none'; style-src 'nonce-{nonce}'; script-src 'self'; connect-src 'self'; base-uri 'none'"
        )
        headers = {"Content-Security-Policy": policy, "Cache-Control": "no-store"}
        return Response(status=500, text=text, content_type="text/html", headers=headers)

    @property
    def script_url(self) -> str:
        """The address of the live-reload script, which carries the name of this process to the page."""
        return f"{SCRIPT_PATH}?boot={self.boot}"

    async def _own(self, request: Request) -> StreamResponse:
        if request.path == SCRIPT_PATH:
            return Response(text=_script(), content_type="text/javascript", headers={"Cache-Control": "no-store"})
        if request.path == SOCKET_PATH and same_origin(request) and has_own_name(request):
            return await self._tab(request)
        return Response(status=404, text="nothing of devtools is here\n")

    async def _tab(self, request: Request) -> StreamResponse:
        socket = WebSocketResponse(compress=False)
        await socket.prepare(request)
        self._tabs.add(socket)
        try:
            await socket.send_json({"type": "hello", "boot": self.boot})
            async for _ in socket:  # a tab has nothing to say; reading notices that it is gone
                pass
        finally:
            self._tabs.discard(socket)
        return socket

    async def _prepare(self, request: Request, _response: StreamResponse) -> None:
        request.add_prepare_hook(self._finish)  # the last to be called, when all headers are there

    def _finish(self, response: StreamResponse) -> None:
        task = asyncio.current_task()
        if isinstance(response, WebSocketResponse):
            if task in self._requests:
                self._sockets[task] = response
            return
        if response.content_type == "text/event-stream" and task in self._requests:
            self._streams.add(task)
        if self._leaving:  # a client that uses its connection again goes to the new server, and no request is lost
            response.force_close()
        response.headers.setdefault("Cache-Control", "no-cache")  # a saved asset must not come from the browser's cache
        if self.livereload and isinstance(response, Response) and response.content_type == "text/html":
            self._inject(response)

    def _inject(self, response: Response) -> None:
        body = response.body
        if not isinstance(body, (bytes, bytearray)) or "Content-Encoding" in response.headers:
            return
        if SCRIPT_PATH.encode() in body:
            return
        nonce = policy_nonce(response.headers.getall("Content-Security-Policy", []))
        tag = script_tag(self.script_url, nonce=nonce)
        response.body = insert_script(bytes(body), tag)

    async def tell_tabs(self, message: dict[str, object]) -> None:
        """Send a message to every open tab; one that is gone is not our business any more."""
        for socket in list(self._tabs):
            try:
                await socket.send_json(message)
            except ConnectionResetError:
                self._tabs.discard(socket)

    async def let_go(self, code: WSCloseCode, *, grace: float, patience: float, linger: float = 0.0) -> None:
        """End what runs, before the server is closed, in seconds from now.

        Tabs are closed at once, WebSockets (with `code`) and event streams after `grace`, ordinary requests are
        cancelled after that and `patience`. It returns after `linger` at the earliest: connections that were accepted a
        moment ago, and whose request is still on its way, would otherwise be closed unanswered.
        """
        lingering = asyncio.ensure_future(asyncio.sleep(linger))
        self._leaving = True
        await _close(self._tabs, code)
        await asyncio.sleep(grace)
        await _close(self._sockets.values(), code)
        for task in list(self._streams):
            task.cancel()
        if self._requests:
            await asyncio.wait(list(self._requests), timeout=patience)
        for task in list(self._requests):
            logger.warning("a request did not end within %g s and is cancelled", patience)
            task.cancel()
        await lingering


async def _close(sockets: Iterable[WebSocketResponse], code: WSCloseCode) -> None:
    closing = [asyncio.ensure_future(socket.close(code=code)) for socket in sockets]
    if (
        closing
    ):  # whatever a close raises, the connection ends with the server; a peer that does not answer is not waited for
        await asyncio.wait(closing, timeout=CLOSE_PATIENCE)


def broken_app(devtools: DevTools, error: BaseException, *, heading: str) -> Application:
    """An application that answers everything with the page (or the line) of what kept the real one from starting."""

    async def answer(request: Request) -> Response:
        if not has_own_name(request):
            return Response(status=500, text=f"{heading}\n")
        if wants_html(request):
            return devtools.page(error, heading=heading, request=request)
        return Response(status=500, text=f"{heading}: {type(error).__name__}: {error}\n")

    app = Application()
    app.router.add_route("*", "/{tail:.*}", answer)
    devtools.install(app)
    return app


def wants_html(request: Request) -> bool:
    """Whether the client names HTML among what it accepts: a browser that opens a page does, curl does not."""
    return "text/html" in request.headers.get("Accept", "")


def is_navigation(request: Request) -> bool:
    """Whether a browser asks for a page of its own accord, and may be sent to the same address once more."""
    path = request.raw_path
    browsing = request.method == "GET" and request.headers.get("Sec-Fetch-Mode") == "navigate"
    return browsing and path.startswith("/") and not path.startswith("//")  # `//host` would lead elsewhere


def same_origin(request: Request) -> bool:
    """Whether a WebSocket is opened by a page of this server: other sites may not listen to what is being edited."""
    origin = request.headers.get("Origin")
    return origin is None or urlsplit(origin).netloc == request.headers.get("Host")


def has_own_name(request: Request, *, hostname: str | None = None) -> bool:
    """Whether the browser calls this machine by a name that nobody else can own: an address, localhost, `hostname`.

    A page of evil.example whose name has been made to point here is of the same origin as what we answer (DNS
    rebinding), so it must not see sources and errors.
    """
    name = (urlsplit(f"//{request.host}").hostname or "").lower()
    own = (gethostname() if hostname is None else hostname).lower()
    if name in {"localhost", own, f"{own}.local"} or name.endswith(".localhost"):
        return True
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def request_facts(request: Request) -> list[tuple[str, str]]:
    """Rows about the request for the error page; credentials are masked."""
    rows = [("Request", f"{request.method} {request.path_qs}"), ("From", str(request.remote))]
    for name, value in request.headers.items():
        rows.append((name, "(hidden)" if name.lower() in MASKED_HEADERS else value))
    return rows


_NONCE = re.compile(r"'nonce-([A-Za-z0-9+/_-]+={0,2})'")
_BODY_END = re.compile(rb"</body\s*>", re.IGNORECASE)


def policy_nonce(policies: Sequence[str]) -> str:
    """The nonce that a Content-Security-Policy gives to scripts; '' when it works without."""
    directives: dict[str, str] = {}
    for policy in policies:
        for directive in policy.split(";"):
            name, _, value = directive.strip().partition(" ")
            directives.setdefault(name.lower(), value)
    for name in ("script-src-elem", "script-src", "default-src"):
        if name in directives:
            found = _NONCE.search(directives[name])
            return found[1] if found else ""
    return ""


def script_tag(url: str, *, nonce: str = "") -> bytes:
    """The tag that loads the live-reload script."""
    mark = f' nonce="{nonce}"' if nonce else ""
    return f'<script src="{url}"{mark} defer></script>'.encode()


def insert_script(body: bytes, tag: bytes) -> bytes:
    """`body` with `tag` before its last `</body>`, or at its end where it has none (HTML lets one leave it out)."""
    ends = list(_BODY_END.finditer(body))
    if not ends:
        return body + tag
    at = ends[-1].start()
    return body[:at] + tag + body[at:]
