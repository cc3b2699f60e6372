"""What a simulated training iteration gives: times, tables, a timeline, and where they come from."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simcore.models.network.conventions import Convention
from simcore.models.network.schedulers.schedules import Schedule
from simcore.models.training.closed_form import StepTime
from simcore.models.training.execute import TIE
from simcore.models.training.pipeline import Pipeline, bubble
from simcore.models.training.program import Axis
from simcore.models.training.simulated import IterationRun
from simcore.outputs import atomic_directory, write_atomic
from simcore.results import Provenance, Table, to_json
from simcore.studies.train.inputs import PartialGroup, Scene
from simcore.timeline.file import write_timeline
from simcore.timeline.slices import Argument, Slice
from simcore.units import format_si

if TYPE_CHECKING:
    from matplotlib.figure import Figure


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
        """Share of the work that the fill and the drain of a balanced pipeline take: (p - 1) / m."""
        return bubble(self.pipeline.stages, self.pipeline.micro_batches)

    @property
    def transfers(self) -> tuple[float, ...]:
        """How long each stage waits for messages that are on their way [s]."""
        return tuple(run.exposed_by_axis()[Axis.PIPELINE] for run in self.runs)

    def idle(self, iteration_time: float) -> tuple[float, ...]:
        """Return how long each stage waits for others to get ready, or has nothing left to do [s]: the bubble."""
        return tuple(iteration_time - run.compute - run.exposed for run in self.runs)


@dataclass(frozen=True)
class TrainResult:
    """A simulated training iteration and where it comes from.

    Attributes
    ----------
    scene : Scene
        Network, workload and groups.
    run : IterationRun
        The iteration; of a pipeline, that of the stage that ends last.
    time, bound : float
        The iteration, and what no schedule can beat [s]; the bound is None for a pipeline.
    closed, closed_partial : StepTime or None
        The closed form with whole dimensions, and with the links that partial groups have; None for a pipeline and for
        ZeRO-3, which it does not know.
    gains : tuple of float
        Time that a tenth more bandwidth in each dimension saves [s].
    partial : tuple of PartialGroup
        Groups that cover part of a fully connected dimension.
    pipeline : PipelineReport or None
        Of several stages.
    warnings : tuple of str
        What a reader must know of these numbers, a sentence each.
    provenance : Provenance
        How to make it again.
    seconds : float
        CPU time of one simulation [s]; not part of the written result.
    """

    scene: Scene
    run: IterationRun
    time: float
    bound: float | None
    closed: StepTime | None
    closed_partial: StepTime | None
    gains: tuple[float, ...]
    partial: tuple[PartialGroup, ...]
    pipeline: PipelineReport | None
    warnings: tuple[str, ...]
    provenance: Provenance
    seconds: float = field(compare=False)

    @property
    def schedule(self) -> Schedule:
        """Order of dimensions that chunks took: the one asked for, or the only one that the convention knows."""
        inputs = self.provenance.inputs
        fixed = inputs["convention"] == Convention.ASTRA_SIM_2
        return Schedule.ASCENDING if fixed else Schedule(inputs["schedule"])

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

    @property
    def dimensions(self) -> Table:
        """Table with one row per dimension: B/s, seconds, shares of the iteration."""
        exposed, scene = self.run.exposed_by_dimension(), self.scene
        columns = ["dimension", "block", "npus", "level", "bandwidth", "busy", "utilisation", "exposed", "gain"]
        rows = [
            (
                index + 1, each.block.value, each.size, each.level, scene.bandwidths[index], self.run.busy[index],
                self.run.sent[index] / (scene.bandwidths[index] * self.time) if self.time else 0.0, exposed[index],
                self.gains[index],
            )
            for index, each in enumerate(scene.topology.dimensions)
        ]  # fmt: skip
        return Table(columns, rows, {"bandwidth": "B_per_s", "busy": "s", "exposed": "s", "gain": "s"})

    @property
    def layers(self) -> Table:
        """Table of what was waited for, layer by layer [s]."""
        names = [layer.name for layer in self.scene.workload.layers]
        rows = [
            (layer + 1, names[layer], part.value, axis.value, seconds)
            for (layer, part, axis), seconds in self.run.exposed_by_layer().items()
        ]
        return Table(["layer", "name", "part", "group", "exposed"], rows, {"exposed": "s"})

    @property
    def timeline(self) -> list[Slice]:
        """What NPUs and dimensions did; dimensions only where their phases were recorded."""
        if self.pipeline is None:
            return _slices(self.run, self.scene, "")
        runs = enumerate(self.pipeline.runs, 1)
        return [one for number, run in runs for one in _slices(run, self.scene, f"stage {number}, ")]

    def as_dict(self) -> dict[str, Any]:
        """Return the result as plain containers, in SI units, for JSON."""
        run, scene, axes = self.run, self.scene, self.run.exposed_by_axis()
        pipeline = None
        if self.pipeline is not None:
            pipeline = {
                "stages": self.pipeline.pipeline.stages,
                "micro_batches": self.pipeline.pipeline.micro_batches,
                "order": self.pipeline.pipeline.order.value,
                "ideal_bubble": self.pipeline.ideal_bubble,
                "idle": list(self.pipeline.idle(self.time)),
                "transfers": list(self.pipeline.transfers),
                "time_without_transfers": self.pipeline.without_transfers,
                "in_flight": list(self.pipeline.in_flight),
            }
        return {
            "iteration_time": self.time,
            "compute_time": run.compute,
            "exposed_communication": run.exposed,
            "exposed": {axis.name.lower(): seconds for axis, seconds in axes.items()},
            "bound": self.bound,
            "closed_form": None if self.closed is None else self.closed.total,
            "closed_form_partial": None if self.closed_partial is None else self.closed_partial.total,
            "bandwidths": list(scene.bandwidths),
            "utilisation": self.dimensions.column("utilisation"),
            "limiting_dimension": None if self.limiting is None else self.limiting + 1,
            "limiting_dimensions": [d + 1 for d in self.tied],
            "schedule": self.schedule.value,
            "widen": None if self.widen is None else self.widen + 1,
            "dimensions": [dict(row) for row in self.dimensions],
            "layers": [dict(row) for row in self.layers],
            "pipeline": pipeline,
            "warnings": list(self.warnings),
            "events": run.events,
            "provenance": self.provenance.as_dict(),
        }

    def plot(self) -> Figure:
        """Draw what the iteration is spent on, and how busy each dimension is."""
        from simcore.plots import caption
        from simcore.studies.train.figures import draw

        run = self.run
        parts = {"compute": run.compute, **{axis.value: found for axis, found in run.exposed_by_axis().items()}}
        if self.pipeline is not None:
            parts["other stages"] = self.time - run.compute - run.exposed
        inputs, scene = self.provenance.inputs, self.scene
        budget = f"{scene.topology.name}, {format_si(sum(scene.bandwidths), 'B/s')} per NPU"
        how = f"loop {inputs['loop']}, {self.schedule.value}, {inputs['convention']}"
        if self.pipeline is not None:
            cut = self.pipeline.pipeline
            how += f", {cut.stages} stages, {cut.micro_batches} micro-batches, {cut.order.value}"
        if inputs.get("profile") is not None:
            how += f", profile {inputs['profile']}"
        return caption(draw(self.dimensions, parts, self.bound), f"{budget}; {scene.workload.name}; {how}")

    def write(self, directory: Path, *, force: bool = False) -> None:
        """Write ``train.json``, ``dimensions.csv``, ``layers.csv``, the timeline and a figure into a new directory.

        Raises
        ------
        InputError
            If the directory exists and `force` is false, or it cannot be written.
        """
        from simcore.plots import save

        with atomic_directory(directory, force=force) as scratch:
            write_atomic(scratch / "train.json", to_json(self.as_dict()))
            write_atomic(scratch / "dimensions.csv", self.dimensions.to_csv())
            write_atomic(scratch / "layers.csv", self.layers.to_csv())
            self.write_timeline(scratch / "timeline.json")
            save(self.plot(), scratch / "train")

    def write_timeline(self, path: Path) -> None:
        """Write the timeline as a trace for ui.perfetto.dev, and as CSV beside it.

        Raises
        ------
        InputError
            If the trace would have the name of the CSV.
        """
        write_timeline(path, self.timeline, f"simcore train {self.scene.topology.name} {self.scene.workload.name}")


def _slices(run: IterationRun, scene: Scene, prefix: str) -> list[Slice]:
    """Return the tracks of one NPU: what it does, then each of its dimensions."""
    names = [layer.name for layer in scene.workload.layers]
    found = []
    for span in run.spans:
        what = "compute" if span.axis is None else f"wait for {span.axis.value}"
        arguments: dict[str, Argument] = {"layer": names[span.layer], "part": span.part.value}
        found.append(Slice(f"{prefix}NPU", what, span.start, span.end, arguments))
    for index, dimension in enumerate(scene.topology.dimensions):
        track = f"{prefix}dimension {index + 1}: {dimension.block.value} {dimension.size} {dimension.level}".rstrip()
        for phase in run.phases:
            if phase.dimension == index:
                values: dict[str, Argument] = {"collective": phase.label, "chunk": phase.chunk}
                values |= {"size": phase.size, "queued": phase.queued}
                found.append(Slice(track, phase.operation.value, phase.start, phase.end, values))
        for leg in run.transfers:
            if leg.dimension == index:
                values = {"transfer": leg.label, "size": leg.size, "queued": leg.queued}
                found.append(Slice(track, "transfer", leg.start, leg.end, values))
    return found
