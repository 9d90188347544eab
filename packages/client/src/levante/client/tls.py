"""What TLS a connection uses: the shared contexts (made on first use, because loading the system's certificates
takes a while), the pinned `Fingerprint`, and the reading of an `ssl=` argument. Verification is on unless somebody
says `ssl=False` or pins a certificate; TLS 1.2 is the oldest version spoken; ALPN offers http/1.1 only."""

import hashlib
import hmac
import ssl
from functools import lru_cache

SHA256_SIZE = 32


class Fingerprint:
    """A pinned certificate: the SHA-256 digest of its DER form. It replaces the check of the certificate's chain.

    ValueError for the digests that are too weak to pin with (MD5, SHA-1) and for any other length than 32 bytes.
    """

    __slots__ = ("fingerprint",)

    def __init__(self, fingerprint: bytes) -> None:
        if len(fingerprint) in {16, 20}:
            raise ValueError("md5 and sha1 are too weak to pin a certificate with; give its SHA-256 digest (32 bytes)")
        if len(fingerprint) != SHA256_SIZE:
            raise ValueError(f"a fingerprint is a SHA-256 digest of 32 bytes, got {len(fingerprint)} bytes")
        self.fingerprint = bytes(fingerprint)

    def mismatch(self, certificate: bytes) -> bytes | None:
        """The digest of the DER `certificate` when it is not the pinned one, else None."""
        got = hashlib.sha256(certificate).digest()
        return None if hmac.compare_digest(got, self.fingerprint) else got

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Fingerprint) and other.fingerprint == self.fingerprint

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def __repr__(self) -> str:
        return f"Fingerprint({self.fingerprint.hex()})"


SSLArgument = ssl.SSLContext | Fingerprint | bool


def is_verified(value: SSLArgument) -> bool:
    """Whether a connection made with this `ssl=` argument proves whom it leads to."""
    if isinstance(value, ssl.SSLContext):
        return value.verify_mode is not ssl.CERT_NONE
    return value is not False


def check_ssl_argument(value: object) -> SSLArgument:
    """`value` if it can be an `ssl=` argument, else TypeError."""
    if isinstance(value, (bool, ssl.SSLContext, Fingerprint)):
        return value
    raise TypeError(f"ssl must be True, False, an ssl.SSLContext or a Fingerprint, got {type(value).__name__}")


@lru_cache(maxsize=2)
def shared_context(*, verified: bool) -> ssl.SSLContext:
    """The client context that every connector shares. Slow the first time (it loads the system's certificates): call
    it off the loop."""
    context = ssl.create_default_context()
    if not verified:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


def context_for(setting: SSLArgument) -> ssl.SSLContext:
    """The context that an `ssl=` argument stands for; a fingerprint turns chain verification off and is checked
    after the handshake."""
    if isinstance(setting, ssl.SSLContext):
        return setting
    return shared_context(verified=setting is True)
