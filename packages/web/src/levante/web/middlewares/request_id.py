"""The id of each request, where everybody can find it: in the header of the response, in the context, from which log
records (`levante.http.requestids.RequestIdFilter`) and requests to other services take it.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from levante.http.forwarded import TrustedPeers
from levante.http.parameters import is_token
from levante.http.requestids import REQUEST_ID_HEADER, current_request_id, is_request_id
from levante.web.proxies import direct_peer, network_names
from levante.web.request import Request

if TYPE_CHECKING:
    from levante.web.types import Handler, Middleware, StreamResponse


def request_id(*, header: str = REQUEST_ID_HEADER, trusted: Iterable[str] = ()) -> "Middleware":
    """A middleware that says `request.id` in the field `header` of the response and in the context. It belongs in front
    of all others.

    `trusted` are addresses and networks, and `unix` for peers on Unix sockets: proxies and services that set the field
    themselves, whose ids are taken over, if they are short and harmless (`is_request_id`) and there is one. From all
    others, and in any other form, an id is worth nothing and replaced: nobody shall choose under whose name he is
    found. They are not the `trusted_proxies` of the server: many proxies hand the field on as a client sent it. Raises
    ValueError for what is no network and for a name that no field can have.
    """
    if not is_token(header):
        raise ValueError(f"the name of a header field is a token (RFC 9110 section 5.1); got {header!r}")
    networks = network_names(trusted)
    peers = TrustedPeers(networks) if networks else None

    async def identify(request: Request, handler: "Handler") -> "StreamResponse":
        if peers is not None and peers.trusts(direct_peer(request)):
            given = request.headers.getall(header, ())
            if len(given) == 1 and is_request_id(given[0]):
                request.take_id(given[0])
        number = request.id

        def tell(response: "StreamResponse") -> None:
            response.headers[header] = number

        # It stays: the server logs a failure and the response behind us, in the same context, which ends with the task.
        current_request_id.set(number)
        request.add_prepare_hook(tell)
        return await handler(request)

    return identify
