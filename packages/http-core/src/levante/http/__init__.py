"""HTTP/1.1 without I/O, asyncio drivers for both ends of a connection, and the vocabulary around them.

What every server and client needs is imported at once; codings, forms, multipart and payloads are imported when first
asked for, because many programs never do.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from . import _plain as _plain  # goes first: it decides in which form the modules below are loaded
from .accept import AcceptedConnection
from .clientexchange import ClientExchange
from .dial import DialedConnection
from .errors import (
    ContentCodingError,
    ExchangeTimeout,
    IllegalCharacter,
    IncompleteMessage,
    LimitExceeded,
    LineTooLong,
    LocalProtocolError,
    MalformedContent,
    PayloadAccessError,
    PeerDisconnected,
    ProtocolError,
    RemoteProtocolError,
)
from .exchange import Exchange
from .h1 import NEED_DATA, PAUSED, Connection, ConnectionClosed, Data, EndOfMessage, Role
from .heads import Head, RequestHead, ResponseHead
from .limits import ContentLimits, Limits, MultipartLimits, ServerTimeouts
from .octets import is_token
from .outgoing import PreparedRequest, prepare_request
from .serving import ConnectionOwner, Service
from .streams import EMPTY_PAYLOAD, StreamReader
from .versions import SERVER_SOFTWARE, HttpVersion, HttpVersion10, HttpVersion11

if TYPE_CHECKING:
    from .bodypart import BodyPartReader
    from .codings import (
        ACCEPT_ENCODING,
        ACCEPTABLE,
        Encoder,
        body_decoder,
        decoder,
        encoder,
        run_sized,
    )
    from .contentdisposition import (
        BadContentDispositionHeader,
        BadContentDispositionParam,
        disposition_filename,
        format_content_disposition,
        parse_content_disposition,
        safe_name,
    )
    from .cookies import SetCookie, format_cookie, parse_cookie, parse_cookie_date, parse_cookie_pairs, parse_set_cookie
    from .dataqueue import DataQueue, EofStream
    from .dates import date_header, date_header_bytes, format_date, parse_date
    from .decodedstream import DecodedStream
    from .decoders import Decoder
    from .encodedwriter import EncodedWriter
    from .filepayloads import (
        AsyncIterablePayload,
        BufferedReaderPayload,
        BytesIOPayload,
        IOBasePayload,
        StreamReaderPayload,
        TextIOPayload,
    )
    from .formdecoder import FieldData, FieldEnd, FieldStart, FormDecoder, decode_text, multipart_boundary
    from .forms import encode_urlencoded, parse_urlencoded
    from .forwarded import Client, TrustedPeers, parse_forwarded, resolve_client, x_forwarded
    from .mediatypes import (
        MediaType,
        Preference,
        best_match,
        negotiate_coding,
        parse_accept,
        parse_media_type,
        parse_preferences,
        quality,
        split_codings,
    )
    from .multipart import MultipartDecoder, MultipartEncoder, MultipartEnd, PartData, PartEnd, PartHead
    from .multipart_reader import MultipartReader, MultipartResponseWrapper
    from .multipart_writer import MultipartWriter
    from .payloadbase import (
        PAYLOAD_REGISTRY,
        Order,
        Payload,
        PayloadRegistry,
        PayloadWriter,
        payload_type,
        register_payload,
    )
    from .payloads import BytesPayload, JsonBytesPayload, JsonPayload, StringIOPayload, StringPayload, get_payload
    from .status import REASONS, forbids_content_length, has_empty_body, is_bodiless, reason_phrase
    from .streamwriter import AbstractStreamWriter, ExchangeWriter
    from .target import (
        Authority,
        Target,
        TargetForm,
        absolute_url,
        decode_path,
        decode_segment,
        local_path,
        parse_authority,
        relative_url,
        requote_path,
        split_target,
    )
    from .validators import (
        ETAG_ANY,
        ByteRange,
        ETag,
        Verdict,
        evaluate_preconditions,
        parse_etags,
        parse_range,
        parse_ranges,
        range_still_holds,
        resolve_ranges,
    )
    from .zlibbackend import set_zlib_backend

__all__ = [
    "ACCEPTABLE",
    "ACCEPT_ENCODING",
    "EMPTY_PAYLOAD",
    "ETAG_ANY",
    "NEED_DATA",
    "PAUSED",
    "PAYLOAD_REGISTRY",
    "REASONS",
    "SERVER_SOFTWARE",
    "AbstractStreamWriter",
    "AcceptedConnection",
    "AsyncIterablePayload",
    "Authority",
    "BadContentDispositionHeader",
    "BadContentDispositionParam",
    "BodyPartReader",
    "BufferedReaderPayload",
    "ByteRange",
    "BytesIOPayload",
    "BytesPayload",
    "Client",
    "ClientExchange",
    "Connection",
    "ConnectionClosed",
    "ConnectionOwner",
    "ContentCodingError",
    "ContentLimits",
    "Data",
    "DataQueue",
    "DecodedStream",
    "Decoder",
    "DialedConnection",
    "ETag",
    "EncodedWriter",
    "Encoder",
    "EndOfMessage",
    "EofStream",
    "Exchange",
    "ExchangeTimeout",
    "ExchangeWriter",
    "FieldData",
    "FieldEnd",
    "FieldStart",
    "FormDecoder",
    "Head",
    "HttpVersion",
    "HttpVersion10",
    "HttpVersion11",
    "IOBasePayload",
    "IllegalCharacter",
    "IncompleteMessage",
    "JsonBytesPayload",
    "JsonPayload",
    "LimitExceeded",
    "Limits",
    "LineTooLong",
    "LocalProtocolError",
    "MalformedContent",
    "MediaType",
    "MultipartDecoder",
    "MultipartEncoder",
    "MultipartEnd",
    "MultipartLimits",
    "MultipartReader",
    "MultipartResponseWrapper",
    "MultipartWriter",
    "Order",
    "PartData",
    "PartEnd",
    "PartHead",
    "Payload",
    "PayloadAccessError",
    "PayloadRegistry",
    "PayloadWriter",
    "PeerDisconnected",
    "Preference",
    "PreparedRequest",
    "ProtocolError",
    "RemoteProtocolError",
    "RequestHead",
    "ResponseHead",
    "Role",
    "ServerTimeouts",
    "Service",
    "SetCookie",
    "StreamReader",
    "StreamReaderPayload",
    "StringIOPayload",
    "StringPayload",
    "Target",
    "TargetForm",
    "TextIOPayload",
    "TrustedPeers",
    "Verdict",
    "absolute_url",
    "best_match",
    "body_decoder",
    "date_header",
    "date_header_bytes",
    "decode_path",
    "decode_segment",
    "decode_text",
    "decoder",
    "disposition_filename",
    "encode_urlencoded",
    "encoder",
    "evaluate_preconditions",
    "forbids_content_length",
    "format_content_disposition",
    "format_cookie",
    "format_date",
    "get_payload",
    "has_empty_body",
    "is_bodiless",
    "is_compiled",
    "is_token",
    "local_path",
    "multipart_boundary",
    "negotiate_coding",
    "parse_accept",
    "parse_authority",
    "parse_content_disposition",
    "parse_cookie",
    "parse_cookie_date",
    "parse_cookie_pairs",
    "parse_date",
    "parse_etags",
    "parse_forwarded",
    "parse_media_type",
    "parse_preferences",
    "parse_range",
    "parse_ranges",
    "parse_set_cookie",
    "parse_urlencoded",
    "payload_type",
    "prepare_request",
    "quality",
    "range_still_holds",
    "reason_phrase",
    "register_payload",
    "relative_url",
    "requote_path",
    "resolve_client",
    "resolve_ranges",
    "run_sized",
    "safe_name",
    "set_zlib_backend",
    "split_codings",
    "split_target",
    "x_forwarded",
]


def is_compiled() -> bool:
    """Whether the engines run in their compiled form."""
    from . import h1

    return not str(h1.__file__).endswith(".py")


_HOME = {
    "ACCEPTABLE": "codings",
    "ACCEPT_ENCODING": "codings",
    "ETAG_ANY": "validators",
    "PAYLOAD_REGISTRY": "payloadbase",
    "REASONS": "status",
    "AbstractStreamWriter": "streamwriter",
    "AsyncIterablePayload": "filepayloads",
    "Authority": "target",
    "BadContentDispositionHeader": "contentdisposition",
    "BadContentDispositionParam": "contentdisposition",
    "BodyPartReader": "bodypart",
    "BufferedReaderPayload": "filepayloads",
    "ByteRange": "validators",
    "BytesIOPayload": "filepayloads",
    "BytesPayload": "payloads",
    "Client": "forwarded",
    "DataQueue": "dataqueue",
    "DecodedStream": "decodedstream",
    "Decoder": "decoders",
    "ETag": "validators",
    "EncodedWriter": "encodedwriter",
    "Encoder": "codings",
    "EofStream": "dataqueue",
    "ExchangeWriter": "streamwriter",
    "FieldData": "formdecoder",
    "FieldEnd": "formdecoder",
    "FieldStart": "formdecoder",
    "FormDecoder": "formdecoder",
    "IOBasePayload": "filepayloads",
    "JsonBytesPayload": "payloads",
    "JsonPayload": "payloads",
    "MediaType": "mediatypes",
    "MultipartDecoder": "multipart",
    "MultipartEncoder": "multipart",
    "MultipartEnd": "multipart",
    "MultipartReader": "multipart_reader",
    "MultipartResponseWrapper": "multipart_reader",
    "MultipartWriter": "multipart_writer",
    "Order": "payloadbase",
    "PartData": "multipart",
    "PartEnd": "multipart",
    "PartHead": "multipart",
    "Payload": "payloadbase",
    "PayloadRegistry": "payloadbase",
    "PayloadWriter": "payloadbase",
    "Preference": "mediatypes",
    "SetCookie": "cookies",
    "StreamReaderPayload": "filepayloads",
    "StringIOPayload": "payloads",
    "StringPayload": "payloads",
    "Target": "target",
    "TargetForm": "target",
    "TextIOPayload": "filepayloads",
    "TrustedPeers": "forwarded",
    "Verdict": "validators",
    "absolute_url": "target",
    "best_match": "mediatypes",
    "body_decoder": "codings",
    "date_header": "dates",
    "date_header_bytes": "dates",
    "decode_path": "target",
    "decode_segment": "target",
    "decode_text": "formdecoder",
    "decoder": "codings",
    "disposition_filename": "contentdisposition",
    "encode_urlencoded": "forms",
    "encoder": "codings",
    "evaluate_preconditions": "validators",
    "forbids_content_length": "status",
    "format_content_disposition": "contentdisposition",
    "format_cookie": "cookies",
    "format_date": "dates",
    "get_payload": "payloads",
    "has_empty_body": "status",
    "is_bodiless": "status",
    "local_path": "target",
    "multipart_boundary": "formdecoder",
    "negotiate_coding": "mediatypes",
    "parse_accept": "mediatypes",
    "parse_authority": "target",
    "parse_content_disposition": "contentdisposition",
    "parse_cookie": "cookies",
    "parse_cookie_date": "cookies",
    "parse_cookie_pairs": "cookies",
    "parse_date": "dates",
    "parse_etags": "validators",
    "parse_forwarded": "forwarded",
    "parse_media_type": "mediatypes",
    "parse_preferences": "mediatypes",
    "parse_range": "validators",
    "parse_ranges": "validators",
    "parse_set_cookie": "cookies",
    "parse_urlencoded": "forms",
    "payload_type": "payloadbase",
    "quality": "mediatypes",
    "range_still_holds": "validators",
    "reason_phrase": "status",
    "register_payload": "payloadbase",
    "relative_url": "target",
    "requote_path": "target",
    "resolve_client": "forwarded",
    "resolve_ranges": "validators",
    "run_sized": "codings",
    "safe_name": "contentdisposition",
    "set_zlib_backend": "zlibbackend",
    "split_codings": "mediatypes",
    "split_target": "target",
    "x_forwarded": "forwarded",
}


if not TYPE_CHECKING:  # else any name at all would pass the type checker

    def __getattr__(name: str) -> Any:  # what a module holds
        """Imports the module of a name that is asked for the first time."""
        if name not in _HOME:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(f".{_HOME[name]}", __name__), name)
        globals()[name] = value
        return value
