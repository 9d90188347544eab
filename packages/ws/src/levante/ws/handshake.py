"""Both sides of the opening handshake (RFC 6455 section 4): heads in, headers to send and what was agreed on out.

Server: `accept_handshake` says yes with the fields of the 101, or raises `WSHandshakeError` with the status to answer
with; the origin check that stops cross-site hijacking is part of it and on by default. Client: `DialHandshake` makes
the fields and verifies the answer; nothing that was not asked for is accepted.
"""

import base64
import binascii
import hashlib
import hmac
import logging
import os
import re
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple, Protocol

from multidict import CIMultiDictProxy

from .deflate import DEFLATE, DeflateParams, accept_offer, accept_response, client_wishes, offer
from .errors import WSHandshakeError
from .extensions import parse_extensions
from .origins import origin_refusal

__all__ = ["AcceptedHandshake", "DialHandshake", "accept_handshake"]

_logger = logging.getLogger("levante.ws")

# RFC 6455 section 1.3: proves that the server understood, not that it is anybody.
_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_VERSION = "13"
_KEY_BYTES = 16
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")

_EXTENSIONS = "Sec-WebSocket-Extensions"
_PROTOCOL = "Sec-WebSocket-Protocol"


class UpgradeRequest(Protocol):
    """What a server needs of a request: levante.http's RequestHead and levante.web's Request both have it."""

    @property
    def method(self) -> str: ...
    @property
    def version(self) -> tuple[int, int]: ...
    @property
    def headers(self) -> CIMultiDictProxy[str]: ...


class UpgradeResponse(Protocol):
    """What a client needs of a response head."""

    @property
    def status(self) -> int: ...
    @property
    def headers(self) -> CIMultiDictProxy[str]: ...


class AcceptedHandshake(NamedTuple):
    """The fields of the 101 response, the subprotocol chosen and the compression agreed on (None: none)."""

    headers: list[tuple[str, str]]
    protocol: str | None
    deflate: DeflateParams | None


