"""Pin requirements/*.in and benchmarks/requirements.in anew into the .txt beside each.

Every version has its hashes, every platform its pins, and no download address is written.
"""

import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HEADER = "# Made by `make lock` from {name}; pins for every platform and Python >= 3.11, hashes checked at install.\n"


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        subprocess.run([f"{folder}/bin/pip", "-q", "install", "uv"], check=True)
        for source in [*sorted(ROOT.glob("requirements/*.in")), ROOT / "benchmarks/requirements.in"]:
            target = source.with_suffix(".txt")
            command = [
                f"{folder}/bin/uv",
                "pip",
                "compile",
                "-q",
                "--universal",
                "--upgrade",
                "--generate-hashes",
                "--python-version",
                "3.11",
            ]
            options = ["--no-header", "--no-annotate", "--no-emit-index-url", str(source)]
            pins = subprocess.run([*command, *options], check=True, capture_output=True, text=True).stdout
            if "://" in pins:
                raise SystemExit(
                    f"{target.name}: an address got into the pins; expected names, versions and hashes only"
                )
            target.write_text(HEADER.format(name=source.name) + pins)
            print(f"{target.relative_to(ROOT)}: {pins.count('==')} pins")
    return 0


if __name__ == "__main__":
    sys.exit(main())
