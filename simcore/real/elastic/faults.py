"""Things that go wrong in a run on purpose, each once: what a run must survive without a change of one bit."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from simcore.real.elastic.job import Fault

KILLS = ("forward", "backward", "gather", "step", "written")
"""Points of a mini-batch at which a process may be killed: before its first forward pass, behind the last backward
pass, behind the exchange of gradients, behind the optimizer's step, and behind the checkpoint."""

POINTS = (*KILLS, "writing", "rendezvous", "full", "truncated")
"""Further: killed amid the write of a checkpoint, or before processes have met; a full disk; a checkpoint cut short."""


class Faults:
    """The faults of one process.

    Parameters
    ----------
    faults : sequence of Fault
        Of the run.
    rank : int
        Of the process.
    folder : Path
        Where marks say which have happened.
    """

    def __init__(self, faults: Sequence[Fault], rank: int, folder: Path) -> None:
        self._open = [fault for fault in faults if fault.rank == rank]
        self._folder = folder

    def due(self, point: str, position: int) -> bool:
        """Say whether a fault happens here for the first time, and note that it has."""
        for fault in self._open:
            mark = self._folder / f"fault-{fault.point}-{fault.position}-{fault.rank}"
            if fault.point == point and fault.position <= position and not mark.exists():
                mark.touch()
                return True
        return False

    def reach(self, point: str, position: int) -> None:
        """End this process by SIGKILL if that is due here."""
        if self.due(point, position):
            os.kill(os.getpid(), signal.SIGKILL)

    def written(self, scratch: Path, data: bytes, position: int) -> bytes:
        """Return what is written of a checkpoint: cut short, or nothing, where a fault is due.

        Raises
        ------
        OSError
            Of a full disk.
        """
        if self.due("writing", position):
            scratch.write_bytes(data[: len(data) // 2])
            os.kill(os.getpid(), signal.SIGKILL)
        if self.due("full", position):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return data[: len(data) // 2] if self.due("truncated", position) else data


def seeded(seed: int, points: Sequence[str], batches: int, processes: Sequence[int]) -> tuple[Fault, ...]:
    """Return faults at random mini-batches and ranks, one for each point.

    Parameters
    ----------
    seed : int
        Of their draw.
    points : sequence of str
        Of `POINTS`.
    batches : int
        Mini-batches of a stage.
    processes : sequence of int
        Processes of each stage.

    Examples
    --------
    >>> seeded(0, ["step"], 20, [4, 2])
    (Fault(point='step', position=34, rank=1),)
    """
    generator = np.random.default_rng(seed)
    drawn = []
    for point in points:
        position = int(generator.integers(batches * len(processes)))
        rank = int(generator.integers(processes[position // batches]))
        drawn.append(Fault(point, position, rank if point in KILLS[:4] or point == "rendezvous" else 0))
    return tuple(drawn)
