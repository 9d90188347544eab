"""The scopes that mounted applications get: a request of ours, said in ASGI's words."""

from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from .types import ASGI, Fields, Scope

if TYPE_CHECKING:
    from levante.web.types import Request

State = dict[str, Any]
"""What a mounted application left at its startup (Any: whatever it is)."""

WS_SCHEMES = {"http": "ws", "https": "wss"}


def http_scope(request: "Request", *, root_path: str, state: State) -> Scope:
    """The scope of a request. What middlewares have replaced in it (`request.clone`) is what it says."""
    scope = _scope(request, root_path, state)
    scope["type"] = "http"
    scope["method"] = request.method
    scope["extensions"] = {
        "http.response.trailers": {},
        "http.response.early_hint": {},
        "http.response.pathsend": {},
    }
    return scope


def websocket_scope(request: "Request", *, root_path: str, state: State) -> Scope:
    """The scope of the opening of a WebSocket."""
    scope = _scope(request, root_path, state)
    scope["type"] = "websocket"
    scope["scheme"] = WS_SCHEMES.get(request.scheme, request.scheme)
    offered = ",".join(request.headers.getall("Sec-WebSocket-Protocol", ()))
    scope["subprotocols"] = [name.strip() for name in offered.split(",") if name.strip()]
    scope["extensions"] = {"websocket.http.response": {}}
    return scope


def _scope(request: "Request", root_path: str, state: State) -> Scope:
    target = request.target
    version = request.version
    return {
        "asgi": dict(ASGI),
        "http_version": str(version.major) if version.major > 1 else f"{version.major}.{version.minor}",
        "scheme": request.scheme,
        "path": unquote(target.path),
        "raw_path": target.path.encode("ascii"),
        "query_string": (target.query or "").encode("ascii"),
        "root_path": _outer_root_path(request) + root_path,
        "headers": _fields(request),
        "client": _client(request),
        "server": _address(request.get_extra_info("sockname")),
        "state": state,
    }


def _outer_root_path(request: "Request") -> str:
    """Where we are mounted ourselves, if that is on an ASGI server."""
    scope: Scope | None = request.get_extra_info("asgi_scope")
    return "" if scope is None else str(scope.get("root_path", ""))


def _fields(request: "Request") -> Fields:
    fields = [(name.lower(), value) for name, value in request.raw_headers]
    body = request.kept_body
    if body is None or not request.head.has_body:
        return fields
    # A middleware has read the body, its coding undone: that is what the application gets.
    framing = (b"content-encoding", b"content-length", b"transfer-encoding")
    return [*(field for field in fields if field[0] not in framing), (b"content-length", str(len(body)).encode())]


def _client(request: "Request") -> tuple[str, int] | None:
    peer = request.get_extra_info("peername")
    remote = request.remote
    if remote is None:
        return None
    same = isinstance(peer, tuple) and remote == str(peer[0])
    return remote, int(peer[1]) if same else 0


def _address(address: object) -> tuple[str, int | None] | None:
    if isinstance(address, tuple):
        return str(address[0]), int(address[1])
    return (str(address), None) if address else None
