"""What holds a connection while a response is used: the exchange, the lease, the stream the reader has, the upload
that may still run and the deadline. It ends once: by itself when request and response are complete, or by somebody
giving up, which closes the connection. It does not know the response, so a response that is dropped can be
collected, and give up, at once."""

import asyncio
from dataclasses import dataclass

from levante.http import ClientExchange, Payload, StreamReader

from .bodywriter import BodyWriter
from .connector import Lease
from .errors import ClientConnectionError
from .timeouts import Deadline
from .translation import body_error

# Seconds that an upload may go on after its answer is complete: it may only be about to notice that it has finished.
UPLOAD_GRACE = 1.0


@dataclass(slots=True)
class Sent:
    """How the request body goes: all at once (`size` bytes of it), by `writer`, or by `writer` in the task `upload`.
    `unlisted`: its size is not among the headers of the request as it is remembered."""

    size: int = 0
    writer: BodyWriter | None = None
    upload: "asyncio.Task[None] | None" = None
    unlisted: bool = False

    @property
    def bytes_sent(self) -> int:
        """Bytes of body that have been written."""
        return self.size if self.writer is None else self.writer.sent


class Transaction:
    """One request and its response on one connection, from the head of the response on."""

    __slots__ = ("_closer", "content", "deadline", "exchange", "lease", "sent", "upload")

    def __init__(
        self,
        exchange: ClientExchange,
        lease: Lease,
        sent: Sent,
        content: StreamReader,
    ) -> None:
        self.exchange = exchange
        self.lease = lease
        self.content = content
        self.upload = sent.upload
        self.sent = sent
        self._closer: asyncio.Task[None] | None = None
        self.deadline: Deadline | None = None

    @property
    def ended(self) -> bool:
        """Whether the connection is no longer held."""
        return self.lease.ended

    @property
    def settled(self) -> bool:
        """Whether settle() has nothing to wait for."""
        return self.lease.ended and self.upload is None and self._closer is None

    def start(self) -> None:
        """Let the end of the exchange call us; it may have ended already."""
        self.exchange.on_done(self.complete)

    def watch(self, deadline: Deadline) -> None:
        """`deadline` bounds the rest of this transaction, which is that of the final response."""
        if self.lease.ended:
            deadline.cancel()
        else:
            self.deadline = deadline
            deadline.hand_over(self._out_of_time)

    def stop_upload_at_eof(self) -> None:
        """When the answer is complete, nobody waits for the rest of the upload."""
        self.exchange.body.on_eof(self._answer_complete)

    def complete(self, exchange: ClientExchange) -> None:
        """Everything is sent and received, or the exchange failed: the connection goes back to the pool if it can
        serve.

        A reader that waits for the body has been woken with the engine's error and has not run yet: it finds ours.
        """
        if exchange.error is not None:
            if self.upload is not None:
                self.upload.cancel()  # its source may have more to give, or take for ever: nobody waits for it
            if exchange.body.exception() is exchange.error:
                exchange.body.set_exception(body_error(exchange.error))
        if self.deadline is not None:
            self.deadline.cancel()
        self.lease.end()

    def give_up(self, error: Exception) -> None:
        """Stop what still runs and close the connection if it is still held; whoever reads the body gets `error`."""
        if self.lease.ended:
            return
        if self.deadline is not None:
            self.deadline.cancel()
        if self.upload is not None:
            self.upload.cancel()
        if not self.content.is_eof() and self.content.exception() is None:
            self.content.set_exception(error)
        self.exchange.reset()
        self.lease.abort()

    def upgrade(self, protocol: asyncio.BaseProtocol) -> Lease:
        """Hand the connection over to `protocol`, and the lease to the caller; this transaction has ended then."""
        if self.deadline is not None:
            self.deadline.cancel()
        return self.lease.hand_over(self.exchange.upgrade(protocol))

    async def close_when_sent(self, body: Payload) -> None:
        """Close `body` now, or when the upload that reads it has ended."""
        if self.upload is None or self.upload.done():
            await body.close()
        else:
            self._closer = asyncio.ensure_future(_close_after(self.upload, body))

    async def settle(self) -> None:
        """Let an upload whose answer is complete come to its end (it is stopped after UPLOAD_GRACE); give up what is
        not complete; return when the request body is closed."""
        if self.upload is not None and self.exchange.body.is_eof():
            await asyncio.wait([self.upload])
        self.give_up(released_error())
        if self._closer is not None:
            await asyncio.wait([self._closer])

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
    await asyncio.wait([upload])
    await body.close()


def released_error() -> ClientConnectionError:
    """What a reader gets who comes after somebody let the response go."""
    return ClientConnectionError("the response was released before its body was complete")
