"""What a simulated training iteration gives: times, tables, a timeline, a figure, and where they come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import cached_property
from typing import TYPE_CHECKING, Any

from simcore.models.training.simulated import IterationRun
from simcore.report import Block
from simcore.results import Table, Timeline
from simcore.studies.train.deployment import Deployment
from simcore.studies.train.outcome import TrainOutcome
from simcore.studies.train.report import advice, report
from simcore.timeline.slices import Argument, Slice, timeline
from simcore.units import format_si

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class TrainResult(TrainOutcome):
    """A simulated training iteration and where it comes from, see `TrainOutcome` for its numbers."""

    stem = "train"

    def tables(self) -> Mapping[str, Table]:
        """Return the tables of dimensions, of layers, and of what the time rests on."""
        return {"dimensions": self.dimensions, "layers": self.layers, "terms": self.terms_table(self.time or 1.0)}

    def report(self) -> Sequence[Block]:
        """Return what the iteration is spent on, the dimensions, the layers that wait, and advice."""
        return report(self)

    def sentences(self) -> list[str]:
        """Return what limits the iteration, and which dimension to widen."""
        return advice(self)

    @cached_property
    def slices(self) -> list[Slice]:
        """What NPUs and dimensions did; the iteration is simulated again for it, with every chunk phase recorded."""
        runs = self.simulated.recorded(self.deployment)
        if self.pipeline is None:
            return _slices(runs[0], self.deployment, "")
        return [one for number, run in enumerate(runs, 1) for one in _slices(run, self.deployment, f"stage {number}, ")]

    def timeline(self) -> Timeline:
        """Return what NPUs and dimensions did, a track each."""
        names = f"{self.deployment.topology.name} {self.deployment.workload.name}"
        return timeline(self.slices, f"simcore train {names}")

    def as_dict(self) -> dict[str, Any]:
        """Return the result as plain containers, in SI units, for JSON."""
        run, workload = self.run, self.deployment.workload
        pipeline = None
        if self.pipeline is not None:
            pipeline = {
                "stages": self.pipeline.pipeline.stages,
                "micro_batches": self.pipeline.pipeline.micro_batches,
                "order": self.pipeline.pipeline.order.value,
                "chunks": self.pipeline.pipeline.chunks,
                "blocks": list(self.pipeline.pipeline.blocks),
                "ideal_bubble": self.pipeline.ideal_bubble,
                "idle": list(self.pipeline.idle(self.time)),
                "transfers": list(self.pipeline.transfers),
                "time_without_transfers": self.pipeline.without_transfers,
                "in_flight": list(self.pipeline.in_flight),
            }
        if self.stage is not None and workload.pipeline is not None:
            cut = workload.pipeline
            pipeline = {
                "stages": cut.stages,
                "micro_batches": cut.micro_batches,
                "interleaved": cut.interleaved,
                "bubble": self.stage.bubble,
                "transfers": self.stage.transfers,
            }
        return {
            "iteration_time": self.time,
            **self.interval_dict(),
            "compute_time": run.compute,
            "exposed_communication": run.exposed,
            "exposed": {axis.name.lower(): seconds for axis, seconds in self.exposed.items()},
            "bound": self.bound,
            "closed_form": None if self.closed is None else self.closed.total,
            "closed_form_partial": None if self.closed_partial is None else self.closed_partial.total,
            "workload": {"name": workload.name, "tp": workload.tp, "dp": workload.dp, "ep": workload.ep},
            "bandwidths": list(self.deployment.bandwidths),
            "utilisation": self.dimensions.column("utilisation"),
            "limiting_dimension": None if self.limiting is None else self.limiting + 1,
            "limiting_dimensions": [d + 1 for d in self.tied],
            "schedule": self.schedule,
            "chunks": self.simulated.settings.chunks,
            "algorithms": {
                collective.value: [None if each is None else each.value for each in algorithms]
                for collective, algorithms in run.algorithms.items()
            },
            "latency_shares": list(run.latency_shares),
            "fewer_chunks": None if self.fewer is None else dict(zip(("chunks", "time"), self.fewer, strict=True)),
            "less_latency": self.sooner,
            "widen": None if self.widen is None else self.widen + 1,
            "dimensions": [dict(row) for row in self.dimensions],
            "layers": [dict(row) for row in self.layers],
            "pipeline": pipeline,
            "slow": None if self.slow is None else asdict(self.slow) | _from_one(self.slow.dimension),
            "reasons": self.sentences(),
            "warnings": list(self.warnings),
            "events": run.events,
            "provenance": self.provenance.as_dict(),
        }

    def figures(self) -> Mapping[str, Figure]:
        """Draw what the iteration is spent on, and how busy each dimension is."""
        from simcore.plots import caption
        from simcore.studies.train.figures import draw

        run, request, deployment = self.run, self.request, self.deployment
        parts = {"compute": run.compute, **{axis.value: seconds for axis, seconds in self.exposed.items()}}
        if self.stage is not None:
            parts |= {"pipeline": self.stage.transfers, "other stages": self.stage.bubble}
        if self.pipeline is not None:
            parts["other stages"] = self.time - run.compute - run.exposed
        budget = f"{deployment.topology.name}, {format_si(sum(deployment.bandwidths), 'B/s')} per NPU"
        how = f"loop {request.loop}, {self.schedule}, {request.convention}"
        if self.pipeline is not None:
            cut = self.pipeline.pipeline
            how += f", {cut.stages} stages, {cut.micro_batches} micro-batches, {cut.words}"
        if self.profile:
            how += f", profile {self.profile}"
        figure = draw(self.dimensions, parts, self.bound)
        return {self.stem: caption(figure, f"{budget}; {deployment.workload.title}; {how}")}


def _from_one(dimension: int | None) -> dict[str, int | None]:
    return {"dimension": None if dimension is None else dimension + 1}


def _slices(run: IterationRun, deployment: Deployment, prefix: str) -> list[Slice]:
    """Return the tracks of one NPU: what it does, then each of its dimensions."""
    names = [layer.name for layer in deployment.workload.layers]
    slices = []
    for span in run.spans:
        what = "compute" if span.axis is None else f"wait for {span.axis.value}"
        arguments: dict[str, Argument] = {"layer": names[span.layer], "part": span.part.value}
        slices.append(Slice(f"{prefix}NPU", what, span.start, span.end, arguments))
    for index, dimension in enumerate(deployment.topology.dimensions):
        track = f"{prefix}dimension {index + 1}: {dimension.block.value} {dimension.size} {dimension.level}".rstrip()
        for phase in run.phases:
            if phase.dimension == index:
                values: dict[str, Argument] = {"collective": phase.label, "chunk": phase.chunk}
                values |= {"size": phase.size, "queued": phase.queued}
                slices.append(Slice(track, phase.operation.value, phase.start, phase.end, values))
        for leg in run.transfers:
            if leg.dimension == index:
                values = {"transfer": leg.label, "size": leg.size, "queued": leg.queued}
                slices.append(Slice(track, "transfer", leg.start, leg.end, values))
    return slices
