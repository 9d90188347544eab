"""No quadratic behaviour: twice the input is twice the work, for every reader of bytes from the wire.

The work is counted, not timed: see http_support/work.py. Lines of Python in the plain form catch loops that go over old
input again; allocated bytes catch C code that copies a growing buffer for each piece; and for what C does without a
copy (searches from the beginning, regular expressions that go back, shifted lists) eight times the input must not take
twenty times the processor time, where eight is linear and sixty-four quadratic. The class TestTheMeasure shows that
each of the three finds the quadratic code that it is there for. Behind them stand the sizes that are attacks by name.
"""

import asyncio
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from http_support import workloads
from http_support.engine import receive, serve
from http_support.loopback import GET, Gate
from http_support.plain import plain
from http_support.work import FACTOR, Work, counted, cpu_ratio
from http_support.workloads import BOUNDARY, ENDLESS, drive

import levante.http
from levante.http import Exchange, Limits, MultipartDecoder, StreamReader
from levante.http.limits import MAX_UNPARSED

pytestmark = pytest.mark.slow

# What is linear doubles; a tenth more is for sizes with another number of digits, and for blocks that grow in steps.
DOUBLE = 2.2

# Linear is FACTOR (8), n log n about 10, quadratic 64. What is above 8 is the memory of larger inputs.
TOO_SLOW = 20

# (what is prepared, size for the counts, size for the processor time)
WORKLOADS = [
    pytest.param(prepare, size, large, id=prepare.__name__)
    for prepare, size, large in [
        (workloads.head_bytewise, 3_000, 8_000),
        (workloads.line_bytewise, 2_000, 8_000),
        (workloads.target_bytewise, 2_000, 8_000),
        (workloads.many_fields, 1_000, 4_000),
        (workloads.views_of_many_fields, 1_000, 4_000),
        (workloads.connection_tokens, 2_000, 10_000),
        (workloads.tiny_chunks, 1_000, 8_000),
        (workloads.tiny_chunks_bytewise, 300, 3_000),
        (workloads.tiny_chunks_at_once, 1_000, 8_000),
        (workloads.extensions, 1_000, 4_000),
        (workloads.extension_bytewise, 1_500, 8_000),
        (workloads.trailers_bytewise, 1_500, 8_000),
        (workloads.long_trailer_bytewise, 1_500, 8_000),
        (workloads.body_bytewise, 1_500, 8_000),
        (workloads.pipelined, 150, 1_000),
        (workloads.pipelined_in_pieces, 300, 1_000),
        (workloads.obs_folds, 2_000, 10_000),
        (workloads.streamed_chunks, 2_000, 8_000),
        (workloads.streamed_bytes, 2_000, 8_000),
        (workloads.streamed_lines, 1_000, 4_000),
        (workloads.streamed_long_line, 16_000, 20_000),
        (workloads.multipart_file, 200_000, 2_000_000),
        (workloads.multipart_crs, 50_000, 200_000),
        (workloads.multipart_lfs, 50_000, 200_000),
        (workloads.multipart_half_boundaries, 50_000, 200_000),
        (workloads.multipart_bytewise, 2_000, 8_000),
        (workloads.multipart_preamble, 100_000, 200_000),
        (workloads.multipart_parts, 150, 300),
        (workloads.cookies, 5_000, 10_000),
        (workloads.quoted_cookies, 2_000, 10_000),
        (workloads.set_cookies, 2_000, 10_000),
        (workloads.urlencoded, 1_000, 5_000),
        (workloads.urlencoded_separators, 10_000, 100_000),
        (workloads.percents, 20_000, 20_000),
        (workloads.quoted_strings, 2_000, 20_000),
        (workloads.dispositions, 2_000, 20_000),
        (workloads.ranges, 2_000, 20_000),
        (workloads.etags, 2_000, 20_000),
        (workloads.forwarded, 1_000, 2_000),
        (workloads.x_forwarded, 10_000, 20_000),
        (workloads.accept_lists, 2_000, 20_000),
        (workloads.accept_codings, 10_000, 20_000),
        (workloads.dates, 2_000, 20_000),
        (workloads.targets, 1_000, 5_000),
    ]
]

# Those that come in many pieces.
FED_BY_RECEIVE_DATA = {
    "head_bytewise",
    "line_bytewise",
    "target_bytewise",
    "tiny_chunks",
    "tiny_chunks_bytewise",
    "extensions",
    "extension_bytewise",
    "trailers_bytewise",
    "long_trailer_bytewise",
    "body_bytewise",
}

Prepare = Callable[[ModuleType, int], Callable[[], object]]
Start = Callable[..., Any]


