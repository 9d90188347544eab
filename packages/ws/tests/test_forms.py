"""The two forms: the compiled modules are really typed, and the plain ones really plain."""

import importlib
import os
from pathlib import Path
from types import ModuleType

import pytest

import levante.ws
from levante.ws import WSMessageText, WSMsgType, blanks

HOT = {
    "masks": ["_Keys"],
    "frames": ["FrameReader"],
    "messages": ["MessageReader"],
    "protocol": ["WebSocketProtocol"],
    "arrival": ["Arrival"],
    "inbox": ["Inbox"],
    "outbox": ["Outbox"],
    "keepalive": ["KeepAlive"],
    "lifeline": ["Lifeline"],
    "driver": ["WebSocketDriver"],
    "traffic": ["Traffic"],
}
SOURCES = Path(levante.ws.__file__).parent
BUILT = bool(list(SOURCES.glob("frames.*.so")) + list(SOURCES.glob("frames.*.pyd")))


@pytest.mark.skipif(
    bool(os.environ.get("LEVANTE_PURE")) or not BUILT, reason="the extensions are not built, or not wanted"
)
@pytest.mark.parametrize("name", HOT)
def test_hot_classes_are_compiled_with_their_types(name: str) -> None:
    module = importlib.import_module(f"levante.ws.{name}")
    assert not str(module.__file__).endswith(".py")
    for cls in HOT[name]:
        assert "__pyx_vtable__" in vars(getattr(module, cls))


@pytest.mark.parametrize("name", HOT)
def test_the_plain_twin_is_plain(both_forms: tuple[ModuleType, ModuleType], name: str) -> None:
    module = getattr(both_forms[1], name)
    assert str(module.__file__).endswith(f"{name}.py")
    assert module is not getattr(both_forms[0], name)


def test_every_hot_module_has_its_declarations() -> None:
    assert {path.stem for path in SOURCES.glob("*.pxd")} == {*HOT, "blanks"}


def test_what_blanks_names_means_the_same_in_plain_python() -> None:
    assert len(blanks.new_bytes(5)) == 5
    assert len(blanks.new_ascii(5)) == 5
    assert blanks.octets("abc") == b"abc"
    out = bytearray(b"....")
    blanks.copy(out, 1, b"abc", 2)
    assert out == b".ab."
    made = blanks.record(WSMessageText, ("hi", 2, None, WSMsgType.TEXT))
    assert made == WSMessageText("hi", 2)
    assert type(made) is WSMessageText


def test_the_public_list_is_complete() -> None:
    assert sorted(levante.ws.__all__, key=str.lower) == sorted(set(levante.ws.__all__), key=str.lower)
    assert all(hasattr(levante.ws, name) for name in levante.ws.__all__)
