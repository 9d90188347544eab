"""What holds a connection while a response is used: the exchange, the lease, the stream the reader has, the upload
that may still run and the deadline. It ends once: by itself when request and response are complete, or by somebody
giving up, which closes the connection. It does not know the response, so a response that is dropped can be
collected, and give up, at once."""

import asyncio
from dataclasses import dataclass

from levante.http import ClientExchange, Payload, StreamReader

from .bodywriter import BodyWriter
from .connector import Lease
from .decoding import Pump
from .timeouts import Deadline
from .translation import body_error

# Seconds that an upload may go on after its answer is complete: it may only be about to notice that it has finished.
UPLOAD_GRACE = 1.0


@dataclass(slots=True)
class Sent:
    """How the request body goes: all at once (`size` bytes of it), by `writer`, or by `writer` in the task `upload`."""

    size: int = 0
    writer: BodyWriter | None = None
    upload: "asyncio.Task[None] | None" = None

    @property
    def bytes_sent(self) -> int:
        """Bytes of body that have been written."""
        return self.size if self.writer is None else self.writer.sent


class Transaction:
    """One request and its response on one connection, from the head of the response on."""

    __slots__ = ("content", "deadline", "exchange", "lease", "pump", "sent", "upload")

    def __init__(
        self,
        exchange: ClientExchange,
        lease: Lease,
        *,
        sent: Sent,
        content: StreamReader,
        pump: Pump | None = None,
        deadline: Deadline | None = None,
    ) -> None:
        self.exchange = exchange
        self.lease = lease
        self.content = content
        self.pump = pump
        self.upload = sent.upload
        self.sent = sent
        self.deadline = deadline

    @property
    def ended(self) -> bool:
        """Whether the connection is no longer held."""
        return self.lease.ended

    def start(self) -> None:
        """Let the deadline and the end of the exchange call us from now on; the exchange may have ended already."""
        if self.deadline is not None:
            self.deadline.hand_over(self._out_of_time)
        self.exchange.on_done(self.complete)

    def stop_upload_at_eof(self) -> None:
        """When the answer is complete, nobody waits for the rest of the upload."""
        self.exchange.body.on_eof(self._answer_complete)

    def complete(self, exchange: ClientExchange) -> None:
        """Everything is sent and received, or the exchange failed: the connection goes back to the pool if it can
        serve.

        A reader that waits for the body has been woken with the engine's error and has not run yet: it finds ours.
        """
        if exchange.error is not None and exchange.body.exception() is exchange.error:
            exchange.body.set_exception(body_error(exchange.error))
        if self.deadline is not None:
            self.deadline.cancel()
        self.lease.end()

    def give_up(self, error: Exception) -> None:
        """Close the connection; whoever reads the body gets `error`. Does nothing after the end."""
        if self.lease.ended:
            return
        if self.deadline is not None:
            self.deadline.cancel()
        if self.upload is not None:
            self.upload.cancel()
        if self.pump is not None:
            self.pump.stop(error)
        elif not self.content.is_eof() and self.content.exception() is None:
            self.content.set_exception(error)
        self.exchange.reset()
        self.lease.abort()

    def upgrade(self, protocol: asyncio.BaseProtocol) -> Lease:
        """Hand the connection over to `protocol`, and the lease to the caller; this transaction has ended then."""
        return self.lease.hand_over(self.exchange.upgrade(protocol))

    async def close_when_sent(self, body: Payload) -> None:
        """Close `body` now, or when the upload that reads it has ended; then that is what `upload` stands for."""
        upload = self.upload
        if upload is None or upload.done():
            await body.close()
        else:
            self.upload = asyncio.ensure_future(_close_after(upload, body))

    def _out_of_time(self) -> None:
        self.give_up(TimeoutError("the total timeout of the request passed while its body was read"))

    def _answer_complete(self) -> None:
        if not self.exchange.done():
            asyncio.get_running_loop().call_later(UPLOAD_GRACE, self._stop_upload)

    def _stop_upload(self) -> None:
        if not self.exchange.done() and not self.lease.ended:
            if self.upload is not None:
                self.upload.cancel()
            self.exchange.reset()
            self.lease.abort()


async def _close_after(upload: "asyncio.Task[None]", body: Payload) -> None:
    try:
        await upload
    finally:
        await body.close()