def is_linear(once: Work, twice: Work) -> bool:
    """Whether the work on twice the input is at most twice the work; what is small in both is noise."""
    return twice.lines <= DOUBLE * once.lines + 50 and twice.allocated <= DOUBLE * once.allocated + 100_000


@pytest.mark.parity("V23", "V38")
@pytest.mark.hardening("H45", "H47", "H64", "H70b", "H74", "H77", "H90", "M04", "M05", "M14", "M22", "M29")
@pytest.mark.parametrize(("prepare", "size", "large"), WORKLOADS)
def test_twice_the_input_is_twice_the_work(prepare: Prepare, size: int, large: int) -> None:
    """In lines of the plain form, and in bytes that are allocated meanwhile."""
    http = plain("http")
    prepare(http, 100)()  # whatever is made once is there
    once, twice = counted(prepare(http, size)), counted(prepare(http, 2 * size))
    assert once.lines > 5, "nothing was measured"
    assert is_linear(once, twice), (once, twice)


@pytest.mark.skipif(
    not levante.http.is_compiled(),
    reason="what C does is the same in both forms, and lines are counted above; here only time passes",
)
@pytest.mark.parametrize(("prepare", "size", "large"), WORKLOADS)
def test_processor_time_is_linear(prepare: Prepare, size: int, large: int) -> None:
    """In the form that is loaded, compiled or plain."""
    assert cpu_ratio(lambda count: prepare(levante.http, count), large) < TOO_SLOW


