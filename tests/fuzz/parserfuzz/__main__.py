"""The command line of one fuzzing process: `python -m parserfuzz PROGRAM --seconds 60`; `make fuzz` starts several."""

import argparse
import hashlib
import logging
import random
import sys
import traceback
from pathlib import Path
from typing import Any

NOT_FOUND = 0
FOUND = 1


def main() -> int:
    parser = argparse.ArgumentParser(prog="parserfuzz", description=__doc__)
    parser.add_argument("name", help="a program, a target, or `compiled`: all targets that run compiled code")
    parser.add_argument("--seconds", type=int, default=60, help="how long")
    parser.add_argument("--seed", type=int, help="of the chance; printed where none is given")
    parser.add_argument("--folder", type=Path, required=True, help="where inputs, dictionaries and findings go")
    parser.add_argument("--driver", choices=("guided", "mutating"), default="mutating")
    parser.add_argument("--input", type=Path, help="check only what is in this file, with the target NAME")
    parser.add_argument("--merge", action="store_true", help="find the inputs of FOLDER that each reach something new")
    parser.add_argument("--keep", action="store_true", help="add what was found so to the corpus that is committed")
    parser.add_argument("--libfuzzer", nargs=argparse.REMAINDER, help="run libFuzzer as what follows says")
    options = parser.parse_args()
    logging.disable()  # what a parser has to say about hostile input would fill the terminal
    folder: Path = options.folder
    (folder / "findings").mkdir(parents=True, exist_ok=True)

    def save(target: Any, data: bytes) -> Path:
        path = folder / "findings" / f"{target.name}-{hashlib.sha256(data).hexdigest()[:12]}"
        path.write_bytes(data)
        return path

    if options.keep:
        from .catalogue import keep_merged

        keep_merged(options.name, folder)
        return NOT_FOUND
    if options.driver == "guided" and options.input is None:
        from . import guided

        if options.libfuzzer is not None:
            guided.walk(options.name, options.libfuzzer, program=folder / f"{options.name}.launcher")
        if options.merge:
            guided.merge(options.name, folder=folder)
        guided.fuzz(options.name, seconds=options.seconds, folder=folder, save=save, seed=options.seed)
    from . import mutating
    from .catalogue import chosen

    targets = chosen(options.name)
    if options.input is not None:
        (target,) = targets
        target.run(options.input.read_bytes())
        print(f"{target.name}: nothing found")
        return NOT_FOUND
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1 << 32)
    print(f"{options.name}: mutating for {options.seconds} s, seed {seed}", flush=True)
    box = folder / f"{options.name}.input"
    count, failed, data = mutating.fuzz(targets, seconds=options.seconds, seed=seed, box=box)
    print(f"{options.name}: {count} inputs", flush=True)
    if failed is None:
        return NOT_FOUND
    path = save(failed, mutating.smaller(failed, data))
    print(f"{failed.name}: input {count} of seed {seed}, made smaller: {path}", flush=True)
    try:
        failed.run(path.read_bytes())
    except Exception:
        traceback.print_exc()
    return FOUND


if __name__ == "__main__":
    sys.exit(main())
