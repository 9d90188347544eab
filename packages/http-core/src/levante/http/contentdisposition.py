"""Content-Disposition (RFC 6266, RFC 7578 4.2): read, written, and the file name that it may carry made safe to
use. A name that comes from outside is handed out as it is and is never a path; `safe_name` makes one."""

import re
import secrets
import unicodedata
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote, unquote_to_bytes

from .parameters import CONTROL_CHARACTER, TOKEN, is_token, refuse_controls, scan_parameters, skip_space

MAX_SAFE_NAME: Final = 255
"""Bytes of UTF-8 in a safe name: what Linux, macOS and Windows file systems take."""

# Only quotes and backslashes are unescaped: browsers leave the backslashes of a name alone, curl doubles them.
_ESCAPE: Final = re.compile(r'\\(["\\])')
_EXTENDED: Final = re.compile(r"([A-Za-z0-9!#$%&+\-^_`{}~]++)'[^']*+'(.*+)", re.DOTALL)
_QUOTABLE: Final = re.compile(r"[\x20-\x7e]*")
# The characters that Windows refuses in names; slashes, backslashes and controls are gone before.
_UNSAFE: Final = re.compile(r'[<>:"|?*]')
_RESERVED: Final = re.compile(
    r"(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9\xb9\xb2\xb3])(?:[ .].*)?", re.IGNORECASE | re.DOTALL
)


class BadContentDispositionHeader(RuntimeWarning):
    """A Content-Disposition that could not be read as a whole."""


class BadContentDispositionParam(RuntimeWarning):
    """A parameter of a Content-Disposition that could not be read."""


def parse_content_disposition(text: str) -> tuple[str, dict[str, str]]:
    """The type (lower case) and the parameters (names in lower case, values unquoted, `filename*` and the like as
    they are).

    Raises ValueError for anything malformed, a parameter given twice among it.
    """
    kind = TOKEN.match(text, skip_space(text, 0))
    if kind is None:
        raise ValueError(f"expected a disposition such as 'form-data; name=\"x\"', got {text[:200]!r}")
    found, end = scan_parameters(text, kind.end())
    if skip_space(text, end) != len(text):
        raise ValueError(f"unexpected text at position {end} of the disposition {text[:200]!r}")
    parameters = {name: _ESCAPE.sub(r"\1", value) if quoted else value for name, value, quoted in found}
    if len(parameters) != len(found):
        raise ValueError(f"a parameter is given twice in the disposition {text[:200]!r}")
    return kind[0].lower(), parameters


def disposition_filename(
    parameters: Mapping[str, str], name: str = "filename", *, prefer_plain: bool = False
) -> str | None:
    """The file name among the parameters: `filename*`, `filename`, or the continuations of RFC 2231; None without a
    readable one.

    In forms `filename*` is not allowed (RFC 7578 4.2), so there the plain one is preferred; elsewhere it is the other
    way round (RFC 6266 4.3).
    """
    plain = parameters.get(name)
    if plain is not None and prefer_plain:
        return plain
    extended = _decode_extended(parameters.get(f"{name}*"))
    if extended is not None:
        return extended
    return plain if plain is not None else _continued(parameters, name)


def format_content_disposition(
    kind: str, parameters: Mapping[str, str] | None = None, *, quote_fields: bool = True, charset: str = "utf-8"
) -> str:
    """The value of a Content-Disposition header.

    With `quote_fields` a file name is percent-encoded as browsers do, and any other value that is not plain ASCII
    goes into the extended form `name*=utf-8''...`; without it, values are only quoted. Raises ValueError for a type
    or name that is no token, and for control characters in a value.
    """
    if not is_token(kind):
        raise ValueError(f"expected a disposition type such as 'attachment', got {kind!r}")
    parts = [kind]
    for name, value in (parameters or {}).items():
        if not is_token(name):
            raise ValueError(f"expected a token as the name of a disposition parameter, got {name!r}")
        refuse_controls(value, what=f"disposition parameter {name!r}")
        if quote_fields and name.lower() == "filename":
            parts.append(f'{name}="{quote(value, safe="", encoding=charset)}"')
        elif quote_fields and _QUOTABLE.fullmatch(value) is None:
            parts.append(f"{name}*={charset}''{quote(value, safe='', encoding=charset)}")
        else:
            parts.append('{}="{}"'.format(name, value.replace("\\", "\\\\").replace('"', '\\"')))
    return "; ".join(parts)


def safe_name(filename: str | None) -> str:
    """A name that is safe to give to a file in any folder, made from one that came from outside.

    Folders, controls, characters that some system refuses, and dots or spaces at either end are gone; it is cut to
    MAX_SAFE_NAME bytes, keeping a short suffix. What is left with nothing, or is a device's name on Windows, becomes
    a random name.
    """
    name = unicodedata.normalize("NFC", (filename or "").encode("utf-8", "replace").decode())
    name = name.replace("\\", "/").rpartition("/")[2]
    name = "".join(" " if unicodedata.category(character)[0] in "CZ" else character for character in name)
    name = _UNSAFE.sub("_", name).strip(". ")
    if not name or _RESERVED.fullmatch(name) is not None:
        return secrets.token_hex(16)
    encoded = name.encode()
    if len(encoded) <= MAX_SAFE_NAME:
        return name
    stem, dot, suffix = name.rpartition(".")
    tail = (dot + suffix).encode() if dot and len(suffix) <= 16 else b""
    stem_bytes = (stem if tail else name).encode()[: MAX_SAFE_NAME - len(tail)]
    return stem_bytes.decode("utf-8", "ignore").rstrip(". ") + tail.decode()


def _decode_extended(text: str | None) -> str | None:
    """The text of an RFC 8187 value (`utf-8''na%C3%AFve`), or None where it is broken or has a control character,
    which nobody could send unescaped."""
    match = _EXTENDED.fullmatch(text) if text is not None else None
    if match is None or match[1].lower() not in ("utf-8", "iso-8859-1", "us-ascii"):
        return None
    return _decode(unquote_to_bytes(match[2]), match[1])


def _continued(parameters: Mapping[str, str], name: str) -> str | None:
    """A value in pieces `name*0`, `name*1*`, ... (RFC 2231 3), which old mail programs write; None where a piece
    is missing or broken."""
    pieces: list[bytes] = []
    charset = "utf-8"
    while True:
        number = len(pieces)
        plain, extended = parameters.get(f"{name}*{number}"), parameters.get(f"{name}*{number}*")
        if extended is not None and number == 0:
            match = _EXTENDED.fullmatch(extended)
            if match is None or match[1].lower() not in ("utf-8", "iso-8859-1", "us-ascii"):
                return None
            charset, extended = match[1], match[2]
        if extended is not None:
            pieces.append(unquote_to_bytes(extended))
        elif plain is not None:
            pieces.append(plain.encode(charset, "replace"))
        else:
            break
    return _decode(b"".join(pieces), charset) if pieces else None


def _decode(data: bytes, charset: str) -> str | None:
    try:
        text = data.decode(charset)
    except UnicodeDecodeError:
        return None
    return text if CONTROL_CHARACTER.search(text) is None else None
