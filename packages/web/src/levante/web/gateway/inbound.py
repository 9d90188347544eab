"""Requests that come by an ASGI server, as the heads that our applications know."""

import base64
from typing import Final
from urllib.parse import quote, unquote

from levante.http import HttpVersion, HttpVersion10, HttpVersion11, RequestHead

from .types import Scope, as_text

WITHOUT_BODY: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "CONNECT", "DELETE"})
"""Methods whose requests have a body so rarely that, where HTTP/2 does not tell, the first message is awaited for
it.
"""

PLAIN: Final = "!$&'()*+,;=:@/~"
"""What a path may hold as it is."""

SAFE: Final = f"{PLAIN}%"
"""The same, where it is encoded already."""

WEBSOCKET_FIELDS: Final = frozenset(
    {
        "connection",
        "upgrade",
        "sec-websocket-extensions",
        "sec-websocket-key",
        "sec-websocket-protocol",
        "sec-websocket-version",
    }
)
NO_KEY: Final = base64.b64encode(bytes(16)).decode()
"""The server has checked the client's key and answers it: any will do for us."""

OPENING: Final = (
    ("Connection", "Upgrade"),
    ("Upgrade", "websocket"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", NO_KEY),
)


def http_head(scope: Scope) -> RequestHead:
    """The head of a request. IllegalCharacter when the server let something through that no request has."""
    version = _version(scope)
    plain = HttpVersion10 if version == HttpVersion10 else HttpVersion11
    head = RequestHead.build(scope["method"], request_target(scope), as_text(scope["headers"]), plain)
    head.version = version
    if version.major > 1 and head.content_length is None:
        head.chunked = head.method not in WITHOUT_BODY  # as far as is known before the body
    return head


def websocket_head(scope: Scope) -> RequestHead:
    """The head of an opening as it is in HTTP/1.1, whatever it came by. Compression is the server's business, and not
    offered here.
    """
    fields = [pair for pair in as_text(scope["headers"]) if pair[0].lower() not in WEBSOCKET_FIELDS]
    fields += OPENING
    subprotocols = scope.get("subprotocols") or ()
    if subprotocols:
        fields.append(("Sec-WebSocket-Protocol", ", ".join(subprotocols)))
    return RequestHead.build("GET", request_target(scope), fields)


def request_target(scope: Scope) -> str:
    """Path and query, encoded, without the path that the application is mounted at: routes do not know of it."""
    raw = scope.get("raw_path")
    text = quote(scope["path"], safe=PLAIN) if raw is None else raw.decode("latin-1").partition("?")[0]
    root = scope.get("root_path", "").rstrip("/")
    if root:
        segments = text.split("/")
        depth = root.count("/") + 1
        if unquote("/".join(segments[:depth])) == root:
            text = "/".join(("", *segments[depth:]))
    text = quote(text, safe=SAFE)
    if text != "*" and not text.startswith("/"):
        text = f"/{text}"
    query = scope.get("query_string", b"")
    return f"{text}?{query.decode('latin-1')}" if query else text


def _version(scope: Scope) -> HttpVersion:
    major, _, minor = str(scope.get("http_version", "1.1")).partition(".")
    return HttpVersion(int(major), int(minor or 0))
