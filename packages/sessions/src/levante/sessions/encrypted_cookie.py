"""Sessions in an encrypted cookie: AES-256-GCM, which hides and authenticates in one step. The default choice for a
service without Redis."""

from .sealed_cookie import SealedCookieStorage
from .signing import EncryptingSealer


class EncryptedCookieStorage(SealedCookieStorage):
    """The session sealed with AES-256-GCM (NIST SP 800-38D). Parameters and errors as in SealedCookieStorage."""

    sealer_class = EncryptingSealer
