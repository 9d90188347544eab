"""The id of the request at hand (`levante.http.requestids`) and the requests made for it: a client middleware tells it
to the servers, so that their logs have the same id as ours. A session has it only on demand: who calls strangers may
not want to tell them which of its requests belong together."""

from levante.http.requestids import REQUEST_ID_HEADER, current_request_id

from .middlewares import ClientHandlerType, ClientMiddlewareType
from .request import ClientRequest
from .response import ClientResponse


def pass_request_id(header: str = REQUEST_ID_HEADER) -> ClientMiddlewareType:
    """A client middleware that says the id of the request that is being served in the field `header` of each request
    that is made meanwhile. What the caller says there itself stays; outside of requests nothing is said. It is for
    sessions with your own services: `ClientSession(middlewares=[pass_request_id()])`.
    """

    async def pass_on(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        number = current_request_id.get()
        if number is not None:
            request.headers.setdefault(header, number)
        return await handler(request)

    return pass_on
