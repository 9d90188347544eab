"""Every size, count and time of levante.ws: its default, its reason, its precedent."""

from typing import Final

# A message, after inflating. aiohttp's default; one message is held whole in memory. 0 takes the limit off.
MAX_MSG_SIZE: Final = 4 * 1024 * 1024
# Fragments of one message: at least MIN_FRAGMENTS, else one for each BYTES_A_FRAGMENT of the size limit. A message
# made of one-byte fragments costs a parse for each of them and gains nobody anything (precedent: aiohttp).
MIN_FRAGMENTS: Final = 1024
BYTES_A_FRAGMENT: Final = 256
# DEFLATE streams inside one message; each ends with a final block and costs a new inflater (precedent: aiohttp).
MAX_DEFLATE_MEMBERS: Final = 1024
# Extension parameters and offers read from one handshake; more is noise, and parsing must stay cheap.
MAX_EXTENSIONS: Final = 16
MAX_EXTENSION_PARAMETERS: Final = 8

# The receive queue. When one of these is reached parsing stops, and reading stops when more bytes come; both go on
# when the application has emptied it. 16 messages: websockets; 512 KiB: twice the largest read of asyncio, as in
# aiohttp.
QUEUE_MESSAGES: Final = 16
QUEUE_BYTES: Final = 512 * 1024

# Bytes in the transport's buffer above which sending waits (aiohttp's default), and the share of them at which it
# goes on.
WRITER_LIMIT: Final = 256 * 1024
WRITER_LOW_SHARE: Final = 4
# Messages above this leave as fragments of this size, so that a pong or a close does not wait behind megabytes.
FRAGMENT_SIZE: Final = 1024 * 1024
# Messages above this are compressed in a thread: at best speed 16 KiB take about 0.2 ms (precedent: aiohttp).
COMPRESS_INLINE: Final = 16 * 1024

# Seconds for the peer to answer our close frame (aiohttp's default).
CLOSE_TIMEOUT: Final = 10.0
# Seconds that an application has to take what came before the peer's close frame, or before an error of the peer, and
# to answer it, when it is not inside receive(). After that the close is answered all the same.
ANSWER_GRACE: Final = 1.0
# Seconds that the socket stays open for the peer to hang up, after the last frame has been sent. Closing at once,
# with bytes unread, would make the kernel send a reset, and that can destroy the close frame on its way.
LINGER: Final = 1.0
# Calls of receive() on a closed connection before it raises: a handler that loops without looking would spin (aiohttp).
MAX_RECEIVES_AFTER_CLOSE: Final = 5

# What waits for one slow member of a room, whichever is reached first.
MEMBER_QUEUE_MESSAGES: Final = 64
MEMBER_QUEUE_BYTES: Final = 1024 * 1024
# Pings answered one by one in one read; of more than these only the latest is (RFC 6455 section 5.5.3).
MAX_PONGS_A_READ: Final = 16
