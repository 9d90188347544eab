"""How often a client may ask: rates, the two ways to count, the middleware, and the throttle of logins."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis import Redis
from redis_servers import RedisServer

from levante import web
from levante.web import auth
from levante.web.auth.throttle import LoginThrottle
from levante.web.middlewares import by_address, by_header, by_user, rate_limit
from levante.web.ratelimits import MemoryLimits, Rate, RateLimits, Verdict
from levante.web.ratelimits.shared import SharedLimits, _Window

pytestmark = pytest.mark.parity("U17")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    with Redis.from_url(redis_server.url) as client:
        client.flushall()
    return redis_server.url


@pytest.fixture(params=["memory", "redis"])
async def counts(request: pytest.FixtureRequest, redis_url: str) -> AsyncIterator[RateLimits]:
    limits = MemoryLimits() if request.param == "memory" else SharedLimits(redis_url, patience=10)
    yield limits
    await limits.close()


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("100/minute", Rate(100, 60)),
        ("5 per 15 minutes", Rate(5, 900)),
        (" 1 / Second ", Rate(1, 1)),
        ("3/2hours", Rate(3, 7200)),
        ("7 per day", Rate(7, 86400)),
    ],
)
def test_rates_as_text(text: str, rate: Rate) -> None:
    assert Rate.of(text) == Rate.of(rate) == rate
    assert str(Rate(5, 60)) == "5 per 60 s"


@pytest.mark.parametrize(
    "text", ["", "many", "0/minute", "-1/minute", "1/0 seconds", "5/week", "5/minute/hour", "٣/day"]
)
def test_what_is_no_rate(text: str) -> None:
    with pytest.raises(ValueError, match="expected a rate such as '100/minute'"):
        Rate.parse(text)


def test_a_rate_has_at_least_one() -> None:
    with pytest.raises(ValueError, match="got 0 in 5 seconds"):
        Rate(0, 5)


async def test_a_burst_up_to_the_count_and_no_further(counts: RateLimits) -> None:
    rate = Rate(3, 60)
    verdicts = [await counts.hit("ann", rate) for _ in range(5)]
    assert [verdict.allowed for verdict in verdicts] == [True, True, True, False, False]
    assert [verdict.remaining for verdict in verdicts] == [2, 1, 0, 0, 0]
    assert all(0 < verdict.reset_after <= 60 for verdict in verdicts)
    assert all((verdict.retry_after > 0) is not verdict.allowed for verdict in verdicts)
    assert (await counts.hit("bob", rate)).allowed
    await counts.forget("ann", rate)
    assert (await counts.hit("ann", rate)).remaining == 2


@pytest.mark.parametrize(
    ("window", "remaining", "next_one_in"),
    [
        (_Window(0, 0, 10, 60), 0, 66),  # a burst a moment ago: a tenth of it must fade in the next window
        (_Window(10, 30, 5, 30), 0, 6),  # half of the earlier ones counts
        (_Window(10, 60, 0, 60), 0, 6),
        (_Window(4, 30, 9, 30), 0, 12 + 18),  # the earlier ones fade wholly, and it is just enough
        (_Window(0, 0, 4, 50), 6, None),
    ],
)
def test_when_one_more_fits_into_a_sliding_window(window: _Window, remaining: int, next_one_in: float | None) -> None:
    rate = Rate(10, 60)
    assert window.remaining(rate) == remaining
    if next_one_in is not None:
        assert window.next_one_in(rate) == pytest.approx(next_one_in)


async def test_at_once_no_more_pass_than_one_after_the_other(counts: RateLimits) -> None:
    verdicts = await asyncio.gather(*(counts.hit("ann", Rate(10, 60)) for _ in range(40)))
    assert sum(verdict.allowed for verdict in verdicts) == 10


async def test_what_was_used_comes_back_evenly() -> None:
    clock = Clock()
    limits, rate = MemoryLimits(clock=clock), Rate(4, 60)
    for _ in range(4):
        assert (await limits.hit("ann", rate)).allowed
    refused = await limits.hit("ann", rate)
    assert (refused.retry_after, refused.reset_after) == (15, 60)
    clock.now += 15
    assert [(await limits.hit("ann", rate)).allowed for _ in range(2)] == [True, False]
    clock.now += 1000
    assert (await limits.hit("ann", rate)).remaining == 3


@given(st.lists(st.floats(0, 30), max_size=200), st.integers(1, 20), st.integers(1, 60))
def test_no_window_ever_has_more_than_a_burst_and_what_came_back(pauses: list[float], count: int, seconds: int) -> None:
    async def run() -> list[float]:
        clock, passed = Clock(), []
        limits = MemoryLimits(clock=clock)
        for pause in pauses:
            clock.now += pause
            if (await limits.hit("ann", Rate(count, seconds))).allowed:
                passed.append(clock.now)
        return passed

    passed = asyncio.run(run())
    for index, begin in enumerate(passed):
        for many, end in enumerate(passed[index:], 1):
            assert many <= count + (end - begin) * count / seconds + 1e-6


@pytest.mark.hardening("X24")
async def test_keys_do_not_fill_the_memory() -> None:
    limits = MemoryLimits(max_keys=100)
    rate = Rate(1, 3600)
    await limits.hit("first", rate)
    for number in range(99):
        await limits.hit(f"key {number}", rate)
    assert not (await limits.hit("first", rate)).allowed
    for number in range(1000):
        await limits.hit(f"other {number}", rate)
    assert len(limits) == 100
    assert (await limits.hit("first", rate)).allowed
    await limits.close()
    assert len(limits) == 0


@given(st.integers(1, 200), st.sampled_from([1, 7, 60, 86400]), st.floats(0, 1e7))
async def test_a_burst_has_the_whole_count(count: int, seconds: int, now: float) -> None:
    limits, rate = MemoryLimits(clock=lambda: now), Rate(count, seconds)
    left = [await limits.hit("k", rate) for _ in range(count + 1)]
    assert [verdict.remaining for verdict in left] == [*reversed(range(count)), 0]
    assert [verdict.allowed for verdict in left] == [True] * count + [False]


async def hello(request: web.Request) -> web.Response:
    return web.Response(text="hello")


def application(*middlewares: Any) -> web.Application:
    app = web.Application(middlewares=list(middlewares))
    for path in ("/", "/healthz"):
        app.router.add_route("*", path, hello)
    return app


async def test_a_client_is_told_what_is_left_and_then_refused(serve: Any, counts: RateLimits) -> None:
    served = await serve(application(rate_limit("2/minute", limits=counts, exempt=["/healthz"])))
    first, second, third = [await served.get("/") for _ in range(3)]
    assert first.headers["RateLimit-Policy"] == '"default";q=2;w=60'
    assert first.headers["RateLimit"].startswith('"default";r=1;t=')
    assert second.headers["RateLimit"].startswith('"default";r=0;t=')
    assert third.status == 429
    assert third.headers["Content-Type"].startswith("application/problem+json")
    wait = int(third.headers["Retry-After"])
    assert 1 <= wait <= 120  # over two windows, where they slide
    assert json.loads(third.text) == {
        "title": "Too Many Requests",
        "status": 429,
        "detail": f"Ask again in {wait} seconds.",
    }
    assert third.headers["RateLimit"].startswith('"default";r=0;t=')
    assert [(await served.get("/healthz")).status for _ in range(4)] == [200] * 4


async def test_two_limits_in_one_place(serve: Any) -> None:
    counts = MemoryLimits()
    served = await serve(
        application(
            rate_limit("3/second", limits=counts, name="burst"), rate_limit("5/hour", limits=counts, name="hourly")
        )
    )
    answer = await served.get("/")
    assert answer.headers.getall("RateLimit-Policy") == ['"burst";q=3;w=1', '"hourly";q=5;w=3600']


async def test_a_route_of_its_own(serve: Any) -> None:
    app = application()
    app.router.add_get("/dear", hello, middlewares=[rate_limit("1/hour")])
    served = await serve(app)
    assert [(await served.get("/dear")).status for _ in range(2)] == [200, 429]
    assert (await served.get("/")).status == 200


class Roles(auth.AbstractIdentityPolicy):
    async def identify(self, request: web.Request) -> str | None:
        return request.headers.get("X-User")


async def test_users_and_fields(serve: Any) -> None:
    app = application(rate_limit("1/hour", key=by_user))
    auth.setup(app, Roles(), auth.RoleAuthorizationPolicy(lambda _: [], {}))
    served = await serve(app)
    assert [(await served.get("/", X_User=name)).status for name in ("ann", "bob", "ann")] == [200, 200, 429]
    assert [(await served.get("/")).status for _ in range(2)] == [200, 429]

    served = await serve(application(rate_limit("1/hour", key=by_header("X-Key"))))
    long = "k" * 1000
    assert [(await served.get("/", X_Key=key)).status for key in (long, long[:-1] + "x", long)] == [200, 200, 429]
    assert [(await served.get("/")).status for _ in range(2)] == [200, 429]


async def test_a_field_that_is_no_text(serve: Any, counts: RateLimits) -> None:
    served = await serve(application(rate_limit("1/hour", key=by_header("X-Key"), limits=counts, on_outage="refuse")))
    head = b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Key: \xe9\xff\r\n\r\n"
    for status in (200, 429):
        peer = await served.connect()
        await peer.send(head)
        assert (await peer.answer()).status == status


async def test_who_has_no_key_is_not_counted(serve: Any) -> None:
    served = await serve(application(rate_limit("1/hour", key=lambda _: None)))
    answers = [await served.get("/") for _ in range(3)]
    assert [answer.status for answer in answers] == [200] * 3
    assert "RateLimit" not in answers[0].headers


@pytest.mark.parametrize(
    ("remote", "key"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("fe80::1%eth0", "fe80::/64"),
        (None, ""),
        ("unix", "unix"),
    ],
)
def test_addresses(remote: str | None, key: str) -> None:
    class Request:
        pass

    request: Any = Request()
    request.remote = remote
    assert by_address(request) == key


@pytest.mark.parametrize(("on_outage", "statuses"), [("allow", [200, 200]), ("refuse", [503, 503])])
async def test_an_outage(serve: Any, tmp_path: Any, on_outage: Any, statuses: list[int]) -> None:
    with RedisServer(tmp_path) as server:
        counts = SharedLimits(server.url)
        served = await serve(application(rate_limit("1/hour", limits=counts, on_outage=on_outage)))
        assert [(await served.get("/")).status for _ in range(2)] == [200, 429]
        server.hang()
        assert [(await served.get("/")).status for _ in range(2)] == statuses
        server.go_on()
        server.kill()
        answer = await served.get("/")
        assert answer.status == statuses[0]
        if on_outage == "refuse":
            assert answer.headers["Retry-After"] == "1"
        server.start()
        await until_counted(served)
        await counts.close()


async def until_counted(served: Any) -> None:
    async with asyncio.timeout(20):
        while (await served.get("/")).status != 429:
            await asyncio.sleep(0.05)


def test_arguments_that_are_refused() -> None:
    with pytest.raises(ValueError, match="expected a rate"):
        rate_limit("often")
    with pytest.raises(ValueError, match="the name of a limit is ASCII"):
        rate_limit("1/day", name='a"b')
    with pytest.raises(ValueError, match="on_outage is 'pray'"):
        rate_limit("1/day", on_outage="pray")  # type: ignore[arg-type]


class Unable(RateLimits):
    async def hit(self, key: str, rate: Rate) -> Verdict:
        raise OSError("no")

    async def forget(self, key: str, rate: Rate) -> None:
        raise OSError("no")

    async def close(self) -> None:
        pass


def logins(throttle: LoginThrottle) -> Any:
    async def log_in(request: web.Request) -> web.Response:
        async with throttle.attempt(request, request.query["name"]) as attempt:
            if request.query["password"] != "right":
                raise web.HTTPForbidden
            attempt.succeeded()
        return web.Response()

    return log_in


async def test_a_success_counts_that_ends_with_a_redirect(serve: Any) -> None:
    throttle = LoginThrottle(per_name_and_address=Rate(3, 300))

    async def log_in(request: web.Request) -> web.Response:
        async with throttle.attempt(request, "somebody") as attempt:
            attempt.succeeded()
            raise web.HTTPSeeOther("/")

    served = await serve(log_in)
    assert [(await served.get("/")).status for _ in range(5)] == [303] * 5


async def statuses(served: Any, *attempts: tuple[str, str]) -> list[int]:
    return [(await served.get(f"/?name={name}&password={password}")).status for name, password in attempts]


async def test_guessing_is_slow(serve: Any, counts: RateLimits) -> None:
    served = await serve(logins(LoginThrottle(counts, per_name_and_address=Rate(3, 300))))
    assert await statuses(served, *[("ann", "wrong")] * 3, ("ann", "right"), ("%20ANN%20", "right")) == [
        403,
        403,
        403,
        429,
        429,
    ]
    assert await statuses(served, ("bob", "wrong"), ("bob", "right"), *[("bob", "right")] * 4) == [403] + [200] * 5


async def test_attempts_at_once_are_no_way_around(serve: Any) -> None:
    served = await serve(logins(LoginThrottle(per_name_and_address=Rate(3, 300))))
    found = await asyncio.gather(*(statuses(served, ("ann", "wrong")) for _ in range(20)))
    assert sorted(status for (status,) in found) == [403] * 3 + [429] * 17


async def test_one_password_with_many_names_ends_too(serve: Any) -> None:
    served = await serve(logins(LoginThrottle(per_address=Rate(5, 300))))
    assert await statuses(served, *[(f"user{n}", "wrong") for n in range(7)]) == [403] * 5 + [429] * 2
    served = await serve(logins(LoginThrottle(per_name=Rate(2, 300))))
    assert await statuses(served, *[("ann", "right")] * 3) == [200, 200, 429]


async def test_who_may_not_ask_any_more_uses_up_nothing_of_others(serve: Any) -> None:
    counts = MemoryLimits()
    rates = {"per_address": Rate(2, 300), "per_name": Rate(3, 300), "per_name_and_address": Rate(100, 300)}
    served = await serve(logins(LoginThrottle(counts, **rates)))
    assert await statuses(served, *[("ann", "wrong")] * 5) == [403] * 2 + [429] * 3
    generous = await serve(logins(LoginThrottle(counts, **{**rates, "per_address": Rate(99, 300)})))
    assert await statuses(generous, *[("ann", "right")] * 2) == [200, 429]


async def test_what_cannot_be_counted_is_not_allowed(serve: Any) -> None:
    served = await serve(logins(LoginThrottle(Unable())))
    answer = await served.get("/?name=ann&password=right")
    assert (answer.status, answer.headers["Retry-After"]) == (503, "1")


async def test_errors_of_the_handler_stay_what_they_are(serve: Any) -> None:
    throttle = LoginThrottle()

    async def fail(request: web.Request) -> web.Response:
        with pytest.raises(OSError, match="disk"):
            async with throttle.attempt(request, "ann"):
                raise OSError("disk")
        return web.Response()

    assert (await (await serve(fail)).get("/")).status == 200
