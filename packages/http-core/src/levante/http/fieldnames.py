"""The fields that the head parser must understand, must not see twice, or is asked for with every head; told by their
names in any case.
"""

from typing import Final

from .octets import same

# One bit a field.
HOST: Final = 1
CONTENT_LENGTH: Final = 2
TRANSFER_ENCODING: Final = 4
CONNECTION: Final = 8
UPGRADE: Final = 16
EXPECT: Final = 32
KEY1: Final = 64
CONTENT_TYPE: Final = 128
USER_AGENT: Final = 256
SERVER: Final = 512
ETAG: Final = 1024
CONTENT_LOCATION: Final = 2048
CONTENT_RANGE: Final = 4096
MAX_FORWARDS: Final = 8192
CONTENT_ENCODING: Final = 16384
SET_COOKIE: Final = 32768

# A message that repeats one of these is refused: every recipient picks another one (CVE-2026-34525).
RESPONSE_SINGLES: Final = (
    CONTENT_LENGTH | TRANSFER_ENCODING | CONTENT_TYPE | SERVER | ETAG | CONTENT_LOCATION | CONTENT_RANGE
)
REQUEST_SINGLES: Final = RESPONSE_SINGLES | HOST | USER_AGENT | MAX_FORWARDS

# What a lenient client holds responses to, for plenty of servers repeat the rest.
FRAMING_SINGLES: Final = CONTENT_LENGTH | TRANSFER_ENCODING

# What decides where a message ends, and who reads on behind it.
FRAMING_FIELDS: Final = CONTENT_LENGTH | TRANSFER_ENCODING | CONNECTION | UPGRADE

# The same, typed when compiled.
_HOST = HOST
_CONTENT_LENGTH = CONTENT_LENGTH
_TRANSFER_ENCODING = TRANSFER_ENCODING
_CONNECTION = CONNECTION
_UPGRADE = UPGRADE
_EXPECT = EXPECT
_KEY1 = KEY1
_CONTENT_TYPE = CONTENT_TYPE
_USER_AGENT = USER_AGENT
_SERVER = SERVER
_ETAG = ETAG
_CONTENT_LOCATION = CONTENT_LOCATION
_CONTENT_RANGE = CONTENT_RANGE
_MAX_FORWARDS = MAX_FORWARDS
_CONTENT_ENCODING = CONTENT_ENCODING
_SET_COOKIE = SET_COOKIE


def known_field(data: bytes, start: int, end: int) -> int:
    """The bit of the field whose name is [start, end), 0 for all that the parser does not care about."""
    length = end - start
    if length == 4:
        if same(data, start, end, b"host"):
            return _HOST
        return _ETAG if same(data, start, end, b"etag") else 0
    if length == 6:
        if same(data, start, end, b"expect"):
            return _EXPECT
        return _SERVER if same(data, start, end, b"server") else 0
    if length == 7:
        return _UPGRADE if same(data, start, end, b"upgrade") else 0
    if length == 10:
        if same(data, start, end, b"connection"):
            return _CONNECTION
        if same(data, start, end, b"set-cookie"):
            return _SET_COOKIE
        return _USER_AGENT if same(data, start, end, b"user-agent") else 0
    if length == 12:
        if same(data, start, end, b"content-type"):
            return _CONTENT_TYPE
        return _MAX_FORWARDS if same(data, start, end, b"max-forwards") else 0
    if length == 13:
        return _CONTENT_RANGE if same(data, start, end, b"content-range") else 0
    if length == 14:
        return _CONTENT_LENGTH if same(data, start, end, b"content-length") else 0
    if length == 16:
        if same(data, start, end, b"content-encoding"):
            return _CONTENT_ENCODING
        return _CONTENT_LOCATION if same(data, start, end, b"content-location") else 0
    if length == 17:
        return _TRANSFER_ENCODING if same(data, start, end, b"transfer-encoding") else 0
    if length == 18 and data[end - 1] == 0x31:
        return _KEY1 if same(data, start, end - 1, b"sec-websocket-key") else 0
    return 0
