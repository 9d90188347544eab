"""Dialling by way of a proxy: to the proxy, through its dialogue, to the origin. Whatever the proxy does wrong is a
ClientProxyConnectionError, but for its answer to CONNECT, which is a ClientHttpProxyError; what goes wrong inside the
tunnel is the origin's."""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from levante.http import DialedConnection, RemoteProtocolError

from .errors import (
    ClientConnectorCertificateError,
    ClientConnectorDNSError,
    ClientConnectorError,
    ClientConnectorSSLError,
    ClientHttpProxyError,
    ClientProxyConnectionError,
    ConnectionTimeoutError,
    RequestInfo,
)
from .origin import ConnectionKey
from .proxies import Proxy
from .resolver import ResolveResult
from .securing import Security, open_connection, security_of, take_over
from .socks import SocksRefusal
from .tls import SSLArgument
from .tracing import Trace
from .tunnels import DIALOGUE_TIMEOUT, ConnectRefusal, Talk, handshake_for

# These two have the client look the origin's name up; 4 knows addresses of the old kind only.
LOOKUP_FAMILIES = {"socks4": (socket.AF_INET,), "socks5": (socket.AF_INET, socket.AF_INET6)}

Reach = Callable[[ConnectionKey, Trace | None], Awaitable[socket.socket]]
Resolve = Callable[[str, int, Trace | None], Awaitable[list[ResolveResult]]]


async def dial_through(
    proxy: Proxy,
    key: ConnectionKey,
    trace: Trace | None,
    *,
    reach: Reach,
    resolve: Resolve,
    setting: SSLArgument,
    factory: Callable[[], DialedConnection],
) -> DialedConnection:
    """A connection for `key` by way of `proxy`. `reach` dials the proxy, `resolve` asks for names, `setting` is the
    `ssl=` argument for the origin, which an https:// proxy shares when it is a context and has no setting of its own.
    """
    shared = setting if isinstance(setting, ssl.SSLContext) else True
    own = shared if proxy.ssl is None else proxy.ssl
    hop = ConnectionKey(proxy.host, proxy.port, proxy.url.scheme == "https", own)
    hop_security = await security_of(hop, own)
    if not proxy.tunnel:
        connection: DialedConnection = await open_connection(
            hop, await _reach(hop, trace, reach), factory, hop_security
        )
        return connection
    security = await security_of(key, setting)
    refusal: ClientProxyConnectionError | None = None
    for host in await _names(proxy, key, trace, resolve):
        sock = await _reach(hop, trace, reach)
        try:
            transport = await _tunnel(proxy, key, hop, host=host, sock=sock, security=hop_security)
        except ClientProxyConnectionError as exc:
            if not isinstance(exc.os_error, SocksRefusal):
                raise
            refusal = exc  # this address; the name may have others
        else:
            return await take_over(key, transport, factory(), security)
    raise refusal or ClientConnectorDNSError(
        key, OSError(None, f"the name has no address that {proxy.url.scheme} can carry: socks5h takes names")
    )


async def _reach(hop: ConnectionKey, trace: Trace | None, reach: Reach) -> socket.socket:
    try:
        return await reach(hop, trace)
    except ClientConnectorError as exc:
        raise ClientProxyConnectionError(hop, exc.os_error) from exc


async def _names(proxy: Proxy, key: ConnectionKey, trace: Trace | None, resolve: Resolve) -> list[str]:
    """What to call the origin: its name, or its addresses, for proxies that know no names."""
    families = LOOKUP_FAMILIES.get(proxy.url.scheme)
    if families is None:
        return [key.host]
    try:
        addresses = await resolve(key.host, key.port or 0, trace)
    except TimeoutError:
        raise
    except OSError as exc:
        raise ClientConnectorDNSError(key, exc) from exc
    return [address["host"].partition("%")[0] for address in addresses if address["family"] in families]


async def _tunnel(
    proxy: Proxy, key: ConnectionKey, hop: ConnectionKey, *, host: str, sock: socket.socket, security: Security
) -> asyncio.Transport:
    """The transport of a connection to the proxy on which a tunnel to `host` stands."""
    handshake = handshake_for(proxy, host, key.port or 0, limits=key.limits)
    try:
        talk: Talk = await open_connection(hop, sock, partial(Talk, handshake), security)
    except (ClientConnectorCertificateError, ClientConnectorSSLError):
        raise
    except ClientConnectorError as exc:
        raise ClientProxyConnectionError(hop, exc.os_error) from exc
    try:
        return await talk.finish()
    except ConnectRefusal as exc:
        talk.abort()
        raise ClientHttpProxyError(
            _asked(proxy, key), (), status=exc.status, message=exc.reason, headers=exc.headers
        ) from exc
    except RemoteProtocolError as exc:
        talk.abort()
        raise ClientProxyConnectionError(hop, OSError(None, f"it does not answer as a proxy: {exc.message}")) from exc
    except TimeoutError as exc:
        talk.abort()
        raise ConnectionTimeoutError(
            f"the proxy {proxy.url} opened no tunnel to {key.host}:{key.port} within {DIALOGUE_TIMEOUT} s"
        ) from exc
    except OSError as exc:
        talk.abort()
        raise ClientProxyConnectionError(hop, exc) from exc
    except BaseException:
        talk.abort()
        raise


def _asked(proxy: Proxy, key: ConnectionKey) -> RequestInfo:
    """The CONNECT, for errors: without its fields, for they are credentials."""
    target = URL.build(scheme="https" if key.is_ssl else "http", host=key.host, port=key.port)
    headers: CIMultiDict[Any] = CIMultiDict()
    return RequestInfo(target, "CONNECT", CIMultiDictProxy(headers), proxy.url)
