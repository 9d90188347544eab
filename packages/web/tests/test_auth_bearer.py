"""Bearer tokens: what holds, and everything that does not."""

import base64
import hmac
import json
import time
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OctKey, RSAKey

from levante import web
from levante.web import auth
from levante.web.auth.bearer import BearerIdentityPolicy

pytestmark = pytest.mark.parity("L14")

SECRET = bytes(range(40))


def token(claims: dict[str, Any], key: Any = None, alg: str = "HS256", **header: Any) -> str:
    key = OctKey.import_key(SECRET) if key is None else key
    return jwt.encode({"alg": alg, **header}, claims, key, algorithms=[alg])


def claims(**changes: Any) -> dict[str, Any]:
    found = {"sub": "ann", "exp": int(time.time()) + 600, **changes}
    return {name: value for name, value in found.items() if value is not None}


async def serving(serve: Any, policy: BearerIdentityPolicy) -> Any:
    async def user(request: web.Request) -> web.Response:
        await policy.claims(request)
        return web.Response(text=await auth.check_authorized(request))

    app = web.Application()
    auth.setup(app, policy, auth.RoleAuthorizationPolicy(lambda _: [], {}))
    app.router.add_get("/", user)
    return await serve(app)


async def ask(served: Any, presented: str) -> Any:
    return await served.request("GET", "/", [("Authorization", f"Bearer {presented}")])


async def test_a_token_that_holds(serve: Any) -> None:
    served = await serving(serve, BearerIdentityPolicy(SECRET))
    assert (await ask(served, token(claims()))).text == "ann"
    assert (await ask(served, " " + token(claims(nbf=int(time.time()) - 5)))).text == "ann"
    assert (await ask(served, token(claims(exp=int(time.time()) - 30)))).text == "ann"  # within the leeway
    answer = await served.get("/")
    assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, 'Bearer realm="api"')


NOW = int(time.time())

BAD_CLAIMS = {
    "expired": {"exp": NOW - 3600},
    "endless": {"exp": None},
    "an end that is no number": {"exp": "tomorrow"},
    "an end that is a bool": {"exp": True},
    "not yet": {"nbf": NOW + 3600},
    "a beginning that is no number": {"nbf": "now"},
    "for others": {"aud": "billing"},
    "for several others": {"aud": ["billing", "mail"]},
    "an audience that is no name": {"aud": {"a": 1}},
    "nobody": {"sub": None},
    "an empty name": {"sub": ""},
    "a name that is a number": {"sub": 7},
}


@pytest.mark.parametrize("changes", BAD_CLAIMS.values(), ids=BAD_CLAIMS)
async def test_claims_that_do_not_hold(serve: Any, changes: dict[str, Any]) -> None:
    served = await serving(serve, BearerIdentityPolicy(SECRET))
    answer = await ask(served, token(claims(**changes)))
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="api", error="invalid_token"'


