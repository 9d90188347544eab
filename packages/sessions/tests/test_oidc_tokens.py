"""ID tokens and key sets without a network: every kind of key, and what is no key."""

import base64
import hashlib
import time

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from levante.sessions.oidc import LoginRefused, ProviderFault
from levante.sessions.oidc.idtoken import IdTokenRules
from levante.sessions.oidc.keys import KEYS_AGE, REFETCH_PAUSE, ProviderKeys

ISSUER = "https://id.test"
KINDS = {
    "RS256": RSAKey.generate_key(2048, {"kid": "r"}),
    "PS512": RSAKey.generate_key(2048, {"kid": "p"}),
    "ES256": ECKey.generate_key("P-256", {"kid": "e"}),
    "ES384": ECKey.generate_key("P-384", {"kid": "f"}),
    "Ed25519": OKPKey.generate_key("Ed25519", {"kid": "o"}),
}
DIGESTS = {"RS256": "sha256", "PS512": "sha512", "ES256": "sha256", "ES384": "sha384", "Ed25519": "sha512"}


class Published:
    """In the place of a Fetcher: a key set, and how often it was asked for."""

    def __init__(self, *keys):
        self.keys = [key if isinstance(key, dict) else key.as_dict(private=False) for key in keys]
        self.asked = 0

    async def get(self, what, url):
        self.asked += 1
        return {"keys": self.keys}


def token(algorithm, key, **changes):
    digest = hashlib.new(DIGESTS.get(algorithm, "sha256"), b"access").digest()
    claims = {
        "iss": ISSUER,
        "sub": "ann",
        "aud": "shop",
        "exp": int(time.time()) + 60,
        "iat": int(time.time()),
        "nonce": "n",
        "at_hash": base64.urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=").decode(),
        **changes,
    }
    return jwt.encode({"alg": algorithm, "kid": key.kid}, claims, key, algorithms=[algorithm])


async def checked(text, published, *, algorithms=tuple(KINDS), nonce="n", access="access"):
    keys = ProviderKeys(published)
    rules = IdTokenRules(ISSUER, "shop", algorithms)
    return await rules.claims(text, find_key=lambda header: keys.find(ISSUER, header), nonce=nonce, access_token=access)


@pytest.mark.parametrize("algorithm", KINDS)
async def test_every_kind_of_key(algorithm):
    published = Published(*KINDS.values())
    text = token(algorithm, KINDS[algorithm])
    assert (await checked(text, published))["sub"] == "ann"
    for wrong in ({"nonce": "other"}, {"access": "other"}, {"algorithms": ["RS384"]}):
        with pytest.raises(LoginRefused):
            await checked(text, published, **wrong)


async def test_a_token_without_a_hash_of_the_other():
    text = jwt.encode(
        {"alg": "RS256", "kid": "r"},
        {"iss": ISSUER, "sub": "ann", "aud": "shop", "exp": time.time() + 60, "iat": time.time(), "nonce": "n"},
        KINDS["RS256"],
    )
    assert (await checked(text, Published(KINDS["RS256"])))["sub"] == "ann"


@pytest.mark.parametrize("algorithm", KINDS)
async def test_no_byte_of_a_token_can_be_changed(algorithm):
    published, text = Published(*KINDS.values()), token(algorithm, KINDS[algorithm])
    last = len(text) - 1  # of the last character some bits may stand for nothing
    for position in range(0, last, 7):
        if text[position] == ".":
            continue
        changed = text[:position] + ("A" if text[position] != "A" else "B") + text[position + 1 :]
        with pytest.raises(LoginRefused):
            await checked(changed, published)


async def test_a_kid_of_another_kind_of_key():
    """The name of the key does not choose the algorithm."""
    rsa = KINDS["RS256"]
    public = OctKey.import_key(base64.urlsafe_b64encode(rsa.as_pem(private=False)).decode(), {"kid": "r"})
    with pytest.raises(LoginRefused) as caught:
        await checked(token("HS256", public), Published(rsa), algorithms=["RS256"])
    assert "not signed in a way that is accepted" in caught.value.why
    with pytest.raises(LoginRefused):
        await checked(token("ES256", KINDS["ES256"]), Published({**rsa.as_dict(private=False), "kid": "e"}))


async def test_keys_that_are_not_for_this():
    good = KINDS["RS256"].as_dict(private=False)
    text = token("RS256", KINDS["RS256"])
    for odd in (
        {**good, "use": "enc"},
        {**good, "alg": "PS256"},
        {**good, "alg": 7},
        {**good, "n": good["n"][:300]},  # 1,800 bits
        {**good, "n": None},
        {**good, "e": ""},
        {**good, "kty": ["RSA"]},
        {**good, "kty": "oct", "k": "c2VjcmV0"},
        {"kty": "EC", "crv": "none", "x": "", "y": "", "kid": "r"},
    ):
        with pytest.raises(LoginRefused):
            await checked(text, Published(odd))
    assert await checked(text, Published({**good, "alg": "RS256", "use": "sig", "x5t": "x"}))


async def test_a_private_key_that_is_published_by_mistake():
    private = KINDS["RS256"].as_dict(private=True)
    assert await checked(token("RS256", KINDS["RS256"]), Published(private))


async def test_times_of_the_key_set():
    now = [0.0]
    published = Published(KINDS["RS256"])
    keys = ProviderKeys(published, clock=lambda: now[0])
    header = {"alg": "RS256", "kid": "r"}
    await keys.find(ISSUER, header)
    now[0] = KEYS_AGE - 1
    await keys.find(ISSUER, header)
    assert published.asked == 1
    now[0] = KEYS_AGE
    await keys.find(ISSUER, header)
    assert published.asked == 2
    for seconds, asked in ((0, 3), (REFETCH_PAUSE - 1, 3), (REFETCH_PAUSE, 4)):
        now[0] = KEYS_AGE + seconds
        assert await keys.find(ISSUER, {"alg": "RS256", "kid": "unknown"}) is None
        assert published.asked == asked


@pytest.mark.parametrize("keys", [None, "x", [{}] * 65])
async def test_a_key_set_that_is_none(keys):
    published = Published()
    published.keys = keys
    with pytest.raises(ProviderFault):
        await checked(token("RS256", KINDS["RS256"]), published)
