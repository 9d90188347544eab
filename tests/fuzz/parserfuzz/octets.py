"""Chunked bodies, and the scanning functions: the code that walks over raw bytes, held to its window."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from http_support import load_cases

from levante.http import Limits, LocalProtocolError
from levante.http.writers import chunk, last_chunk

from .cuts import Story, agree
from .forms import FORMS, INSTALLED, Form
from .http1 import TIGHT, WORDS, take_event
from .target import Finding, Target, expect, expect_equal

# What stands around the window of a piece; nothing of it may be looked at, so it would make sense if it were.
BEFORE, BEHIND = b"5\r\n", b"\r\n0\r\n\r\n"


class Body:
    """A decoder made to look like a connection: pieces in, events out."""

    def __init__(self, form: Form, limits: Limits, *, lenient: bool) -> None:
        self.decoder = form.bodies.ChunkedDecoder(limits, lenient=lenient)
        self.form = form
        self.piece = b""
        self.at = 0

    def next_event(self) -> Any:
        end = len(BEFORE) + len(self.piece)
        if self.at == end or self.decoder.done:
            return None
        before = self.at
        self.at = self.decoder.feed(BEFORE + self.piece + BEHIND, self.at, end)
        expect(before <= self.at <= end, f"feed({before}, {end}) says that it came to {self.at}")
        if self.at == before and not self.decoder.data:
            raise Finding("feed() neither consumed a byte nor raised")
        return self.form.h1.Data(self.decoder.data, tuple(self.decoder.chunk_ends or ()))


def tell(form: Form, pieces: list[bytes], *, limits: Limits, lenient: bool = False) -> Story:
    body = Body(form, limits, lenient=lenient)
    story: Story = []
    behind = 0
    for piece in pieces:
        body.piece, body.at = piece, len(BEFORE)
        while take_event(body, story) is not None:
            pass
        if story and story[-1][0] == "error":
            return [event for event in story if event[0] != "data" or event[1] or event[2]]
        behind += len(BEFORE) + len(piece) - body.at
    trailers = tuple(body.decoder.trailers.items())
    story.append(("done", body.decoder.done, behind, trailers))
    return [event for event in story if event[0] != "data" or event[1] or event[2]]


def check_chunked(data: bytes) -> None:
    options = data[0] if data else 0
    story = agree(data[1:], partial(tell, limits=TIGHT if options & 1 else Limits(), lenient=bool(options & 2)))
    if not story or story[-1][:2] != ("done", True):
        return
    content: Any = story[0][1] if story[0][0] == "data" else b""
    trailers: Any = story[-1][3]
    try:
        end = last_chunk(trailers)
    except LocalProtocolError:
        return
    again = tell(INSTALLED, [(chunk(content) if content else b"") + end], limits=Limits(max_trailer_size=1 << 20))
    expect_equal(again[-1], ("done", True, 0, trailers), "a chunked body written anew")
    expect_equal(again[0][1] if content else b"", content, "the content of a chunked body written anew")


def check_octets(data: bytes) -> None:
    """Both forms of the scanning functions on every kind of window, which stays the same whatever is around it."""
    if len(data) < 3:
        return
    start, stop, kind, text = data[0], data[1], data[2] or 1, data[3:]
    start, stop = sorted((min(start, len(text)), min(stop, len(text))))
    window = text[start:stop]
    answers = []
    for form in FORMS:
        octets = form.octets
        answers.append(
            [
                octets.span(text, start, stop, kind) - start,
                octets.span_back(text, start, stop, kind) - start,
                octets.span(window, 0, len(window), kind),
                octets.span_back(window, 0, len(window), kind),
                octets.is_authority(text, start, stop),
                octets.is_authority(window, 0, len(window)),
                octets.is_authority(text, start, stop, True),
                octets.is_token(window),
                octets.tokens(window),
                octets.exactly(text, start, stop, window),
                octets.same(text, start, stop, b"chunked"),
            ]
        )
    for answer in answers:
        expect_equal(answer, answers[0], "two forms of the scanning functions")
        expect_equal((answer[0], answer[1], answer[4]), (answer[2], answer[3], answer[5]), "what is around the window")
        expect(answer[9] is True, "a window is not exactly itself")


def chunked_seeds() -> Iterator[bytes]:
    for _, _, data, _ in load_cases("requests"):
        head, _, body = data.partition(b"\r\n\r\n")
        if b"chunked" in head and len(body) < 1000:
            yield b"\0" + body
            yield b"\1" + body
            yield b"\2" + body.replace(b"\r\n", b"\n")


def octets_seeds() -> Iterator[bytes]:
    for text in (
        b"GET / HTTP/1.1",
        b"example.org:80",
        b"[::1]:8080",
        b"[::ffff:1.2.3.4]",
        b"a, b,,c",
        b"chunked",
        b"a:65536",
    ):
        for kind in (1, 2, 4, 8, 16, 32, 64, 128):
            yield bytes([0, len(text), kind]) + text


TARGETS = (
    Target("chunked", check_chunked, chunked_seeds, WORDS, is_compiled=True),
    Target("octets", check_octets, octets_seeds, (b"[", b"]", b":", b"::", b".", b"255", b"chunked"), is_compiled=True),
)
