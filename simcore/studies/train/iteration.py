"""What ``simcore train`` simulates: an iteration that can be run again with other bandwidths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from simcore.engine import Clock
from simcore.models.network.chunk_counts import fastest
from simcore.models.network.ports import widened
from simcore.models.network.transfers import TransferLeg, transfer_legs
from simcore.models.training.closed_form import StepTime
from simcore.models.training.pipeline import Pipeline, StageExtras, run_pipeline, stage_extras
from simcore.models.training.program import Loop, Step, iteration
from simcore.models.training.simulated import (
    ChunkFabric,
    IterationRun,
    Settings,
    bound,
    make_network,
    mean_of,
    run_iteration,
    run_of,
)
from simcore.models.training.zero import zero3
from simcore.studies.train.deployment import Deployment, PartialGroup, closed_form

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
    pipeline : Pipeline or None
        Stages and micro-batches; None for one stage.
    passes : int
        Iterations that follow each other; what is said of one is their mean.
    """

    settings: Settings
    loop: Loop
    recompute: bool
    compute_scale: float
    zero: int = 0
    pipeline: Pipeline | None = None
    passes: int = 1

    def steps(self, deployment: Deployment) -> tuple[Step, ...]:
        """Return the program of an NPU where there is one stage."""
        workload, scale = deployment.workload, self.compute_scale
        if self.zero:
            return zero3(workload, self.loop, recompute=self.recompute, compute_scale=scale)
        counted = self.settings.convention.own_loop and self.loop is Loop.SIMULATE
        again = {"recompute": self.recompute, "counted": counted}
        return iteration(workload, self.loop, compute_scale=scale, passes=self.passes, **again)

    def runs(
        self, deployment: Deployment, *, transfers: bool = True
    ) -> tuple[tuple[IterationRun, ...], tuple[int, ...]]:
        """Simulate the iteration.

        Parameters
        ----------
        deployment : Deployment
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
        if self.pipeline is None:
            single = run_iteration(
                self.steps(deployment), deployment.topology, deployment.bandwidths, deployment.groups, self.settings
            )
            return (single if self.passes == 1 or self.settings.record else mean_of(single, self.passes),), ()
        clock = Clock()
        networks = [
            make_network(clock, deployment.topology, deployment.bandwidths, self.settings)
            for _ in range(self.pipeline.stages)
        ]
        queued = {"last_first": self.settings.last_first}
        fabrics = [ChunkFabric(network, deployment.groups, self.settings.chunks, **queued) for network in networks]

        def legs(source: int, target: int, size: float) -> Sequence[TransferLeg]:
            if not transfers:
                return ()
            return transfer_legs(deployment.topology, deployment.bandwidths, deployment.stages, source, target, size)

        pipeline = run_pipeline(
            clock, deployment.workload, self.pipeline, fabrics, legs,
            loop=self.loop, recompute=self.recompute, compute_scale=self.compute_scale,
        )  # fmt: skip
        runs = (run_of(log, network) for log, network in zip(pipeline.logs, networks, strict=True))
        return tuple(runs), pipeline.in_flight

    def references(
        self, deployment: Deployment, partial: Sequence[PartialGroup]
    ) -> tuple[float | None, StepTime | None, StepTime | None]:
        """Return what a simulated time is held beside.

        Parameters
        ----------
        deployment : Deployment
            What runs where.
        partial : sequence of PartialGroup
            Groups that cover part of a fully connected dimension.

        Returns
        -------
        bound : float or None
            What no schedule beats [s]; None for a pipeline, or for one stage of it.
        closed, closed_partial : StepTime or None
            The closed form with whole dimensions, and with the links that partial groups have; None where it knows
            nothing: for a pipeline and for ZeRO-3.
        """
        if self.pipeline is not None or deployment.workload.pipeline is not None:
            return None, None, None
        least = bound(self.steps(deployment), deployment.topology, deployment.bandwidths, deployment.groups)
        least /= self.passes
        if self.zero:
            return least, None, None
        whole, links = (
            closed_form(deployment, self.loop.closed_form, self.recompute, self.compute_scale, groups)
            for groups in ((), partial)
        )
        return least, whole, links

    def recorded(self, deployment: Deployment) -> tuple[IterationRun, ...]:
        """Simulate the iteration and keep every chunk phase, for a timeline."""
        return replace(self, settings=replace(self.settings, record=True)).runs(deployment)[0]

    def time(self, deployment: Deployment, *, transfers: bool = True) -> float:
        """Return how long the iteration takes [s], and record nothing else."""
        quiet = replace(self, settings=replace(self.settings, record=False))
        run = max(quiet.runs(deployment, transfers=transfers)[0], key=lambda one: one.time)
        stage = self.stage_extras(deployment, run)
        return run.time + (0.0 if stage is None else stage.total)

    def stage_extras(self, deployment: Deployment, run: IterationRun) -> StageExtras | None:
        """Return what comes on top of a run of a stage's layers; None where the layers are those of the whole model."""
        pipeline = deployment.workload.pipeline
        if pipeline is None:
            return None
        network = deployment.topology, deployment.bandwidths, deployment.stages
        one = max(
            sum(leg.duration + leg.latency for leg in transfer_legs(*network, stage, stage + 1, pipeline.message))
            for stage in range(pipeline.stages - 1)
        )
        return stage_extras(pipeline, run.spans, one)

    def gains(self, deployment: Deployment, time: float) -> tuple[float, ...]:
        """Return what `WIDER` bandwidth in each dimension saves of a time [s], by simulating it."""
        return tuple(time - self.time(_wider(deployment, d)) for d in range(len(deployment.bandwidths)))

    def sooner(self, deployment: Deployment, time: float) -> float:
        """Return what a tenth less latency of all links saves of a time [s], by simulating it."""
        topology = deployment.topology
        links = tuple(replace(each, latency=each.latency / WIDER) for each in topology.dimensions)
        return time - self.time(replace(deployment, topology=replace(topology, dimensions=links)))

    def cut(self, deployment: Deployment) -> Iteration:
        """Return the iteration in the number of chunks with which it takes least time."""
        count, _ = fastest(lambda chunks: self._in_chunks(chunks).time(deployment), float)
        return self._in_chunks(count)

    def _in_chunks(self, count: int) -> Iteration:
        return replace(self, settings=replace(self.settings, chunks=count))

    def fewer_chunks(self, deployment: Deployment) -> tuple[int, float] | None:
        """Return how many chunks, of the powers of two below those of the run, take least time, and that time [s].

        None where there is one chunk, or a schedule that takes fewer by itself.
        """
        settings = self.settings
        takes_fewer = settings.schedule.name == "latency-aware" and not settings.convention.always_ascending
        if settings.chunks == 1 or takes_fewer:
            return None
        counts = [2**k for k in range((settings.chunks - 1).bit_length())]
        timed = [(self._in_chunks(count).time(deployment), count) for count in counts]
        time, count = min(timed)
        return count, time


def _wider(deployment: Deployment, dimension: int) -> Deployment:
    topology, bandwidths = widened(deployment.topology, deployment.bandwidths, [dimension], WIDER)
    return replace(deployment, topology=topology, bandwidths=bandwidths)
