"""A simulated training iteration: its numbers, and what follows from them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from simcore.models.network.chunk_counts import is_settled
from simcore.models.network.mapping import Axis
from simcore.models.training.closed_form import StepTime
from simcore.models.training.execute import TIE
from simcore.models.training.pipeline import Pipeline, StageExtras, bubble
from simcore.models.training.simulated import IterationRun
from simcore.results import Table
from simcore.studies.deployment.intervals import Predicted
from simcore.studies.train.deployment import Deployment, PartialGroup
from simcore.studies.train.iteration import Iteration
from simcore.studies.train.request import TrainRequest
from simcore.studies.train.slow import Slow


@dataclass(frozen=True)
class PipelineReport:
    """How a pipeline did.

    Attributes
    ----------
    pipeline : Pipeline
        Stages, micro-batches and their order.
    runs : tuple of IterationRun
        What an NPU of each stage did.
    in_flight : tuple of int
        Most micro-batches whose activations each stage held at once.
    without_transfers : float
        The iteration where messages between stages take no time [s].
    whole_dp : int or None
        Data parallelism that the same inputs give without stages; None where they do not fit without.
    """

    pipeline: Pipeline
    runs: tuple[IterationRun, ...]
    in_flight: tuple[int, ...]
    without_transfers: float
    whole_dp: int | None

    @property
    def ideal_bubble(self) -> float:
        """Share of the work that the fill and the drain of a balanced pipeline take: (p - 1) / (m v)."""
        return bubble(self.pipeline.stages, self.pipeline.micro_batches, self.pipeline.chunks)

    @property
    def transfers(self) -> tuple[float, ...]:
        """How long each stage waits for messages that are on their way [s]."""
        return tuple(run.exposed_by_axis()[Axis.PIPELINE] for run in self.runs)

    def idle(self, iteration_time: float) -> tuple[float, ...]:
        """Return how long each stage waits for others to get ready, or has nothing left to do [s]: the bubble."""
        return tuple(iteration_time - run.compute - run.exposed for run in self.runs)


@dataclass(frozen=True, kw_only=True)
class TrainOutcome(Predicted):
    """A simulated training iteration, in numbers.

    Attributes
    ----------
    request : TrainRequest
        What was asked for.
    deployment : Deployment
        Network, workload and groups.
    simulated : Iteration
        What was simulated, for it to be simulated again with every chunk phase recorded.
    compute : str
        Where compute is from, for the headline; empty at a constant rate.
    profile : str
        Name of the kernel profile; empty at a constant rate.
    run : IterationRun
        The iteration; of a pipeline, that of the stage that ends last.
    time, bound : float
        The iteration, and what no schedule can beat [s]; the bound is None for a pipeline.
    closed, closed_partial : StepTime or None
        The closed form with whole dimensions, and with the links that partial groups have; None for a pipeline and for
        ZeRO-3, which it does not know.
    gains : tuple of float
        Time that a tenth more bandwidth in each dimension saves [s].
    fewer : tuple of int and float, optional
        Where latency counts in the limiting dimension and the number of chunks is given: those that take least, and the
        time with them [s].
    sooner : float, optional
        Where latency counts in the limiting dimension: time that a tenth less of it on all links saves [s].
    partial : tuple of PartialGroup
        Groups that cover part of a fully connected dimension.
    pipeline : PipelineReport or None
        Of several stages.
    slow : Slow or None
        A rank that the others wait for; all numbers are those of its own program.
    stage : StageExtras or None
        Where the layers are those of one stage of a pipeline, what `time` has beyond them.
    """

    request: TrainRequest
    deployment: Deployment
    simulated: Iteration
    compute: str
    profile: str
    run: IterationRun
    time: float
    bound: float | None
    closed: StepTime | None
    closed_partial: StepTime | None
    gains: tuple[float, ...]
    partial: tuple[PartialGroup, ...]
    pipeline: PipelineReport | None
    slow: Slow | None = None
    stage: StageExtras | None = None
    fewer: tuple[int, float] | None = None
    sooner: float | None = None

    @property
    def exposed(self) -> dict[Axis, float]:
        """Waiting for the collectives of each group, and for transfers between stages [s]."""
        waited = self.run.exposed_by_axis()
        return {axis: waited[axis] for axis in Axis if axis in {*self.deployment.axes, Axis.PIPELINE}}

    @property
    def schedule(self) -> str:
        """Name of the schedule that ran: the one asked for, or the only one that the convention knows."""
        settings = self.simulated.settings
        return "ascending" if settings.convention.always_ascending else settings.schedule.name

    @property
    def tried(self) -> bool:
        """Whether the number of chunks is the fastest of several."""
        settings = self.simulated.settings
        return not is_settled(self.request.chunks, settings.schedule, settings.convention)

    @property
    def limiting(self) -> int | None:
        """Dimension (from 0) that holds up most of what is waited for; None where nothing is."""
        exposed = self.run.exposed_by_dimension()
        return max(range(len(exposed)), key=exposed.__getitem__) if max(exposed) > 0 else None

    @property
    def tied(self) -> list[int]:
        """Dimensions (from 0) that hold up as much as `limiting` does, itself included."""
        exposed = self.run.exposed_by_dimension()
        return [d for d, seconds in enumerate(exposed) if seconds > 0 and seconds >= max(exposed) * (1 - TIE)]

    @property
    def widen(self) -> int | None:
        """Dimension (from 0) in which more bandwidth saves most; None where none saves anything."""
        return max(range(len(self.gains)), key=self.gains.__getitem__) if max(self.gains) > 0 else None

    @cached_property
    def dimensions(self) -> Table:
        """Table with one row per dimension: B/s, seconds, shares of the iteration."""
        exposed, deployment = self.run.exposed_by_dimension(), self.deployment
        columns = ["dimension", "block", "npus", "level", "bandwidth", "busy", "utilisation", "exposed", "gain"]
        rows = [
            (
                index + 1, each.block.value, each.size, each.level, deployment.bandwidths[index], self.run.busy[index],
                self.run.sent[index] / (deployment.bandwidths[index] * self.time) if self.time else 0.0, exposed[index],
                self.gains[index],
            )
            for index, each in enumerate(deployment.topology.dimensions)
        ]  # fmt: skip
        return Table(columns, rows, {"bandwidth": "B_per_s", "busy": "s", "exposed": "s", "gain": "s"})

    @cached_property
    def layers(self) -> Table:
        """Table of what was waited for, layer by layer [s]."""
        names = [layer.name for layer in self.deployment.workload.layers]
        rows = [
            (layer + 1, names[layer], part.value, axis.value, seconds)
            for (layer, part, axis), seconds in self.run.exposed_by_layer().items()
        ]
        return Table(["layer", "name", "part", "group", "exposed"], rows, {"exposed": "s"})
