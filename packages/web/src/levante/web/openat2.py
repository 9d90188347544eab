"""openat2(2): the system call of Linux that opens a path under conditions for which open() has no flags, here that no
part of it is a link, and that nothing has to be waited for. No library has a function for it, so it is called by its
number; where it is not (another system, a kernel before 5.12, a sandbox that refuses it) there is a longer way.
"""

import errno
import os
import struct
import sys
from functools import cache
from typing import Protocol

NUMBER = 437
"""Of the call: the same on all architectures."""

NO_SYMLINKS = 0x04
"""RESOLVE_NO_SYMLINKS: ELOOP when a part of the path is a link. Only a link that O_PATH | O_NOFOLLOW opens itself may
be the last part.
"""

CACHED = 0x20
"""RESOLVE_CACHED: EAGAIN unless the kernel remembers all of the path, or remembers that it is not there."""


class Call(Protocol):
    """`syscall` of the C library."""

    def __call__(self, number: int, folder: int, path: bytes, how: bytes, size: int, /) -> int: ...


class Openat2:
    """The call in both manners: `open` lets other threads run meanwhile, `open_cached` is over before they could.

    Paths are absolute, or relative to the working directory. ValueError for one with a NUL, which would end it there.
    """

    def __init__(self) -> None:
        # Imported here: only who serves files needs it, and some builds of Python have no ctypes.
        import ctypes

        types = ctypes.c_long, ctypes.c_int, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_size_t
        self._errno = ctypes.get_errno
        self._releasing: Call = _typed(ctypes.CDLL(None, use_errno=True).syscall, types, ctypes.c_long)
        self._holding: Call = _typed(ctypes.PyDLL(None, use_errno=True).syscall, types, ctypes.c_long)

    def open(self, path: str, flags: int, resolve: int) -> int:
        """A descriptor of `path`; raises OSError."""
        descriptor = self._releasing(NUMBER, _WORKING_DIRECTORY, _encoded(path), _how(flags, resolve), _HOW.size)
        if descriptor < 0:
            number = self._errno()
            raise OSError(number, os.strerror(number), path)
        return descriptor

    def open_cached(self, path: str, flags: int, resolve: int = 0) -> int:
        """A descriptor of `path`, or an error's number below zero: EAGAIN if it would have to be waited for."""
        descriptor = self._holding(NUMBER, _WORKING_DIRECTORY, _encoded(path), _how(flags, resolve | CACHED), _HOW.size)
        return descriptor if descriptor >= 0 else -self._errno()


_WORKING_DIRECTORY = -100  # AT_FDCWD
_HOW = struct.Struct("=QQQ")  # struct open_how: flags, mode, resolve
_ENCODING = sys.getfilesystemencoding()
_ERRORS = sys.getfilesystemencodeerrors()


def _encoded(path: str) -> bytes:
    if "\0" in path:
        raise ValueError(f"a path has no NUL; got {path!r}")
    return path.encode(_ENCODING, _ERRORS)  # os.fsencode() takes three times as long


def _typed(function: "object", arguments: tuple[object, ...], result: object) -> Call:
    function.argtypes = arguments  # type: ignore[attr-defined]
    function.restype = result  # type: ignore[attr-defined]
    return function  # type: ignore[return-value]


@cache
def _how(flags: int, resolve: int) -> bytes:
    return _HOW.pack(flags | os.O_CLOEXEC, 0, resolve)


@cache
def find() -> Openat2 | None:
    """The call, where this system has it and all that is asked of it."""
    if sys.platform != "linux":
        return None
    try:
        call = Openat2()
    except (ImportError, AttributeError, OSError):  # no ctypes; no `syscall`; nothing to look for it in
        return None
    descriptor = call.open_cached("/", os.O_PATH, NO_SYMLINKS)
    if descriptor >= 0:
        os.close(descriptor)
    return call if descriptor >= 0 or descriptor == -errno.EAGAIN else None
