"""Which JSON encoder and decoder are used where nothing else is said. An application has its own by `Application(json=
...)`: `json_response`, `Request.json` and WebSockets find it in the context of the request's task, and so do the
applications below, unless they have one of their own.
"""

import json
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from functools import update_wrapper
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .types import Handler, Request, StreamResponse


@dataclass(frozen=True)
class JSONCodec:
    """`dumps` gives str or UTF-8 bytes, `loads` takes a str; as `json`, `orjson` and `msgspec.json` have them.
    Any: what JSON can say is theirs to decide.

    `dumps` raises TypeError for what it does not know, `loads` ValueError for what is no JSON.
    """

    dumps: Callable[[Any], str | bytes] = json.dumps
    loads: Callable[[str], Any] = json.loads


CODEC: ContextVar[JSONCodec] = ContextVar("levante.web.CODEC", default=JSONCodec())  # noqa: B039  # it is frozen


def with_codec(handler: "Handler", codec: JSONCodec) -> "Handler":
    """`handler`, and what it calls, with `codec` as the codec."""

    async def call(request: "Request") -> "StreamResponse":
        before = CODEC.set(codec)
        try:
            return await handler(request)
        finally:
            CODEC.reset(before)

    return update_wrapper(call, handler)
