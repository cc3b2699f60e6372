"""Stage plans: how the logical workers of a job lie on its processes, stage after stage."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from simcore.errors import InputError, field

_GROUP = re.compile(r"([1-9]\d{0,3})x([1-9]\d{0,3})(@alt)?", re.IGNORECASE)
_EXAMPLE = "4x1, 2x2, 1x2+2x1@alt"


@dataclass(frozen=True)
class Process:
    """One process of a stage.

    Attributes
    ----------
    workers : tuple of int
        Numbers of the logical workers that share it.
    alternative : bool
        Whether it runs on the other kernel set.
    """

    workers: tuple[int, ...]
    alternative: bool = False


@dataclass(frozen=True)
class Stage:
    """What a job runs on until it changes its processes.

    Attributes
    ----------
    text : str
        As the plan has it.
    processes : tuple of Process
        In the order of their ranks; logical workers are numbered in the same order.
    """

    text: str
    processes: tuple[Process, ...]

    @property
    def alternative(self) -> bool:
        """Whether a process runs on the other kernel set."""
        return any(process.alternative for process in self.processes)


def parse_stages(texts: Sequence[str], workers: int) -> tuple[Stage, ...]:
    """Return the stages of a plan.

    Parameters
    ----------
    texts : sequence of str
        Stages, or several in a text with commas between them. A stage is groups of processes with ``+`` between them:
        ``2x3`` is two processes of three logical workers each, and ``@alt`` behind a group puts it on the other kernel
        set.
    workers : int
        Logical workers of the job, which every stage holds.

    Raises
    ------
    InputError
        If a stage cannot be read, has more processes than there are logical workers, or holds other than `workers`.

    Examples
    --------
    >>> stages = parse_stages(["4x1, 1x2+2x1@alt"], 4)
    >>> [process.workers for process in stages[1].processes], stages[1].alternative
    ([(0, 1), (2,), (3,)], True)
    """
    parts = [part.strip() for text in texts for part in text.split(",")]
    return tuple(_stage(part, workers) for part in parts)


def _stage(text: str, workers: int) -> Stage:
    sizes: list[tuple[int, bool]] = []
    for part in text.split("+"):
        match = _GROUP.fullmatch(part.strip())
        if match is None:
            found, expected = f"'{text}'", "PROCESSESxWORKERS, several with + between them, each with @alt or without"
            raise InputError(field("stages"), found, expected, f"For example '{_EXAMPLE}' for four workers.")
        sizes += [(int(match[2]), match[3] is not None)] * int(match[1])
    _check(text, sizes, workers)
    starts = [sum(size for size, _ in sizes[:number]) for number in range(len(sizes))]
    return Stage(
        text,
        tuple(
            Process(tuple(range(start, start + size)), alternative)
            for start, (size, alternative) in zip(starts, sizes, strict=True)
        ),
    )


def _check(text: str, sizes: Sequence[tuple[int, bool]], workers: int) -> None:
    if len(sizes) > workers:
        found, expected = f"'{text}', {len(sizes)} processes", f"at most {workers}, one for each logical worker"
        raise InputError(field("stages"), found, expected, f"Take fewer processes, or more {field('workers')}.")
    held = sum(size for size, _ in sizes)
    if held != workers:
        found, expected = f"'{text}', which holds {held} logical workers", f"{workers} in every stage"
        raise InputError(field("stages"), found, expected, f"Change the stage, or {field('workers')}.")
