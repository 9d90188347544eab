"""A WebSocket in the hands of a mounted application: the messages of ASGI on one side, a `WebSocketResponse` on the
other. The application runs in the handler's own task, for the handler ends with the conversation.
"""

from typing import TYPE_CHECKING

from levante.http.errors import PeerDisconnected
from levante.web.response import Response
from levante.web.stream_response import StreamResponse
from levante.web.websocket import WebSocketResponse
from levante.ws import WSCloseCode, WSMsgType

from .types import ASGIApplication, Message, Scope, as_text

if TYPE_CHECKING:
    from levante.web.types import Request

FORBIDDEN = 403
NO_STATUS = 1005

ANY_ORIGIN = ("*",)
"""Whom the application talks to is its own decision."""


class MountedSocket:
    """One call of a mounted application with the opening of a WebSocket."""

    def __init__(self, request: "Request") -> None:
        self._request = request
        self._connected = False
        self._socket: WebSocketResponse | None = None
        self._refusal: Response | None = None
        self._denial: Message | None = None
        self._denied = bytearray()
        self._last: Message | None = None

    async def run(self, app: ASGIApplication, scope: Scope) -> StreamResponse:
        """Let the application talk until it returns. Raises what it raises, and HTTP errors for a bad opening."""
        opening = WebSocketResponse(origins=ANY_ORIGIN)
        if not opening.can_prepare(self._request):
            await opening.prepare(self._request)  # which raises what is wrong
        await app(scope, self._receive, self._send)
        response = self._socket or self._refusal
        if response is None:
            raise RuntimeError("the mounted application returned without accepting or closing the WebSocket")
        return response

    async def _receive(self) -> Message:
        if not self._connected:
            self._connected = True
            return {"type": "websocket.connect"}
        if self._last is not None:
            return self._last
        if self._socket is None:
            if self._refusal is None:
                await self._request.disconnected()
            return self._ended(WSCloseCode.ABNORMAL_CLOSURE)
        message = await self._socket.receive()
        if message.type is WSMsgType.TEXT:
            return {"type": "websocket.receive", "text": message.data}
        if message.type is WSMsgType.BINARY:
            return {"type": "websocket.receive", "bytes": message.data}
        if message.type is WSMsgType.CLOSE:
            return self._ended(message.data or NO_STATUS, message.extra or "")
        return self._ended(self._socket.close_code or WSCloseCode.ABNORMAL_CLOSURE)

    def _ended(self, code: int, reason: str = "") -> Message:
        self._last = {"type": "websocket.disconnect", "code": int(code), "reason": reason}
        return self._last

    async def _send(self, message: Message) -> None:
        kind = message["type"]
        if self._refusal is not None:
            raise RuntimeError(f"got {kind!r} from a mounted application after it had refused the WebSocket")
        if self._socket is not None:
            await self._talk(self._socket, message)
        elif kind == "websocket.accept":
            await self._accept(message)
        elif kind == "websocket.close":
            self._refusal = Response(status=FORBIDDEN)
        elif kind == "websocket.http.response.start" and self._denial is None:
            self._denial = message
        elif kind == "websocket.http.response.body" and self._denial is not None:
            self._denied += message.get("body", b"")
            if not message.get("more_body", False):
                headers = as_text(self._denial.get("headers", ()))
                self._refusal = Response(status=self._denial["status"], headers=headers, body=bytes(self._denied))
        else:
            raise RuntimeError(f"got {kind!r} from a mounted application before it accepted the WebSocket")

    async def _accept(self, message: Message) -> None:
        subprotocol = message.get("subprotocol")
        socket = WebSocketResponse(protocols=() if subprotocol is None else (subprotocol,), origins=ANY_ORIGIN)
        for name, value in as_text(message.get("headers", ())):
            socket.headers.add(name, value)
        await socket.prepare(self._request)
        self._socket = socket

    async def _talk(self, socket: WebSocketResponse, message: Message) -> None:
        kind = message["type"]
        if kind == "websocket.close":
            await socket.close(code=message.get("code", WSCloseCode.OK), message=(message.get("reason") or "").encode())
        elif kind != "websocket.send":
            raise RuntimeError(f"got {kind!r} from a mounted application while its WebSocket is open")
        elif socket.closed:
            raise PeerDisconnected("the WebSocket is closed")
        elif message.get("bytes") is not None:
            await socket.send_bytes(message["bytes"])
        else:
            await socket.send_str(message["text"])
