"""levante beside h11 and httptools on thousands of messages, real ones and mangled ones: who accepts, and what everyone
makes of it. Each disagreement is listed with its reason in cases/disagreements.py, or is a bug.
"""

import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

import pytest
from http_support import load_cases
from http_support.engine import random_cuts, receive, serve
from http_support.mangling import mangled
from http_support.oracles import Reading, disagreements, read_h11, read_httptools, read_levante
from http_support.plain import plain

import levante.http

# One in so many operations is done to each message; 1 makes 20,000 messages, and finds nothing that 3 does not.
SHARE = 3

ORACLES = {"h11": read_h11, "httptools": read_httptools}
EXPLAINED = [
    (name, oracles, re.compile(pattern), re.compile(evidence))
    for name, oracles, pattern, evidence, _, _ in load_cases("disagreements")
]


class Sample(NamedTuple):
    """A message of the corpus; `method` is None for a request, else that of the request it answers."""

    name: str
    method: str | None
    data: bytes


@cache
def corpus() -> tuple[Sample, ...]:
    return tuple(_samples())


def _samples() -> Iterator[Sample]:
    for kind in ("wild_requests", "wild_responses"):
        for name, *method, data in load_cases(kind):
            asked = method[0] if method else None
            for label, message in mangled(name, data, request=asked is None, share=SHARE):
                yield Sample(label, asked, message)


@cache
def compared() -> tuple[Counter[str], Counter[tuple[str, str]], list[str]]:
    """Counts of agreement, counts of explained disagreements by (class, oracle), and what nothing explains."""
    counts: Counter[str] = Counter()
    classes: Counter[tuple[str, str]] = Counter()
    unexplained: list[str] = []
    for sample in corpus():
        ours = read_levante(sample.data, method=sample.method)
        counts["refused" if ours.refusal else "accepted"] += 1
        for oracle, read in ORACLES.items():
            found = disagreements(ours, read(sample.data, method=sample.method))
            counts[f"as {oracle}"] += not found
            for text in found:
                name = _explanation(text, oracle, sample.data)
                if name is None:
                    unexplained.append(f"{oracle}, {sample.name}: {text}\n    {sample.data[:2000]!r}")
                else:
                    classes[name, oracle] += 1
    return counts, classes, unexplained


def _explanation(text: str, oracle: str, data: bytes) -> str | None:
    for name, oracles, pattern, evidence in EXPLAINED:
        if oracle in oracles and pattern.fullmatch(text) and evidence.search(data):
            return name
    return None


def test_the_corpus_is_large_and_always_the_same() -> None:
    samples = corpus()
    assert len(samples) >= 2000
    assert len({sample[:2] for sample in samples}) == len(samples)
    assert list(_samples()) == list(samples)


@pytest.mark.parametrize("kind", ["wild_requests", "wild_responses"])
def test_real_messages_are_accepted(kind: str) -> None:
    for name, *method, data in load_cases(kind):
        reading = read_levante(data, method=method[0] if method else None)
        assert reading.messages, name
        assert not reading.refusal, name


@pytest.mark.hardening("H53", "H54", "H55", "H60", "H71", "H72", "H73")
def test_every_disagreement_is_explained() -> None:
    counts, classes, unexplained = compared()
    print(f"\n{len(corpus())} messages: {dict(counts)}")
    for (name, oracle), count in sorted(classes.items()):
        print(f"{count:6} {oracle:10} {name}")
    assert not unexplained, f"{len(unexplained)} disagreements:\n" + "\n".join(unexplained[:20])


def test_every_explanation_is_needed() -> None:
    _, classes, _ = compared()
    listed = {(name, oracle) for name, oracles, _, _ in EXPLAINED for oracle in oracles}
    assert listed == set(classes)


def test_both_verdicts_are_common() -> None:
    """A corpus that everyone refuses, or accepts, would compare nothing."""
    counts, _, _ = compared()
    assert counts["accepted"] > len(corpus()) / 5
    assert counts["refused"] > len(corpus()) / 5


def test_cuts_do_not_matter() -> None:
    """Each message of the corpus, cut somewhere: what the whole gave."""
    for seed, sample in enumerate(corpus()):
        for pieces in ([sample.data], random_cuts(sample.data, seed)):
            note = _noted(sample, pieces, levante.http.h1)
            assert note == _noted(sample, [sample.data], levante.http.h1), sample


@pytest.mark.skipif(not levante.http.is_compiled(), reason="only the plain form is here: nothing to compare")
@pytest.mark.parity("V48")
def test_both_forms_read_the_same() -> None:
    h1 = plain("http.h1")
    for sample in corpus():
        assert read_levante(sample.data, method=sample.method) == read_levante(
            sample.data, method=sample.method, h1=h1
        ), sample


def _noted(sample: Sample, pieces: list[bytes], h1: Any) -> list[tuple[Any, ...]]:
    if sample.method is None:
        events = serve(pieces, eof=True, h1=h1)
    else:
        asks = [("Connection", "upgrade"), ("Upgrade", "websocket")] if sample.method == "UPGRADE" else []
        method = "GET" if sample.method == "UPGRADE" else sample.method
        events = receive(pieces, method=method, headers=asks, eof=True, h1=h1)
    return [event[:3] for event in events]


def test_a_disagreement_is_seen() -> None:
    """The comparison can fail: readings that differ in anything are told apart, and nothing explains them."""
    ours = read_levante(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx")
    (message,) = ours.messages
    changed = [
        message._replace(start=(b"PUT", b"/")),
        message._replace(version="1.0"),
        message._replace(body=b"y"),
        message._replace(headers=message.headers[1:]),
        message._replace(headers=((b"host", b"b"), *message.headers[1:])),
        message._replace(trailers=((b"x", b"y"),)),
        message._replace(keep_alive=False),
        message._replace(upgrade=True),
    ]
    others = [Reading([other], "") for other in changed]
    others += [Reading([], ""), Reading([], "no"), Reading([message, message], ""), Reading([message], "no")]
    for other in others:
        for first, second in ((ours, other), (other, ours)):
            (text,) = disagreements(first, second)
            assert [_explanation(text, oracle, b"") for oracle in ORACLES] == [None, None], text
    assert disagreements(ours, ours) == []
