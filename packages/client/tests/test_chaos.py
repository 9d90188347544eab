"""A full exchange with a redirect, an upload and a body, cut after every byte, in both directions: a complete answer or
a typed error, never a short success, never a hang, and nothing left behind (hardening X15)."""

import asyncio
import hashlib

import pytest
from chaos import ChaosProxy, Cut

from levante.client import ClientError, ClientSession, ClientTimeout, ServerDisconnectedError

pytestmark = pytest.mark.hardening("X15")

PATIENCE = 10.0
UPLOAD = b"0123456789" * 4
ANSWERS = {
    "length": b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n" + b"abcdefghij" * 2,
    "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n"
    b"a\r\nabcdefghij\r\nA;x=y\r\nabcdefghij\r\n0\r\nX: y\r\n\r\n",
}
BODY = b"abcdefghij" * 2


class Counted:
    """A scripted answer to whole requests; what it got of their bodies."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.bodies: list[str] = []

    def __call__(self, seen) -> bytes:
        self.bodies.append(hashlib.sha256(seen.body).hexdigest())
        return self.answer


async def ask(session: ClientSession, port: int) -> bytes:
    async with session.post(f"http://127.0.0.1:{port}/", data=UPLOAD) as response:
        assert response.status == 200
        return await response.read()


async def sizes(serve, answer: bytes) -> tuple[int, int]:
    """Bytes of the whole exchange, by way."""
    server = await serve(answer)
    async with ChaosProxy(server.port) as proxy, ClientSession() as session:
        assert await ask(session, proxy.port) == BODY
        return proxy.passed["request"], proxy.passed["answer"]


async def attempt(serve, answer: bytes, cut: Cut, *, whole: bool) -> str:
    """How one exchange ends; `whole` says whether the cut comes behind all of it."""
    counted = Counted(answer)
    server = await serve(counted)
    async with ChaosProxy(server.port, cut=cut) as proxy:
        async with ClientSession(timeout=ClientTimeout(total=PATIENCE)) as session, asyncio.timeout(2 * PATIENCE):
            try:
                body = await ask(session, proxy.port)
            except ClientError as error:
                result = type(error).__name__
            else:
                assert body == BODY, (cut, body)
                result = "complete"
            assert session.connector._pool.leased_count == 0
        if whole:
            assert result == "complete", cut
    assert set(counted.bodies) <= {hashlib.sha256(UPLOAD).hexdigest()}, "the server got a part as the whole"
    return result


@pytest.mark.parametrize("how", ["close", "reset", "half"])
@pytest.mark.parametrize("framing", sorted(ANSWERS))
async def test_an_answer_cut_after_every_byte(serve, framing: str, how) -> None:
    _, size = await sizes(serve, ANSWERS[framing])
    for after in range(size):
        result = await attempt(serve, ANSWERS[framing], Cut("answer", after, how), whole=False)
        assert result != "complete", f"{after} of {size} bytes are not enough"
        if not after and how == "close":
            assert result == "ServerDisconnectedError"
    assert await attempt(serve, ANSWERS[framing], Cut("answer", size, "half"), whole=True) == "complete"


@pytest.mark.parametrize("how", ["close", "reset"])
async def test_a_request_cut_after_every_byte(serve, how) -> None:
    size, _ = await sizes(serve, ANSWERS["length"])
    for after in range(size):
        result = await attempt(serve, ANSWERS["length"], Cut("request", after, how), whole=False)
        assert result != "complete"


async def test_a_request_half_closed_after_every_byte(serve) -> None:
    size, _ = await sizes(serve, ANSWERS["length"])
    for after in range(size):
        result = await attempt(serve, ANSWERS["length"], Cut("request", after, "half"), whole=False)
        assert result != "complete"
    assert await attempt(serve, ANSWERS["length"], Cut("request", size, "half"), whole=True) == "complete"


@pytest.mark.parametrize("framing", sorted(ANSWERS))
async def test_a_trickle_of_single_bytes_is_an_answer(serve, framing: str) -> None:
    server = await serve(ANSWERS[framing])
    async with ChaosProxy(server.port, piece=1) as proxy, ClientSession() as session:
        for _ in range(3):
            assert await ask(session, proxy.port) == BODY
    assert server.connections == 1


@pytest.mark.parametrize("how", ["close", "reset"])
async def test_a_body_until_close_that_is_cut_is_short_only_where_nobody_can_tell(serve, how) -> None:
    answer = b"HTTP/1.1 200 OK\r\n\r\n" + BODY
    server = await serve(answer, close=True)
    for after in range(len(answer)):
        async with ChaosProxy(server.port, cut=Cut("answer", after, how)) as proxy, ClientSession() as session:
            try:
                body = await ask(session, proxy.port)
            except ClientError as error:
                assert after < len(answer) - len(BODY) or how == "reset", repr(error)
            else:
                # Closed in order, it is the end by definition (RFC 9112 section 6.3, rule 8).
                assert BODY.startswith(body)
                assert after >= len(answer) - len(BODY)


@pytest.mark.parametrize("how", ["close", "reset"])
async def test_the_second_request_on_a_connection_is_repeated_or_an_error(serve, how) -> None:
    """The first answer passes, the second is cut after every byte: a GET is repeated only where nothing had come."""
    answer = ANSWERS["length"]
    for after in range(len(answer), 2 * len(answer), 5):
        server = await serve(answer)
        async with ChaosProxy(server.port, cut=Cut("answer", after, how)) as proxy, ClientSession() as session:
            for number in range(2):
                try:
                    async with session.get(f"http://127.0.0.1:{proxy.port}/") as response:
                        assert await response.read() == BODY
                except ClientError as error:
                    assert number == 1
                    assert after > len(answer) or isinstance(error, ServerDisconnectedError)
                else:
                    # A reset may overtake what was sent before it: then nothing had come.
                    assert number == 0 or after == len(answer) or how == "reset"
