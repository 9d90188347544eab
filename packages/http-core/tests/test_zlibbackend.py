"""The exchange of zlib for another module."""

import gzip
import zlib
from types import ModuleType

import pytest

from levante.http import encoder, zlibbackend


@pytest.mark.parity("S33")
def test_the_backend_can_be_exchanged() -> None:
    used = []
    backend = ModuleType("backend")
    backend.__dict__.update(vars(zlib))
    backend.compressobj = lambda **options: used.append(1) or zlib.compressobj(**options)  # type: ignore[attr-defined]
    zlibbackend.set_zlib_backend(backend)
    try:
        made = encoder("gzip")
        assert gzip.decompress(made.compress(b"hello") + made.finish()) == b"hello"
    finally:
        zlibbackend.set_zlib_backend(zlib)
    assert used
    with pytest.raises(TypeError, match="compressobj"):
        zlibbackend.set_zlib_backend(ModuleType("nothing"))
