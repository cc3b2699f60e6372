"""What `simcore train` prints: tables that a person reads, in GB/s and milliseconds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from simcore.cli.console import as_text, compute_of, plain_table
from simcore.models.network.schedulers.schedules import Schedule
from simcore.models.training.program import Axis, Loop, Pass
from simcore.studies.train.inputs import closed_loop
from simcore.studies.train.iteration import WIDER
from simcore.studies.train.result import TrainResult
from simcore.units import counted, format_si

if TYPE_CHECKING:
    from rich.table import Table

WIDEST = 110
"""Columns of the report where the terminal does not say."""
_LAYERS = 12
"""Layers that are listed; the others are summed up."""


def report(result: TrainResult, width: int = WIDEST) -> str:
    """Return a simulated iteration as text of at most `width` columns."""
    return as_text(_parts(result), width)


def _parts(result: TrainResult) -> Iterator[object]:
    yield _headline(result)
    for table in (_iteration(result), _dimensions(result), _layers(result)):
        yield ""
        yield table
    yield ""
    yield from (*_advice(result), *_partial(result))
    yield f"{counted(result.run.events, 'event')}, {result.seconds:.3f} CPU seconds per simulated iteration."


def _headline(result: TrainResult) -> str:
    inputs, scene = result.provenance.inputs, result.scene
    stages = f" x {inputs['stages']} pipeline stages" if inputs["stages"] > 1 else ""
    parts = [
        f"{scene.topology.name}, {sum(scene.bandwidths) / 1e9:g} GB/s per NPU",
        f"{scene.workload.name} (TP {scene.workload.tp} x DP {scene.workload.dp}{stages}, "
        f"{inputs['variant']} workload)",
        f"loop {inputs['loop']}" + (" with recomputation" if inputs["recompute"] else ""),
        f"{_chunks(result)}, {_schedule(result)}, {inputs['convention']}",
    ]
    if inputs["compute_scale"] != 1:
        parts.append(f"compute x {inputs['compute_scale']:g}")
    if inputs["zero"]:
        parts.append(f"ZeRO-{inputs['zero']}")
    return "; ".join(parts) + compute_of(inputs)


def _chunks(result: TrainResult) -> str:
    most = "at most " if result.schedule is Schedule.LATENCY_AWARE else ""  # it takes fewer where latency counts
    return most + counted(result.provenance.inputs["chunks"], "chunk")


def _schedule(result: TrainResult) -> str:
    ran, asked = result.schedule.value, result.provenance.inputs["schedule"]
    return ran if ran == asked else f"{ran} in place of {asked}"


def _iteration(result: TrainResult) -> Table:
    table = plain_table("iteration", "", left=(0, 1))
    axes = result.run.exposed_by_axis()
    kinds = [axis for axis in Axis if result.pipeline is not None or axis is not Axis.PIPELINE]
    exposed = ", ".join(f"{axis.value} {format_si(axes[axis], 's')}" for axis in kinds)
    table.add_row("time", format_si(result.time, "s", 7))
    table.add_row("compute", format_si(result.run.compute, "s", 7))
    table.add_row("exposed communication", f"{format_si(result.run.exposed, 's', 7)} ({exposed})")
    if result.pipeline is not None:
        report = result.pipeline
        ours = ", ".join(format_si(idle, "s") for idle in report.idle(result.time))
        table.add_row("pipeline", f"{report.pipeline.stages} stages, {report.pipeline.micro_batches} micro-batches, "
                                  f"{report.pipeline.order.value}")  # fmt: skip
        transfers = ", ".join(format_si(waited, "s") for waited in report.transfers)
        table.add_row("idle per stage", f"{ours}; a balanced pipeline: {report.ideal_bubble:.2%} of the work")
        table.add_row("transfers per stage", f"{transfers}; without them the iteration takes "
                                             f"{format_si(report.without_transfers, 's', 7)}")  # fmt: skip
        table.add_row("micro-batches in flight", ", ".join(map(str, report.in_flight)))
        return table
    if result.bound is not None:
        share = f"({result.bound / result.time:.2%} of it)"
        table.add_row("no schedule beats", f"{format_si(result.bound, 's', 7)} {share}")
    if result.closed is not None:
        rule = closed_loop(Loop(result.provenance.inputs["loop"])).value
        table.add_row(f"closed form, {rule}", f"{format_si(result.closed.total, 's', 7)} ({_rule(result)})")
    return table


def _rule(result: TrainResult) -> str:
    if result.provenance.inputs["loop"] == Loop.SIMULATE.value:
        return "layers wait for all their gradients; no chunks, no latency"
    return "no chunks, no latency"


def _dimensions(result: TrainResult) -> Table:
    wider = f"{WIDER - 1:.0%} more saves"
    table = plain_table("dim", "network", "GB/s", "utilisation", "exposed", wider, left=(0, 1))
    for row in result.dimensions:
        saved = format_si(row["gain"], "s") if abs(row["gain"]) > 1e-12 * result.time else "0"
        table.add_row(
            str(row["dimension"]),
            f"{row['block']} {row['npus']} {row['level']}".rstrip() + (" (idle)" if row["npus"] == 1 else ""),
            f"{row['bandwidth'] / 1e9:.6g}",
            f"{row['utilisation']:.2%}",
            format_si(row["exposed"], "s"),
            saved,
        )
    return table


def _layers(result: TrainResult) -> Table:
    table = plain_table("layer", *(part.value for part in Pass), "exposed")
    by_layer: dict[int, dict[Pass, float]] = {}
    for (layer, part, _), seconds in result.run.exposed_by_layer().items():
        found = by_layer.setdefault(layer, {})
        found[part] = found.get(part, 0.0) + seconds
    names = [layer.name for layer in result.scene.workload.layers]
    order = sorted(by_layer, key=lambda layer: -sum(by_layer[layer].values()))
    for layer in sorted(order[:_LAYERS]):
        cells = (format_si(by_layer[layer].get(part, 0.0), "s") for part in Pass)
        table.add_row(names[layer], *cells, format_si(sum(by_layer[layer].values()), "s"))
    rest = order[_LAYERS:]
    if rest:
        cells = (format_si(sum(by_layer[layer].get(part, 0.0) for layer in rest), "s") for part in Pass)
        table.add_row(f"{len(rest)} more", *cells, format_si(sum(sum(by_layer[i].values()) for i in rest), "s"))
    return table


def _advice(result: TrainResult) -> Iterator[str]:
    if result.limiting is not None:
        tied, exposed = result.tied, result.run.exposed_by_dimension()
        share = f"{sum(exposed[d] for d in tied) / result.run.exposed:.1%} of the waiting"
        if len(tied) == 1:
            yield f"Dimension {tied[0] + 1} is the busiest of the collectives behind {share}."
        else:
            names = f"{', '.join(str(d + 1) for d in tied[:-1])} and {tied[-1] + 1}"
            yield f"Dimensions {names} tie as the busiest of the collectives behind {share}, in equal parts."
    if result.widen is None:
        yield "More bandwidth in any one dimension saves nothing."
        return
    best = result.gains[result.widen]
    yield (
        f"Widen dimension {result.widen + 1}: with {WIDER - 1:.0%} more bandwidth there the iteration takes "
        f"{format_si(best, 's')} less ({best / result.time:.2%})."
    )


def _partial(result: TrainResult) -> Iterator[str]:
    if result.partial and result.closed is not None and result.closed_partial is not None:
        yield (
            f"Closed form with the whole dimension, as published: {format_si(result.closed.total, 's', 7)}; with the "
            "links that groups in part of a fully connected dimension have: "
            f"{format_si(result.closed_partial.total, 's', 7)}."
        )
