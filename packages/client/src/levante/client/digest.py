"""Digest access authentication (RFC 7616): which challenge to answer, and the answer. No I/O: `DigestSession` is one
nonce of one server with its count, `authorization` the value for one request.

The server's order of challenges is its preference: the first that we know counts. Of the qualities auth-int, which
protects the body too, is preferred where the body is at hand. The count and the client's nonce are fixed to the
server's nonce, so that the `-sess` forms have one key for each, however one reads section 3.4.2.
"""

import hashlib
import os
from typing import NamedTuple
from urllib.parse import quote

from yarl import URL

from levante.http.parameters import refuse_controls

from .challenges import Challenge
from .errors import ClientError
from .origin import same_origin

# By name in upper case without -SESS. SHA and SHA-512 are no names of RFC 7616, and are in use; SHA-512-256 is one.
ALGORITHMS = {"MD5": "md5", "SHA": "sha1", "SHA-256": "sha256", "SHA-512": "sha512", "SHA-512-256": "sha512_256"}
DEFAULT_ALGORITHM = "MD5"  # RFC 7616 section 3.3
# Bytes of randomness in a client's nonce: enough that no two are equal.
CNONCE_SIZE = 16


class Credentials(NamedTuple):
    """Who we say we are."""

    login: str
    password: str


class DigestChallenge(NamedTuple):
    """A digest challenge, checked. `algorithm` is as the server wrote it ("" for none), `qualities` those of its qop
    that we know, empty without qop (RFC 2069)."""

    realm: str
    nonce: str
    algorithm: str = ""
    opaque: str | None = None
    qualities: tuple[str, ...] = ()
    domain: tuple[str, ...] = ()
    userhash: bool = False

    @property
    def is_session(self) -> bool:
        """Whether the key is made once for each nonce."""
        return self.algorithm.upper().endswith("-SESS")


def choose_challenge(challenges: list[Challenge]) -> DigestChallenge | None:
    """The challenge to answer, None when there is no digest among them. ClientError for one without realm or nonce,
    and when none can be answered."""
    reasons: list[str] = []
    for challenge in challenges:
        if challenge.scheme == "digest":
            checked = _check(challenge.parameters, reasons)
            if checked is not None:
                return checked
    if reasons:
        raise ClientError("the digest challenge cannot be answered: " + "; ".join(reasons))
    return None


def _check(parameters: dict[str, str], reasons: list[str]) -> DigestChallenge | None:
    if not parameters:
        return None  # the scheme alone, or nothing that can be read behind it: there is nothing to answer
    if "realm" not in parameters:
        raise ClientError("a digest challenge without a realm (RFC 7616 section 3.3)")
    if not parameters.get("nonce"):
        raise ClientError("a digest challenge without a nonce, or with an empty one (RFC 7616 section 3.3)")
    algorithm = parameters.get("algorithm", "")
    if _hash_name(algorithm) not in hashlib.algorithms_available:
        reasons.append(f"unknown algorithm {algorithm!r}")
        return None
    offered = [quality.strip().lower() for quality in parameters.get("qop", "").split(",") if quality.strip()]
    known = tuple(quality for quality in ("auth-int", "auth") if quality in offered)
    if offered and not known:
        reasons.append(f"unknown qop {parameters['qop']!r}")
        return None
    return DigestChallenge(
        realm=parameters["realm"],
        nonce=parameters["nonce"],
        algorithm=algorithm,
        opaque=parameters.get("opaque"),
        qualities=known,
        domain=tuple(parameters.get("domain", "").split()),
        userhash=parameters.get("userhash", "").lower() == "true",
    )


def _hash_name(algorithm: str) -> str:
    return ALGORITHMS.get((algorithm or DEFAULT_ALGORITHM).upper().removesuffix("-SESS"), "")


