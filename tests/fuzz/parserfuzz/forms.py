"""The engines in the forms that are here: compiled and, in the same process, plain. Where nothing is compiled, or only
the compiled form is wanted (a sanitizer looks at nothing else), there is one form, and only cuts are compared.
"""

import os
from importlib import import_module
from types import ModuleType
from typing import NamedTuple

from http_support.plain import plain

import levante.http

ONLY_INSTALLED = bool(os.environ.get("PARSERFUZZ_ONLY_INSTALLED"))


class Form(NamedTuple):
    """The modules of one form."""

    name: str
    h1: ModuleType
    bodies: ModuleType
    octets: ModuleType
    multipart: ModuleType
    frames: ModuleType
    protocol: ModuleType


def _form(name: str) -> Form:
    modules = ("http.h1", "http.bodies", "http.octets", "http.multipart", "ws.frames", "ws.protocol")
    if name == "plain":
        return Form(name, *(plain(module) for module in modules))
    return Form(name, *(import_module(f"levante.{module}") for module in modules))


INSTALLED = _form("installed")
TWIN = _form("plain") if levante.http.is_compiled() and not ONLY_INSTALLED else None
FORMS = (INSTALLED,) if TWIN is None else (INSTALLED, TWIN)
