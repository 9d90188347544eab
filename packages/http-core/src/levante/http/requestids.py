"""The id of the request at hand: what a user quotes and an operator finds in the logs of every service that the request
went through. It stands in the context, so that log records and the requests that are made meanwhile can carry it. An id
of ours is 128 random bits in 32 lower-case hexadecimal digits, the form of a trace id in W3C Trace Context; nothing is
to be read from it. What comes from outside goes into logs and pages: it is taken only in a form that means nothing to
either.
"""

import logging
import re
import secrets
from contextvars import ContextVar
from typing import Final

from .hdrs import X_REQUEST_ID

__all__ = [
    "MAX_REQUEST_ID",
    "REQUEST_ID_HEADER",
    "RequestIdFilter",
    "current_request_id",
    "is_request_id",
    "new_request_id",
]

REQUEST_ID_HEADER: Final[str] = X_REQUEST_ID
"""Where ids travel, unless another name is set: there is no standard, and proxies and frameworks agree on this one."""

MAX_REQUEST_ID: Final = 128
"""Characters of an id that somebody else made. A UUID has 36, the longest in use (that of AWS) 69; each line of the log
has it, so that much more would be an attack on the disk."""

_BYTES: Final = 16
_SAFE: Final = re.compile(rf"[A-Za-z0-9._~:/+=@-]{{1,{MAX_REQUEST_ID}}}")
"""What UUIDs, hexadecimal digits, base64 and the ids of clouds are made of: no quote, space, bracket or escape of any
log, page or header."""

current_request_id: ContextVar[str | None] = ContextVar("levante.http.requestids", default=None)
"""The id of the request that is being served in the current context, when somebody has said it."""


def new_request_id() -> str:
    """An id that nobody has had, and that nobody can guess."""
    return secrets.token_hex(_BYTES)


def is_request_id(text: str) -> bool:
    """Whether `text`, which somebody sent, can be used as an id: it is short, and harmless wherever it is written."""
    return _SAFE.fullmatch(text) is not None


class RequestIdFilter(logging.Filter):
    """Gives each record that passes the attribute `request_id`, for formats such as `%(request_id)s`: `-` outside of
    requests, and what the record has already where somebody said it. It belongs on handlers, whose filters see the
    records of all loggers; nothing is filtered out.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """True, and the record has its id."""
        if not hasattr(record, "request_id"):
            record.request_id = current_request_id.get() or "-"
        return True
