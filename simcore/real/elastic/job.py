"""What an elastic training job is, apart from the processes that it runs on."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

from simcore.real.elastic.plan import Stage

DETERMINISM = ("D0", "D1", "D2")
"""Levels: buckets rebuilt at a restart; their mapping kept; one kernel set on all devices as well."""

REDUCE = ("ring", "ordered")
"""Orders in which gradients of logical workers are summed: as a ring of one process each, or by their numbers."""

MODELS = {
    "resnet18": "simcore.real.elastic.families:resnet18",
    "mlp": "simcore.real.elastic.families:mlp",
    "transformer": "simcore.real.elastic.families:transformer",
}
"""Trainings that come with simcore, each a function without arguments."""

GROUP = "simcore.trainings"
"""Entry points of packages that bring others."""


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong once in a run, on purpose.

    Attributes
    ----------
    point : str
        Where: one of `simcore.real.elastic.faults.POINTS`.
    position : int
        Mini-batch of the job at which it happens.
    rank : int
        Of the process that it happens to.
    """

    point: str
    position: int
    rank: int = 0


@dataclass(frozen=True)
class Job:
    """A training job with a fixed number of logical workers.

    Attributes
    ----------
    model : str
        One of `MODELS`, or ``FILE.py:NAME`` of a function that returns a training.
    model_sha256 : str
        Hash of that file; empty for a model of simcore.
    workers : int
        Logical workers.
    plan : tuple of Stage
        What it runs on, stage after stage.
    batches : int
        Mini-batches of a stage.
    batch : int
        Samples of a mini-batch of one logical worker.
    determinism, reduce : str
        One of `DETERMINISM` and of `REDUCE`.
    device : str
        ``cpu`` or ``cuda``.
    seed : int
        Of weights, data order, dropout and augmentation.
    loader_workers : int
        Processes that load data for each logical worker; 0 for none.
    every : int
        Mini-batches between two checkpoints in a stage; there is one at its end too.
    restarts : int
        How often processes of a stage are started again after one has died.
    faults : tuple of Fault
        What is to go wrong.
    """

    model: str
    workers: int
    plan: tuple[Stage, ...]
    batches: int = 20
    batch: int = 4
    determinism: str = "D1"
    reduce: str = "ring"
    device: str = "cpu"
    seed: int = 0
    loader_workers: int = 0
    model_sha256: str = ""
    every: int = 5
    restarts: int = 3
    faults: tuple[Fault, ...] = ()

    @property
    def steps(self) -> int:
        """Mini-batches of the whole job."""
        return self.batches * len(self.plan)

    @property
    def identity(self) -> str:
        """Hash of all that decides the numbers of the run: a checkpoint belongs to one such run."""
        kept = {name: value for name, value in asdict(self).items() if name not in ("every", "restarts", "faults")}
        kept["plan"] = [stage.text for stage in self.plan]
        return sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Place:
    """Where a run keeps its files.

    Attributes
    ----------
    folder : Path
        For logs, the reference and marks of faults that have happened.
    checkpoint : Path
        The checkpoint.
    """

    folder: Path
    checkpoint: Path