def part(content: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()


GOOD = token(claims())
RSA = RSAKey.generate_key(2048)

NONSENSE = {
    "no dots": "abc",
    "dots alone": "..",
    "more dots": "a.b.c.d.e",
    "no signature": GOOD.rpartition(".")[0] + ".",
    "another signature": GOOD[:-4] + "AAAA",
    "another secret": token(claims(), OctKey.import_key(b"x" * 40)),
    "another algorithm": token(claims(), alg="HS512"),
    "alg none": part({"alg": "none"}) + "." + part(claims()) + ".",
    "alg None": part({"alg": None}) + "." + part(claims()) + ".",
    "alg a list": part({"alg": ["HS256"]}) + "." + part(claims()) + ".AAAA",
    "a critical header": part({"alg": "HS256", "crit": ["x"]}) + ".e30.AAAA",
    "a head that is a list": part([]) + "." + part(claims()) + ".AAAA",
    "a head that is a number": part(7) + "." + part(claims()) + ".AAAA",
    "no base64": "!!!.???.###",
    "not ascii": "é.é.é",
    "deep": base64.urlsafe_b64encode(b"[" * 3000).decode() + ".e30.AAAA",
    "long": "a" * 8000 + ".b.c",
    "signed by RSA": token(claims(), RSA, "RS256"),
}


@pytest.mark.parametrize("presented", NONSENSE.values(), ids=NONSENSE)
async def test_nonsense_is_nobody(serve: Any, presented: str) -> None:
    served = await serving(serve, BearerIdentityPolicy(SECRET))
    assert (await ask(served, presented)).status == 401


async def test_claims_that_are_no_object(serve: Any) -> None:
    from joserfc import jws

    served = await serving(serve, BearerIdentityPolicy(SECRET))
    listed = jws.serialize_compact({"alg": "HS256"}, b"[1]", OctKey.import_key(SECRET))
    assert (await ask(served, listed)).status == 401


async def test_issuer_and_audience(serve: Any) -> None:
    policy = BearerIdentityPolicy(SECRET, issuer="https://id.example", audience="shop", claim="email", realm="shop")
    served = await serving(serve, policy)
    good = claims(iss="https://id.example", aud=["shop", "mail"], email="ann@example.com")
    assert (await ask(served, token(good))).text == "ann@example.com"
    assert (await ask(served, token(good | {"aud": "shop"}))).status == 200
    changes: list[dict[str, Any]] = [{"iss": "https://evil.example"}, {"aud": "mail"}, {"aud": []}]
    for wrong in changes:
        assert (await ask(served, token(good | wrong))).status == 401
    for missing in ("iss", "aud", "email"):
        assert (await ask(served, token({k: v for k, v in good.items() if k != missing}))).status == 401


@pytest.mark.parametrize(("alg", "private"), [("RS256", RSA), ("ES256", ECKey.generate_key("P-256"))])
async def test_public_keys(serve: Any, alg: str, private: Any) -> None:
    public = type(private).import_key(private.as_dict(private=False))
    served = await serving(serve, BearerIdentityPolicy(public, algorithms=[alg]))
    assert (await ask(served, token(claims(), private, alg))).text == "ann"
    # The public key is no secret: a token signed with its text by HMAC must not pass (key confusion).
    unsigned = part({"alg": "HS256"}) + "." + part(claims())
    mac = hmac.digest(public.as_pem(private=False), unsigned.encode(), "sha256")
    assert (await ask(served, f"{unsigned}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}")).status == 401


async def test_a_set_of_keys_by_their_ids(serve: Any) -> None:
    old, new = (RSAKey.generate_key(2048, {"kid": name}) for name in ("old", "new"))
    served = await serving(serve, BearerIdentityPolicy(KeySet([old, new]), algorithms=["RS256"]))
    for key in (old, new):
        assert (await ask(served, token(claims(), key, "RS256", kid=key.kid))).status == 200
    assert (await ask(served, token(claims(), old, "RS256", kid="none"))).status == 401


@pytest.mark.parametrize("algorithms", [[], ["none"], ["HS256", "none"], ["HS255"], "none"])
def test_algorithms_that_are_none(algorithms: Any) -> None:
    with pytest.raises(ValueError, match="expected some of RFC 7518"):
        BearerIdentityPolicy(SECRET, algorithms=algorithms)


def test_a_short_secret() -> None:
    with pytest.raises(ValueError, match="the secret has 5 bytes; expected 32"):
        BearerIdentityPolicy(b"short")


async def test_a_policy_believes_only_what_it_has_seen_itself(serve: Any) -> None:
    shop, bank = BearerIdentityPolicy(SECRET, audience="shop"), BearerIdentityPolicy(SECRET, audience="bank")

    async def both(request: web.Request) -> web.Response:
        return web.json_response([await shop.identify(request), await bank.identify(request)])

    assert (await ask(await serve(both), token(claims(aud="shop")))).text == '["ann", null]'
