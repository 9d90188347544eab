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
# Seconds that a broadcaster waits for slow members where that is the policy; those that are still full are
# disconnected: one dead peer must not hold up a room for ever.
BROADCAST_WAIT: Final = 10.0
# Broadcasts of fewer bytes are not compressed: a frame of one segment is not sent faster for being shorter. Nor are
# those of more than a slow member's queue could hold: each is compressed again for each size of window.
BROADCAST_COMPRESS_FROM: Final = 1024
BROADCAST_COMPRESS_TO: Final = MEMBER_QUEUE_BYTES
# What waits for Redis while it is away or slow, whichever is reached first; then the oldest is dropped. A few seconds
# of a busy room: what is older than an outage is news to nobody.
OUTGOING_MESSAGES: Final = 4096
OUTGOING_BYTES: Final = 8 * 1024 * 1024
# Broadcasts in one round trip to Redis.
OUTGOING_BATCH: Final = 128
# Seconds that Redis has to accept a connection, and to answer a command or a ping; a ping is sent when nothing came for
# as long. Together at most two seconds until a Redis that hangs is noticed.
REDIS_ANSWER: Final = 1.0
# Seconds between two attempts to reach Redis: doubled from the first to the last, each cut by chance to between half
# and all of it, so that a hundred processes do not come at once. The last leaves a new Redis found within two seconds.
REDIS_RETRY_FIRST: Final = 0.05
REDIS_RETRY_LAST: Final = 1.0
# Seconds after which a task is cancelled again that has not ended: redis-py turns a cancellation that meets it while it
# connects into an error, and so does a task group one of whose tasks fails just then.
CANCEL_AGAIN: Final = 0.1
# The counts of members in Redis. Seconds after which those of a process that says nothing more count for nothing, and
# after which it renews them: three tries, so that one slow answer loses nobody. Seconds in which changes are gathered
# before they are written. Seconds that Redis has to tell the counts of others: nobody who asks waits for long.
PRESENCE_LIFE: Final = 15
PRESENCE_REFRESH: Final = 5.0
PRESENCE_PAUSE: Final = 0.1
PRESENCE_ANSWER: Final = 0.2
# Channels in one SUBSCRIBE.
SUBSCRIBE_BATCH: Final = 500
# Other processes whose numbering is remembered; of each more the longest silent one is forgotten.
REMEMBERED_ORIGINS: Final = 4096
# Pings answered one by one in one read; of more than these only the latest is (RFC 6455 section 5.5.3).
MAX_PONGS_A_READ: Final = 16