def accept_handshake(
    head: UpgradeRequest,
    *,
    protocols: Sequence[str] = (),
    compress: bool | DeflateParams = True,
    origins: Collection[str] | None = None,
    host: str | None = None,
) -> AcceptedHandshake:
    """Accept an opening (RFC 6455 section 4.2), or raise `WSHandshakeError` with status 400, 403, 405 or 426.

    `protocols`: subprotocols of this server; the client's first one among them is chosen, none overlapping is logged.
    `compress`: whether to agree to permessage-deflate; a `DeflateParams` also sets this server's limits.
    `origins`: None allows pages of the same origin only, a collection such as "https://example.com" exactly those. A
    client without Origin (browsers always send one) is allowed if it sends no cookie either. "*" allows all. `host`:
    the authority that clients see, where it is not the Host field (behind a proxy).
    """
    _check_request_line(head)
    headers = head.headers
    _check_upgrade(headers)
    key = _checked_key(headers)
    refusal = origin_refusal(headers, origins=origins, host=host)
    if refusal is not None:
        raise WSHandshakeError(refusal, status=403)
    fields = [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", _accept(key))]
    protocol = _choose_protocol(_token_list(headers, _PROTOCOL), protocols)
    if protocol is not None:
        fields.append((_PROTOCOL, protocol))
    deflate = None
    if compress:
        deflate = _choose_deflate(headers, compress, fields)
    return AcceptedHandshake(fields, protocol, deflate)


class DialHandshake:
    """One opening from the client's side (RFC 6455 section 4.1): `headers()` for the request, then `verify(head)`.

    `compress` offers permessage-deflate: 0 is off, 9 to 15 are window bits for both directions, `DeflateParams` have
    all four parameters; anything else is a `ValueError`.
    """

    def __init__(
        self, protocols: Sequence[str] = (), *, compress: int | DeflateParams = 0, origin: str | None = None
    ) -> None:
        for protocol in protocols:
            if not _TOKEN.fullmatch(protocol):
                raise ValueError(f"got subprotocol {protocol!r}; expected a token without spaces or separators")
        self._protocols = tuple(protocols)
        self._wishes = client_wishes(compress)
        self._origin = origin
        self._key = base64.b64encode(os.urandom(_KEY_BYTES)).decode("ascii")

    def headers(self) -> list[tuple[str, str]]:
        """The fields that make a GET request an opening."""
        fields = [
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Version", _VERSION),
            ("Sec-WebSocket-Key", self._key),
        ]
        if self._protocols:
            fields.append((_PROTOCOL, ", ".join(self._protocols)))
        if self._wishes is not None:
            fields.append((_EXTENSIONS, offer(self._wishes)))
        if self._origin is not None:
            fields.append(("Origin", self._origin))
        return fields

    def verify(self, head: UpgradeResponse) -> tuple[str | None, DeflateParams | None]:
        """The subprotocol and the compression that the server agreed to; raises `WSHandshakeError` if it is no valid
        101."""
        headers = head.headers
        if head.status != 101:
            raise self._refused(f"got status {head.status}; expected 101", head)
        if [value.strip().lower() for value in headers.getall("Upgrade", ())] != ["websocket"]:
            raise self._refused(f"got Upgrade: {headers.get('Upgrade')!r}; expected 'websocket'", head)
        if not _has_token(headers, "Connection", "upgrade"):
            raise self._refused(f"got Connection: {headers.get('Connection')!r}; expected 'upgrade'", head)
        answer = headers.getall("Sec-WebSocket-Accept", ())
        # Bytes that are no text arrive as surrogates, which no strict encoder takes.
        sent = answer[0].strip().encode("utf-8", "surrogateescape") if len(answer) == 1 else b""
        if not hmac.compare_digest(sent, _accept(self._key).encode()):
            raise self._refused("got a Sec-WebSocket-Accept that does not belong to the key that was sent", head)
        return self._verified_protocol(head), self._verified_deflate(head)

    def _verified_protocol(self, head: UpgradeResponse) -> str | None:
        chosen = head.headers.getall(_PROTOCOL, ())
        if not chosen:
            return None
        if len(chosen) != 1 or chosen[0].strip() not in self._protocols:
            raise self._refused(f"got subprotocol {', '.join(chosen)!r}; expected one of {self._protocols!r}", head)
        return chosen[0].strip()

    def _verified_deflate(self, head: UpgradeResponse) -> DeflateParams | None:
        try:
            answers = parse_extensions(head.headers.getall(_EXTENSIONS, ()))
            if not answers:
                return None
            if self._wishes is None or len(answers) > 1 or answers[0].name != DEFLATE:
                names = ", ".join(answer.name for answer in answers)
                raise ValueError(
                    f"got extensions {names!r}; expected {'at most one ' + DEFLATE if self._wishes else 'none'}"
                )
            return accept_response(answers[0], wishes=self._wishes)
        except ValueError as error:
            raise self._refused(f"{_EXTENSIONS}: {error}", head) from error

    def _refused(self, message: str, head: UpgradeResponse) -> WSHandshakeError:
        return WSHandshakeError(
            f"invalid answer to the WebSocket opening: {message}", status=head.status, headers=head.headers.items()
        )


def _check_request_line(head: UpgradeRequest) -> None:
    if head.method != "GET":
        raise WSHandshakeError(f"got method {head.method}; expected GET", status=405, headers=[("Allow", "GET")])
    if tuple(head.version) < (1, 1):
        raise _bad("got HTTP/1.0; expected HTTP/1.1")
    if "Transfer-Encoding" in head.headers or head.headers.get("Content-Length", "0").strip("0 \t"):
        raise _bad("got a request body; an opening has none")


def _check_upgrade(headers: CIMultiDictProxy[str]) -> None:
    if not _has_token(headers, "Upgrade", "websocket"):
        raise _bad(f"got Upgrade: {headers.get('Upgrade')!r}; expected 'websocket'")
    if not _has_token(headers, "Connection", "upgrade"):
        raise _bad(f"got Connection: {headers.get('Connection')!r}; expected 'upgrade'")
    versions = headers.getall("Sec-WebSocket-Version", ())
    if len(versions) != 1 or versions[0].strip() != _VERSION:
        got = ", ".join(versions) or None
        message = f"got Sec-WebSocket-Version: {got!r}; expected {_VERSION!r}"
        raise WSHandshakeError(
            message, status=426, headers=[("Sec-WebSocket-Version", _VERSION), ("Upgrade", "websocket")]
        )


def _checked_key(headers: CIMultiDictProxy[str]) -> str:
    keys = headers.getall("Sec-WebSocket-Key", ())
    if len(keys) != 1:
        raise _bad(f"got {len(keys)} Sec-WebSocket-Key fields; expected one")
    key = keys[0].strip()
    try:
        size = len(base64.b64decode(key, validate=True))
    except (binascii.Error, ValueError):
        size = -1
    if size != _KEY_BYTES:
        raise _bad(f"got Sec-WebSocket-Key: {key[:40]!r}; expected {_KEY_BYTES} bytes in base64")
    return key


def _choose_protocol(asked: Sequence[str], known: Sequence[str]) -> str | None:
    for protocol in asked:
        if protocol in known:
            return protocol
    if asked and known:
        _logger.warning("the client's subprotocols %r and this server's %r do not overlap", asked, tuple(known))
    return None


def _choose_deflate(
    headers: CIMultiDictProxy[str], compress: bool | DeflateParams, fields: list[tuple[str, str]]
) -> DeflateParams | None:
    try:
        offers = parse_extensions(headers.getall(_EXTENSIONS, ()))
    except ValueError:
        # An offer that cannot be read is one that can be declined: the connection works without compression.
        return None
    agreed = accept_offer(offers, wishes=compress if isinstance(compress, DeflateParams) else DeflateParams())
    if agreed is None:
        return None
    fields.append((_EXTENSIONS, agreed[1]))
    return agreed[0]


def _token_list(headers: CIMultiDictProxy[str], name: str) -> list[str]:
    return [token for token in (part.strip() for part in _parts(headers.getall(name, ()))) if _TOKEN.fullmatch(token)]


def _has_token(headers: CIMultiDictProxy[str], name: str, token: str) -> bool:
    return any(part.strip().lower() == token for part in _parts(headers.getall(name, ())))


def _parts(values: Iterable[str]) -> Iterable[str]:
    for value in values:
        yield from value.split(",")


def _accept(key: str) -> str:
    digest = hashlib.sha1((key + _GUID).encode("ascii"), usedforsecurity=False).digest()
    return base64.b64encode(digest).decode("ascii")


def _bad(message: str) -> WSHandshakeError:
    return WSHandshakeError(message, status=400)
