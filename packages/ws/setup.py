"""Compiles the hot modules: the same `.py` that runs interpreted, with C types from the `.pxd` beside it.

LEVANTE_PURE=1 builds nothing; LEVANTE_REQUIRE_COMPILED=1 makes a failure fatal (wheels). Otherwise a missing compiler
costs one visible warning, and the plain form is installed.
"""

import os
import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

PACKAGE = "levante.ws"
HOT = [
    "masks",
    "frames",
    "messages",
    "protocol",
    "arrival",
    "inbox",
    "outbox",
    "keepalive",
    "lifeline",
    "driver",
    "traffic",
]


class BuildIfPossible(build_ext):
    """Falls back to the plain form of everything when anything cannot be compiled."""

    def finalize_options(self):
        super().finalize_options()
        self.parallel = self.parallel or os.cpu_count()

    def run(self):
        try:
            super().run()
        except Exception as error:
            if os.environ.get("LEVANTE_REQUIRE_COMPILED"):
                raise
            for extension in self.extensions:  # the two forms must not be mixed
                Path(self.get_ext_fullpath(extension.name)).unlink(missing_ok=True)
            self.warn(f"{PACKAGE} is not compiled and will run in its slower plain form: {error}")
            self.extensions.clear()


def extensions():
    if os.environ.get("LEVANTE_PURE"):
        return []
    from Cython.Build import cythonize

    # The names are explicit and the path is given because levante is a namespace without __init__: otherwise Cython
    # would not find the .pxd files, and compile untyped without a word. A reference to a cpdef method of a typed object
    # (as a callback, say) would lose its self, which gcc only warns of.
    strict = [] if sys.platform == "win32" else ["-O3", "-Werror=incompatible-pointer-types"]
    folder = f"src/{PACKAGE.replace('.', '/')}"
    return cythonize(
        [Extension(f"{PACKAGE}.{name}", [f"{folder}/{name}.py"], extra_compile_args=strict) for name in HOT],
        include_path=["src"],
        build_dir="build",
        compiler_directives={"language_level": "3", "annotation_typing": False, "binding": True},
    )


setup(ext_modules=extensions(), cmdclass={"build_ext": BuildIfPossible})
