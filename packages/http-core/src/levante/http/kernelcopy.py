"""Files that the kernel copies to a socket by itself: os.sendfile on a duplicate of the transport's descriptor, where
the system has that, else (Windows) the event loop's own sendfile. The duplicate is what makes it safe: a transport may
close at any time, and its number may be another connection's at once; ours stays ours.

Not the loop's own everywhere: uvloop has none, asyncio's does not notice that its transport was aborted, and neither
could tell a peer that is slow from one that has stopped reading.

What the kernel has to read from a disk first would hold the event loop up, so that is read into its memory by a thread
beforehand, where the kernel tells (Linux, file systems on local disks). It is told of the first and the last byte of
each step: files come into memory, and go, in long runs.
"""

import asyncio
import errno
import io
import os
from typing import TYPE_CHECKING, BinaryIO, Final

from .sendqueue import unsent

if TYPE_CHECKING:
    from .links import Link

# What os.sendfile says of files, or sockets, that it cannot do; they are read and written instead.
_CANNOT: Final = frozenset((errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOTSOCK))


async def send_file(link: "Link", file: BinaryIO, offset: int, count: int) -> int:
    """Send `count` bytes of `file` from `offset` on; how many that were, 0 at the file's end.

    Everything written before goes first. Raises NotImplementedError where it cannot be done, SendfileNotAvailableError
    for a file of a kind that cannot be sent so, ConnectionError or PeerDisconnected when the connection is lost.
    """
    transport = link.transport
    if transport is None:
        raise link.disconnected_error()
    if hasattr(os, "sendfile"):
        return await _send_by_hand(link, transport, file, offset, count)
    try:
        async with asyncio.timeout(link.write_timeout or None):
            sent: int = await asyncio.get_running_loop().sendfile(transport, file, offset, count, fallback=False)
    except TimeoutError:
        await _end(link)
        raise link.disconnected_error() from None
    return sent


async def _send_by_hand(link: "Link", transport: asyncio.Transport, file: BinaryIO, offset: int, count: int) -> int:
    try:
        source = file.fileno()
    except (AttributeError, io.UnsupportedOperation) as exc:
        raise asyncio.SendfileNotAvailableError("not a file of the system") from exc
    await _until_sent(link, transport)
    endpoint = transport.get_extra_info("socket")
    if endpoint is None:
        raise NotImplementedError("the transport tells of no socket")
    target = os.dup(endpoint.fileno())
    try:
        if not (_is_in_memory(source, offset) and _is_in_memory(source, offset + count - 1)):
            await asyncio.get_running_loop().run_in_executor(None, os.pread, source, count, offset)
        return await _copy(link, source, target, offset, count)
    finally:
        os.close(target)


def _is_in_memory(source: int, offset: int) -> bool:
    """Whether a byte of a file can be had without waiting; True as well where nobody can tell."""
    try:
        os.preadv(source, (bytearray(1),), offset, os.RWF_NOWAIT)
    except BlockingIOError:
        return False
    except (OSError, AttributeError):  # a file system, a system that does not tell
        pass
    return True


async def _until_sent(link: "Link", transport: asyncio.Transport) -> None:
    """Wait until the transport holds nothing back, without a limit of our own: the link watches who does not read."""
    await asyncio.sleep(0)  # an event loop may collect what is written, and write it when the callbacks have run
    if not transport.is_closing() and transport.get_write_buffer_size() > 0:
        transport.set_write_buffer_limits(0)
        try:
            await link.wait_writable()
        finally:
            if not transport.is_closing():
                transport.set_write_buffer_limits(link.limits.write_high, link.limits.write_low)
    await _check_open(link)


async def _check_open(link: "Link") -> None:
    if link.transport is None or link.transport.is_closing():
        await _end(link)
    if link.is_lost():
        raise link.disconnected_error()


async def _end(link: "Link") -> None:
    """The peer is gone, whether everybody has noticed or not: let them, lest somebody look for a fault of ours."""
    link.abort()
    await link.wait_closed()


async def _copy(link: "Link", source: int, target: int, offset: int, count: int) -> int:
    sent = 0
    while sent < count:
        await _check_open(link)
        try:
            step = os.sendfile(target, source, offset + sent, count - sent)
        except BlockingIOError:
            await _until_writable(link, target)
            continue
        except InterruptedError:
            continue
        except ConnectionError:
            await _end(link)
            raise
        except OSError as exc:
            if sent == 0 and exc.errno in _CANNOT:
                raise asyncio.SendfileNotAvailableError("os.sendfile cannot send this file") from exc
            raise
        if step == 0:
            break
        sent += step
        if sent < count:
            await asyncio.sleep(0)  # a peer that takes all at once must not keep everybody else waiting
    return sent


async def _until_writable(link: "Link", target: int) -> None:
    """Wait until the socket takes more, or the connection is lost: our duplicate alone would keep it open. It takes
    more when a third of its buffer, which can be megabytes, is empty; meanwhile the peer has to keep its rate.
    """
    loop = asyncio.get_running_loop()
    writable: asyncio.Future[None] = loop.create_future()

    def wake() -> None:
        if not writable.done():
            writable.set_result(None)

    closed = loop.create_task(link.wait_closed())
    loop.add_writer(target, wake)
    try:
        while True:
            before = 0 if link.transport is None else unsent(link.transport)
            done, _ = await asyncio.wait(
                (writable, closed), timeout=link.write_timeout or None, return_when=asyncio.FIRST_COMPLETED
            )
            if done:
                return
            if link.is_stalled(before):
                await _end(link)
                raise link.disconnected_error()
    finally:
        loop.remove_writer(target)
        closed.cancel()
