"""Builds the hot modules of levante.ws, the plain `.py` files themselves, with Cython and the `.pxd` beside each.

LEVANTE_PURE=1 builds nothing. Without a working compiler the package installs in its plain form with one visible
warning, unless LEVANTE_REQUIRE_COMPILED=1 makes that an error (wheels).
"""

import os
import sys

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

PACKAGE = "levante.ws"
HOT = ["masks", "frames", "messages"]


class OptionalBuild(build_ext):
    """A build that may fail: the plain form does the same work."""

    def run(self):
        try:
            super().run()
        except Exception as error:
            if os.environ.get("LEVANTE_REQUIRE_COMPILED"):
                raise
            self.warn(f"{PACKAGE} is installed in its plain form, many times slower: {error}")
            self.extensions.clear()


def extensions():
    from Cython.Build import cythonize

    folder = PACKAGE.replace(".", "/")
    # In a namespace package Cython finds the .pxd files only by explicit names and an include path; without them it
    # compiles untyped and says nothing (a test looks for the vtables).
    modules = [
        Extension(
            f"{PACKAGE}.{name}",
            [f"src/{folder}/{name}.py"],
            # A reference to a cpdef method of a typed object would lose its self; gcc only warns of it.
            extra_compile_args=[] if sys.platform == "win32" else ["-O3", "-Werror=incompatible-pointer-types"],
        )
        for name in HOT
    ]
    return cythonize(
        modules,
        include_path=["src"],
        build_dir="build",
        compiler_directives={"language_level": 3, "annotation_typing": False},
    )


def ext_modules():
    if os.environ.get("LEVANTE_PURE"):
        return []
    try:
        return extensions()
    except ImportError:
        if os.environ.get("LEVANTE_REQUIRE_COMPILED"):
            raise
        print(f"warning: {PACKAGE} is built in its plain form: Cython is not installed", file=sys.stderr)  # noqa: T201 - a build script speaks
        return []


setup(ext_modules=ext_modules(), cmdclass={"build_ext": OptionalBuild})
