"""Requests from addresses that are named, and no others: for what is inside and must stay there."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from levante.http.forwarded import TrustedPeers
from levante.web.exceptions import HTTPForbidden
from levante.web.proxies import network_names
from levante.web.request import Request

from .exempt import exempt_paths

if TYPE_CHECKING:
    from levante.web.types import Handler, Middleware, StreamResponse


def allowed_addresses(networks: Iterable[str], *, exempt: Iterable[str] = ()) -> "Middleware":
    """A middleware that answers 403 to clients outside `networks`: addresses, networks in CIDR form, and `unix` for
    peers on Unix sockets; `exempt` are paths for everybody. It goes by `request.remote`, so behind a proxy the server
    needs `trusted_proxies`. ValueError for what is no network.
    """
    allowed = TrustedPeers(network_names(networks))
    free = exempt_paths(exempt)

    async def check(request: Request, handler: "Handler") -> "StreamResponse":
        if not allowed.trusts(request.remote) and request.match_path not in free:
            raise HTTPForbidden
        return await handler(request)

    return check
