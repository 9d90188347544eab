"""TLS on the way to a server: around a fresh socket, or inside a tunnel that a proxy opened, which may be TLS itself.
What goes wrong is translated here, once; a pinned certificate is checked right after the handshake."""

import asyncio
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from levante.http import DialedConnection

from .errors import (
    ClientConnectorCertificateError,
    ClientConnectorError,
    ClientConnectorSSLError,
    ConnectionTimeoutError,
    ServerFingerprintMismatch,
)
from .nestedtls import TLSTransport
from .origin import ConnectionKey
from .tls import Fingerprint, SSLArgument, context_for

# Seconds; a server that accepts and then stalls in TLS must not hold a place of the pool for asyncio's 60.
TLS_HANDSHAKE_TIMEOUT = 10.0


class Security(NamedTuple):
    """An `ssl=` argument and its context; None for a connection without TLS."""

    setting: SSLArgument
    context: ssl.SSLContext | None


async def security_of(key: ConnectionKey, setting: SSLArgument) -> Security:
    """What `setting` means for a connection to `key`. The shared contexts are made off the loop."""
    if not key.is_ssl or isinstance(setting, ssl.SSLContext):
        return Security(setting, setting if key.is_ssl and isinstance(setting, ssl.SSLContext) else None)
    return Security(setting, await asyncio.get_running_loop().run_in_executor(None, context_for, setting))


async def open_connection(
    key: ConnectionKey,
    sock: socket.socket,
    factory: Callable[[], Any],  # Any: protocols are known by their methods, for they may be compiled
    security: Security,
) -> Any:
    """The protocol that `factory` makes, on `sock`, behind TLS if `security` says so. ClientConnectorError and its
    kind, ConnectionTimeoutError, ServerFingerprintMismatch."""
    loop = asyncio.get_running_loop()
    with translated(key):
        if security.context is None:
            return (await loop.create_connection(factory, sock=sock))[1]
        async with asyncio.timeout(TLS_HANDSHAKE_TIMEOUT):
            transport, protocol = await loop.create_connection(
                factory, sock=sock, ssl=security.context, server_hostname=_name(key)
            )
    check_fingerprint(security.setting, transport, key)
    return protocol


async def take_over(
    key: ConnectionKey, transport: asyncio.Transport, connection: DialedConnection, security: Security
) -> DialedConnection:
    """`connection` on a `transport` on which a tunnel stands. Errors as for `open_connection`; the transport is closed
    then."""
    inner = transport
    receiver: Any = connection
    try:
        if security.context is None:
            transport.set_protocol(receiver)
            connection.connection_made(transport)
        else:
            with translated(key):
                async with asyncio.timeout(TLS_HANDSHAKE_TIMEOUT):
                    inner = await _wrap(transport, receiver, security.context, server_hostname=_name(key))
        check_fingerprint(security.setting if security.context is not None else True, inner, key)
    except BaseException:
        transport.abort()
        raise
    return connection


async def _wrap(
    transport: asyncio.Transport, protocol: Any, context: ssl.SSLContext, *, server_hostname: str
) -> asyncio.Transport:
    """TLS around `transport`, with `protocol` told that it is made."""
    if transport.get_extra_info("ssl_object") is not None:
        nested = TLSTransport(transport, protocol, context, server_hostname=server_hostname)
        await nested.handshake()
        return nested
    loop = asyncio.get_running_loop()
    inner = await loop.start_tls(transport, protocol, context, server_hostname=server_hostname)
    if inner is None:
        raise ConnectionResetError(None, "the connection ended in the TLS handshake")
    protocol.connection_made(inner)
    return inner


@contextmanager
def translated(key: ConnectionKey) -> Iterator[None]:
    """What goes wrong while connecting to `key`, as errors of this package."""
    try:
        yield
    except ssl.CertificateError as exc:
        raise ClientConnectorCertificateError(key, exc) from exc
    except ssl.SSLError as exc:
        raise ClientConnectorSSLError(key, exc) from exc
    except TimeoutError as exc:
        raise ConnectionTimeoutError(
            f"the TLS handshake with {key.host}:{key.port} takes longer than {TLS_HANDSHAKE_TIMEOUT} s"
        ) from exc
    except OSError as exc:
        raise ClientConnectorError(key, exc) from exc


def check_fingerprint(setting: SSLArgument, transport: asyncio.Transport, key: ConnectionKey) -> None:
    """ServerFingerprintMismatch, the transport then dropped, when `setting` pins another certificate."""
    if not isinstance(setting, Fingerprint):
        return
    tls = transport.get_extra_info("ssl_object")
    certificate = tls.getpeercert(binary_form=True) if tls is not None else None
    got = setting.mismatch(certificate or b"")
    if got is not None:
        transport.abort()
        raise ServerFingerprintMismatch(setting.fingerprint, got, key.host, key.port or 0)


def _name(key: ConnectionKey) -> str:
    return key.server_hostname or key.host.rstrip(".")