class TestTheMeasure:
    """Each of the three finds what it is there for, and lets linear code pass."""

    @staticmethod
    def loop(size: int) -> int:
        """Looks at everything again for each byte."""
        seen = 0
        for end in range(size):
            for _ in range(end):
                seen += 1
        return seen

    @staticmethod
    def copies(size: int) -> bytes:
        """Joins a growing buffer with each piece."""
        buffer = b""
        for _ in range(size):
            buffer = buffer + b"x"
        return buffer

    @staticmethod
    def cuts(size: int) -> bytes:
        """Cuts each byte off a long buffer."""
        buffer = bytes(size)
        while buffer:
            buffer = buffer[1:]
        return buffer

    @staticmethod
    def searches(size: int) -> int:
        """Searches all of a growing buffer for each piece; no copies, few lines."""
        buffer = bytearray()
        found = 0
        for _ in range(size // 50):
            buffer += b"x" * 50
            found += buffer.find(b"y")
        return found

    @staticmethod
    def linear(size: int) -> bytes:
        buffer = bytearray()
        for _ in range(size):
            buffer += b"x"
        return bytes(buffer)

    @pytest.mark.parametrize(("toy", "size"), [("loop", 200), ("copies", 5_000), ("cuts", 5_000)])
    def test_counts_find_quadratic_code(self, toy: str, size: int) -> None:
        function = getattr(self, toy)
        once, twice = (counted(lambda n=n: function(n), prefix=__file__) for n in (size, 2 * size))
        assert not is_linear(once, twice), (once, twice)

    def test_counts_tell_loops_from_copies(self) -> None:
        """Copies show in bytes, not in lines: both counts are needed."""
        once, twice = (counted(lambda n=n: self.copies(n), prefix=__file__) for n in (5_000, 10_000))
        assert twice.lines <= DOUBLE * once.lines
        assert twice.allocated > 3 * once.allocated

    def test_time_finds_searches(self) -> None:
        once, twice = (counted(lambda n=n: self.searches(n), prefix=__file__) for n in (50_000, 100_000))
        assert is_linear(once, twice), "the counts see searches by now: the time is needed no more"
        assert cpu_ratio(lambda size: lambda: self.searches(size), 100_000) > TOO_SLOW

    def test_linear_code_passes(self) -> None:
        once, twice = (counted(lambda n=n: self.linear(n), prefix=__file__) for n in (5_000, 10_000))
        assert is_linear(once, twice), (once, twice)
        assert cpu_ratio(lambda size: lambda: self.linear(size), 50_000) < TOO_SLOW

    def test_counts_do_not_change(self) -> None:
        """The same work gives the same lines, and bytes within a percent."""
        work = workloads.tiny_chunks(plain("http"), 500)
        counted(work)  # what is made once, the counting has to meet before
        counted(work)  # counting itself makes something once, too
        first, second = counted(work), counted(work)
        assert first.lines == second.lines
        assert abs(first.allocated - second.allocated) <= first.allocated // 100

    @pytest.mark.parametrize(
        ("prepare", "size", "large"), [row for row in WORKLOADS if row.id is not None and row.id in FED_BY_RECEIVE_DATA]
    )
    def test_a_buffer_that_grows_is_found_in_each_workload(
        self, prepare: Prepare, size: int, large: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """With a connection that copies all it has received for each piece, no workload passes."""
        http = plain("http")
        receive_data = http.Connection.receive_data
        received = b""

        def copying(self: Any, data: bytes) -> None:
            nonlocal received
            received = received + data
            receive_data(self, data)

        monkeypatch.setattr(http.Connection, "receive_data", copying)
        once = counted(prepare(http, size), prefix=str(Path(__file__).parents[3]))
        received = b""
        assert not is_linear(once, counted(prepare(http, 2 * size), prefix=str(Path(__file__).parents[3])))

    def test_an_engine_that_joins_for_each_byte_is_found(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Without its rule that a line can wait, the parser of heads is quadratic, and the counts say so."""
        monkeypatch.setattr(plain("http.headparser").HeadParser, "can_wait", lambda self, buffered: False)
        once, twice = (counted(workloads.line_bytewise(plain("http"), size)) for size in (500, 1_000))
        assert not is_linear(once, twice), (once, twice)

    def test_the_factor(self) -> None:
        assert FACTOR < TOO_SLOW < FACTOR**2


class TestAttacksByName:
    """The sizes that the issue and the catalogues name, in the form that is loaded."""

    @pytest.mark.hardening("H77")
    def test_a_hundred_thousand_chunks_of_one_byte(self) -> None:
        pieces = [workloads.HEAD, *[b"1\r\nx\r\n" * 1000] * 100, b"0\r\n\r\n"]
        assert serve(pieces)[1] == ("data", b"x" * 100_000)
        answer = [
            piece.replace(workloads.HEAD, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n") for piece in pieces
        ]
        assert receive(answer)[1] == ("data", b"x" * 100_000)

    @pytest.mark.parity("V23")
    def test_a_million_chunks_through_the_stream(self) -> None:
        """Memory stays with the limit while the reader keeps up, and every chunk comes out."""

        async def read() -> int:
            stream = StreamReader(None, 1 << 16)
            chunks = 0
            for _ in range(1_000):
                stream.feed_data(b"x" * 1_000, range(1, 1_001))
                for _ in range(1_000):
                    chunk, complete = await stream.readchunk()
                    chunks += chunk == b"x" and complete
            stream.feed_eof()
            return chunks

        results = []

        async def note() -> None:
            results.append(await read())

        drive(note())
        assert results == [1_000_000]

    @pytest.mark.hardening("M05")
    def test_multipart_of_50_mebibytes(self) -> None:
        """Nothing of it is kept."""
        block = b"0123456789\r\n--xYzZ" * 3641  # just below 64 KiB, full of half boundaries
        blocks = 50 * 1024 * 1024 // len(block) + 1
        decoder = MultipartDecoder(BOUNDARY)
        decoder.feed(b'--xYzZy\r\nContent-Disposition: form-data; name="a"; filename="b"\r\n\r\n')
        tracemalloc.start(1)
        try:
            before, size = tracemalloc.get_traced_memory()[0], 0
            for _ in range(blocks):
                size += sum(len(getattr(event, "data", b"")) for event in decoder.feed(block))
            assert tracemalloc.get_traced_memory()[1] - before < 20 * len(block)
        finally:
            tracemalloc.stop()
        size += sum(len(getattr(event, "data", b"")) for event in decoder.feed(b"\r\n--xYzZy--\r\n"))
        decoder.feed_eof()
        assert size == blocks * len(block)

    @pytest.mark.parity("V38", "S60")
    @pytest.mark.hardening("H79")
    async def test_a_hundred_thousand_requests_behind_a_stuck_handler(self, loopback: Start) -> None:
        """Reading stops, little is kept, and all are answered in the end."""
        count = 100_000
        gate = Gate()

        async def service(exchange: Exchange) -> None:
            if exchange.head.target == "/stuck":
                await gate(exchange)
            else:
                exchange.respond(204, None, (), b"")

        server = await loopback(service, server_header="", limits=Limits(max_requests=0))
        client = await server.open()
        client.send(GET.replace(b" / ", b" /stuck ") + GET * count)
        await gate.entered.wait()
        connection = server.connection
        while connection.transport.is_reading():
            await asyncio.sleep(0)
        if not levante.http.is_compiled():  # where one can look
            assert MAX_UNPARSED < connection._h1.buffered() <= MAX_UNPARSED + 512 * 1024
        assert server.requests == 1
        gate.open.set()
        answered = 0
        rest = b""
        while answered < count:
            data = rest + await asyncio.wait_for(client.reader.read(1 << 16), 30)
            answered += data.count(b" 204 ")
            rest = data[-4:] if b" 204 " not in data[-4:] else b""
        assert server.requests == count + 1
        client.close()

    def test_endless_is_larger_than_anything(self) -> None:
        """The workloads measure parsers, not limits."""
        assert ENDLESS > 50 * 1024 * 1024
