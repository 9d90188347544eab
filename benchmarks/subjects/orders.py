"""How a client or parser subject is driven: it reads orders, one JSON object a line, and answers each with a report.

An order is {"count": ..., "seconds": ..., ...}: work until either is reached. The report is {"count": ..., "seconds":
..., "p50": ..., "p99": ...}, the last two in seconds. So one process is warmed up, then measured.
"""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

BATCH = 20  # calls that are timed as one: the clock costs as much as the shortest of them

Order = dict[str, Any]
BODY = json.dumps({"text": "x" * 1000}).encode()
# What one service says to another for which it works (the method CALL): who asks, about what, and how long it may take.
FIELDS = {"X-Request-ID": "01929f6b2c5e7c3f", "Authorization": f"Bearer {'token' * 8}", "Accept": "application/json"}
DEADLINE = 5  # seconds
DEADLINE_FIELD = {"X-Envoy-Expected-Rq-Timeout-Ms": str(DEADLINE * 1000)}  # for clients that do not say it themselves


def report(started: float, times: list[float], *, each: int = 1) -> None:
    """Answer an order; each of `times`, in seconds, is the mean of `each` pieces of work."""
    seconds = time.perf_counter() - started
    times.sort()
    p50, p99 = times[len(times) // 2], times[len(times) * 99 // 100]
    print(json.dumps({"count": len(times) * each, "seconds": seconds, "p50": p50, "p99": p99}), flush=True)


def repeat(order: Order, call: Callable[[], object], expected: set[object]) -> None:
    """Carry out an order by calling `call`, whose results must be among the expected ones."""
    times: list[float] = []
    started = time.perf_counter()
    deadline = started + order["seconds"]
    while len(times) * BATCH < order["count"] and (begun := time.perf_counter()) < deadline:
        for _ in range(BATCH):
            found = call()
        times.append((time.perf_counter() - begun) / BATCH)
        if found not in expected:
            raise SystemExit(f"got {found!r}; expected one of {expected}")
    report(started, times, each=BATCH)


async def serve(request: Callable[[str], Awaitable[tuple[int, int]]]) -> None:
    """Carry out orders with `request(method)`, which sends one and returns the status and the length of the body."""
    loop = asyncio.get_running_loop()
    print("ready", flush=True)
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        await carry_out(json.loads(line), request)


async def carry_out(order: Order, request: Callable[[str], Awaitable[tuple[int, int]]]) -> None:
    left, times = order["count"], []
    started = time.perf_counter()
    deadline = started + order["seconds"]

    async def work() -> None:
        nonlocal left
        while left > 0 and (begun := time.perf_counter()) < deadline:
            left -= 1
            answer = await request(order["method"])
            if answer != (200, 13):
                raise SystemExit(f"got status and length {answer}; expected (200, 13)")
            times.append(time.perf_counter() - begun)

    if order["at_once"] == 1:
        await work()
    else:
        await asyncio.gather(*(work() for _ in range(order["at_once"])))
    report(started, times)
