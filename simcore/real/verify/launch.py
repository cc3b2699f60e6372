"""One process for each rank, which answers or is ended in time; torch is imported when something is verified."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing import connection
from typing import Any

from simcore.calibrate.measure.device import require_torch
from simcore.errors import RunError, SimcoreError
from simcore.real.verify.case import Case
from simcore.real.verify.finding import Finding, merged

Told = Callable[[str, int, int], None]
"""Called with what is counted, how many are done, and how many there are."""


@dataclass(frozen=True)
class Verified:
    """What was found.

    Attributes
    ----------
    findings : tuple of Finding
        Every tensor, in the order of the forward pass, fp64 first.
    applied : mapping of str to tuple of str
        Steps, to the modules that each has changed.
    missing : tuple of str
        Tensors that no rank has given.
    failure : str
        Why the scheduled module could not run; empty where it could.
    """

    findings: tuple[Finding, ...] = ()
    applied: tuple[tuple[str, tuple[str, ...]], ...] = ()
    missing: tuple[str, ...] = ()
    failure: str = ""

    @property
    def first(self) -> Finding | None:
        """The first tensor that differs; None where all are equal."""
        return next((one for one in self.findings if not one.equal), None)

    @property
    def equal(self) -> bool:
        """Whether every tensor is equal but for rounding."""
        return not self.failure and not self.missing and self.first is None


def verified(case: Case, timeout: float = 300.0, told: Told = lambda *_: None) -> Verified:
    """Run a case, in this process or in one for each rank.

    Parameters
    ----------
    case : Case
        What is verified.
    timeout : float
        Seconds after which ranks that have not answered are ended [s].
    told : callable
        Called whenever a number format is done.

    Raises
    ------
    InputError
        If a step does not apply.
    RunError
        If a rank does not answer in time, or dies.
    MissingExtraError
        If torch is not installed.
    """
    require_torch()
    answers = _here(case, told) if case.ways.ranks == 1 else _on_ranks(case, timeout, told)
    failure = next((each for each in answers if isinstance(each, str)), "")
    if failure:
        return Verified(failure=failure)
    found = [each for each in answers if not isinstance(each, str)]
    names = found[0][2]
    worst = merged((each[0] for each in found), names)
    there = {one.name for one in worst}
    applied = tuple((one.step, one.paths) for one in found[0][1])
    return Verified(tuple(worst), applied, tuple(name for name in names if name not in there))


def gpus() -> int:
    """Return how many GPUs torch can use here."""
    require_torch()
    import torch

    return torch.cuda.device_count()


def _here(case: Case, told: Told) -> list[Any]:
    import torch

    from simcore.real.verify.run import ScheduledError, run

    done, state = [0], torch.random.get_rng_state()

    def count(_: str) -> None:
        done[0] += 1
        told("number formats", done[0], len(case.precisions))

    try:
        return [run(case, 0, count)]
    except ScheduledError as error:
        return [str(error)]
    finally:
        torch.random.set_rng_state(state)


def _on_ranks(case: Case, timeout: float, told: Told) -> list[Any]:
    """Start a process for each rank, and return what each answers."""
    from torch import multiprocessing

    processes: Any = multiprocessing  # which ships its types only in part
    context = processes.get_context("forkserver")
    context.set_forkserver_preload(["simcore.real.verify.run", "simcore.real.verify.stages"])
    pipes = [context.Pipe(duplex=False) for _ in range(case.ways.ranks)]
    with tempfile.TemporaryDirectory() as folder:
        writers = [writer for _, writer in pipes]
        started: Any = processes.start_processes(
            _rank, (case, f"file://{folder}/store", writers, timeout), case.ways.ranks, join=False, daemon=True,
            start_method="forkserver",
        )  # fmt: skip
        for writer in writers:
            writer.close()
        try:
            return _answers([reader for reader, _ in pipes], time.monotonic() + timeout, timeout, told, case)
        finally:
            for process in started.processes:
                process.kill()
                process.join()


def _answers(readers: list[Any], deadline: float, timeout: float, told: Told, case: Case) -> list[Any]:
    """Return the answer of each rank; the first error ends the wait for the others."""
    waiting, answers, done = dict(enumerate(readers)), dict[int, Any](), 0
    while waiting:
        ready = connection.wait(list(waiting.values()), max(0.0, deadline - time.monotonic()))
        if not ready:
            raise RunError(_late(list(waiting), len(readers), timeout))
        for rank in [rank for rank, reader in waiting.items() if reader in ready]:
            kind, answer = _received(waiting[rank], rank)
            if kind == "told":
                done += rank == 0
                told("number formats", done, len(case.precisions))
                continue
            del waiting[rank]
            if kind == "error":
                raise answer
            answers[rank] = answer
            if isinstance(answer, str):
                return [answer]  # the others may wait for it
    return [answers[rank] for rank in sorted(answers)]


def _late(ranks: list[int], count: int, timeout: float) -> str:
    """Say that ranks gave no answer in time, and why that may be."""
    return (
        f"rank {', '.join(map(str, ranks))} of {count} gave no answer within {timeout:g} s: a collective that some "
        "ranks do not reach waits for ever. Look for a step that changes one rank alone, or give a longer timeout."
    )


def _received(reader: Any, rank: int) -> tuple[str, Any]:
    try:
        kind, answer = reader.recv()
    except EOFError:
        raise RunError(f"rank {rank} ended without an answer; its message is above") from None
    return kind, answer


def _rank(rank: int, case: Case, store: str, writers: list[Any], timeout: float) -> None:
    """Verify as one rank of several, and send what was found."""
    from simcore.real.verify.run import ScheduledError, run

    writer = writers[rank]
    for at, other in enumerate(writers):
        if at != rank:
            other.close()
    try:
        _join(rank, case, store, timeout)
        writer.send(("done", run(case, rank, lambda precision: writer.send(("told", precision)))))
    except ScheduledError as error:
        writer.send(("done", f"rank {rank}: {error}"))
    except SimcoreError as error:
        writer.send(("error", error))
    except Exception as error:
        writer.send(("error", RunError(f"rank {rank} failed: {type(error).__name__}: {error}")))


def _join(rank: int, case: Case, store: str, timeout: float) -> None:
    """Become one of the ranks."""
    from datetime import timedelta

    import torch

    torch.set_num_threads(1)
    os.environ.update(_loopback())
    if case.device == "cuda":
        torch.cuda.set_device(rank)
    torch.distributed.init_process_group(
        "nccl" if case.device == "cuda" else "gloo", init_method=store, rank=rank, world_size=case.ways.ranks,
        timeout=timedelta(seconds=timeout),
    )  # fmt: skip


def _loopback() -> Mapping[str, str]:
    """Return what lets gloo find the other ranks where the machine's name has no address."""
    return {"GLOO_SOCKET_IFNAME": "lo"} if sys.platform == "linux" and "GLOO_SOCKET_IFNAME" not in os.environ else {}
