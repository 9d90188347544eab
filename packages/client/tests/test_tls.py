"""Contexts, fingerprints and the reading of ssl=."""

import hashlib
import ssl

import pytest

from levante.client import Fingerprint
from levante.client.tls import check_ssl_argument, context_for, shared_context


@pytest.mark.parity("C17")
def test_fingerprint() -> None:
    digest = hashlib.sha256(b"certificate").digest()
    pin = Fingerprint(digest)
    assert pin.mismatch(b"certificate") is None
    assert pin.mismatch(b"other") == hashlib.sha256(b"other").digest()
    assert pin == Fingerprint(digest)
    assert pin != Fingerprint(bytes(32))
    assert hash(pin) == hash(Fingerprint(digest))
    assert digest.hex() in repr(pin)
    for size in (16, 20):
        with pytest.raises(ValueError, match="weak"):
            Fingerprint(bytes(size))
    with pytest.raises(ValueError, match="32 bytes"):
        Fingerprint(bytes(31))


@pytest.mark.parity("C12")
def test_arguments() -> None:
    context = ssl.create_default_context()
    for good in (True, False, context, Fingerprint(bytes(32))):
        assert check_ssl_argument(good) is good
    for bad in (None, "x", 0):
        with pytest.raises(TypeError, match="ssl must be"):
            check_ssl_argument(bad)
    assert context_for(context) is context


@pytest.mark.parity("C12")
@pytest.mark.hardening("C55")
def test_shared_contexts() -> None:
    verified = context_for(True)
    assert verified is shared_context(verified=True)
    assert (verified.verify_mode, verified.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert verified.minimum_version == ssl.TLSVersion.TLSv1_2
    for setting in (False, Fingerprint(bytes(32))):
        assert context_for(setting).verify_mode == ssl.CERT_NONE
