"""Basic authentication (RFC 7617): making the header value, reading it back, and taking credentials out of a URL. No
I/O."""

import base64
import binascii
from typing import NamedTuple

from multidict import CIMultiDict
from yarl import URL

from levante.http import hdrs


def encode_basic_auth(login: str, password: str = "", encoding: str = "utf-8") -> str:
    """The value of an Authorization header for `login` and `password`. ValueError for a colon or a control character
    in them (RFC 7617 section 2)."""
    if ":" in login:
        raise ValueError(f"a login cannot contain ':' in basic authentication (RFC 7617 section 2), got {login!r}")
    credentials = f"{login}:{password}"
    if any(ord(char) < 0x20 or ord(char) == 0x7F for char in credentials):
        raise ValueError("login and password cannot contain control characters (RFC 7617 section 2)")
    return "Basic " + base64.b64encode(credentials.encode(encoding)).decode("ascii")


class BasicAuth(NamedTuple):
    """Login and password for basic authentication. The default `encoding` is latin1, as in aiohttp;
    `encode_basic_auth` takes UTF-8."""

    login: str
    password: str = ""
    encoding: str = "latin1"

    @classmethod
    def decode(cls, auth_header: str, encoding: str = "latin1") -> "BasicAuth":
        """Read the value of an Authorization header; ValueError when it is not valid basic authentication."""
        scheme, _, encoded = auth_header.partition(" ")
        if scheme.lower() != "basic":
            raise ValueError(f"expected the scheme 'basic', got {scheme!r}")
        try:
            decoded = base64.b64decode(encoded.strip().encode("ascii"), validate=True).decode(encoding)
        except (binascii.Error, UnicodeError) as exc:
            raise ValueError("the credentials are not valid base64") from exc
        login, colon, password = decoded.partition(":")
        if not colon:
            raise ValueError("the credentials have no ':' between login and password")
        return cls(login, password, encoding)

    @classmethod
    def from_url(cls, url: URL, *, encoding: str = "latin1") -> "BasicAuth | None":
        """The credentials in the user info of `url`, or None when it has none."""
        if not isinstance(url, URL):
            raise TypeError(f"expected a yarl.URL, got {type(url).__name__}")
        if url.user is None and url.password is None:
            return None
        return cls(url.user or "", url.password or "", encoding)

    def encode(self) -> str:
        """The value of an Authorization header."""
        return encode_basic_auth(self.login, self.password, self.encoding)


def first_authorization(
    url: URL, headers: CIMultiDict[str], *, given: "BasicAuth | None", default: "BasicAuth | None"
) -> str | None:
    """The Authorization value that a request for `url` begins with: of `given`, the `auth` of the request, else of
    `default`, that of the session. None where the user info of `url`, which comes before the session's, or nothing
    has to be sent. ValueError for credentials that are given twice."""
    in_url = url.raw_user is not None or url.raw_password is not None
    if in_url and given is not None:
        raise ValueError("auth= and credentials in the URL exclude each other: give one of them")
    auth = given if given is not None or in_url else default
    if auth is None:
        return None
    if hdrs.AUTHORIZATION in headers:
        raise ValueError("auth= and an Authorization header exclude each other: give one of them")
    return auth.encode()


def strip_auth_from_url(url: URL) -> tuple[URL, str | None]:
    """`url` without its user info, and the Authorization value (UTF-8) made of it, or None."""
    if url.raw_user is None and url.raw_password is None:
        return url, None
    return url.with_user(None), encode_basic_auth(url.user or "", url.password or "")
