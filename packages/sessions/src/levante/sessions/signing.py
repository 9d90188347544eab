"""Keys, and the two ways to seal a text into a cookie value. A ring holds keys newest first: the newest seals, all
open. Every purpose has its own key, derived by HKDF-SHA256 (RFC 5869), so that what was made for one purpose, cookie
or application opens for no other.

A sealed value is base64url without padding, in its one canonical spelling, of

    version (1 byte) | key id (4 bytes) | nonce (12) | AES-256-GCM ciphertext with its tag (16)
    version (1 byte) | key id (4 bytes) | body | HMAC-SHA256 (32)

encrypted in the first form, and in the second readable, but not changeable.

Version, key id and the context (purpose, application, cookie name) are authenticated in both. Both primitives come
from `cryptography`: one library for both forms, with its constant-time verification; itsdangerous would bring a second
token format without a key id. Whether the key id is unknown or the tag is wrong, the same work is done, and the same
exception leaves.

Random 96-bit nonces allow 2**32 seals with one key before a collision becomes thinkable (NIST SP 800-38D, 8.3): rotate
before that.
"""

import base64
import binascii
import itertools
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Final, TypeAlias

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from .errors import SealRejected, WeakKey

KEY_BYTES: Final = 32  # AES-256 and HMAC-SHA256 both take 256 bits; anything shorter is the weakest part
MAX_KEYS: Final = 16  # a ring is a rotation, not an archive
MIN_DISTINCT_BYTES: Final = 16  # 32 random bytes have 30 distinct ones; fewer than 16 happens once in about 10**11
MAX_LOWER_CASE_PART: Final = 0.8  # random base64 is 41 % lower case; words are nearly all of it
VERSION: Final = 1  # of the layout above; a new layout takes the next number
KEY_ID_BYTES: Final = 4  # tells a handful of keys apart; not a secret
NONCE_BYTES: Final = 12  # the size that AES-GCM is defined for without hashing the nonce
TAG_BYTES: Final = 16
MAC_BYTES: Final = 32
HKDF_SALT: Final = b"levante.sessions"
SAMPLE_WORDS: Final = (
    "changeme",
    "change-me",
    "change_me",
    "password",
    "passphrase",
    "secret",
    "example",
    "sample",
    "default",
    "insecure",
    "your-key",
)

_HEX = re.compile(r"[0-9a-fA-F]{64,}", re.ASCII)
_BASE64 = re.compile(r"[A-Za-z0-9_+/-]+={0,2}", re.ASCII)

_FROM_URL = bytes.maketrans(b"-_", b"+/")

Keys: TypeAlias = str | bytes | Sequence[str | bytes]


def generate_key() -> str:
    """A new key: 32 bytes from the system's generator as 43 characters of base64url, ready for an environment
    variable."""
    while True:
        key = encode(os.urandom(KEY_BYTES))
        if not _text_problem(key):
            return key


def parse_keys(text: str) -> tuple[bytes, ...]:
    """Keys from a setting, `"newest,older,oldest"`: each is base64url, base64 or hex of 32 or more random bytes.

    Raises WeakKey, which names the position and the cure and never repeats the key, for a missing, short, repeated,
    sample or word-like one.
    """
    parts = [part.strip() for part in text.split(",")]
    return _check_ring(
        [_decode_key(part, position) for position, part in enumerate(parts, 1) if part or len(parts) > 1]
    )


def load_keys(keys: Keys) -> tuple[bytes, ...]:
    """Keys in any accepted form (a setting, raw bytes, or a sequence of either, newest first) as checked raw bytes.
    Raises WeakKey."""
    if isinstance(keys, str):
        return parse_keys(keys)
    if isinstance(keys, bytes):
        keys = [keys]
    return _check_ring(
        [_decode_key(key, at) if isinstance(key, str) else _check_bytes(key, at) for at, key in enumerate(keys, 1)]
    )


