"""The seventeen signals; the one about retries is tested with them."""

import asyncio
from types import SimpleNamespace

import pytest

from levante import client
from levante.client import ClientSession, TCPConnector, TraceConfig
from levante.client.tracing import Trace, TraceDnsCacheHitParams

SIGNALS = [
    "request_start", "request_chunk_sent", "response_chunk_received", "request_headers_sent", "request_end",
    "request_exception", "request_redirect", "connection_queued_start", "connection_queued_end",
    "connection_create_start", "connection_create_end", "connection_reuseconn", "dns_resolvehost_start",
    "dns_resolvehost_end", "dns_cache_hit", "dns_cache_miss",
]  # fmt: skip


def recorder(*names: str) -> tuple[TraceConfig, list[str], list[object]]:
    trace = TraceConfig()
    events: list[str] = []
    details: list[object] = []
    for name in names or SIGNALS:

        async def note(session: ClientSession, context: object, params: object, name: str = name) -> None:
            events.append(name)
            details.append((context, params))

        getattr(trace, f"on_{name}").append(note)
    return trace, events, details


@pytest.mark.parity("C40")
async def test_the_course_of_a_request(serve) -> None:
    server = await serve()
    trace, events, details = recorder()
    async with ClientSession(trace_configs=[trace]) as session:
        assert session.trace_configs == [trace]
        url = server.url.replace("127.0.0.1", "localhost")
        async with session.post(url, data=b"abc", trace_request_ctx="mine") as response:
            assert await response.read() == b"ok"
        assert events == [
            "request_start", "connection_create_start", "dns_cache_miss", "dns_resolvehost_start",
            "dns_resolvehost_end", "connection_create_end", "request_headers_sent", "request_chunk_sent", "request_end",
            "response_chunk_received",
        ]  # fmt: skip
        contexts = {id(context) for context, _ in details}
        assert len(contexts) == 1
        assert details[0][0] == SimpleNamespace(trace_request_ctx="mine")
        by_name = dict(zip(events, (params for _, params in details), strict=True))
        assert by_name["request_chunk_sent"].chunk == b"abc"
        assert by_name["response_chunk_received"].chunk == b"ok"
        assert by_name["request_start"].method == "POST"
        assert by_name["request_end"].response is response
        assert by_name["dns_cache_miss"].host == "localhost"
        events.clear()
        async with session.get(url):
            pass
        assert events[:4] == ["request_start", "connection_reuseconn", "request_headers_sent", "request_end"]
        with pytest.raises(RuntimeError):
            trace.on_request_start.append(None)


@pytest.mark.parity("C40")
async def test_redirects_errors_queues_and_hits(serve, response) -> None:
    server = await serve(
        lambda seen: response(b"", "Location: /end", status="302 Found") if seen.target == "/" else response(b"ok")
    )
    trace, events, details = recorder()
    connector = TCPConnector(limit=1, force_close=True)
    async with ClientSession(connector=connector, trace_configs=[trace]) as session:
        url = server.url.replace("127.0.0.1", "localhost")
        async with session.get(url) as answer:
            assert [past.status for past in answer.history] == [302]
        assert "request_redirect" in events
        assert "dns_cache_hit" in events
        assert events.count("request_headers_sent") == 2
        events.clear()
        first, second = session.get(server.url + "a"), session.get(server.url + "b")
        answers = await asyncio.gather(first, second)
        for answer in answers:
            answer.release()
        assert "connection_queued_start" in events
        assert "connection_queued_end" in events
        events.clear()
        details.clear()
        with pytest.raises(OSError, match="connect"):
            await session.get("http://127.0.0.1:1/")
        assert events == ["request_start", "connection_create_start", "request_exception"]
        assert isinstance(details[-1][1].exception, OSError)


@pytest.mark.parity("C40")
async def test_nobody_listens_nothing_is_done(serve) -> None:
    server = await serve()
    async with ClientSession(trace_configs=[TraceConfig()]) as session:
        async with session.get(server.url) as response:
            assert response.content is response._transaction.exchange.body
        trace = Trace(session, session.trace_configs)
        assert not trace.wants(TraceDnsCacheHitParams)
        await trace.send(TraceDnsCacheHitParams("h"))


@pytest.mark.parity("C40")
@pytest.mark.parametrize("signal", ["request_end", "request_redirect", "connection_reuseconn", "request_headers_sent"])
async def test_a_listener_that_fails_holds_no_connection(serve, signal: str) -> None:
    async def fail(*_: object) -> None:
        raise RuntimeError("listening is hard")

    config = TraceConfig()
    getattr(config, f"on_{signal}").append(fail)
    head = b"HTTP/1.1 307 Moved\r\nLocation: /next\r\nContent-Length: 20000000\r\n\r\nmore to come"
    server = await serve(head if signal == "request_redirect" else head.replace(b"Location", b"X"))
    if signal == "connection_reuseconn":
        server = await serve()
    connector = TCPConnector(limit=1)
    async with ClientSession(connector=connector, trace_configs=[config]) as session:
        with pytest.raises(RuntimeError, match="hard") as caught:  # it holds the frames that held the response
            for _ in range(2):
                await session.get(server.url)
        assert (connector._pool.leased_count, caught.type) == (0, RuntimeError)


@pytest.mark.parity("C40")
def test_contexts() -> None:
    config = TraceConfig(lambda trace_request_ctx: ["own", trace_request_ctx])
    assert config.trace_config_ctx(3) == ["own", 3]


@pytest.mark.parity("C40")
async def test_a_start_that_fails_is_told_to_those_who_saw_it(serve) -> None:
    server = await serve()
    told: list[tuple[str, object]] = []

    def config(name: str, *, fails: bool = False) -> client.TraceConfig:
        async def start(*_: object) -> None:
            told.append((name, "start"))
            if fails:
                raise RuntimeError("no")

        async def exception(session: object, context: object, params: client.TraceRequestExceptionParams) -> None:
            told.append((name, repr(params.exception)))

        made = client.TraceConfig()
        made.on_request_start.append(start)
        made.on_request_exception.append(exception)
        return made

    configs = [config("first"), config("second", fails=True), config("third")]
    async with client.ClientSession(trace_configs=configs) as session:
        with pytest.raises(RuntimeError, match="no"):
            await session.get(server.url)
    assert told == [("first", "start"), ("second", "start"), ("first", "RuntimeError('no')")]
    assert not server.seen
