"""Run every test of the repository, the engines in both forms, and print one summary.

A suite is one pytest run in a process of its own. Each package is tested in the plain form on asyncio, where coverage
can be measured (95 % of its lines by its own tests), and again compiled on uvloop: so both forms and both loops are
walked. The second time what is shipped runs without assert statements: no control flow may hang on one. PostgreSQL is
started once and handed to all by TEST_DATABASE_URL.
"""

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field
from pathlib import Path

from postgres import throwaway_cluster

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "build" / "tests"
COVERAGE_FLOOR = 95  # per cent of each package's lines, by its own tests
# Tests wait for other processes and for clocks nearly half of their time: more of them than there are cores.
WORKERS = max(3, (os.cpu_count() or 2) * 3 // 2)
PLAIN = {"LEVANTE_PURE": "1", "LEVANTE_TEST_LOOP": "asyncio"}
COMPILED = {"LEVANTE_TEST_LOOP": "uvloop"}
# Without assert statements (those of tests are pytest's own code); pytest warns of it.
OPTIMISED = {"PYTHONOPTIMIZE": "1", "PYTEST_ADDOPTS": "-W ignore::pytest.PytestConfigWarning"}


@dataclass
class Suite:
    """One pytest run, and afterwards its result."""

    name: str
    paths: list[str]
    environment: dict[str, str]
    package: str | None = None  # whose coverage is measured; by path, for the plain twins have other module names
    cwd: Path = ROOT
    counts: dict[str, int] = field(default_factory=dict)
    coverage: str = "-"
    status: int = 0
    seconds: float = 0.0

    def run(self) -> None:
        report = RESULTS / f"{self.name.replace(' ', '-')}.xml"
        command = [sys.executable, "-m", "pytest", "-q", "-r", "fEs", f"--junitxml={report}", *self.paths]
        # A module's costly fixtures are made once; the order is that of collection: what is slow first.
        command += ["-n", str(WORKERS), "--dist", "loadscope", "--no-loadscope-reorder"]
        if self.package is not None:
            command += [f"--cov=packages/{self.package}/src", f"--cov-fail-under={COVERAGE_FLOOR}"]
            command += ["--cov-report=term-missing:skip-covered", f"--cov-report=json:{report.with_suffix('.json')}"]
        print(f"\n=== {self.name}", flush=True)
        started = time.monotonic()
        environment = {**os.environ, **self.environment, "COVERAGE_FILE": str(report.with_suffix(".coverage"))}
        environment = {name: value for name, value in environment.items() if value}  # "" takes a variable away
        self.status = subprocess.run(command, cwd=self.cwd, env=environment, check=False).returncode
        self.seconds = time.monotonic() - started
        self.read(report)

    def read(self, report: Path) -> None:
        if report.exists():
            result = next(ET.parse(report).getroot().iter("testsuite"))
            numbers = {key: int(result.get(key, "0")) for key in ("tests", "failures", "errors", "skipped")}
            failed = numbers["failures"] + numbers["errors"]
            self.counts = {
                "passed": numbers["tests"] - failed - numbers["skipped"],
                "failed": failed,
                "skipped": numbers["skipped"],
            }
        coverage = report.with_suffix(".json")
        if self.package is not None and coverage.exists():
            self.coverage = f"{json.loads(coverage.read_text())['totals']['percent_covered']:.1f} %"


def all_suites() -> list[Suite]:
    suites = []
    for package in ("http-core", "ws", "web", "client", "sessions"):
        tests = [f"packages/{package}/tests"]
        suites.append(Suite(f"{package} plain", tests, PLAIN, package=package))
        suites.append(Suite(f"{package} compiled", tests, COMPILED | OPTIMISED))
    # Not shipped with a service, and nearly all processes: the tests of the whole walk it compiled and on uvloop.
    suites.append(Suite("devtools plain", ["packages/devtools/tests"], PLAIN, package="devtools"))
    suites.append(Suite("whole", ["tests"], {}))
    storefront = ROOT / "services" / "storefront"
    suites.append(Suite("storefront sqlite", ["tests"], {"TEST_DATABASE_URL": ""}, cwd=storefront))
    suites.append(Suite("storefront postgresql", ["tests"], {}, cwd=storefront))
    return suites


def wanted(suites: list[Suite], names: list[str]) -> list[Suite]:
    if not names:
        return suites
    known = {suite.name for suite in suites} | {suite.name.split()[0] for suite in suites}
    if unknown := [name for name in names if name not in known]:
        raise SystemExit(f"no such suite: {', '.join(unknown)}; expected some of: {', '.join(sorted(known))}")
    return [suite for suite in suites if suite.name in names or suite.name.split()[0] in names]


def summary(suites: list[Suite]) -> str:
    rows = [f"{'suite':<24}{'passed':>8}{'failed':>8}{'skipped':>9}{'coverage':>10}{'seconds':>9}"]
    for suite in suites:
        counts = suite.counts or {"passed": 0, "failed": 0, "skipped": 0}
        row = f"{suite.name:<24}{counts['passed']:>8}{counts['failed']:>8}{counts['skipped']:>9}"
        row += f"{suite.coverage:>10}{suite.seconds:>9.1f}"
        rows.append(row + ("" if suite.status == 0 else f"  FAILED (pytest status {suite.status})"))
    total = {key: sum(suite.counts.get(key, 0) for suite in suites) for key in ("passed", "failed", "skipped")}
    seconds = sum(suite.seconds for suite in suites)
    rows.append(f"{'all':<24}{total['passed']:>8}{total['failed']:>8}{total['skipped']:>9}{'':>10}{seconds:>9.1f}")
    return "\n".join(rows)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suites", nargs="*", help="names of suites or packages; all where none is given")
    suites = wanted(all_suites(), parser.parse_args().suites)
    shutil.rmtree(RESULTS, ignore_errors=True)
    RESULTS.mkdir(parents=True)
    with contextlib.ExitStack() as stack:
        if "TEST_DATABASE_URL" not in os.environ:
            try:
                os.environ["TEST_DATABASE_URL"] = stack.enter_context(throwaway_cluster())
            except FileNotFoundError as error:
                if os.environ.get("CI") == "true":
                    raise SystemExit(f"{error}; CI must have it") from None
                print(f"{error}; what needs it is skipped", flush=True)
                suites = [suite for suite in suites if suite.name != "storefront postgresql"]
        for suite in suites:
            suite.run()
    print("\n" + summary(suites), flush=True)
    return 1 if any(suite.status for suite in suites) else 0


if __name__ == "__main__":
    sys.exit(main())
