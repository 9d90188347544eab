"""`make bench`: checks that it can run here, and hands over to command.py, which needs a new Python to be imported."""

import sys

OLDEST_PYTHON = (3, 11)


def main() -> int:
    if sys.version_info < OLDEST_PYTHON or sys.platform != "linux":
        print("the benchmark needs Linux and Python 3.11 or later (make bench PYTHON=python3.13)", file=sys.stderr)
        return 2
    import command

    return command.main()


if __name__ == "__main__":
    sys.exit(main())
