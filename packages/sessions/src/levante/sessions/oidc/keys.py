"""The public keys of a provider (JWKS, RFC 7517), found by their ids. A token signed with a key that is not known may
mean that the provider has rotated its keys: then the set is fetched once more, and not again for half a minute, however
many such tokens come."""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey

from .errors import ProviderFault
from .fetching import Fetcher

KEYS_AGE: Final = 3600.0  # seconds: a key that the provider has withdrawn is trusted for an hour at most
REFETCH_PAUSE: Final = 30.0  # seconds between two fetches because of unknown keys
MAX_KEYS: Final = 64  # a set has two or three
MIN_RSA_TEXT: Final = 342  # base64url characters of a modulus of 2,048 bits (RFC 7518, 3.3)

PublicKey: TypeAlias = RSAKey | ECKey | OKPKey

KINDS: Final[dict[str, type[RSAKey] | type[ECKey] | type[OKPKey]]] = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}
"""Key types with a public half. A shared secret in a public set is none."""

KIND_OF: Final = {"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}
"""The key type of an algorithm, by how its name begins."""


class ProviderKeys:
    """The key set of one provider."""

    def __init__(self, fetcher: Fetcher, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._fetcher = fetcher
        self._clock = clock
        self._turn = asyncio.Lock()
        self._keys: list[tuple[str, PublicKey]] = []
        self._fetched = self._searched = -KEYS_AGE

    async def find(self, url: str, header: Mapping[str, Any]) -> PublicKey | None:
        """The key that a token's header (Any: JSON) names, in the set at `url`; None where it is not. Raises
        ProviderFault."""
        async with self._turn:
            if self._clock() - self._fetched >= KEYS_AGE:
                await self._fetch(url)
            found = self._named(header)
            if found is None and self._clock() - self._searched >= REFETCH_PAUSE:
                self._searched = self._clock()
                await self._fetch(url)
                found = self._named(header)
        return found

    async def _fetch(self, url: str) -> None:
        entries = (await self._fetcher.get("key set", url)).get("keys")
        if not isinstance(entries, list) or len(entries) > MAX_KEYS:
            raise ProviderFault(f"the key set is no list of at most {MAX_KEYS} keys")
        self._keys = [found for entry in entries if (found := _imported(entry)) is not None]
        self._fetched = self._clock()

    def _named(self, header: Mapping[str, Any]) -> PublicKey | None:
        """The key with the header's `kid`; without one, the only key that fits."""
        algorithm = str(header.get("alg"))
        kind = KINDS[KIND_OF[algorithm[:2]]]
        fitting = [key for alg, key in self._keys if isinstance(key, kind) and alg in ("", algorithm)]
        if "kid" in header:
            return next((key for key in fitting if key.kid == header["kid"]), None)
        return fitting[0] if len(fitting) == 1 else None


def _imported(entry: Any) -> tuple[str, PublicKey] | None:
    """The algorithm that a key is for ("": any that fits) and the key; None for one that is not for signatures, not
    known, or weak."""
    if not isinstance(entry, dict) or entry.get("use", "sig") != "sig" or not isinstance(entry.get("alg", ""), str):
        return None
    kind = entry.get("kty")
    if not isinstance(kind, str) or kind not in KINDS or (kind == "RSA" and len(str(entry.get("n"))) < MIN_RSA_TEXT):
        return None
    public = {name: value for name, value in entry.items() if name in ("kty", "kid", "n", "e", "crv", "x", "y")}
    try:
        return entry.get("alg", ""), KINDS[kind].import_key(public)
    except (JoseError, ValueError, TypeError, LookupError, AttributeError):
        return None  # one key that nobody understands does not spoil the others
