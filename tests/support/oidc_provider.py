"""A login provider (OpenID Connect, and plain OAuth 2) that also misbehaves, as a program: `python oidc_provider.py
PORT`. Below each first path segment lies an issuer of its own, with what it was asked and its own keys; the segment up
to a dash says how the issuer misbehaves, and `login_hint` of an authorization request how this one login goes wrong.
Whoever comes is logged in as "ann" without being asked.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import secrets
import sys
import time
from collections import Counter
from typing import Any

from joserfc import jwt
from joserfc.jwk import RSAKey
from yarl import URL

from levante import web

CLIENT, SECRET = "shop", "s3cret:+ /"
ALGORITHM = "RS256"
KEYS = [RSAKey.generate_key(2048, {"kid": f"key{number}"}) for number in range(2)]
STRANGER = RSAKey.generate_key(2048, {"kid": "key0"})
HUGE = 600 * 1024

WRONG_CLAIMS: dict[str, dict[str, Any]] = {
    "other-nonce": {"nonce": "n" * 43},
    "no-nonce": {"nonce": None},
    "other-issuer": {"iss": "https://id.evil.test"},
    "other-audience": {"aud": "billing"},
    "no-audience": {"aud": None},
    "more-audiences": {"aud": [CLIENT, "billing"], "azp": CLIENT},
    "audiences-without-azp": {"aud": [CLIENT, "trusted"]},
    "trusted-audience": {"aud": [CLIENT, "trusted"], "azp": CLIENT},
    "other-azp": {"azp": "billing"},
    "expired": {"exp": time.time() - 3600},
    "endless": {"exp": None},
    "from-tomorrow": {"iat": time.time() + 86400},
    "without-iat": {"iat": None},
    "not-yet": {"nbf": time.time() + 86400},
    "nobody": {"sub": None},
    "empty-subject": {"sub": ""},
    "endless-subject": {"sub": "x" * 256},
    "other-at-hash": {"at_hash": "x" * 22},
}


class Issuer:
    """What one issuer has handed out."""

    def __init__(self) -> None:
        self.codes: dict[str, dict[str, str]] = {}
        self.asked: Counter[str] = Counter()
        self.key = KEYS[0]
        self.refresh: set[str] = set()
        self.used: set[str] = set()


issuers: dict[str, Issuer] = {}


def issuer_of(request: web.Request) -> tuple[str, str, Issuer]:
    """Its URL, how it misbehaves, and what it knows."""
    name = request.match_info["issuer"]
    return f"http://{request.host}/{name}", name.partition("-")[0], issuers.setdefault(name, Issuer())


async def discovery(request: web.Request) -> web.StreamResponse:
    url, how, issuer = issuer_of(request)
    issuer.asked["discovery"] += 1
    document: dict[str, Any] = {
        "issuer": url,
        "authorization_endpoint": f"{url}/authorize",
        "token_endpoint": f"{url}/token",
        "jwks_uri": f"{url}/keys",
        "userinfo_endpoint": f"{url}/userinfo",
        "end_session_endpoint": f"{url}/logout",
        "authorization_response_iss_parameter_supported": how != "unnamed",
    }
    if how == "post":
        document["token_endpoint_auth_methods_supported"] = ["client_secret_post"]
    if how == "bare":
        document |= {"userinfo_endpoint": None, "end_session_endpoint": None}
    bad: dict[str, Any] = {
        "foreign": {**document, "issuer": "https://id.evil.test"},
        "plain": {**document, "token_endpoint": "http://id.evil.test/token"},
        "partial": {"issuer": url},
        "list": [],
        "numbers": {**document, "userinfo_endpoint": 7},
    }
    return await misbehaving(how) or web.json_response(bad.get(how, document))


async def misbehaving(how: str) -> web.StreamResponse | None:
    if how == "slow":
        await asyncio.sleep(30)
    if how == "moved":
        raise web.HTTPFound("http://127.0.0.1:1/elsewhere")
    if how == "failing":
        raise web.HTTPInternalServerError(text="<script>alert(1)</script>")
    texts = {"huge": "[" + " " * HUGE + "]", "deep": "[" * 5000, "html": "<html>"}
    return web.Response(text=texts[how], content_type="application/json") if how in texts else None


async def authorize(request: web.Request) -> web.StreamResponse:
    url, how, issuer = issuer_of(request)
    query = dict(request.query)
    if (query["client_id"], query["response_type"], query["code_challenge_method"]) != (CLIENT, "code", "S256"):
        raise web.HTTPBadRequest(text="not a request of the shop's")
    wrong = query.get("login_hint", "")
    back = {"state": query["state"]}
    if wrong.startswith("error:"):
        back |= {"error": wrong.removeprefix("error:"), "error_description": "<b>no\n</b>" + "x" * 300}
    elif wrong != "no-code":
        back["code"] = secrets.token_urlsafe(16)
        issuer.codes[back["code"]] = query
    if how != "unnamed":
        back["iss"] = "https://id.evil.test" if wrong == "mixed-up" else url
    if wrong == "no-iss":
        del back["iss"]
    raise web.HTTPSeeOther(URL(query["redirect_uri"]).update_query(back))


async def token(request: web.Request) -> web.StreamResponse:
    url, how, issuer = issuer_of(request)
    issuer.asked["token"] += 1
    form = await request.post()
    query = issuer.codes.pop(str(form.get("code")), None)
    if not is_shop(request.headers.get("Authorization"), dict(form), in_form=how == "post"):
        return web.json_response({"error": "invalid_client"}, status=401)
    if form["grant_type"] == "refresh_token":
        return await refreshed(how, issuer, str(form["refresh_token"]))
    verifier = str(form.get("code_verifier", "")).encode()
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier).digest()).rstrip(b"=").decode()
    if query is None or query["code_challenge"] != challenge or query["redirect_uri"] != form["redirect_uri"]:
        return web.json_response({"error": "invalid_grant", "error_description": "<b>"}, status=400)
    wrong = query.get("login_hint", "").removeprefix("token-")
    answers: dict[str, Any] = {
        "kind": {"token_type": "mac"},
        "no-access": {"access_token": None},
        "no-id": {"id_token": None},
        "odd-error": {"error": "<script>"},
        "odd-expiry": {"expires_in": "soon", "refresh_token": "r"},
    }
    access = secrets.token_urlsafe(8) if wrong != "userinfo-of-bob" else "bob"
    found = {
        "access_token": access,
        "token_type": "Bearer",
        "expires_in": 300,
        "id_token": signed(id_claims(url, query, access), issuer.key, wrong),
        **answers.get(wrong, {}),
    }
    if "offline_access" in query["scope"].split():
        found |= {"refresh_token": new_refresh_token(issuer), "expires_in": int(query.get("max_age", 300))}
    return await misbehaving(wrong) or web.json_response({name: value for name, value in found.items() if value})


def new_refresh_token(issuer: Issuer) -> str:
    made = secrets.token_urlsafe(8)
    issuer.refresh.add(made)
    return made


async def refreshed(how: str, issuer: Issuer, refresh: str) -> web.StreamResponse:
    """New tokens; a refresh token that comes a second time ends all of them, as RFC 9700, 4.14.2, has it."""
    issuer.asked["refresh"] += 1
    if how == "late":
        await asyncio.sleep(0.3)
    if how == "failing" or refresh == "failing":
        raise web.HTTPInternalServerError
    if refresh in issuer.used:
        issuer.asked["reuse"] += 1
        issuer.refresh.clear()
    if refresh not in issuer.refresh:
        return web.json_response({"error": "invalid_grant"}, status=400)
    found = {"access_token": f"fresh{issuer.asked['refresh']}", "token_type": "Bearer", "expires_in": 300}
    if how != "keeping":
        issuer.refresh.discard(refresh)
        issuer.used.add(refresh)
        found["refresh_token"] = new_refresh_token(issuer)
    return web.json_response(found)


async def withdraw(request: web.Request) -> web.Response:
    issuer_of(request)[2].refresh.clear()
    return web.Response()


def is_shop(authorization: str | None, form: dict[str, Any], *, in_form: bool) -> bool:
    if in_form:
        return authorization is None and (form.get("client_id"), form.get("client_secret")) == (CLIENT, SECRET)
    if authorization is None:
        return form.get("client_id") == CLIENT and "client_secret" not in form
    decoded = base64.b64decode(authorization.removeprefix("Basic ")).decode()
    return decoded == "shop:s3cret%3A%2B+%2F"


def id_claims(url: str, query: dict[str, str], access: str) -> dict[str, Any]:
    digest = hashlib.sha256(access.encode()).digest()[:16]
    claims: dict[str, Any] = {
        "iss": url,
        "sub": "ann",
        "aud": CLIENT,
        "exp": int(time.time()) + 300,
        "iat": int(time.time()),
        "nonce": query["nonce"],
        "at_hash": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
    }
    claims |= WRONG_CLAIMS.get(query.get("login_hint", ""), {})
    return {name: value for name, value in claims.items() if value is not None}


def signed(claims: dict[str, Any], key: RSAKey, wrong: str, **more: str) -> str:
    """A token, with `more` in its header; signed wrongly, if it is to be."""
    if wrong == "garbage":
        return "x.y.z"
    if wrong == "alg-none":
        return f"{encoded({'alg': 'none'})}.{encoded(claims)}."
    if wrong == "alg-hs256":  # with what everybody knows as the secret: the provider's public key
        head = f"{encoded({'alg': 'HS256', 'kid': key.kid})}.{encoded(claims)}"
        mac = hmac.new(key.as_pem(private=False), head.encode(), hashlib.sha256).digest()
        return f"{head}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"
    header: dict[str, Any] = {"alg": ALGORITHM, "kid": key.kid, **more}
    if wrong == "alg-rs512":
        header["alg"] = "RS512"
    if wrong == "no-kid":
        del header["kid"]
    if wrong == "unknown-kid":
        header["kid"] = "key9"
    if wrong == "endless":
        claims["more"] = "x" * 40_000
    text = jwt.encode(header, claims, STRANGER if wrong == "stranger" else key, algorithms=[header["alg"]])
    return text[:-8] + ("AAAAAAAA" if wrong == "other-signature" else text[-8:])


def encoded(data: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(data).encode()).rstrip(b"=").decode()


LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"
WRONG_LOGOUTS: dict[str, dict[str, Any]] = {
    "other-issuer": {"iss": "https://id.evil.test"},
    "other-audience": {"aud": "billing"},
    "more-audiences": {"aud": [CLIENT, "billing"]},
    "old": {"iat": time.time() - 3600},
    "from-tomorrow": {"iat": time.time() + 86400},
    "without-iat": {"iat": None},
    "expired": {"exp": time.time() - 3600},
    "odd-exp": {"exp": "soon"},
    "no-events": {"events": None},
    "other-event": {"events": {"https://id.test/event": {}}},
    "odd-event": {"events": {LOGOUT_EVENT: None}},
    "list-of-events": {"events": [LOGOUT_EVENT]},
    "nonce": {"nonce": "n"},
    "no-id": {"jti": None},
    "empty-id": {"jti": ""},
    "number-as-id": {"jti": 7},
    "endless-id": {"jti": "x" * 256},
    "nobody": {"sub": None},
    "empty-subject": {"sub": ""},
    "odd-subject": {"sub": 7},
    "odd-sid": {"sid": []},
    "only-sid": {"sub": None, "sid": "s1"},
    "both": {"sid": "s1"},
    "without-exp": {"exp": None},
}


async def logout_token(request: web.Request) -> web.Response:
    """A logout token for the shop; `how` says what is wrong with it."""
    url, _, issuer = issuer_of(request)
    how = request.query.get("how", "")
    now = int(time.time())
    claims: dict[str, Any] = {
        "iss": url,
        "aud": CLIENT,
        "sub": request.query.get("sub", "ann"),
        "iat": now,
        "exp": now + 120,
        "jti": secrets.token_urlsafe(8),
        "events": {LOGOUT_EVENT: {}},
    }
    claims |= WRONG_LOGOUTS.get(how, {})
    claims = {name: value for name, value in claims.items() if value is not None}
    typ = {"typ": how.removeprefix("typ-")} if how.startswith("typ-") else {}
    return web.Response(text=signed(claims, issuer.key, how, **typ))


async def keys(request: web.Request) -> web.StreamResponse:
    _, how, issuer = issuer_of(request)
    issuer.asked["keys"] += 1
    if how == "nokeys":
        return web.json_response({"keys": "none"})
    if how == "manykeys":
        return web.json_response({"keys": [{}] * 65})
    public: dict[str, Any] = issuer.key.as_dict(private=False)
    odd: list[Any] = [
        7,
        {"kty": "oct", "k": "c2VjcmV0", "kid": public["kid"]},
        {"kty": "RSA", "n": "AQAB", "e": "AQAB"},
    ]
    odd += [{"kty": "EC", "crv": "none", "x": "", "y": ""}, {**public, "use": "enc"}, {**public, "alg": "PS256"}]
    return web.json_response({"keys": [*odd, public]})


async def rotate(request: web.Request) -> web.Response:
    _, _, issuer = issuer_of(request)
    issuer.key = KEYS[1]
    return web.Response()


async def userinfo(request: web.Request) -> web.Response:
    _, how, issuer = issuer_of(request)
    issuer.asked["userinfo"] += 1
    access = request.headers["Authorization"].removeprefix("Bearer ")
    user: dict[str, Any] = {"sub": "bob" if access == "bob" else "ann", "id": 7, "name": "Ann", "iss": "overwritten"}
    return web.json_response({} if how == "nameless" else user)


async def facts(request: web.Request) -> web.Response:
    _, _, issuer = issuer_of(request)
    return web.json_response(dict(issuer.asked))


def make() -> web.Application:
    app = web.Application()
    app.router.add_get("/{issuer}/.well-known/openid-configuration", discovery)
    app.router.add_get("/{issuer}/authorize", authorize)
    app.router.add_post("/{issuer}/token", token)
    app.router.add_get("/{issuer}/keys", keys)
    app.router.add_post("/{issuer}/rotate", rotate)
    app.router.add_post("/{issuer}/withdraw", withdraw)
    app.router.add_get("/{issuer}/userinfo", userinfo)
    app.router.add_get("/{issuer}/logout-token", logout_token)
    app.router.add_get("/{issuer}/facts", facts)
    return app


if __name__ == "__main__":
    web.run_app(make(), host="127.0.0.1", port=int(sys.argv[1]), access_log=None, shutdown_timeout=0.1)
