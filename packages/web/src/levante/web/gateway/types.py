"""The shapes of ASGI 3: https://asgi.readthedocs.io/en/latest/specs/main.html."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final, TypeAlias

# Any: each key of a scope or a message has its own type, which the specification says.
Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
ASGIApplication: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

ASGI: Final = {"version": "3.0", "spec_version": "2.5"}
"""What we speak: the version of ASGI, and that of its HTTP and WebSocket messages."""

Fields: TypeAlias = list[tuple[bytes, bytes]]
"""Header fields, names in lower case."""


def as_text(pairs: "list[tuple[bytes, bytes]] | tuple[tuple[bytes, bytes], ...]") -> list[tuple[str, str]]:
    """Header fields as text; bytes that are no UTF-8 come out as they were when they are sent."""
    return [(bytes(name).decode("latin-1"), bytes(value).decode("utf-8", "surrogateescape")) for name, value in pairs]


def as_bytes(pairs: "list[tuple[str, str]]") -> Fields:
    """Header fields as bytes."""
    return [(name.lower().encode("latin-1"), value.encode("utf-8", "surrogateescape")) for name, value in pairs]
