"""Requests for the hosts that are ours, and no others. Whoever makes links of `request.url` would make them with the
name that a client has chosen, in mails to somebody else or in pages that are cached for everybody.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from levante.http.errors import RemoteProtocolError
from levante.http.target import parse_authority
from levante.web.exceptions import HTTPBadRequest
from levante.web.request import Request

from .exempt import exempt_paths

if TYPE_CHECKING:
    from levante.web.types import Handler, Middleware, StreamResponse


def allowed_hosts(hosts: Iterable[str], *, exempt: Iterable[str] = ()) -> "Middleware":
    """A middleware that answers 400 to requests for other hosts: `shop.example` is that host, `*.shop.example` all
    below it, whatever their port; `exempt` are paths that may be asked for by any name. ValueError for what is no host.
    """
    if isinstance(hosts, str):
        raise TypeError(f"hosts is a list, such as [{hosts!r}]; got {hosts!r}")
    names = {_checked(host) for host in hosts}
    parents = tuple(name[1:] for name in names if name.startswith("*."))
    free = exempt_paths(exempt)

    async def check(request: Request, handler: "Handler") -> "StreamResponse":
        if request.match_path not in free:
            host = _name(request.host)
            if not host or not (host in names or host.endswith(parents)):
                raise HTTPBadRequest(text="400: this host is not served here\n")
        return await handler(request)

    return check


def _checked(host: str) -> str:
    name = _name(host.removeprefix("*."))
    if not name or "*" in name or parse_authority(host.removeprefix("*.")).port is not None:
        raise ValueError(f"expected a host such as 'shop.example' or '*.shop.example', without a port; got {host!r}")
    return f"*.{name}" if host.startswith("*.") else name


def _name(host: str) -> str | None:
    """The host alone, in one spelling; None for what is none."""
    try:
        return parse_authority(host).host.lower().removesuffix(".")
    except RemoteProtocolError:
        return None
