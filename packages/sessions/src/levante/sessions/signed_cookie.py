"""Sessions in a signed cookie: HMAC-SHA256. Whoever holds the cookie can read it, nobody can change it. Choose it over
the encrypted one when clients or proxies are meant to read the session; otherwise encryption costs next to nothing
more."""

from .sealed_cookie import SealedCookieStorage
from .signing import SigningSealer


class SignedCookieStorage(SealedCookieStorage):
    """The session as base64url JSON behind an HMAC-SHA256 (RFC 2104). Parameters and errors as in
    SealedCookieStorage."""

    sealer_class = SigningSealer
