"""Ways to receive the same bytes, none of which may matter. They are drawn from the bytes themselves, so that an input
shows the same behaviour whenever it is run.
"""

import zlib
from collections.abc import Callable, Iterator

from http_support.engine import bytewise, random_cuts, whole

from .forms import INSTALLED, TWIN, Form
from .target import expect_equal

# Longer inputs are not fed byte by byte: it costs much and shows nothing that a shorter one does not.
MAX_BYTEWISE = 1500

Story = list[tuple[object, ...]]


def ways(data: bytes) -> Iterator[list[bytes]]:
    """Byte by byte, and cut at chance."""
    if 0 < len(data) <= MAX_BYTEWISE:
        yield bytewise(data)
    if data:
        yield random_cuts(data, zlib.crc32(data))


def without_text(story: Story) -> Story:
    """The story without the wording of its error, which may name the bytes that were there: `("error", class, status)`
    stays.
    """
    return [event[:3] if event[0] == "error" else event for event in story]


def agree(data: bytes, tell: Callable[[Form, list[bytes]], Story]) -> Story:
    """The story that `tell` makes of the whole, once all forms and all cuts have told the same."""
    all_at_once = whole(data) if data else []  # receiving nothing means the end
    story = tell(INSTALLED, all_at_once)
    if TWIN is not None:
        expect_equal(tell(TWIN, all_at_once), story, "the plain form disagrees with the compiled one")
    verdict = without_text(story)
    for pieces in ways(data):
        expect_equal(without_text(tell(INSTALLED, pieces)), verdict, f"cut as {[len(piece) for piece in pieces][:40]}")
        if TWIN is not None and len(pieces) < 20:
            expect_equal(without_text(tell(TWIN, pieces)), verdict, "the plain form, cut")
    return story
