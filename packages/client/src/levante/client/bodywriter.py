"""The way of a request body into the exchange: encoded if `compress=` says so, shown to the trace, counted."""

import asyncio

from levante.http import ClientExchange, EncodedWriter, ExchangeTimeout, encoder

from .request import ClientRequest
from .tracing import Trace, TraceRequestChunkSentParams


class BodyWriter:
    """Where a payload writes to: through the encoder of `compress=`, past the trace, into the exchange. `sent`
    counts bytes."""

    __slots__ = ("_coded", "_exchange", "_patience", "_request", "_trace", "sent")

    def __init__(self, exchange: ClientExchange, request: ClientRequest, trace: Trace | None) -> None:
        self._exchange = exchange
        self._request = request
        self.sent = 0
        self._patience = request.timeout.sock_read
        self._trace = trace if trace is not None and trace.wants(TraceRequestChunkSentParams) else None
        self._coded = EncodedWriter(self._send, encoder(request.compress)) if request.compress else None

    async def write(self, data: bytes, /) -> None:
        """Take a piece of the body."""
        if self._coded is not None:
            await self._coded.write(data)
        else:
            await self._send(data)

    async def close(self) -> None:
        """Write what the encoder still holds."""
        if self._coded is not None:
            coded, self._coded = self._coded, None
            await coded.finish()

    async def _send(self, data: bytes) -> None:
        if self._trace is not None:
            await self._trace.send(TraceRequestChunkSentParams(self._request.method, self._request.url, bytes(data)))
        if self._patience is None:
            await self._exchange.write(data)
        else:
            await self._write_in_time(data, self._patience)
        self.sent += len(data)

    async def _write_in_time(self, data: bytes, patience: float) -> None:
        """Write, unless the server takes nothing for `patience` seconds."""
        try:
            async with asyncio.timeout(patience) as limit:
                await self._exchange.write(data)
        except TimeoutError as exc:
            if not limit.expired():
                raise
            raise ExchangeTimeout("write") from exc
