"""The connection behind a request: what it is, whether the client is still there, and what can be sent beside the
response.
"""

import asyncio
from collections.abc import Iterable
from typing import Any

from multidict import CIMultiDictProxy

from levante.http.errors import ProtocolError
from levante.http.streamwriter import ExchangeWriter

from .request_head import RequestHeadView

EARLY_HINTS = 103


class RequestConnection(RequestHeadView):
    """The part of a request that looks at its connection."""

    __slots__ = ()

    @property
    def transport(self) -> asyncio.Transport | None:
        """The transport of the connection, None when it is gone."""
        return self.exchange.transport

    @property
    def protocol(self) -> object:
        """The connection that the request came on."""
        return self.exchange.connection

    @property
    def writer(self) -> ExchangeWriter:
        """What the response is written to; responses do that."""
        writer: ExchangeWriter | None = self._cache.get("writer")
        if writer is None:
            writer = self._cache["writer"] = ExchangeWriter(self.exchange)
        return writer

    @property
    def task(self) -> "asyncio.Task[Any] | None":
        """The task that handles the request (Any: what it returns is of no interest)."""
        return self.exchange.task

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """`get_extra_info` of the transport: `peername`, `peercert`, ... (Any: as asyncio has it). On an ASGI server
        there is `asgi_scope` as well.
        """
        return self.exchange.get_extra_info(name, default)

    @property
    def pre_handler_error(self) -> ProtocolError | None:
        """Why the request could not be read (malformed, too large), in which case it is a stand-in that must be
        answered with the error.
        """
        return self.exchange.error

    # Whether the client is still there.

    def is_disconnected(self) -> bool:
        """Whether the client has gone away, as far as is known here: see `disconnected`."""
        return self.exchange.is_disconnected()

    async def disconnected(self) -> None:
        """Return when the client has gone away: what a long poll or a stream waits for beside its own work.

        Noticed is the end of the connection, and the end of what the client sends, which nearly always means that it
        is gone (a response can still be sent to the few that only closed their half). Not noticed is a client that
        vanishes without a word, until something is written to it and `write_timeout` has passed, or TCP's keep-alive
        finds out; nor one that vanishes while more of its body is unread than is buffered, until that is read.
        """
        await self.exchange.disconnected()

    @property
    def cancel_on_disconnect(self) -> bool:
        """Whether the handler is cancelled when the client goes away. It may be set at any time, and holds from then
        on; set to True after the client has gone, it cancels at once.
        """
        return self.exchange.cancel_on_disconnect

    @cancel_on_disconnect.setter
    def cancel_on_disconnect(self, enabled: bool) -> None:
        exchange = self.exchange
        exchange.cancel_on_disconnect = enabled
        if not enabled or not exchange.is_disconnected():
            return
        if exchange.transport is not None:
            exchange.connection.abort()  # its end cancels the task
        elif exchange.task is not None:
            exchange.task.cancel()

    # Beside the body and before the response.

    @property
    def trailers(self) -> CIMultiDictProxy[str]:
        """The fields that came behind a chunked body (RFC 9110 section 6.5), empty when there were none.

        RuntimeError before the body has arrived: read it first.
        """
        body = self.exchange.body
        if not body.is_eof():
            raise RuntimeError("trailers come after the body, which has not arrived yet; read it first")
        return body.trailers

    async def send_early_hints(self, links: Iterable[str]) -> None:
        """Send 103 (RFC 8297): values of `Link` that the response will have too, for the client to load meanwhile.

        `</style.css>; rel=preload; as=style`. May be called several times, before the response is prepared
        (LocalProtocolError after that). Clients of HTTP/1.0 get none, and ASGI servers without early hints send none.
        """
        fields = [("Link", link) for link in links]
        if not fields:
            raise ValueError("early hints without a link say nothing; give one value of Link at least")
        self.exchange.send_informational(EARLY_HINTS, fields)
        await self.exchange.drain()