def encode(data: bytes) -> str:
    """base64url without padding (RFC 4648, section 5)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def decode(text: str) -> bytes:
    """The bytes of a base64url text without padding; ValueError for anything but the one canonical spelling."""
    raw = text.encode("ascii")
    if b"+" in raw or b"/" in raw or b"=" in raw:
        raise ValueError("not base64url")
    rest = len(raw) % 4
    data = binascii.a2b_base64(raw.translate(_FROM_URL) + b"=" * (-rest % 4), strict_mode=True)
    # The decoder ignores the unused bits of the last character: a changed cookie could still open.
    if rest and encode(data[1 - rest :]) != text[-rest:]:
        raise ValueError("not canonical base64url")
    return data


def derive(key: bytes, purpose: str) -> bytes:
    """The 32-byte key for one purpose (HKDF-SHA256, RFC 5869)."""
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=HKDF_SALT, info=purpose.encode()).derive(key)


class Sealer(ABC):
    """Seals bytes into a cookie value and opens it again, with a ring of keys and a context that both are bound to."""

    purpose: str  # names the derived keys; another purpose cannot open the seal

    def __init__(self, keys: Keys, *, cookie_name: str, app: str = "") -> None:
        ring = load_keys(keys)
        self._context = _context(self.purpose, app, cookie_name)
        self._ids = [derive(key, "key id")[:KEY_ID_BYTES] for key in ring]
        self._add_keys([derive(key, self.purpose) for key in ring])
        self._newest = bytes([VERSION]) + self._ids[0]

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {len(self._ids)} keys>"

    def seal(self, body: bytes) -> str:
        """The body as a cookie value, sealed with the newest key."""
        return encode(self._seal(self._newest, body))

    def open(self, value: str) -> tuple[bytes, bool]:
        """The body of a cookie value, and whether the newest key sealed it. Raises SealRejected."""
        try:
            token = decode(value)
        except ValueError:
            raise SealRejected("malformed") from None
        head = token[: 1 + KEY_ID_BYTES]
        if len(head) <= KEY_ID_BYTES or head[0] != VERSION:
            raise SealRejected("unknown version")
        try:
            at = self._ids.index(head[1:])
        except ValueError:
            at = -1
        # An unknown key id is tried with the newest key all the same: its refusal takes as long as that of a wrong tag.
        body = self._open(max(at, 0), head, token)
        if at < 0:
            raise SealRejected("bad seal")
        return body, at == 0

    @abstractmethod
    def _add_keys(self, derived: list[bytes]) -> None: ...

    @abstractmethod
    def _seal(self, head: bytes, body: bytes) -> bytes: ...

    @abstractmethod
    def _open(self, at: int, head: bytes, token: bytes) -> bytes: ...


class SigningSealer(Sealer):
    """HMAC-SHA256 over context, version, key id and body: anyone can read the body, nobody can change it."""

    purpose = "session cookie, signed"

    def _add_keys(self, derived: list[bytes]) -> None:
        self._macs: list[HMAC] = []
        for key in derived:
            mac = HMAC(key, SHA256())
            mac.update(self._context)  # hashed once; each use copies the state
            self._macs.append(mac)

    def _seal(self, head: bytes, body: bytes) -> bytes:
        mac = self._macs[0].copy()
        mac.update(head + body)
        return head + body + mac.finalize()

    def _open(self, at: int, head: bytes, token: bytes) -> bytes:
        mac = self._macs[at].copy()
        mac.update(token[:-MAC_BYTES])
        try:
            mac.verify(token[-MAC_BYTES:])  # constant time
        except InvalidSignature:
            raise SealRejected("bad seal") from None
        return token[len(head) : -MAC_BYTES]


class EncryptingSealer(Sealer):
    """AES-256-GCM with a random nonce; context, version and key id are its additional authenticated data."""

    purpose = "session cookie, encrypted"

    def _add_keys(self, derived: list[bytes]) -> None:
        self._ciphers = [AESGCM(key) for key in derived]

    def _seal(self, head: bytes, body: bytes) -> bytes:
        nonce = os.urandom(NONCE_BYTES)
        return head + nonce + self._ciphers[0].encrypt(nonce, body, self._context + head)

    def _open(self, at: int, head: bytes, token: bytes) -> bytes:
        start = len(head) + NONCE_BYTES
        if len(token) < start + TAG_BYTES:
            raise SealRejected("bad seal")
        try:
            return self._ciphers[at].decrypt(token[len(head) : start], token[start:], self._context + head)
        except InvalidTag:
            raise SealRejected("bad seal") from None


def _context(*parts: str) -> bytes:
    """The parts with their lengths, so that no two different lists give the same bytes."""
    encoded = [part.encode() for part in parts]
    return b"".join(len(part).to_bytes(4, "big") + part for part in encoded)


def _decode_key(text: str, position: int) -> bytes:
    problem = _text_problem(text)
    if problem:
        raise WeakKey(problem, position=position)
    if _HEX.fullmatch(text) and len(text) % 2 == 0:
        return _check_bytes(bytes.fromhex(text), position)
    try:
        key = decode(text.rstrip("=").replace("+", "-").replace("/", "_"))
    except ValueError:
        raise WeakKey("it is not base64 or hex", position=position) from None
    return _check_bytes(key, position)


def _text_problem(text: str) -> str:
    """What is wrong with the spelling of a key; empty when nothing is."""
    lower = text.lower()
    if not text:
        return "it is empty"
    if any(word in lower for word in SAMPLE_WORDS):
        return "it looks like a sample value"
    if len(set(text)) == 1 or text in (text + text)[1:-1]:
        return "it repeats one pattern"
    if _HEX.fullmatch(text):
        return ""
    if not _BASE64.fullmatch(text):
        return "it is not base64 or hex"
    letters = sum(character.islower() for character in text)
    if letters == 0 or text.islower() or letters > MAX_LOWER_CASE_PART * len(text):
        return "it looks like a passphrase"
    return ""


def _check_bytes(key: bytes, position: int) -> bytes:
    problem = ""
    if len(key) < KEY_BYTES:
        problem = f"it has only {len(key)} bytes"
    elif key in (key + key)[1:-1] or len(set(key)) < MIN_DISTINCT_BYTES:
        problem = "it repeats bytes"
    elif len({(after - before) % 256 for before, after in itertools.pairwise(key)}) == 1:
        problem = "it counts up or down"
    elif all(32 <= byte < 127 for byte in key):
        problem = "it is text, not random bytes (a base64 key goes in as str)"
    if problem:
        raise WeakKey(problem, position=position)
    return key


def _check_ring(keys: list[bytes]) -> tuple[bytes, ...]:
    if not keys:
        raise WeakKey("none given")
    if len(keys) > MAX_KEYS:
        raise WeakKey(f"{len(keys)} keys given, at most {MAX_KEYS} are kept; drop the oldest", position=MAX_KEYS + 1)
    seen: dict[bytes, int] = {}
    for position, key in enumerate(keys, 1):
        first = seen.setdefault(derive(key, "key id")[:KEY_ID_BYTES], position)
        if first != position:
            raise WeakKey(f"it is the same as key {first}", position=position)
    return tuple(keys)
