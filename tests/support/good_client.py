"""A client that does nothing wrong, in a process of its own so that nobody but the server makes it wait:
`python good_client.py PORT` asks PORT of 127.0.0.1 until its standard input ends, on one connection that it keeps and
on a new one each time, and prints the seconds that each answer took; anything but 200 ends it with an error.
"""

import select
import sys
import time

from servers import Connection

PAUSE = 0.01  # seconds


def ask(connection: Connection) -> float:
    """Seconds until the answer."""
    began = time.monotonic()
    answer = connection.get()
    if answer != (200, "hello"):
        raise SystemExit(f"answered {answer}; expected 200 and hello")
    return time.monotonic() - began


def main(port: int) -> None:
    kept = Connection(port)
    while not select.select([sys.stdin], [], [], PAUSE)[0]:
        print(ask(kept), flush=True)
        new = Connection(port)
        print(ask(new), flush=True)
        new.close()
    kept.close()


if __name__ == "__main__":
    main(int(sys.argv[1]))
