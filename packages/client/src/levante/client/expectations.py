"""What a test expects to be asked, and what it answers: the pure half of the mock transport. A request is compared
with an expectation facet by facet, so that a request that nobody expected can be told apart from the nearest
expectation in words."""

import json as json_module
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from multidict import CIMultiDictProxy
from yarl import URL

URLPattern = str | URL | re.Pattern[str]
TextPattern = str | re.Pattern[str]
BodyPattern = bytes | str | re.Pattern[str] | Callable[[bytes], bool]

NO_JSON: Any = object()  # Any: a mark beside whatever JSON holds
# As many requests as there are answers.
AS_ANSWERED = -1
_SHOWN = 300
_ADDRESS = ("method:", "url:", "origin:", "path:")


@dataclass(frozen=True, slots=True)
class MockedRequest:
    """A request that came to the mock: `url` absolute, without fragment; `body` as it was sent, its chunks joined."""

    method: str
    url: URL
    headers: CIMultiDictProxy[str]
    body: bytes

    def text(self, encoding: str = "utf-8") -> str:
        """The body as text."""
        return self.body.decode(encoding)

    def json(self) -> Any:  # Any: whatever JSON holds
        """The body as JSON. ValueError when it is none."""
        return json_module.loads(self.body)

    def __str__(self) -> str:
        return f"{self.method} {self.url}"


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer: `body` in the `pieces` it is sent in, after `delay` seconds. `error` is raised to whoever reads the
    body, behind those pieces."""

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    pieces: tuple[bytes, ...] = ()
    streamed: bool = False
    delay: float = 0.0
    error: Exception | None = None


Answer = Reply | Exception
Answering = Callable[[MockedRequest], Answer | Awaitable[Answer]]


def make_reply(
    status: int = 200,
    *,
    json: Any = NO_JSON,  # Any: whatever JSON holds
    text: str | None = None,
    body: bytes | Iterable[bytes] | None = None,
    headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
    delay: float = 0.0,
    error: Exception | None = None,
) -> Reply:
    """A reply with at most one of `json`, `text` and `body`; a `body` of several pieces is sent chunked, piece by
    piece. `headers` may repeat names, and win over the content type that `json` and `text` give. ValueError for more
    than one body."""
    if sum((json is not NO_JSON, text is not None, body is not None)) > 1:
        raise ValueError("json=, text= and body= exclude each other: give one of them")
    pairs = list(headers.items() if isinstance(headers, Mapping) else headers)
    kind: str | None = None
    pieces: tuple[bytes, ...] = ()
    if json is not NO_JSON:
        kind, pieces = "application/json", (json_module.dumps(json).encode(),)
    elif text is not None:
        kind, pieces = "text/plain; charset=utf-8", (text.encode(),)
    elif body is not None:
        pieces = (body,) if isinstance(body, bytes) else tuple(body)
    if kind is not None and not any(name.lower() == "content-type" for name, _ in pairs):
        pairs.append(("Content-Type", kind))
    streamed = error is not None or (body is not None and not isinstance(body, bytes))
    return Reply(status, tuple(pairs), pieces, streamed, delay, error)


@dataclass(slots=True)
class Expectation:
    """One expected request, and its answers in sequence, the last of which repeats. Made by `MockConnector.expect`.

    Without `times` it is expected as often as it has answers, once at least; `times=None` is any number, none too.
    `requests` are those that came.
    """

    method: str
    url: URLPattern
    headers: Mapping[str, TextPattern | None] = field(default_factory=dict)
    body: BodyPattern | None = None
    json: Any = NO_JSON  # Any: whatever JSON holds
    times: int | None = AS_ANSWERED
    answers: list[Answer | Answering] = field(default_factory=list)
    requests: list[MockedRequest] = field(default_factory=list)

    def reply(self, status: int = 200, **options: Any) -> Self:  # Any: those of make_reply
        """Answer with a reply; `options` are those of `make_reply`: json, text, body, headers, delay, error."""
        self.answers.append(make_reply(status, **options))
        return self

    def raises(self, error: Exception) -> Self:
        """Raise `error` instead of answering, as if the client had met it."""
        self.answers.append(error)
        return self

    def calls(self, function: Answering) -> Self:
        """Answer with what `function(request)` returns or, where that is awaitable, gives: a reply, or an error to
        raise. What it raises is raised too."""
        self.answers.append(function)
        return self

    @property
    def calls_expected(self) -> int | None:
        """How many requests are expected; None for any number."""
        return max(1, len(self.answers)) if self.times == AS_ANSWERED else self.times

    def is_used_up(self) -> bool:
        """Whether no more requests are expected."""
        expected = self.calls_expected
        return expected is not None and len(self.requests) >= expected

    def is_met(self) -> bool:
        """Whether as many requests came as were expected."""
        expected = self.calls_expected
        return expected is None or len(self.requests) == expected

    def take(self, request: MockedRequest) -> Answer | Answering:
        """The answer to `request`, which counts."""
        number = len(self.requests)
        self.requests.append(request)
        return self.answers[min(number, len(self.answers) - 1)] if self.answers else Reply()

    def differences(self, request: MockedRequest) -> list[str]:
        """What of `request` is not as expected, a line each; empty where it matches."""
        found = []
        if self.method not in ("*", request.method):
            found.append(_differs("method", self.method, request.method))
        found += _url_differences(self.url, request.url)
        for name, wanted in self.headers.items():
            got = request.headers.getall(name, [])
            if bool(got) if wanted is None else not any(_matches(wanted, value) for value in got):
                found.append(_differs(f"header {name}", wanted, ", ".join(got) if got else None))
        found += self._body_differences(request.body)
        return found

    def _body_differences(self, body: bytes) -> list[str]:
        if self.json is not NO_JSON:
            try:
                got = json_module.loads(body)
            except ValueError:
                return [_differs("json", self.json, body)]
            return [] if got == self.json else [_differs("json", self.json, got)]
        wanted = self.body
        if wanted is None:
            return []
        if isinstance(wanted, re.Pattern):
            good = wanted.fullmatch(body.decode("utf-8", "replace")) is not None
        elif callable(wanted):
            good = wanted(body)
        else:
            good = body == (wanted.encode() if isinstance(wanted, str) else wanted)
        return [] if good else [_differs("body", wanted, body)]

    def __str__(self) -> str:
        url = f"/{self.url.pattern}/" if isinstance(self.url, re.Pattern) else str(self.url)
        return f"{self.method} {url}"


def describe_unexpected(request: MockedRequest, expectations: Iterable[Expectation]) -> str:
    """Why nothing answers `request`: the nearest expectation, and what is different from it."""
    lines = [f"unexpected request: {request}"]
    judged = [(expectation, expectation.differences(request)) for expectation in expectations]
    if not judged:
        return f"{lines[0]}\nnothing was expected: declare it by expect(method, url)"
    nearest, differences = min(judged, key=lambda pair: _distance(pair[1]))
    if differences:
        lines.append(f"nearest expectation: {nearest}")
        lines += [f"  {difference}" for difference in differences]
    else:
        lines.append(f"{nearest} was expected {nearest.calls_expected} times, and has been called that often")
    return "\n".join(lines)


def _distance(differences: list[str]) -> tuple[int, int]:
    """Another method or address is further away than whatever comes with it."""
    return sum(line.startswith(_ADDRESS) for line in differences), len(differences)


def _url_differences(wanted: URLPattern, got: URL) -> list[str]:
    if isinstance(wanted, re.Pattern):
        return [] if wanted.fullmatch(str(got)) else [_differs("url", f"/{wanted.pattern}/", str(got))]
    expected = URL(wanted).with_fragment(None)
    found = []
    if expected.absolute and expected.origin() != got.origin():
        found.append(_differs("origin", str(expected.origin()), str(got.origin())))
    if expected.path != got.path:
        found.append(_differs("path", expected.path, got.path))
    if sorted(expected.query.items()) != sorted(got.query.items()):
        found.append(_differs("query", expected.query_string, got.query_string))
    return found


def _matches(wanted: TextPattern, got: str) -> bool:
    return wanted == got if isinstance(wanted, str) else wanted.fullmatch(got) is not None


def _differs(what: str, expected: object, got: object) -> str:
    shown = [repr(value) if not isinstance(value, re.Pattern) else f"/{value.pattern}/" for value in (expected, got)]
    one, other = (text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..." for text in shown)
    return f"{what}: expected {one}, got {other}"
