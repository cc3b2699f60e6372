"""One point of the network evaluation to simulate: a training iteration, chunk by chunk, as the artifact ran it.

The artifact times its figures on networks whose every dimension is a switch with one link of the whole bandwidth, cuts
each collective into 64 chunks, and sums all weight gradients at the end of the backward pass.
"""

from __future__ import annotations

import json
from dataclasses import astuple, dataclass
from functools import cache
from pathlib import Path

from simcore._version import __version__
from simcore.files import sha256
from simcore.models.network.conventions import ASTRA_SIM
from simcore.models.network.mapping import map_parallelism
from simcore.models.network.topology import Block, Dimension, Topology
from simcore.models.training.program import Loop, iteration
from simcore.models.training.simulated import Settings, run_iteration
from simcore.models.training.workload import Workload
from simcore.studies.evaluate.grid import COMPUTE_SCALE

SETTINGS = Settings(chunks=64, convention=ASTRA_SIM)
"""As the artifact's system file says: 64 chunks, ascending, and its simulator's rules."""
LOOP = Loop.SIMULATE
"""What its collectives wait for."""


@dataclass(frozen=True)
class Task:
    """One iteration to simulate.

    Attributes
    ----------
    topology : Topology
        The network, of switches.
    workload : Workload
        What an iteration is.
    bandwidths : tuple of float
        Bandwidth of one NPU into each dimension [B/s], innermost first.
    """

    topology: Topology
    workload: Workload
    bandwidths: tuple[float, ...]

    @property
    def key(self) -> str:
        """A name that changes with the inputs, with how they are simulated, and with every edit of the simulator.

        It does not change with Python or the libraries.
        """
        inputs = [astuple(self.topology), astuple(self.workload), self.bandwidths]
        settings = [SETTINGS.chunks, SETTINGS.schedule.name, SETTINGS.convention.name]
        how = [settings, LOOP, COMPUTE_SCALE, __version__, fingerprint(Path(__file__).parents[2])]
        return sha256(json.dumps([inputs, how]).encode())[:32]


@dataclass(frozen=True)
class Timed:
    """What a simulated iteration took.

    Attributes
    ----------
    time, compute : float
        The iteration, and the compute in it [s].
    events : int
        SimPy events.
    """

    time: float
    compute: float
    events: int


def run(task: Task) -> Timed:
    """Simulate one iteration."""
    groups = map_parallelism(task.topology, task.workload.tp, task.workload.dp)
    steps = iteration(task.workload, LOOP, compute_scale=COMPUTE_SCALE)
    timed = run_iteration(steps, task.topology, task.bandwidths, groups, SETTINGS)
    return Timed(timed.time, timed.compute, timed.events)


def switched(topology: Topology) -> Topology:
    """Return a network with a switch in place of every building block."""
    dimensions = (Dimension(Block.SWITCH, each.size, each.level, each.latency) for each in topology.dimensions)
    return Topology(topology.name, tuple(dimensions), topology.source)


@cache
def fingerprint(package: Path) -> str:
    """Return a hash of the sources that simulate: the models, the clock and this file.

    A version stays for many edits, and one of them may change a time.

    Parameters
    ----------
    package : Path
        The folder of simcore; it is read once per process.
    """
    sources = [
        package / "engine.py",
        package / "studies" / "evaluate" / Path(__file__).name,
        *(package / "models").rglob("*.py"),
    ]
    hashes = sorted((path.relative_to(package).as_posix(), sha256(path.read_bytes())) for path in sources)
    return sha256(json.dumps(hashes).encode())
