"""Work on many cores or on a cluster: one function over items, by joblib, each result as it ends."""

from __future__ import annotations

import signal
import threading
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import TypeVar

from simcore.errors import InputError, MissingExtraError, RunError, field
from simcore.numerals import as_whole
from simcore.piping import piped, what_is_piped

Item = TypeVar("Item")
Done = TypeVar("Done")

DASK = "dask://"
PORT = 8786
"""Where a scheduler of dask listens unless an address says otherwise."""
ALL = "all"


def in_parallel(
    function: Callable[[Item], Done], items: Sequence[Item], jobs: int | str | None = None
) -> Generator[tuple[int, Done], None, None]:
    """Call a function on each item; yield the item's place and what it gives, as each ends.

    Parameters
    ----------
    function : callable
        Of one item, importable by its name.
    items : sequence
        What it is called on.
    jobs : int or str, optional
        Processes; ``all`` or None for one per core; ``dask://HOST[:PORT]`` for the workers of a dask cluster, which
        need simcore and see the same files under the same paths.

    Raises
    ------
    InputError
        If `jobs` is none of these.
    MissingExtraError
        For a dask cluster, if distributed is not installed.
    RunError
        If no scheduler answers at the address.

    Examples
    --------
    >>> sorted(in_parallel(abs, [-1, -2], 1))
    [(0, 1), (1, 2)]
    """
    from joblib import Parallel, cpu_count, delayed

    wanted = checked_jobs(jobs)
    remote = isinstance(wanted, str)
    workers = -1 if isinstance(wanted, str) else min(wanted or cpu_count(), len(items))
    if not remote and workers <= 1:
        yield from ((number, function(item)) for number, item in enumerate(items))
        return
    with _cluster(wanted) if isinstance(wanted, str) else nullcontext():
        pool: Generator[tuple[int, Done], None, None] | None = None
        given = what_is_piped()  # another process has a standard input of its own
        try:
            with _deaf_children():
                pool = Parallel(n_jobs=workers, return_as="generator_unordered")(
                    delayed(_numbered)(function, number, item, given) for number, item in enumerate(items)
                )
            for number, done in pool:  # noqa: UP028 - yield from would close the pool too, and not quietly
                yield number, done
        finally:
            if pool is not None:
                with _quiet():
                    pool.close()


def checked_jobs(jobs: int | str | None) -> int | str | None:
    """Return a number of processes, None for one per core, or the address of a dask cluster.

    Examples
    --------
    >>> checked_jobs("all"), checked_jobs("4"), checked_jobs("dask://node1")
    (None, 4, 'tcp://node1:8786')
    """
    if jobs is None or jobs == ALL:
        return None
    if isinstance(jobs, str) and jobs.startswith(DASK) and len(jobs) > len(DASK):
        host = jobs.removeprefix(DASK).rstrip("/")
        return f"tcp://{host}" if ":" in host else f"tcp://{host}:{PORT}"
    number = as_whole(jobs.strip()) if isinstance(jobs, str) else jobs
    if number is None or isinstance(number, bool) or number < 1:
        expected = "all, a whole number of at least 1, or dask://HOST"
        raise InputError(field("jobs"), f"'{jobs}'", expected)
    return number


@contextmanager
def _cluster(address: str) -> Iterator[None]:
    """Let joblib work on the workers of a dask cluster."""
    try:
        from distributed import Client
    except ImportError:
        remedy = "pip install distributed, or in simcore's checkout pip install -e '.[cluster]'"
        raise MissingExtraError(f"{field('jobs')} {DASK} needs distributed, which is not installed: {remedy}") from None
    from joblib import parallel_config

    try:
        client = Client(address, timeout=10, set_as_default=True)  # type: ignore[no-untyped-call]  # ships no types
    except (OSError, ValueError) as error:
        raise RunError(f"no scheduler of dask answers at {address}: {error}") from None
    with client, parallel_config(backend="dask", wait_for_workers_timeout=30):
        yield


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep back what joblib says where an interruption closes it: it is told once, elsewhere.

    It warns of results that nobody took, and its thread may look for work that was just cancelled.
    """
    hook = threading.excepthook
    threading.excepthook = lambda _: None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        threading.excepthook = hook


@contextmanager
def _deaf_children() -> Iterator[None]:
    """Start processes that do not hear Ctrl-C, which reaches them too: one process is to answer it, and say so once.

    They inherit that the signal is blocked. Here it waits until they have started.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()  # when it starts it unblocks the signal, so it is to start before
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _numbered(function: Callable[[Item], Done], number: int, item: Item, given: bytes | None) -> tuple[int, Done]:
    with nullcontext() if given is None else piped(given):
        return number, function(item)
