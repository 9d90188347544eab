"""A request in the hands of a mounted application. The application runs in a task of its own: its first words become
a response, which passes through the middlewares as any other and may be changed by them, and only when the server
sends it does the application go on writing. It may work on after the response (background tasks do).

A response that is whole at once is a plain `Response`. If the application fails, that is raised where the response is
awaited or sent, once; what it raises after a whole response is logged.
"""

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from levante.http.errors import ExchangeTimeout, PayloadAccessError, PeerDisconnected, RemoteProtocolError
from levante.http.status import is_bodiless
from levante.web.response import Response
from levante.web.stream_response import StreamResponse

from .sending import send_file
from .types import ASGIApplication, Message, Scope, as_text

if TYPE_CHECKING:
    from levante.web.types import BaseRequest, Request

logger = logging.getLogger("levante.web")


class MountedResponse(StreamResponse):
    """The response that an application writes piece by piece."""

    __slots__ = ("_call",)

    def __init__(self, call: "MountedRequest", status: int, headers: list[tuple[str, str]]) -> None:
        super().__init__(status=status, headers=headers)
        self._call = call

    async def deliver(self, request: "BaseRequest") -> None:
        await self.prepare(request)
        await self._call.write_to(self)
        await self.write_eof()


class MountedRequest:
    """One call of a mounted application: its `receive` and its `send`."""

    def __init__(self, request: "Request") -> None:
        loop = asyncio.get_running_loop()
        self._request = request
        self._task: asyncio.Future[None] | None = None
        self._start: Message | None = None
        self._response: StreamResponse | None = None
        self._answer: asyncio.Future[StreamResponse] = loop.create_future()
        self._prepared: asyncio.Future[None] = loop.create_future()
        self._complete: asyncio.Future[None] = loop.create_future()
        self._body_given = False
        self._lost: Exception | None = None  # why nobody wants the response any more, or can get it

    def begin(self, app: ASGIApplication, scope: Scope) -> "asyncio.Future[None]":
        """Call the application; the task that it runs in."""
        _check_readable(self._request)
        self._task = asyncio.ensure_future(app(scope, self._receive, self._send))
        self._task.add_done_callback(self._app_ended)
        serving = self._request.task
        if serving is not None:
            serving.add_done_callback(self._exchange_ended)
        return self._task

    async def answer(self) -> StreamResponse:
        """The response, not sent yet. Raises what the application raises before it has one."""
        try:
            return await asyncio.shield(self._answer)
        except asyncio.CancelledError:
            self._cancel()
            raise

    async def write_to(self, _: MountedResponse) -> None:
        """Let the application write; return when its response is whole. Raises what the application raises."""
        if not self._prepared.done():
            self._prepared.set_result(None)
        try:
            await asyncio.shield(self._complete)
        except asyncio.CancelledError:
            self._cancel()
            raise

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def _app_ended(self, task: "asyncio.Future[None]") -> None:
        error = RuntimeError("the mounted application was cancelled") if task.cancelled() else task.exception()
        if self._complete.done():
            if error is not None and not task.cancelled() and self._lost is None:
                logger.error("a mounted application failed after its response to %r", self._request, exc_info=error)
            return
        # Whatever the application makes of a client that has gone away, that is what happened.
        missing = (
            self._lost or error or RuntimeError("the mounted application returned before its response was complete")
        )
        for future in (self._complete, self._prepared, self._answer):
            _fail(future, missing)

    def _exchange_ended(self, _: object) -> None:
        """Whatever the application still says, nobody listens."""
        gone = PeerDisconnected("the response is over, or was replaced by another one")
        if not self._complete.done():
            self._lost = gone
        for future in (self._complete, self._prepared, self._answer):
            _fail(future, gone)

    # What the application calls.

    async def _receive(self) -> Message:
        if self._body_given or self._complete.done():
            await self._until_gone()
            return {"type": "http.disconnect"}
        kept = self._request.kept_body
        if kept is not None:
            self._body_given = True
            return {"type": "http.request", "body": kept, "more_body": False}
        body = self._request.exchange.body
        try:
            data = await body.readany()
        except PayloadAccessError:
            return {"type": "http.disconnect"}
        except (PeerDisconnected, RemoteProtocolError, ExchangeTimeout) as exc:
            # ASGI knows no broken bodies: whatever comes no more is a client that has gone. It gets its answer from us.
            self._lost = exc
            return {"type": "http.disconnect"}
        self._body_given = body.at_eof()
        return {"type": "http.request", "body": data, "more_body": not self._body_given}

    async def _until_gone(self) -> None:
        if self._complete.done():
            return
        watch = asyncio.ensure_future(self._request.disconnected())
        try:
            await asyncio.wait((watch, self._complete), return_when=asyncio.FIRST_COMPLETED)
            if watch.done() and not self._complete.done():
                self._lost = PeerDisconnected("the client is gone")
        finally:
            watch.cancel()

    async def _send(self, message: Message) -> None:
        kind = message["type"]
        if isinstance(self._lost, RemoteProtocolError | ExchangeTimeout):
            raise PeerDisconnected(*self._lost.args)
        if kind == "http.response.early_hint":
            await self._request.send_early_hints([bytes(link).decode("utf-8") for link in message["links"]])
        elif kind == "http.response.start" and self._start is None:
            self._start = message
        elif self._start is None or self._complete.done():
            self._refuse(kind)
        elif kind == "http.response.body":
            await self._send_body(bytes(message.get("body", b"")), more=message.get("more_body", False))
        elif kind == "http.response.pathsend":
            await send_file(await self._writable(), self._request, message["path"])
            self._end_body()
        elif kind == "http.response.trailers" and self._response is not None and self._start.get("trailers"):
            for name, value in as_text(message.get("headers", ())):
                self._response.trailers.add(name, value)
            if not message.get("more_trailers", False):
                self._end()
        else:
            self._refuse(kind)

    def _refuse(self, kind: str) -> None:
        if self._complete.done() and not self._complete.cancelled():
            error = self._complete.exception()
            if isinstance(error, PeerDisconnected):
                raise PeerDisconnected(*error.args)
        state = "complete" if self._complete.done() else "begun" if self._start is not None else "not begun"
        raise RuntimeError(f"got {kind!r} from a mounted application while its response is {state}")

    async def _send_body(self, body: bytes, *, more: bool) -> None:
        start = self._start or {}
        if self._response is None and not more and not start.get("trailers") and self._request.method != "HEAD":
            self._response = _whole(start, body)
            self._end()
            self._answer.set_result(self._response)
            return
        response = await self._writable()
        if body:
            try:
                await response.write(body)
            except PeerDisconnected as exc:
                self._lost = exc
                raise
        if not more:
            self._end_body()

    async def _writable(self) -> StreamResponse:
        """The response, once the server has begun to send it."""
        if self._response is None:
            start = self._start or {}
            response = MountedResponse(self, int(start["status"]), _headers(start))
            if start.get("trailers"):
                response.headers.popall("Content-Length", None)
                announced = response.headers.getall("Trailer", ())
                response.declare_trailers(*(name.strip() for value in announced for name in value.split(",")))
            self._response = response
            self._answer.set_result(response)
        await asyncio.shield(self._prepared)
        return self._response

    def _end_body(self) -> None:
        if self._start is not None and not self._start.get("trailers"):
            self._end()

    def _end(self) -> None:
        if not self._complete.done():
            self._complete.set_result(None)


def _whole(start: Message, body: bytes) -> Response:
    status, headers = int(start["status"]), _headers(start)
    for name, value in headers:
        if name.lower() == "content-length" and value != str(len(body)) and not is_bodiless(status):
            raise RuntimeError(f"a mounted application sent {len(body)} bytes after Content-Length: {value}")
    return Response(status=status, headers=headers, body=body or None)


def _headers(start: Message) -> list[tuple[str, str]]:
    """The header fields, without Transfer-Encoding: that is the server's business, as ASGI says."""
    return [pair for pair in as_text(start.get("headers", ())) if pair[0].lower() != "transfer-encoding"]


def _check_readable(request: "Request") -> None:
    body = request.exchange.body
    if request.head.has_body and request.kept_body is None and body.at_eof() and body.total_bytes:
        raise RuntimeError(
            "a middleware has taken the body of a request for a mounted application; let it call `await request.read()`"
        )


def _fail(future: "asyncio.Future[Any]", error: BaseException) -> None:  # Any: of whatever result
    if not future.done():
        future.set_exception(error)
        future.exception()  # seen: it is raised to whoever waits, and to nobody else
