"""Errors of the engine in, errors of the client out: the one boundary where `levante.http`'s exceptions become those
of this package's tree, with the original as `__cause__`. Where it happened decides: the same cut connection is a
disconnect before the head of a response is complete, and a broken payload after it."""

from levante.http import (
    ExchangeTimeout,
    IllegalCharacter,
    IncompleteMessage,
    LocalProtocolError,
    PeerDisconnected,
    ProtocolError,
)

from .errors import (
    ClientConnectionResetError,
    ClientError,
    ClientOSError,
    ClientPayloadError,
    ClientResponseError,
    RequestInfo,
    ServerDisconnectedError,
    SocketTimeoutError,
)


def body_error(exc: BaseException) -> BaseException:
    """What a reader of a body sees instead of `exc`."""
    if isinstance(exc, ClientError):
        return exc
    error: Exception
    if isinstance(exc, ExchangeTimeout):
        if exc.phase == "total":
            error = TimeoutError("the total timeout of the request passed while its body was read")
        else:
            error = SocketTimeoutError("the server sent nothing for as long as sock_read allows")
    elif isinstance(exc, ProtocolError):
        error = ClientPayloadError(f"the response body is not usable: {exc.message}")
    elif isinstance(exc, OSError):
        error = ClientPayloadError(f"the response body is not complete: {exc}")
    else:
        return exc
    error.__cause__ = exc
    return error


def head_error(exc: Exception, request_info: RequestInfo) -> Exception:
    """What the caller of a request sees instead of `exc`, which came before the head of the response was complete."""
    if isinstance(exc, (ClientError, IllegalCharacter)):
        return exc
    if isinstance(exc, LocalProtocolError):
        return ClientPayloadError(f"the request cannot be sent: {exc.message}")
    if isinstance(exc, ExchangeTimeout):
        if exc.phase == "total":
            return TimeoutError("the total timeout of the request has passed")
        return SocketTimeoutError("the server did not answer for as long as sock_read allows")
    if isinstance(exc, IncompleteMessage):
        return ServerDisconnectedError(f"the server closed the connection inside the head of its answer: {exc.message}")
    if isinstance(exc, PeerDisconnected):
        return ServerDisconnectedError()
    if isinstance(exc, ProtocolError):
        return ClientResponseError(request_info, (), status=exc.status, message=exc.message)
    if isinstance(exc, ConnectionResetError):
        return ClientConnectionResetError(*exc.args)
    if isinstance(exc, OSError) and not isinstance(exc, TimeoutError):
        return ClientOSError(*exc.args)
    return exc
