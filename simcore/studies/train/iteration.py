"""What ``simcore train`` simulates: an iteration that can be run again with other bandwidths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from simcore.engine import Clock
from simcore.models.network.transfers import TransferLeg, transfer_legs
from simcore.models.training.closed_form import StepTime
from simcore.models.training.pipeline import Pipeline, run_pipeline
from simcore.models.training.program import Loop, Step, iteration
from simcore.models.training.simulated import (
    ChunkFabric,
    IterationRun,
    Settings,
    bound,
    make_network,
    run_iteration,
    written,
)
from simcore.models.training.zero import zero3
from simcore.studies.train.inputs import PartialGroup, Scene, closed_form, closed_loop

WIDER = 1.1
"""Factor on a dimension's bandwidth in the experiment that tells which one to widen."""


@dataclass(frozen=True)
class Iteration:
    """A training iteration, whatever the bandwidths.

    Attributes
    ----------
    settings : Settings
        How collectives are simulated.
    loop : Loop
        What waits for what.
    recompute : bool
        Whether activations are recomputed.
    compute_scale : float
        Factor on all compute.
    zero : int
        Stage of ZeRO, 0 or 3.
    cut : Pipeline or None
        Stages and micro-batches; None for one stage.
    """

    settings: Settings
    loop: Loop
    recompute: bool
    compute_scale: float
    zero: int = 0
    cut: Pipeline | None = None

    def steps(self, scene: Scene) -> tuple[Step, ...]:
        """Return the program of an NPU where there is one stage."""
        program = zero3 if self.zero else iteration
        return program(scene.workload, self.loop, recompute=self.recompute, compute_scale=self.compute_scale)

    def runs(self, scene: Scene, *, transfers: bool = True) -> tuple[tuple[IterationRun, ...], tuple[int, ...]]:
        """Simulate the iteration.

        Parameters
        ----------
        scene : Scene
            What runs where.
        transfers : bool
            Whether messages between stages take time.

        Returns
        -------
        runs : tuple of IterationRun
            What an NPU of each stage did.
        in_flight : tuple of int
            Most micro-batches whose activations each stage held at once; empty where there is one stage.
        """
        if self.cut is None:
            single = run_iteration(self.steps(scene), scene.topology, scene.bandwidths, scene.groups, self.settings)
            return (single,), ()
        clock = Clock()
        networks = [
            make_network(clock, scene.topology, scene.bandwidths, self.settings) for _ in range(self.cut.stages)
        ]
        fabrics = [ChunkFabric(network, scene.groups, self.settings.chunks) for network in networks]

        def way(source: int, target: int, size: float) -> Sequence[TransferLeg]:
            if not transfers:
                return ()
            return transfer_legs(scene.topology, scene.bandwidths, scene.stages, source, target, size)

        found = run_pipeline(
            clock, scene.workload, self.cut, fabrics, way,
            loop=self.loop, recompute=self.recompute, compute_scale=self.compute_scale,
        )  # fmt: skip
        return tuple(written(log, network) for log, network in zip(found.logs, networks, strict=True)), found.in_flight

    def references(
        self, scene: Scene, partial: Sequence[PartialGroup]
    ) -> tuple[float | None, StepTime | None, StepTime | None]:
        """Return what a simulated time is held beside.

        Parameters
        ----------
        scene : Scene
            What runs where.
        partial : sequence of PartialGroup
            Groups that cover part of a fully connected dimension.

        Returns
        -------
        bound : float or None
            What no schedule beats [s]; None for a pipeline.
        closed, closed_partial : StepTime or None
            The closed form with whole dimensions, and with the links that partial groups have; None where it knows
            nothing: for a pipeline and for ZeRO-3.
        """
        if self.cut is not None:
            return None, None, None
        least = bound(self.steps(scene), scene.topology, scene.bandwidths, scene.groups)
        if self.zero:
            return least, None, None
        whole, links = (
            closed_form(scene, closed_loop(self.loop), self.recompute, self.compute_scale, groups)
            for groups in ((), partial)
        )
        return least, whole, links

    def time(self, scene: Scene, *, transfers: bool = True) -> float:
        """Return how long the iteration takes [s], and record nothing else."""
        quiet = replace(self, settings=replace(self.settings, record=False))
        return max(run.time for run in quiet.runs(scene, transfers=transfers)[0])

    def gains(self, scene: Scene, time: float) -> tuple[float, ...]:
        """Return what `WIDER` bandwidth in each dimension saves of a time [s], by simulating it."""
        return tuple(time - self.time(_wider(scene, d)) for d in range(len(scene.bandwidths)))


def _wider(scene: Scene, dimension: int) -> Scene:
    bandwidths = [b * WIDER if d == dimension else b for d, b in enumerate(scene.bandwidths)]
    return replace(scene, bandwidths=tuple(bandwidths))
