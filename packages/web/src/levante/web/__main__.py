"""`python -m levante.web package.module:function [args...]`: serve the application that a function makes of the
remaining arguments.
"""

import argparse
import logging
import sys
from collections.abc import Sequence
from importlib import import_module

from .running import run_app


def main(argv: Sequence[str]) -> None:
    """Parse, import, call, serve. Exits with status 2 and a line that says why when one of the first three fails."""
    parser = argparse.ArgumentParser(prog="python -m levante.web", description="Serve a levante application")
    parser.add_argument(
        "entry", metavar="module:function", help="what makes the application of the remaining arguments"
    )
    parser.add_argument("-H", "--hostname", default="localhost", help="the host to listen at (default: %(default)s)")
    parser.add_argument("-P", "--port", type=int, help="the port to listen at (default: 8080)")
    parser.add_argument("-U", "--path", help="a Unix socket to listen at; alone it switches TCP off")
    args, rest = parser.parse_known_args(argv)

    module_name, colon, function_name = args.entry.partition(":")
    if not (colon and module_name and function_name):
        parser.error(f"expected module:function, got {args.entry!r}")
    if module_name.startswith("."):
        parser.error("relative module names are not supported")
    try:
        module = import_module(module_name)
    except ImportError as exc:
        parser.error(f"cannot import {module_name}: {exc}")
    function = getattr(module, function_name, None)
    if function is None:
        parser.error(f"module {module_name!r} has no attribute {function_name!r}")

    host, port = args.hostname, 8080 if args.port is None else args.port
    if args.path is not None and args.port is None:
        host = port = None
    logging.basicConfig(level=logging.DEBUG)
    run_app(function(rest), host=host, port=port, path=args.path)


if __name__ == "__main__":
    main(sys.argv[1:])
