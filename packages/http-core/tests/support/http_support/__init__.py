"""Support for the tests of the HTTP engines: vectors, an engine harness, servers on loopback, the plain form as an
alias.
"""

import runpy
from pathlib import Path
from typing import Any

CASES = Path(__file__).parents[2] / "cases"


def load_cases(name: str, table: str = "CASES") -> list[Any]:
    """A table of `cases/<name>.py`."""
    return list(runpy.run_path(str(CASES / f"{name}.py"))[table])
