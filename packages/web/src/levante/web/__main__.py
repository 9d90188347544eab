"""`python -m levante.web package.module:function [args...]`: serve the application that a function makes of the
remaining arguments, in this process or, with `--workers`, in several that it supervises.
"""

import argparse
import logging
import sys
from collections.abc import Sequence

from .entry import Entry, EntryError
from .gateway.entry import AsgiEntry
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
    parser.add_argument("-w", "--workers", type=_count, default=1, help="how many processes (default: %(default)s)")
    parser.add_argument("--asgi", action="store_true", help="the entry is an ASGI application, not a function")
    args, rest = parser.parse_known_args(argv)
    if args.asgi and rest:
        parser.error(f"an ASGI application takes no arguments; got {' '.join(rest)}")

    try:
        entry: Entry | AsgiEntry
        if args.asgi:
            entry = AsgiEntry(args.entry, log_level=logging.DEBUG)
        else:
            entry = Entry(args.entry, rest, log_level=logging.DEBUG)
        if args.workers == 1:
            entry.load()
    except (EntryError, ImportError) as exc:
        parser.error(str(exc))

    host, port = args.hostname, 8080 if args.port is None else args.port
    if args.path is not None and args.port is None:
        host = port = None
    logging.basicConfig(level=logging.DEBUG)
    run_app(entry, workers=args.workers, host=host, port=port, path=args.path)


def _count(text: str) -> int:
    count = int(text)
    if count < 1:
        raise argparse.ArgumentTypeError(f"at least 1 worker, got {text}")
    return count


if __name__ == "__main__":
    main(sys.argv[1:])
