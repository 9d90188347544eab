"""How much of a test is done: a short form for every day, and the long one of the hardening catalogue for `make soak`,
which sets LEVANTE_LONG=1.
"""

import os
import resource

LONG = os.environ.get("LEVANTE_LONG") == "1"


def scaled(short: int, long: int) -> int:
    """What to do today."""
    return long if LONG else short


def allow_files(count: int) -> int:
    """Let this process have so many files open, or as many as it may; gives how many those are."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = count if hard == resource.RLIM_INFINITY else min(count, hard)
    if soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return max(soft, allowed)
