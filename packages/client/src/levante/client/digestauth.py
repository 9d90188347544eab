"""The middleware for digest authentication: digest.py decides, this carries it out. The credentials are for one origin,
the first that a request goes to unless another one is named: a challenge from anywhere else, behind a redirect or
not, is not answered (CVE-2026-54276)."""

from yarl import URL

from levante.http import hdrs

from .challenges import parse_challenges
from .digest import Credentials, DigestSession, choose_challenge
from .errors import ClientPayloadError
from .middlewares import ClientHandlerType
from .origin import same_origin
from .request import ClientRequest
from .response import ClientResponse


class DigestAuthMiddleware:
    """Answers digest challenges (RFC 7616) with `login` and `password`: `ClientSession(middlewares=[DigestAuth...])`.

    `origin` is the only origin that gets them; without it, that of the first request. With `preemptive`, requests to
    a protection space that is known already carry their answer with them and save a round trip. A challenge is
    answered once; a request that is challenged again, not for a stale nonce, returns its 401. The algorithms are MD5,
    SHA, SHA-256, SHA-512 and SHA-512-256, with -sess or without; the qualities auth-int and auth.

    ValueError for a colon in the login. Requests raise ClientError for a challenge that cannot be answered, and
    ClientPayloadError when the body is a stream that cannot be sent again.
    """

    def __init__(self, login: str, password: str, preemptive: bool = True, *, origin: str | URL | None = None) -> None:
        if ":" in login:
            raise ValueError(
                f"a login cannot contain ':' in digest authentication (RFC 7616 section 3.4), got {login!r}"
            )
        self._credentials = Credentials(login, password)
        self._preemptive = preemptive
        self._origin = None if origin is None else URL(origin).origin()
        self._session: DigestSession | None = None

    async def __call__(self, request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        """Send `request`, with its answer if one is known; answer the challenge that comes back, once."""
        if self._origin is None:
            self._origin = request.url.origin()
        if not same_origin(request.url, self._origin):
            return await handler(request)
        session = self._session
        if self._preemptive and session is not None and session.covers(request.url):
            await self._sign(request, session)
        response = await handler(request)
        challenged = self._challenge_in(response)
        if challenged is not None:
            self._session = challenged
            if request.body is not None and request.body.consumed:
                response.close()
                raise ClientPayloadError(
                    "the server wants to know who asks, and the body was a stream that is used up: give bytes or a "
                    "seekable file, or expect100=True"
                )
            response.release()
            await self._sign(request, challenged)
            response = await handler(request)
        self._take_next_nonce(response)
        return response

    def _challenge_in(self, response: ClientResponse) -> DigestSession | None:
        if response.status != 401 or self._origin is None or not same_origin(response.url, self._origin):
            return None
        try:
            challenge = choose_challenge(parse_challenges(response.headers.getall(hdrs.WWW_AUTHENTICATE, ())))
        except BaseException:
            response.close()
            raise
        return None if challenge is None else DigestSession(challenge, self._origin, self._credentials)

    async def _sign(self, request: ClientRequest, session: DigestSession) -> None:
        body_hash = None
        if "auth-int" in session.challenge.qualities:
            body_hash = await _hash_of_body(request, session)
        request.headers[hdrs.AUTHORIZATION] = session.authorization(request.method, request.url.raw_path_qs, body_hash)

    def _take_next_nonce(self, response: ClientResponse) -> None:
        """Authentication-Info (section 3.5) may name the nonce of the next request."""
        info = response.headers.get("Authentication-Info")
        if info is None or self._session is None:
            return
        # The grammar is that of a challenge's parameters.
        nonce = parse_challenges(["info " + info])[0].parameters.get("nextnonce")
        if nonce:
            self._session = self._session.renew(nonce)


async def _hash_of_body(request: ClientRequest, session: DigestSession) -> str | None:
    """Of the bytes as they will be sent, piece by piece; None for a stream, and for what is coded on its way."""
    body, hasher = request.body, session.hasher()
    if body is not None:
        if request.compress or body.size is None:
            return None
        async for piece in body.chunks():
            hasher.update(piece)
    return hasher.hexdigest()