class DigestSession:
    """The answers to one challenge from `origin`. `count` is how many requests have used its nonce; `cnonce` is the
    client's nonce, random unless given."""

    def __init__(
        self, challenge: DigestChallenge, origin: URL, credentials: Credentials, *, cnonce: str | None = None
    ) -> None:
        self.challenge = challenge
        self.count = 0
        self._origin = origin
        self._credentials = credentials
        self._cnonce = os.urandom(CNONCE_SIZE).hex() if cnonce is None else cnonce
        self._name = _hash_name(challenge.algorithm)
        key = self._hash(f"{credentials.login}:{challenge.realm}:{credentials.password}")
        self._key = self._hash(f"{key}:{challenge.nonce}:{self._cnonce}") if challenge.is_session else key
        self._spaces = [space for uri in challenge.domain if (space := _space(uri, origin)) is not None]

    def covers(self, url: URL) -> bool:
        """Whether `url` is known to be in the protection space: below a URI of `domain`, or anywhere on the origin
        where there is none (section 3.3). URIs of other origins do not count."""
        if not same_origin(url, self._origin):
            return False
        path = url.raw_path
        return not self.challenge.domain or any(_is_below(path, space) for space in self._spaces)

    def renew(self, nonce: str) -> "DigestSession":
        """The session with the next nonce that the server announced (section 3.5)."""
        return DigestSession(self.challenge._replace(nonce=nonce), self._origin, self._credentials)

    def hasher(self) -> "hashlib._Hash":
        """An empty hash of the algorithm, for the bytes of a body."""
        return hashlib.new(self._name, usedforsecurity=False)

    def authorization(self, method: str, target: str, body_hash: str | None) -> str:
        """The Authorization value for one request; `target` is the request target as it is sent, `body_hash` that of
        its body in hexadecimal digits, None when it cannot be had. ClientError when the server insists on it."""
        challenge = self.challenge
        self.count += 1
        quality = self._quality(body_hash)
        count = f"{self.count:08x}"
        asked = f"{method}:{target}"
        if quality == "auth-int":
            asked += f":{body_hash}"
        middle = f"{count}:{self._cnonce}:{quality}:" if quality else ""
        response = self._hash(f"{self._key}:{challenge.nonce}:{middle}{self._hash(asked)}")
        fields: list[tuple[str, str]] = [
            *self._user(),
            ("realm", _quoted(challenge.realm)),
            ("nonce", _quoted(challenge.nonce)),
            ("uri", _quoted(target)),
            ("response", f'"{response}"'),
        ]
        if challenge.algorithm:
            fields.append(("algorithm", challenge.algorithm))
        if challenge.opaque is not None:
            fields.append(("opaque", _quoted(challenge.opaque)))
        if quality:
            fields += [("qop", quality), ("nc", count)]
        if quality or challenge.is_session:
            fields.append(("cnonce", f'"{self._cnonce}"'))
        return "Digest " + ", ".join(f"{name}={value}" for name, value in fields)

    def _hash(self, text: str) -> str:
        # Bytes of the server's that are no UTF-8 arrive as lone surrogates, and count as they came.
        return hashlib.new(self._name, text.encode("utf-8", "surrogateescape"), usedforsecurity=False).hexdigest()

    def _quality(self, body_hash: str | None) -> str:
        qualities = self.challenge.qualities
        if body_hash is None and qualities == ("auth-int",):
            raise ClientError(
                "the server wants the body in the digest (qop=auth-int), and it is a stream or compressed: give bytes"
            )
        if not qualities:
            return ""
        return "auth" if body_hash is None else qualities[0]

    def _user(self) -> list[tuple[str, str]]:
        """Section 3.4.4 for hashed names, and section 3.4 for names that are not ASCII."""
        login = self._credentials.login
        if self.challenge.userhash:
            return [("username", f'"{self._hash(f"{login}:{self.challenge.realm}")}"'), ("userhash", "true")]
        if login.isascii():
            return [("username", _quoted(login))]
        return [("username*", "UTF-8''" + quote(login, safe="!#$&+-.^_`|~"))]


def _quoted(text: str) -> str:
    """Always a quoted string: servers split these values by hand (section 3.4)."""
    refuse_controls(text.replace("\t", " "), what="digest parameter")  # a tab may stand in a quoted string
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _space(uri: str, origin: URL) -> str | None:
    """The path that `uri` of a domain stands for on `origin`, None when it is somewhere else."""
    try:
        url = origin.join(URL(uri))
    except ValueError:
        return None
    return url.raw_path if same_origin(url, origin) else None


def _is_below(path: str, space: str) -> bool:
    return path == space or path.startswith(space if space.endswith("/") else space + "/")
