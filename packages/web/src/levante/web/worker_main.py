"""`python -m levante.web.worker_main FD`: what a worker process runs. It learns from the socket FD what to serve, where
it finds it, and which sockets it has inherited to listen at.
"""

import faulthandler
import pickle
import runpy
import socket
import sys
from types import ModuleType

from . import workers
from .running import run_worker
from .worker_process import LENGTH, Preparation

MAIN = "__levante_main__"
"""The name under which the program's main module is loaded: not `__main__`, so that it does not start it all again."""


def main(descriptor: int) -> None:
    """Serve."""
    workers.in_worker = True
    faulthandler.enable()  # SIGABRT from the supervisor shows where a worker hangs, even in C
    control = socket.socket(fileno=descriptor)
    preparation = _receive(control)
    sys.path[:] = preparation.sys_path
    sys.argv[:] = preparation.argv
    _load_main(preparation)
    assignment = pickle.loads(preparation.assignment)  # noqa: S301  # from our own parent
    run_worker(assignment, [socket.socket(fileno=descriptor) for descriptor in preparation.sockets], control)


def _receive(control: socket.socket) -> Preparation:
    with control.makefile("rb") as stream:
        head = stream.read(LENGTH.size)
        if len(head) < LENGTH.size:
            raise SystemExit("the supervisor is gone")
        (length,) = LENGTH.unpack(head)
        preparation = pickle.loads(stream.read(length))  # noqa: S301  # from our own parent
    if not isinstance(preparation, Preparation):
        raise TypeError(f"expected a Preparation from the supervisor, got {preparation!r}")
    return preparation


def _load_main(preparation: Preparation) -> None:
    """Load the program that called `run_app`, if something of it is needed."""
    if preparation.main_module is not None:
        content = runpy.run_module(preparation.main_module, run_name=MAIN, alter_sys=True)
    elif preparation.main_path is not None:
        content = runpy.run_path(preparation.main_path, run_name=MAIN)
    else:
        return
    module = ModuleType(MAIN)
    module.__dict__.update(content)
    sys.modules["__main__"] = sys.modules[MAIN] = module


if __name__ == "__main__":
    main(int(sys.argv[1]))
