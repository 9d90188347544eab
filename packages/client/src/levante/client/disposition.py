"""The Content-Disposition of a response (RFC 6266), read leniently: a field that makes no sense is none. No I/O."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from levante.http import disposition_filename, parse_content_disposition


class ContentDisposition(NamedTuple):
    """The Content-Disposition of a response (RFC 6266)."""

    type: str | None
    parameters: Mapping[str, str]
    filename: str | None


def read_disposition(field: str | None) -> ContentDisposition | None:
    """What `field` says; None when there is none, or an unreadable one."""
    if field is None:
        return None
    try:
        kind, parameters = parse_content_disposition(field)
    except ValueError:
        return None
    return ContentDisposition(kind, MappingProxyType(parameters), disposition_filename(parameters))
