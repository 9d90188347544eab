"""How often a client may ask: a middleware for an application, a group or a route. Who asks more gets 429 with the time
to wait; everybody is told what is left, in the RateLimit fields (draft-ietf-httpapi-ratelimit-headers)."""

import hashlib
import inspect
import ipaddress
import logging
import math
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Literal, TypeAlias

from levante.web.auth.checks import authorized_userid
from levante.web.exceptions import HTTPServiceUnavailable, HTTPTooManyRequests
from levante.web.problems import PROBLEM_JSON, problem_text
from levante.web.ratelimits import MemoryLimits, Rate, RateLimits, Verdict
from levante.web.sampled_log import SampledLog

from .exempt import exempt_paths

if TYPE_CHECKING:
    from levante.web.types import Handler, Middleware, Request, StreamResponse

ClientKey: TypeAlias = "Callable[[Request], str | Awaitable[str | None] | None]"
"""Whose requests are counted together; None for one that is not counted. May be `async def`."""

OnOutage: TypeAlias = Literal["allow", "refuse"]

MAX_KEY = 256
"""Characters of a key that is kept as it is; of longer ones, which would fill our memory, a hash, and of those that are
not ASCII: the bytes of a field need not be UTF-8."""

IPV6_NETWORK = 64
"""Bits of an address that stand for one client: a household or a server has 2**64 addresses to ask from."""

_log = SampledLog(logging.getLogger("levante.web"))


def by_address(request: "Request") -> str:
    """The client's address; of IPv6 its network of 64 bits. Behind a proxy it is what trusted proxies say."""
    remote = request.remote or ""
    try:
        address = ipaddress.ip_address(remote)
    except ValueError:
        return remote  # a Unix socket
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((int(address), IPV6_NETWORK), strict=False))
    return str(address)


async def by_user(request: "Request") -> str:
    """The user that `levante.web.auth` knows, else the address."""
    user = await authorized_userid(request)
    return f"address {by_address(request)}" if user is None else f"user {user}"


def by_header(name: str) -> ClientKey:
    """The value of a field, such as an API key that has been checked; else the address."""

    def key(request: "Request") -> str:
        value = request.headers.get(name)
        return f"address {by_address(request)}" if value is None else f"field {value}"

    return key


def rate_limit(
    rate: Rate | str,
    *,
    key: ClientKey = by_address,
    limits: RateLimits | None = None,
    name: str = "default",
    exempt: Iterable[str] = (),
    on_outage: OnOutage = "allow",
) -> "Middleware":
    """A middleware that lets each client ask at `rate`, such as "100/minute".

    `limits` counts: in this process (the default), or in Redis (`levante.web.ratelimits.shared`); `on_outage` says what
    to do when it cannot. Two limits that count in one place need two names. `exempt` are paths that count for nothing.
    Raises ValueError for what is no rate and for a name that a field cannot carry.
    """
    allowance = Rate.of(rate)
    if not name.isascii() or not name.isprintable() or '"' in name or "\\" in name:
        raise ValueError(f"the name of a limit is ASCII without quotes and backslashes; got {name!r}")
    if on_outage not in ("allow", "refuse"):
        raise ValueError(f"on_outage is {on_outage!r}; expected 'allow' or 'refuse'")
    counts = MemoryLimits() if limits is None else limits
    policy = f'"{name}";q={allowance.count};w={allowance.seconds}'
    free = exempt_paths(exempt)

    async def limit(request: "Request", handler: "Handler") -> "StreamResponse":
        client = None if request.match_path in free else key(request)
        if inspect.isawaitable(client):
            client = await client
        if client is None:
            return await handler(request)
        try:
            verdict = await counts.hit(f"{name}:{_short(client)}", allowance)
        except OSError as error:
            _log.tell("rate limit", "requests are not counted (%s): %s", on_outage, error)
            if on_outage == "refuse":
                raise HTTPServiceUnavailable(headers={"Retry-After": "1"}) from None  # the log has it by now
            return await handler(request)
        fields = {"RateLimit-Policy": policy, "RateLimit": _left(name, verdict)}
        if not verdict.allowed:
            raise too_many_requests(verdict.retry_after, headers=fields)
        request.add_prepare_hook(lambda response: _tell(response, fields))
        return await handler(request)

    return limit


def too_many_requests(seconds: float, *, headers: dict[str, str] | None = None) -> HTTPTooManyRequests:
    """429 as a problem, with Retry-After (RFC 6585 section 4)."""
    wait = max(1, math.ceil(seconds))
    return HTTPTooManyRequests(
        text=problem_text(429, detail=f"Ask again in {wait} seconds."),
        content_type=PROBLEM_JSON,
        headers={"Retry-After": str(wait), **(headers or {})},
    )


def _short(client: str) -> str:
    if len(client) <= MAX_KEY and client.isascii():
        return client
    return "sha256 " + hashlib.sha256(client.encode("utf-8", "surrogateescape")).hexdigest()


def _left(name: str, verdict: Verdict) -> str:
    return f'"{name}";r={verdict.remaining};t={math.ceil(verdict.reset_after)}'


def _tell(response: "StreamResponse", fields: dict[str, str]) -> None:
    for field, value in fields.items():
        response.headers.add(field, value)
