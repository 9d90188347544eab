"""Every error the client raises, in one tree, so that `except ClientError` catches whatever a server or a network can
do.

    ClientError
    +- ClientResponseError             a response came, and is no good: status, message, headers, request_info
    |  +- ContentTypeError             json() of something that is not JSON
    |  +- WSServerHandshakeError       the answer to ws_connect() is not an acceptable 101
    |  +- ClientHttpProxyError         a proxy refused
    |  +- TooManyRedirects
    +- ClientConnectionError
    |  +- ClientConnectionResetError   (+ConnectionResetError) writing to a connection that is gone
    |  +- ClientOSError                (+OSError)
    |  |  +- ClientConnectorError      could not connect: host, port, ssl, os_error
    |  |     +- ClientConnectorDNSError, ClientProxyConnectionError, UnixClientConnectorError
    |  |     +- ClientSSLError
    |  |        +- ClientConnectorSSLError          (+ssl.SSLError)
    |  |        +- ClientConnectorCertificateError  (+ssl.CertificateError)
    |  +- CircuitOpenError             nothing was sent: the origin keeps failing (breaker.py)
    |  +- ServerConnectionError
    |     +- ServerDisconnectedError, ServerFingerprintMismatch
    |     +- ServerTimeoutError        (+TimeoutError)
    |        +- ConnectionTimeoutError, SocketTimeoutError
    +- ClientPayloadError              the body is cut short, badly framed or badly coded
    |  +- ChecksumMismatch             a download is not what it should be
    |  +- ResponseTooLarge             the body, or a line, event or record of it, is larger than allowed
    +- InvalidURL                      (+ValueError)
    |  +- InvalidUrlClientError
    |     +- InvalidUrlRedirectClientError          (+RedirectClientError)
    +- NonHttpUrlClientError
    |  +- NonHttpUrlRedirectClientError             (+RedirectClientError)
    +- RedirectClientError
    +- ExpiredDeadlineError            (+TimeoutError) the work at hand is late (outgoingdeadline.py)

An exception holds facts and builds its sentence from them in `__str__`. All of them survive pickling; what cannot
travel is replaced: an SSL context by its kind, the responses of `history` by nothing.
"""

import ssl as ssl_module
from collections.abc import Mapping
from typing import Any, NamedTuple

from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from .origin import ConnectionKey

__all__ = [
    "ChecksumMismatch",
    "ClientConnectionError",
    "ClientConnectionResetError",
    "ClientConnectorCertificateError",
    "ClientConnectorDNSError",
    "ClientConnectorError",
    "ClientConnectorSSLError",
    "ClientError",
    "ClientHttpProxyError",
    "ClientOSError",
    "ClientPayloadError",
    "ClientProxyConnectionError",
    "ClientResponseError",
    "ClientSSLError",
    "ConnectionTimeoutError",
    "ContentTypeError",
    "InvalidURL",
    "InvalidUrlClientError",
    "InvalidUrlRedirectClientError",
    "NonHttpUrlClientError",
    "NonHttpUrlRedirectClientError",
    "RedirectClientError",
    "RequestInfo",
    "ResponseTooLarge",
    "ServerConnectionError",
    "ServerDisconnectedError",
    "ServerFingerprintMismatch",
    "ServerTimeoutError",
    "SocketTimeoutError",
    "TooManyRedirects",
    "UnixClientConnectorError",
    "WSServerHandshakeError",
]


class RequestInfo(NamedTuple):
    """What was asked: the `url` as sent (no fragment), `method`, the `headers` sent, and the `real_url` as given
    (with fragment)."""

    url: URL
    method: str
    headers: CIMultiDictProxy[str]
    real_url: URL

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild_request_info, (self.url, self.method, list(self.headers.items()), self.real_url)


def _rebuild_request_info(url: URL, method: str, headers: list[tuple[str, str]], real_url: URL) -> RequestInfo:
    return RequestInfo(url, method, CIMultiDictProxy(CIMultiDict(headers)), real_url)


class ClientError(Exception):
    """The base of every error that the client raises because of a server, a network or a URL."""


