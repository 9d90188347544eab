"""Status codes: their reason phrases (the IANA registry, with the names of RFC 9110) and what each implies for the
body of a message. Tables and the few questions that are asked of them; no state."""

from types import MappingProxyType
from typing import Final

REASONS: Final = MappingProxyType(
    {
        100: "Continue",
        101: "Switching Protocols",
        102: "Processing",
        103: "Early Hints",
        200: "OK",
        201: "Created",
        202: "Accepted",
        203: "Non-Authoritative Information",
        204: "No Content",
        205: "Reset Content",
        206: "Partial Content",
        207: "Multi-Status",
        208: "Already Reported",
        226: "IM Used",
        300: "Multiple Choices",
        301: "Moved Permanently",
        302: "Found",
        303: "See Other",
        304: "Not Modified",
        305: "Use Proxy",
        307: "Temporary Redirect",
        308: "Permanent Redirect",
        400: "Bad Request",
        401: "Unauthorized",
        402: "Payment Required",
        403: "Forbidden",
        404: "Not Found",
        405: "Method Not Allowed",
        406: "Not Acceptable",
        407: "Proxy Authentication Required",
        408: "Request Timeout",
        409: "Conflict",
        410: "Gone",
        411: "Length Required",
        412: "Precondition Failed",
        413: "Content Too Large",
        414: "URI Too Long",
        415: "Unsupported Media Type",
        416: "Range Not Satisfiable",
        417: "Expectation Failed",
        418: "I'm a teapot",
        421: "Misdirected Request",
        422: "Unprocessable Content",
        423: "Locked",
        424: "Failed Dependency",
        425: "Too Early",
        426: "Upgrade Required",
        428: "Precondition Required",
        429: "Too Many Requests",
        431: "Request Header Fields Too Large",
        451: "Unavailable For Legal Reasons",
        500: "Internal Server Error",
        501: "Not Implemented",
        502: "Bad Gateway",
        503: "Service Unavailable",
        504: "Gateway Timeout",
        505: "HTTP Version Not Supported",
        506: "Variant Also Negotiates",
        507: "Insufficient Storage",
        508: "Loop Detected",
        510: "Not Extended",
        511: "Network Authentication Required",
    }
)

# Statuses from 200 on that never carry a body (RFC 9110 15.3.5, 15.4.5); every 1xx is bodiless as well.
BODILESS_STATUSES: Final = frozenset({204, 304})


def reason_phrase(status: int) -> str:
    """The reason phrase of a status code, or "" for one that is not registered (RFC 9112 4 allows an empty phrase)."""
    return REASONS.get(status, "")


def is_bodiless(status: int) -> bool:
    """Whether a response with this status has no body whatever its headers say: 1xx, 204 and 304 (RFC 9112 6.3,
    item 1)."""
    return status in BODILESS_STATUSES or 100 <= status < 200


def has_empty_body(method: str, status: int) -> bool:
    """Whether the response to `method` with `status` ends at its head: is_bodiless(), any answer to HEAD, and 2xx
    to CONNECT."""
    return method == "HEAD" or is_bodiless(status) or (method == "CONNECT" and 200 <= status < 300)


def forbids_content_length(method: str, status: int) -> bool:
    """Whether Content-Length must not be sent: 1xx, 204, and 2xx to CONNECT (RFC 9110 8.6). 304 and HEAD may
    announce a length."""
    return status == 204 or 100 <= status < 200 or (method == "CONNECT" and 200 <= status < 300)
