"""One line for each response, in the format of Apache's `mod_log_config`: the format string is compiled once to a
list of functions. Whatever a peer can choose is escaped, so that no request can forge a line of the log.
"""

import datetime
import logging
import os
import re
import time as clock
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from .abc import AbstractAccessLogger

if TYPE_CHECKING:
    from .types import BaseRequest, StreamResponse

access_logger = logging.getLogger("levante.access")

ACCESS_LOG_FORMAT = '%a %t "%r" %s %b "%{Referer}i" "%{User-Agent}i"'
"""The default: the combined log format, without the identity fields that nobody fills."""

ABSENT = "-"

Value = str | int | float

_DIRECTIVE = re.compile(r"%(?:\{([A-Za-z0-9_-]+)\}([ioe])|(Tf|[atPrsbOTDL%])|)")
_UNPRINTABLE = re.compile(r'[\x00-\x1f\x7f-\x9f\u2028\u2029"\\\ud800-\udfff]')


class Line(NamedTuple):
    """What a line of the log is about."""

    request: "BaseRequest"
    response: "StreamResponse"
    time: float


Key = str | tuple[str, str]
Atom = Callable[[Line], Value]


class AccessLogger(AbstractAccessLogger):
    """Atoms: `%%`; `%a` remote address; `%t` when the request began; `%P` process id; `%r` request line; `%s` status;
    `%b` and `%O` bytes sent, head included; `%T` seconds, `%Tf` seconds with fraction, `%D` microseconds taken; `%L`
    the id of the request; `%{X}i` and `%{X}o` a request and a response header; `%{X}e` an environment variable.

    The log record has each value as an attribute, too, named as in `LOG_FIELDS` (headers and environment as dicts).
    Raises ValueError for a format with an unknown directive.
    """

    __slots__ = ("_atoms", "_template")

    LOG_FIELDS: ClassVar[dict[str, str]] = {
        "a": "remote_address",
        "t": "request_start_time",
        "P": "process_id",
        "r": "first_request_line",
        "s": "response_status",
        "b": "response_size",
        "O": "bytes_sent",
        "T": "request_time",
        "Tf": "request_time_frac",
        "D": "request_time_micro",
        "L": "request_id",
        "i": "request_header",
        "o": "response_header",
        "e": "environ",
    }

    def __init__(self, logger: logging.Logger = access_logger, log_format: str = ACCESS_LOG_FORMAT) -> None:
        super().__init__(logger, log_format)
        self._atoms: list[tuple[Key, Atom]] = []
        self._template = _DIRECTIVE.sub(self._compile, log_format)

    def _compile(self, match: re.Match[str]) -> str:
        name, kind, letter = match.groups()
        if letter == "%":
            return "%%"
        if kind is not None:
            self._atoms.append(((self.LOG_FIELDS[kind], name), partial(_NAMED_ATOMS[kind], name)))
        elif letter is not None:
            self._atoms.append((self.LOG_FIELDS[letter], _ATOMS[letter]))
        else:
            known = "%% %a %t %P %r %s %b %O %T %Tf %D %L %{X}i %{X}o %{X}e"
            raise ValueError(f"access log format {self.log_format!r} at {match.start()}: expected one of {known}")
        return "%s"

    @property
    def enabled(self) -> bool:
        return self.logger.isEnabledFor(logging.INFO)

    def log(self, request: "BaseRequest", response: "StreamResponse", time: float) -> None:
        extra: dict[str, object] = {}
        groups: dict[str, dict[str, Value]] = {}
        values = []
        line = Line(request, response, time)
        for key, atom in self._atoms:
            value = atom(line)
            values.append(value)
            if isinstance(key, str):
                extra[key] = value
            else:
                groups.setdefault(key[0], {})[key[1]] = value
        self.logger.info(self._template, *values, extra=extra | groups)


def _escape(text: str) -> str:
    return _UNPRINTABLE.sub(
        lambda match: match[0].encode("unicode_escape").decode("ascii") if match[0] != '"' else '\\"', text
    )


class _Zone:
    """The local offset from UTC, asked of the system once for each half hour, the grid on which it can change."""

    STEP = 30 * 60

    def __init__(self) -> None:
        self._slot = -1
        self._zone = datetime.UTC

    def at(self, moment: float) -> datetime.timezone:
        slot = int(moment) // self.STEP
        if slot != self._slot:
            self._slot = slot
            self._zone = datetime.timezone(datetime.timedelta(seconds=clock.localtime(moment).tm_gmtoff))
        return self._zone


_zone = _Zone()


def _request_line(line: Line) -> str:
    request = line.request
    return _escape(f"{request.method} {request.head.target} HTTP/{request.version.major}.{request.version.minor}")


def _remote(line: Line) -> str:
    # On a Unix socket it is the path of the other end, which may have any name.
    return ABSENT if line.request.remote is None else _escape(line.request.remote)


def _start_time(line: Line) -> str:
    start = clock.time() - line.time
    return datetime.datetime.fromtimestamp(start, _zone.at(start)).strftime("[%d/%b/%Y:%H:%M:%S %z]")


_ATOMS: dict[str, Atom] = {
    "a": _remote,
    "t": _start_time,
    "P": lambda _: f"<{os.getpid()}>",
    "r": _request_line,
    "s": lambda line: line.response.status,
    "b": lambda line: line.response.body_length,
    "O": lambda line: line.response.body_length,
    "T": lambda line: round(line.time),
    "Tf": lambda line: f"{line.time:06f}",
    "D": lambda line: round(line.time * 1_000_000),
    "L": lambda line: line.request.id,
}

_NAMED_ATOMS: dict[str, Callable[[str, Line], Value]] = {
    "i": lambda name, line: _escape(line.request.headers.get(name, ABSENT)),
    "o": lambda name, line: _escape(line.response.headers.get(name, ABSENT)),
    "e": lambda name, _: os.environ.get(name, ABSENT),
}