class ClientResponseError(ClientError):
    """A response came, and it is an error: by its status (`raise_for_status`), by its form, or by its content type."""

    def __init__(
        self,
        request_info: RequestInfo,
        history: tuple[Any, ...],  # of ClientResponse, which stands above this module
        *,
        status: int = 0,
        message: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(request_info, history)
        self.request_info = request_info
        self.history = history
        self.status = status
        self.message = message
        self.headers = headers

    def __reduce__(self) -> tuple[Any, ...]:
        headers = None if self.headers is None else list(self.headers.items())
        return _rebuild_response_error, (type(self), self.request_info, self.status, self.message, headers)

    def __str__(self) -> str:
        return f"{self.status}, message={self.message!r}, url={str(self.request_info.real_url)!r}"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.request_info!r}, status={self.status!r}, message={self.message!r})"


def _rebuild_response_error(
    cls: type[ClientResponseError], info: RequestInfo, status: int, message: str, headers: list[tuple[str, str]] | None
) -> ClientResponseError:
    kept = None if headers is None else CIMultiDict(headers)
    return cls(info, (), status=status, message=message, headers=kept)


class ContentTypeError(ClientResponseError):
    """`json()` on a response whose content type is not JSON; `content_type=None` skips the check."""


class WSServerHandshakeError(ClientResponseError):
    """The answer to a WebSocket opening is not an acceptable 101 (RFC 6455 section 4.1)."""


class ClientHttpProxyError(ClientResponseError):
    """A proxy answered CONNECT with something other than 200."""


class TooManyRedirects(ClientResponseError):
    """More than `max_redirects` hops; `history` has the responses."""


class ClientConnectionError(ClientError):
    """The base of everything that goes wrong with a connection."""


class ClientConnectionResetError(ClientConnectionError, ConnectionResetError):
    """The connection went away while it was written to."""


class ClientOSError(ClientConnectionError, OSError):
    """The operating system reports an error on the connection."""


class ClientConnectorError(ClientOSError):
    """A connection could not be made. `os_error` is the cause, `host`, `port` and `ssl` say where to."""

    def __init__(self, connection_key: ConnectionKey, os_error: OSError) -> None:
        self._connection_key = connection_key
        self._os_error = os_error
        super().__init__(os_error.errno, os_error.strerror)
        self.args = (connection_key, os_error)

    @property
    def os_error(self) -> OSError:
        """What the operating system said."""
        return self._os_error

    @property
    def host(self) -> str:
        """The host that was dialled."""
        return self._connection_key.host

    @property
    def port(self) -> int | None:
        """The port that was dialled."""
        return self._connection_key.port

    @property
    def ssl(self) -> Any:  # True, False, an SSLContext or a Fingerprint: what the caller gave
        """What was asked of TLS."""
        return self._connection_key.ssl

    def __str__(self) -> str:
        reason = self._os_error.strerror or str(self._os_error) or type(self._os_error).__name__
        return f"cannot connect to {self.host}:{self.port} (ssl: {_tls_kind(self._connection_key)}): {reason}"

    __reduce__ = BaseException.__reduce__


def _tls_kind(key: ConnectionKey) -> str:
    if not key.is_ssl:
        return "off"
    return "verified" if key.ssl is True else "unverified" if key.ssl is False else type(key.ssl).__name__


class ClientConnectorDNSError(ClientConnectorError):
    """The host has no address, or the resolver failed."""


class ClientProxyConnectionError(ClientConnectorError):
    """The proxy cannot be reached."""


class UnixClientConnectorError(ClientConnectorError):
    """A Unix socket cannot be reached; `path` says which."""

    def __init__(self, path: str, connection_key: ConnectionKey, os_error: OSError) -> None:
        self._path = path
        super().__init__(connection_key, os_error)
        self.args = (path, connection_key, os_error)

    @property
    def path(self) -> str:
        """The path of the socket."""
        return self._path

    def __str__(self) -> str:
        return f"cannot connect to unix socket {self._path}: {self._os_error.strerror or self._os_error}"


class ClientSSLError(ClientConnectorError):
    """TLS failed while connecting."""


class ClientConnectorSSLError(ClientSSLError, ssl_module.SSLError):
    """The TLS handshake failed."""


class ClientConnectorCertificateError(ClientSSLError, ssl_module.CertificateError):
    """The certificate of the server cannot be trusted."""

    def __init__(self, connection_key: ConnectionKey, certificate_error: ssl_module.CertificateError) -> None:
        self._certificate_error = certificate_error
        super().__init__(connection_key, certificate_error)

    @property
    def certificate_error(self) -> ssl_module.CertificateError:
        """What the TLS library said."""
        return self._certificate_error

    def __str__(self) -> str:
        return f"cannot trust the certificate of {self.host}:{self.port}: {self._certificate_error}"


