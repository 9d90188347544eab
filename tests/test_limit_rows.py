"""No limit is without a test that asks it at the limit, above it and ten times above it: a new field of `Limits` and
its siblings, a new constant `MAX_...` of a `limits` module, a new number among the arguments of `Server` fails here
until a test is marked with `limit("its name")`, or it is named below, with the reason or with the test that it has.
"""

import ast
import dataclasses
import inspect
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import levante.http.limits
import levante.ws.limits
from levante import web
from levante.http.limits import ContentLimits, Limits, MultipartLimits, ServerTimeouts

ROOT = Path(__file__).resolve().parent.parent
ROWS = (Limits, ServerTimeouts, MultipartLimits, ContentLimits)

# Arguments of Server that are fields of the rows by another name.
SERVER_FIELDS = {
    "keepalive_timeout": "ServerTimeouts.keepalive",
    "head_timeout": "ServerTimeouts.head",
    "body_timeout": "ServerTimeouts.body_idle",
    "write_timeout": "ServerTimeouts.write",
    "lingering_time": "ServerTimeouts.lingering",
    "write_bufsize": "Limits.write_high",
    "max_connection_requests": "Limits.max_requests",
    "max_coding_ratio": "MAX_CODING_RATIO",
}

# Defaults of fields, which are asked by the names of these.
DEFAULT_OF = {
    "MAX_FORM_FIELDS": "ContentLimits.max_form_fields",
    "MAX_QUERY_FIELDS": "ContentLimits.max_query_fields",
    "MAX_COOKIE_PAIRS": "ContentLimits.max_cookies",
    "MAX_COOKIE_HEADER": "ContentLimits.max_cookie_size",
}

# Limits of how we share our time, or of our own side, in which there is no ten times: file and name of a test.
TESTED_BY_ITSELF = {
    "MAX_BACK_TO_BACK": "packages/http-core/tests/test_accept.py::test_the_loop_has_its_turn",
    "MAX_LINGERING_AT_CLOSE": "packages/http-core/tests/test_lingering.py::test_lingering_is_short",
    "ws.MAX_RECEIVES_AFTER_CLOSE": "packages/ws/tests/test_closing.py::test_receiving_after_the_end",
}

NO_LIMITS_OF_PEERS = {
    "ContentLimits.multipart": "the fields of MultipartLimits",
    "MAX_JOINED_BODY": "how a response is written; nothing is refused",
    "MAX_ZSTD_WINDOW_LOG": "a power of two: one above is twice, and ten times is no window (test_codings.py)",
}

# In levante.ws the names of what a peer can reach; other constants there say how we work, or are times of Redis.
WS_LIMITS = ("MAX_", "MIN_", "QUEUE_", "MEMBER_QUEUE_", "CLOSE_TIMEOUT")


def modules() -> Iterator[Path]:
    for folder in (ROOT / "packages").glob("*/tests"):
        yield from folder.rglob("test_*.py")


def marked(source: str) -> set[str]:
    """The names that `limit(...)` has in a source; `limit(*ROWS)` stands for the keys of a dict of that name."""
    tree = ast.parse(source)
    found: set[str] = set()
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "limit"):
            continue
        for argument in node.args:
            if isinstance(argument, ast.Constant):
                found.add(str(argument.value))
            elif isinstance(argument, ast.Starred) and isinstance(argument.value, ast.Name):
                found.update(_keys(tree, argument.value.id))
    return found


def _keys(tree: ast.Module, name: str) -> Iterator[str]:
    for node in tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Dict):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if any(isinstance(target, ast.Name) and target.id == name for target in targets):
                yield from (str(key.value) for key in node.value.keys if isinstance(key, ast.Constant))


@cache
def found() -> frozenset[str]:
    return frozenset(name for path in modules() for name in marked(path.read_text()))


def limits_that_are() -> set[str]:
    names = {f"{row.__name__}.{field.name}" for row in ROWS for field in dataclasses.fields(row)}
    names |= {name for name in vars(levante.http.limits) if name.startswith("MAX_")}
    names |= {f"ws.{name}" for name in vars(levante.ws.limits) if name.startswith(WS_LIMITS)}
    fields = {name.split(".")[-1] for name in names}
    for parameter in inspect.signature(web.Server).parameters.values():
        is_number = "int" in str(parameter.annotation) or "float" in str(parameter.annotation)
        if is_number and parameter.name not in fields:
            names.add(SERVER_FIELDS.get(parameter.name, f"Server.{parameter.name}"))
    return {DEFAULT_OF.get(name, name) for name in names}


def test_every_limit_has_a_test() -> None:
    assert sorted(limits_that_are() - found() - TESTED_BY_ITSELF.keys() - NO_LIMITS_OF_PEERS.keys()) == []


def test_every_exception_is_one() -> None:
    """What is named here and is no limit any more, or has a mark by now, is to be taken off the list."""
    exceptions = TESTED_BY_ITSELF.keys() | NO_LIMITS_OF_PEERS.keys()
    assert sorted(exceptions - limits_that_are()) == []
    assert sorted(exceptions & found()) == []


@pytest.mark.parametrize("test", sorted(set(TESTED_BY_ITSELF.values())))
def test_the_tests_that_are_named_are_there(test: str) -> None:
    path, _, name = test.partition("::")
    assert f"def {name}(" in (ROOT / path).read_text()


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("@pytest.mark.limit('A', 'B')\ndef test(): ...", {"A", "B"}),
        ("ROWS = {'C': 1}\n@pytest.mark.limit(*ROWS)\ndef test(): ...", {"C"}),
        ("ROWS: dict = {'C': 1}\n@pytest.mark.limit(*ROWS)\ndef test(): ...", {"C"}),
        ("ROWS = {'C': 1}\ndef test(): ...", set()),
        ("# limit('D')", set()),
    ],
)
def test_marks_are_found(source: str, names: set[str]) -> None:
    assert marked(source) == names
