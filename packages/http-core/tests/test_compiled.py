"""The compiled form: built with its types, and chosen as the environment says."""

import os
import subprocess
import sys

import pytest

import levante.http
from levante.http import (
    accept,
    bodies,
    clientexchange,
    clock,
    dial,
    exchange,
    fieldnames,
    h1,
    headparser,
    headrules,
    heads,
    lenience,
    lingering,
    links,
    multipart,
    octets,
    outgoing,
    pace,
    serving,
    streams,
    writers,
)

HOT = [
    heads.Head,
    heads.RequestHead,
    heads.ResponseHead,
    headparser.HeadParser,
    lenience.LenientHeadParser,
    bodies.BodyDecoder,
    bodies.LengthDecoder,
    bodies.CloseDecoder,
    bodies.ChunkedDecoder,
    writers.FieldBlock,
    h1.Connection,
    outgoing.Outgoing,
    streams.StreamReader,
    links.Link,
    lingering.LingeringLink,
    pace.Pace,
    exchange.Exchange,
    serving.ServingLink,
    accept.AcceptedConnection,
    clientexchange.ClientExchange,
    clientexchange.DialingLink,
    dial.DialedConnection,
    multipart.MultipartDecoder,
]


@pytest.fixture
def compiled() -> None:
    if levante.http.is_compiled():
        return
    if os.environ.get("LEVANTE_PURE"):
        pytest.skip("LEVANTE_PURE asks for the plain form")
    if os.environ.get("CI"):
        pytest.fail("http-core is not compiled")
    pytest.skip("http-core is not compiled here: packages/http-core/setup.py build_ext --inplace does it")


@pytest.mark.parity("S65")
@pytest.mark.usefixtures("compiled")
@pytest.mark.parametrize("cls", HOT, ids=lambda cls: cls.__name__)
def test_hot_classes_have_their_types(cls: type) -> None:
    """Without its .pxd a module compiles too, untyped and without a word; only a found one gives a vtable."""
    assert "__pyx_vtable__" in vars(cls)


@pytest.mark.usefixtures("compiled")
def test_hot_modules_are_compiled() -> None:
    for module in (clock, octets, fieldnames, headrules, *(sys.modules[cls.__module__] for cls in HOT)):
        assert not str(module.__file__).endswith(".py")
    assert type(writers.FieldBlock.close).__name__ == "getset_descriptor"


def run(code: str, **environment: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **environment},
        timeout=60,
    ).stdout.strip()


def test_pure_on_wish() -> None:
    code = "import levante.http, levante.http.h1 as h; print(levante.http.is_compiled(), h.__file__.endswith('.py'))"
    assert run(code, LEVANTE_PURE="1") == "False True"


def test_import_is_light() -> None:
    """What only some programs need is not imported with the package."""
    code = """
import sys
before = set(sys.modules)
import levante.http
print({"brotli", "uvloop", "email", "yarl", "zlib"} & (set(sys.modules) - before) or "none")
"""
    assert run(code) == "none"


def test_names_are_there() -> None:
    for name in levante.http.__all__:
        assert getattr(levante.http, name) is not None
