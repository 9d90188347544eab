"""How much of what was written has not reached the peer: what the transport holds and, where the kernel tells, what it
holds for the transport.

Kernels grow the send buffer of a fast connection to megabytes and report it writable again by the third. Whoever looks
at the transport alone takes a peer that has become slow (a proxy with a slow client behind it) for one that has stopped
reading.
"""

import asyncio
import struct
import sys
from typing import Final

# The number of bytes that the kernel has not had acknowledged (Linux calls it SIOCOUTQ too).
_OUTQ: Final = 0x5411
_INT: Final = struct.Struct("i")


def unsent(transport: asyncio.WriteTransport) -> int:
    """Bytes that were written to `transport` and have not reached the peer, as far as can be known."""
    held = transport.get_write_buffer_size()
    endpoint = transport.get_extra_info("socket")
    if sys.platform != "linux" or endpoint is None:
        return held
    import fcntl

    try:
        (queued,) = _INT.unpack(fcntl.ioctl(endpoint.fileno(), _OUTQ, bytes(_INT.size)))
    except (OSError, ValueError):  # closed meanwhile
        return held
    return held + int(queued)
