"""Clocks: seconds of single calls with cold caches or on what was just written, or of many calls in a row.

On a GPU CUDA events time each call; on a CPU one thread computes and its own CPU time is read, which other load on the
machine touches least (wall-clock with two threads on a busy machine was off by factors).
"""

from __future__ import annotations

import importlib
import itertools
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from simcore.models.compute.device import FAR

Pool = list[tuple[Any, ...]]
"""Sets of inputs that take turns."""

FLUSH = FAR
"""Bytes written between two calls, twice as many on a GPU: above what a core or a GPU caches."""


WRITTEN = 32 * 2**20
"""Bytes that are written between two calls on what was just written: indices in a model of PIT take as long then."""

OFTEN = 3
"""Such calls are so many times as many as others: each takes a fraction of a millisecond, and few bytes are written."""

LEAD = 8
"""Times that these bytes are written before calls are timed on a GPU: 3 GB read and written, about 1 ms of an H100."""

ROW = 1e-3
"""Least length of a row of warm calls on a CPU [s], beside which reading the clock is nothing."""

MOST_IN_A_ROW = 1000
"""Calls of such a row at most."""

BURST = 16
"""Warm calls in a row on a GPU, the second half of which counts: fewer than the host launches while it is busy."""

SHORTEST = 1e-6
"""Least time that a call is taken to need when the next are planned [s]."""


def _torch() -> Any:
    return importlib.import_module("torch")


@lru_cache(maxsize=2)
def _flush(device: str, size: int) -> Any:
    """Return the bytes that are written between two calls."""
    torch = _torch()
    return torch.ones(size, dtype=torch.uint8, device=device)


def cpu_calls(run: Callable[..., Any], pool: Pool, repeats: int, budget: float, _: Any) -> list[float]:
    """Thread time of single calls, caches overwritten before each."""
    flush = _flush("cpu", FLUSH)
    for inputs in pool:  # the allocator keeps what it gave once: fresh pages would be faulted in while the clock runs
        run(*inputs)
    seconds: list[float] = []
    deadline = time.monotonic() + budget
    while len(seconds) < 3 or (len(seconds) < repeats and time.monotonic() < deadline):
        inputs = pool[(len(seconds) + 1) % len(pool)]
        flush.add_(1)
        started = time.thread_time()
        run(*inputs)
        seconds.append(time.thread_time() - started)
    return seconds


def written_calls(run: Callable[..., Any], pool: Pool, repeats: int, budget: float, _: Any) -> list[float]:
    """Thread time of single calls on inputs that were just written, as a mask is in a step before its index is found.

    `WRITTEN` bytes are written before that: other kernels ran since the last call, so the code is not warm.
    """
    flush = _flush("cpu", WRITTEN)
    for inputs in pool:
        run(*inputs)
    seconds: list[float] = []
    deadline = time.monotonic() + budget
    while len(seconds) < 3 or (len(seconds) < OFTEN * repeats and time.monotonic() < deadline):
        flush.add_(1)
        inputs = tuple(one.clone() for one in pool[(len(seconds) + 1) % len(pool)])
        started = time.thread_time()
        run(*inputs)
        seconds.append(time.thread_time() - started)
    return seconds


def cuda_calls(run: Callable[..., Any], pool: Pool, repeats: int, budget: float, target: Any) -> list[float]:
    """Event time of single calls, L2 overwritten before each; nothing waits for the host in between.

    The GPU is kept busy before the first call, so that the host is ahead of it and no event waits for a launch. After
    three calls as many follow as the budget holds.
    """
    torch = _torch()
    flush = _flush(str(target), 2 * FLUSH)
    for inputs in pool:  # clocks rise, and lazily loaded kernels arrive
        run(*inputs)
    torch.cuda.synchronize()
    seconds: list[float] = []
    deadline = time.monotonic() + budget
    calls = 3
    while calls > 0:
        events: list[tuple[Any, Any]] = []
        for _ in range(LEAD):
            flush.add_(1)
        for _ in range(calls):
            flush.add_(1)
            start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
            start.record()
            run(*pool[(len(seconds) + len(events)) % len(pool)])
            end.record()
            events.append((start, end))
        torch.cuda.synchronize()
        seconds += [start.elapsed_time(end) * 1e-3 for start, end in events]
        affordable = (deadline - time.monotonic()) / max(*seconds, SHORTEST)
        calls = min(repeats - len(seconds), int(affordable))
    return seconds


def calls_in_a_row(run: Callable[..., Any], pool: Pool, repeats: int, budget: float, _: Any) -> list[float]:
    """Thread time per call, of so many calls of the same inputs in a row that the clock's own time is nothing."""
    inputs = pool[0]
    run(*inputs)
    started = time.thread_time()
    run(*inputs)
    number = max(1, min(MOST_IN_A_ROW, int(ROW / max(time.thread_time() - started, SHORTEST))))
    seconds: list[float] = []
    deadline = time.monotonic() + budget
    while len(seconds) < 3 or (len(seconds) < repeats and time.monotonic() < deadline):
        started = time.thread_time()
        for _ in range(number):
            run(*inputs)
        seconds.append((time.thread_time() - started) / number)
    return seconds


def cuda_warm(run: Callable[..., Any], pool: Pool, repeats: int, budget: float, target: Any) -> list[float]:
    """Event time of single calls in a row, L2 as the call before left it; nothing waits for the host in between.

    The GPU is kept busy first by writing `LEAD` times, which `BURST` launches do not outlast. The first calls after
    that bring the operands back and are not counted.
    """
    torch = _torch()
    flush = _flush(str(target), 2 * FLUSH)
    run(*pool[0])
    torch.cuda.synchronize()
    seconds: list[float] = []
    deadline = time.monotonic() + budget
    while len(seconds) < 3 or (len(seconds) < repeats and time.monotonic() < deadline):
        for _ in range(LEAD):
            flush.add_(1)
        marks = [torch.cuda.Event(enable_timing=True) for _ in range(BURST + 1)]
        marks[0].record()
        for mark in marks[1:]:
            run(*pool[0])
            mark.record()
        torch.cuda.synchronize()
        pairs = list(itertools.pairwise(marks))[BURST // 2 :]
        seconds += [start.elapsed_time(end) * 1e-3 for start, end in pairs]
    return seconds


def host_calls(run: Callable[..., Any], pool: Pool, repeats: int, budget: float, target: Any) -> list[float]:
    """Seconds of the host per call of many calls in a row on a GPU."""
    from torch.utils.benchmark import Timer

    bench = Timer("run(*pool[0])", globals={"run": run, "pool": pool})
    number = 100
    first = bench.timeit(number).mean
    number = max(10, min(10_000, int(budget / max(repeats, 3) / max(first, 1e-9))))
    return [bench.timeit(number).mean for _ in range(max(repeats, 3))]
