"""Processes of a stage under torch.distributed.elastic's agent, which starts them again when one dies."""

from __future__ import annotations

import logging
import os
import re
import signal
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from simcore.errors import InputError, RunError, field
from simcore.real.elastic.job import Job
from simcore.real.elastic.trainer import NO_ROOM, UNREACHED

PRELOADED = ["torch", "torch.distributed", "torch.nn.parallel", "torch._dynamo", "simcore.real.elastic.reference"]
"""What the server of processes imports once; its children begin with it. Optimizers import torch._dynamo."""

_LOGS = ("torch.distributed.elastic", "torch.multiprocessing")
"""Loggers that tell of processes which died and are started again."""

_UNREACHED = re.compile(rf"{UNREACHED} ([^\n]+)")
_NONDETERMINISTIC = re.compile(r"(\S+) does not have a deterministic implementation")


def launch(job: Job, entry: Callable[..., None], arguments: tuple[Any, ...], processes: int, folder: Path) -> None:
    """Run a function in some processes under the agent, and wait for them.

    They are forked from a server that has imported torch but computed nothing, so that each of them still chooses its
    kernel set.

    Parameters
    ----------
    job : Job
        Whose restarts are allowed.
    entry : callable
        What every process runs.
    arguments : tuple
        Of it.
    processes : int
        How many.
    folder : Path
        For their logs.

    Raises
    ------
    InputError
        If the model has an operator that is not deterministic, which is named.
    RunError
        If the disk is full, or processes die more often than they may.
    """
    import multiprocessing

    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, Std
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    multiprocessing.set_forkserver_preload(PRELOADED)
    logs = DefaultLogsSpecs(log_dir=tempfile.mkdtemp(prefix="logs-", dir=folder), redirects=Std.ALL)
    config = LaunchConfig(
        min_nodes=1, max_nodes=1, nproc_per_node=processes, run_id="simcore", rdzv_backend="c10d",
        rdzv_endpoint="localhost:0", max_restarts=job.restarts, monitor_interval=0.05, start_method="forkserver",
        logs_specs=logs,
    )  # fmt: skip
    with _quiet():
        try:
            elastic_launch(config, entry)(*arguments)
        except ChildFailedError as error:
            failure = error.get_first_failure()[1]
            said = failure.message  # of an exception the agent has its text and its traceback
            message = said["message"] if isinstance(said, dict) else said
            raise _failed(job, failure.exitcode, str(message)) from None


def _failed(job: Job, status: int, message: str) -> Exception:
    """Return what is said of a run whose processes failed."""
    found = _NONDETERMINISTIC.search(message)
    if found is not None:
        text = f"'{job.model}', whose operator {found[1]} is not deterministic"
        remedy = f"Replace it, or take {field('determinism')} D0."
        return InputError(field("model"), text, f"deterministic operators under {job.determinism}", remedy)
    found = _UNREACHED.search(message)
    if found is not None:
        text = f"'{job.model}', in which no gradient reaches {found[1]}"
        remedy = "Use them in the loss, or set requires_grad of them to False."
        return InputError(field("model"), text, "a gradient of each parameter that is trained", remedy)
    if status == NO_ROOM:
        return RunError("the disk is full: a checkpoint cannot be written. Make room, or name another place for it.")
    said = f"signal {-status}" if status < 0 else message.strip().splitlines()[-1]
    times = f"{job.restarts + 1} times, the last time" if job.restarts else "once,"
    return RunError(f"a process of '{job.model}' failed {times} with {said}")


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the agent's log and warnings away from the user, one thread in its children, and our signal handlers."""
    levels = {log: log.level for log in map(logging.getLogger, _LOGS)}
    threads = os.environ.get("OMP_NUM_THREADS")
    main = threading.current_thread() is threading.main_thread()
    handlers = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)} if main else {}
    for log in levels:
        log.setLevel(logging.CRITICAL)
    os.environ["OMP_NUM_THREADS"] = "1"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for log, level in levels.items():
            log.setLevel(level)
        for each, handler in handlers.items():
            signal.signal(each, handler)
        os.environ.pop("OMP_NUM_THREADS", None) if threads is None else os.environ.update(OMP_NUM_THREADS=threads)