class ServerConnectionError(ClientConnectionError):
    """The base of errors that the server's side of a connection causes."""


class ServerDisconnectedError(ServerConnectionError):
    """The server closed the connection before it answered."""

    def __init__(self, message: str | None = None) -> None:
        self.message = message if message is not None else "the server closed the connection before it answered"
        super().__init__(self.message)


class ServerFingerprintMismatch(ServerConnectionError):
    """The certificate of the server is not the pinned one: `expected` and `got` are SHA-256 digests."""

    def __init__(self, expected: bytes, got: bytes, host: str, port: int) -> None:
        super().__init__(expected, got, host, port)
        self.expected = expected
        self.got = got
        self.host = host
        self.port = port

    def __str__(self) -> str:
        return (
            f"the certificate of {self.host}:{self.port} has SHA-256 {self.got.hex()}, expected {self.expected.hex()}: "
            "either it was renewed (pin the new one), or somebody is in between"
        )


class ServerTimeoutError(ServerConnectionError, TimeoutError):
    """The server takes too long."""


class ConnectionTimeoutError(ServerTimeoutError):
    """`ClientTimeout.connect` or `.sock_connect` passed."""


class SocketTimeoutError(ServerTimeoutError):
    """`ClientTimeout.sock_read` passed between two reads."""


class ClientPayloadError(ClientError):
    """The body of a response is cut short, badly framed or badly coded; or that of a request cannot be sent (again)."""


class ResponseTooLarge(ClientPayloadError):
    """A response is larger than allowed: `what` of it ("body", "line", "event" or "record"), the `maximum`, in bytes
    or, of lines and events, characters, and the `actual` size where the server has announced it."""

    def __init__(self, what: str, *, maximum: int, actual: int | None = None) -> None:
        super().__init__(what, maximum, actual)
        self.what = what
        self.maximum = maximum
        self.actual = actual

    def __str__(self) -> str:
        size = f"is larger than {self.maximum}" if self.actual is None else f"has {self.actual} of {self.maximum}"
        return f"the {self.what} of the response {size} that are allowed"

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild_too_large, (self.what, self.maximum, self.actual)


def _rebuild_too_large(what: str, maximum: int, actual: int | None) -> ResponseTooLarge:
    return ResponseTooLarge(what, maximum=maximum, actual=actual)


class ChecksumMismatch(ClientPayloadError):
    """A downloaded file is not what it should be: its digest by `algorithm`, in hex digits, is `got`."""

    def __init__(self, algorithm: str, *, expected: str, got: str) -> None:
        super().__init__(algorithm, expected, got)
        self.algorithm = algorithm
        self.expected = expected
        self.got = got

    def __str__(self) -> str:
        return f"the {self.algorithm} of the download is {self.got}, expected {self.expected}: it was thrown away"

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild_checksum_mismatch, (self.algorithm, self.expected, self.got)


def _rebuild_checksum_mismatch(algorithm: str, expected: str, got: str) -> ChecksumMismatch:
    return ChecksumMismatch(algorithm, expected=expected, got=got)


class InvalidURL(ClientError, ValueError):
    """A URL that cannot be requested: `url`, and a `description` of what is wrong with it."""

    def __init__(self, url: URL | str, description: str | None = None) -> None:
        self._url = url
        self._description = description
        super().__init__(*((url,) if description is None else (url, description)))

    @property
    def url(self) -> URL | str:
        """The URL as given."""
        return self._url

    @property
    def description(self) -> str | None:
        """What is wrong with it."""
        return self._description

    def __str__(self) -> str:
        return str(self._url) if self._description is None else f"{self._url} - {self._description}"

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self}>"


class InvalidUrlClientError(InvalidURL):
    """A URL without a host, or with one that no request may go to."""


class RedirectClientError(ClientError):
    """The base of errors in the target of a redirect."""


class NonHttpUrlClientError(ClientError):
    """A URL whose scheme the connector does not speak."""

    def __init__(self, url: URL | str, description: str | None = None) -> None:
        self.url = url
        self.description = description
        super().__init__(*((url,) if description is None else (url, description)))

    def __str__(self) -> str:
        return str(self.url) if self.description is None else f"{self.url} - {self.description}"


class InvalidUrlRedirectClientError(InvalidUrlClientError, RedirectClientError):
    """The Location of a redirect cannot be requested."""


class NonHttpUrlRedirectClientError(NonHttpUrlClientError, RedirectClientError):
    """The Location of a redirect has a scheme that the connector does not speak."""
