"""Measure a subject at pieces of work: a row each.

By the clock each row has a fresh process, so that the peak of its memory is its own. Instructions come with it where
perf counts; where callgrind does, they are taken from one more process of the subject, which does all its work under
valgrind, and are added to the rows.
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from catalogue import FLOOR, Subject
from counters import Count, Tally, callgrind, cpu_seconds, own_memory, peak_memory, perf, under_callgrind
from load import Broadcaster, Budget, Connection, Generator, Load, WrongAnswer
from programs import Program, running
from workloads import BROWSER_HEAD, Kind, Workload

BUSY = 0.9  # the share of the time from which this process, the load, counts as what bounds the rate
WARM_UP_SHARE = 0.3
COUNTED_WARM_UP = 0.5  # of what is counted then: specialisation, caches and free lists have settled
UNBOUNDED = 1_000_000_000

Phase = Callable[[Budget], Load]


@dataclass
class Row:
    """What a subject did at a piece of work. Costs are per request, message or parse; times in microseconds."""

    work: str
    subject: str
    instructions: float | None = None
    cpu: float | None = None
    per_second: float | None = None
    p50: float | None = None
    p99: float | None = None
    peak_mib: float | None = None
    kib_each: float | None = None  # of own memory, per idle connection
    load_bound: bool = False  # this process was busy all the time: per_second is a lower bound


@dataclass(frozen=True)
class Plan:
    """How to measure: with which Python, for how long by the clock, how instructions are counted, and of how much."""

    python: Path
    seconds: float = 1.0
    count: Count = Count.NONE
    counted_share: float = 1.0
    most_held: int | None = None  # idle connections, whatever the work wants
    one_process: bool = False  # for all rows of a subject; the peaks of memory are then those of all


def by_clock(plan: Plan, subject: Subject, works: list[Workload]) -> Iterator[Row]:
    """A row for each of `works`, each from a fresh process unless the plan is to save the time."""
    for group in [works] if plan.one_process else [[work] for work in works]:
        with floor_for(plan, group[0]) as port, running(plan.python, subject, port=port) as program:
            for work in group:
                try:
                    yield (idle_row if work.kind is Kind.IDLE else busy_row)(plan, subject, work, program)
                except WrongAnswer as error:
                    raise WrongAnswer(f"{subject.name} at {work.key}: {error}") from error


def busy_row(plan: Plan, subject: Subject, work: Workload, program: Program) -> Row:
    with phases(program, work) as phase:
        phase(Budget(UNBOUNDED, plan.seconds * WARM_UP_SHARE))
        pids = program.pids()
        with perf(pids) if plan.count is Count.PERF else nullcontext(Tally()) as tally:
            before, own = cpu_seconds(pids), time.process_time()
            load = phase(Budget(UNBOUNDED, plan.seconds))
            spent, own = cpu_seconds(pids) - before, time.process_time() - own
    return Row(
        work.key,
        subject.name,
        None if tally.instructions is None else tally.instructions / load.count,
        cpu=spent / load.count * 1e6,
        per_second=load.count / load.seconds,
        p50=load.p50 * 1e6,
        p99=load.p99 * 1e6,
        peak_mib=peak_memory(pids) / 2**20,
        load_bound=own >= BUSY * load.seconds,
    )


def idle_row(plan: Plan, subject: Subject, work: Workload, program: Program) -> Row:
    """What a connection costs that has been answered once and is kept, and how fast others are answered meanwhile; it
    is asked again, to show that it was kept.
    """
    port, count = program.port, work.held if plan.most_held is None else min(work.held, plan.most_held)
    with opened(port, work, work.connections) as connections:
        Generator(connections, work.request).run(Budget(UNBOUNDED, plan.seconds * WARM_UP_SHARE))
    pids = program.pids()
    before = own_memory(pids)
    with opened(port, work, count) as connections:
        grown = own_memory(pids) - before
        with opened(port, work, work.connections) as others:
            load = Generator(others, work.request).run(Budget(UNBOUNDED, plan.seconds))
        for connection in connections:
            connection.ask(work.request)
        return Row(
            work.key,
            subject.name,
            p50=load.p50 * 1e6,
            p99=load.p99 * 1e6,
            peak_mib=peak_memory(pids) / 2**20,
            kib_each=grown / count / 1024,
        )


def count_instructions(plan: Plan, subject: Subject, works: list[Workload]) -> dict[str, float]:
    """Instructions per request by callgrind, for each of `works` by its key, from one process."""
    counted = {}
    with tempfile.TemporaryDirectory(prefix="callgrind-") as name, floor_for(plan, works[0]) as port:
        folder = Path(name)
        with running(plan.python, subject, port=port, prefix=under_callgrind(folder)) as program:
            for work in works:
                count = max(1, round(work.counted * plan.counted_share))
                with phases(program, work) as phase:
                    phase(Budget(max(1, round(count * COUNTED_WARM_UP)), float(UNBOUNDED)))
                    with callgrind(program.pids(), folder) as tally:
                        load = phase(Budget(count, float(UNBOUNDED)))
                counted[work.key] = (tally.instructions or 0) / load.count
    return counted


@contextmanager
def floor_for(plan: Plan, work: Workload) -> Iterator[int | None]:
    """The port of the server that a client asks: the floor, which costs less than any client. None for the others."""
    if work.kind is Kind.CLIENT:
        with running(plan.python, FLOOR) as server:
            yield server.port
    else:
        yield 0 if work.kind is Kind.CALL else None


def phases(program: Program, work: Workload) -> AbstractContextManager[Phase]:
    """What does as much of the work as a budget says, as often as it is called."""
    if work.kind in (Kind.SERVER, Kind.IDLE, Kind.BROADCAST):
        return served(program.port, work)
    if work.kind is Kind.CLIENT:
        return nullcontext(ordered(program, method=work.method, at_once=work.connections))
    return nullcontext(ordered(program, head=BROWSER_HEAD.decode()))


def ordered(program: Program, **order: object) -> Phase:
    return lambda budget: program.carry_out(count=budget.count, seconds=budget.seconds, **order)


@contextmanager
def served(port: int, work: Workload) -> Iterator[Phase]:
    with opened(port, work, work.connections) as connections:
        if work.kind is Kind.BROADCAST:
            broadcaster = Broadcaster(connections, work.request)
            broadcaster.run(Budget(1, UNBOUNDED))
            yield broadcaster.run
            return
        yield Generator(connections, work.request).run


@contextmanager
def opened(port: int, work: Workload, count: int) -> Iterator[list[Connection]]:
    """Connections, each asked once as soon as it is open, before the server loses its patience."""
    connections: list[Connection] = []
    try:
        for _ in range(count):
            connections.append(Connection(port, work.is_right, is_websocket=work.is_websocket, path=work.path))
            if work.kind is not Kind.BROADCAST:
                connections[-1].ask(work.request)
        yield connections
    finally:
        for connection in connections:
            connection.close()
