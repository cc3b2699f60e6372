"""What is said of a simulated training iteration: what it is spent on, in GB/s and milliseconds, and advice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from simcore.models.network.mapping import Axis
from simcore.models.training.pipeline import bubble
from simcore.models.training.program import Loop
from simcore.models.training.workload import Pass
from simcore.report import Block, Grid, Headline, Sentences, grid
from simcore.studies.deployment.intervals import interval_words
from simcore.studies.inputs import chunks_words, latency_sentences
from simcore.studies.train.iteration import WIDER
from simcore.studies.train.outcome import TrainOutcome
from simcore.units import counted, format_si

_ROUNDING = 1e-9
"""Share by which a time may be below its bound without meaning anything."""
_LAYERS = 12
"""Layers that are listed; the others are summed up."""


def report(result: TrainOutcome) -> list[Block]:
    """Return what the iteration is spent on, the dimensions, the layers that wait, and advice."""
    cost = f"{counted(result.run.events, 'event')}, {result.cpu_seconds:.3f} CPU seconds per simulated iteration."
    return [
        Headline(_headline(result), "\n".join(_under(result))),
        _iteration(result),
        _dimensions(result),
        _layers(result),
        Sentences("", [*advice(result), *result.interval_sentences(), *_partial(result), cost]),
    ]


def advice(result: TrainOutcome) -> list[str]:
    """Return what limits the iteration, and which dimension to widen."""
    return list(_advice(result))


def _headline(result: TrainOutcome) -> str:
    request, deployment = result.request, result.deployment
    workload = deployment.workload
    number = request.stages if workload.pipeline is None else workload.pipeline.stages
    stages = f" x {number} pipeline stages" if number > 1 else ""
    experts = f", EP {workload.ep}" if workload.ep > 1 else ""
    parts = [
        f"{deployment.topology.name}, {sum(deployment.bandwidths) / 1e9:g} GB/s per NPU",
        f"{workload.title} (TP {workload.tp} x DP {workload.dp}{experts}{stages}, {request.variant} workload)",
        f"loop {request.loop}" + (" with recomputation" if result.simulated.recompute else ""),
        f"{_chunks(result)}, {_schedule(result)}, {request.convention}",
    ]
    if request.compute_scale != 1:
        parts.append(f"compute x {request.compute_scale:g}")
    if request.zero:
        parts.append(f"ZeRO-{request.zero}")
    return "; ".join(parts) + result.compute


def _under(result: TrainOutcome) -> Iterator[str]:
    """Say what runs, and what recomputation is here."""
    workload = result.deployment.workload
    if workload.setting is not None:
        yield workload.setting.words(workload.dp)
    yield interval_words(result.interval)
    yield RECOMPUTED if result.simulated.recompute else "nothing is recomputed"


RECOMPUTED = "recomputed: forward passes, compute and collectives (simcore optimize: collectives alone, if asked)"
"""What recomputation is in a simulated iteration, beside what it is in a plan."""


def _chunks(result: TrainOutcome) -> str:
    most = "at most " if result.schedule == "latency-aware" else ""  # it takes fewer where latency counts
    return most + chunks_words(result.simulated.settings.chunks, tried=result.tried)


def _schedule(result: TrainOutcome) -> str:
    ran, asked = result.schedule, result.simulated.settings.schedule.name
    return ran if ran == asked else f"{ran} in place of {asked}"


def _iteration(result: TrainOutcome) -> Grid:
    axes = {axis: s for axis, s in result.exposed.items() if result.pipeline is not None or axis is not Axis.PIPELINE}
    exposed = ", ".join(f"{axis.value} {format_si(seconds, 's')}" for axis, seconds in axes.items())
    rows = [
        ("time", format_si(result.time, "s", 7)),
        ("compute", format_si(result.run.compute, "s", 7)),
        ("exposed communication", f"{format_si(result.run.exposed, 's', 7)} ({exposed})"),
        *_slow(result),
        *_stage(result),
        *(_pipeline(result) if result.pipeline is not None else _references(result)),
    ]
    return grid("iteration", "", left=(0, 1), rows=rows)


def _slow(result: TrainOutcome) -> Iterator[tuple[str, str]]:
    slow = result.slow
    if slow is not None:
        costs = format_si(result.time - slow.time_without, "s", 7)
        yield f"without slow rank {slow.rank}", f"{format_si(slow.time_without, 's', 7)}: the others wait {costs}"


def _stage(result: TrainOutcome) -> Iterator[tuple[str, str]]:
    cut, extras = result.deployment.workload.pipeline, result.stage
    if cut is None or extras is None:
        return
    chunks = f", {cut.interleaved} model chunks" if cut.interleaved > 1 else ""
    share = bubble(cut.stages, cut.micro_batches, cut.interleaved)
    yield "pipeline", f"one of {cut.stages} stages, {cut.micro_batches} micro-batches{chunks}"
    yield "bubble", f"{format_si(extras.bubble, 's', 7)} ({share:.2%} of the work on micro-batches)"
    yield "transfers", f"{format_si(extras.transfers, 's', 7)} ({2 * cut.micro_batches * cut.interleaved} in all)"


def _pipeline(result: TrainOutcome) -> Iterator[tuple[str, str]]:
    report = result.pipeline
    assert report is not None  # the caller has checked
    idle = ", ".join(format_si(each, "s") for each in report.idle(result.time))
    transfers = ", ".join(format_si(waited, "s") for waited in report.transfers)
    without = format_si(report.without_transfers, "s", 7)
    cut = report.pipeline
    uneven = f", blocks {', '.join(map(str, cut.blocks))}" if cut.blocks else ""
    yield "pipeline", f"{cut.stages} stages, {cut.micro_batches} micro-batches, {cut.words}{uneven}"
    yield "idle per stage", f"{idle}; a balanced pipeline: {report.ideal_bubble:.2%} of the work"
    yield "transfers per stage", f"{transfers}; without them the iteration takes {without}"
    each = "micro-batches in flight" if cut.chunks == 1 else "passes of chunks in flight"
    yield each, ", ".join(map(str, report.in_flight))


def _references(result: TrainOutcome) -> Iterator[tuple[str, str]]:
    if result.bound is not None:
        yield "no schedule beats", f"{format_si(result.bound, 's', 7)} ({result.bound / result.time:.2%} of the time)"
    if result.closed is not None:
        rule = Loop(result.request.loop).closed_form.value
        yield f"closed form, {rule}", f"{format_si(result.closed.total, 's', 7)} ({_rule(result)})"


def _rule(result: TrainOutcome) -> str:
    if result.request.loop == Loop.SIMULATE.value:
        return "layers wait for all their gradients; no chunks, no latency"
    return "no chunks, no latency"


def _dimensions(result: TrainOutcome) -> Grid:
    rows = [
        (
            str(row["dimension"]),
            f"{row['block']} {row['npus']} {row['level']}".rstrip() + (" (idle)" if row["npus"] == 1 else ""),
            f"{row['bandwidth'] / 1e9:.6g}",
            f"{row['utilisation']:.2%}",
            format_si(row["exposed"], "s"),
            format_si(row["gain"], "s") if abs(row["gain"]) > 1e-12 * result.time else "0",
        )
        for row in result.dimensions
    ]
    columns = ("dim", "network", "GB/s", "utilisation", "exposed", f"{WIDER - 1:.0%} more saves")
    return grid(*columns, left=(0, 1), rows=rows)


def _layers(result: TrainOutcome) -> Grid:
    by_layer: dict[int, dict[Pass, float]] = {}
    for (layer, part, _), seconds in result.run.exposed_by_layer().items():
        seconds_of = by_layer.setdefault(layer, {})
        seconds_of[part] = seconds_of.get(part, 0.0) + seconds
    names = [layer.name for layer in result.deployment.workload.layers]
    order = sorted(by_layer, key=lambda layer: -sum(by_layer[layer].values()))
    rows = []
    for layer in sorted(order[:_LAYERS]):
        cells = (format_si(by_layer[layer].get(part, 0.0), "s") for part in Pass)
        rows.append((names[layer], *cells, format_si(sum(by_layer[layer].values()), "s")))
    rest = order[_LAYERS:]
    if rest:
        cells = (format_si(sum(by_layer[layer].get(part, 0.0) for layer in rest), "s") for part in Pass)
        rows.append((f"{len(rest)} more", *cells, format_si(sum(sum(by_layer[i].values()) for i in rest), "s")))
    return grid("layer", *(part.value for part in Pass), "exposed", rows=rows)


def _advice(result: TrainOutcome) -> Iterator[str]:
    if result.bound is not None and result.bound > result.time * (1 + _ROUNDING):
        yield (
            "The time is below what no schedule beats, which no network allows: the convention "
            f"{result.request.convention} lets each message have a link's whole bandwidth. Use --convention physical."
        )
    if result.limiting is not None:
        tied, exposed = result.tied, result.run.exposed_by_dimension()
        share = f"{sum(exposed[d] for d in tied) / result.run.exposed:.1%} of the waiting"
        if len(tied) == 1:
            yield f"Dimension {tied[0] + 1} is the busiest of the collectives behind {share}."
        else:
            names = f"{', '.join(str(d + 1) for d in tied[:-1])} and {tied[-1] + 1}"
            yield f"Dimensions {names} tie as the busiest of the collectives behind {share}, in equal parts."
        yield from _latency(result, tied)
    if result.fewer is not None and result.fewer[1] < result.time - max(result.gains):
        yield _fewer_chunks(result, *result.fewer)
        return
    if result.sooner is not None and result.sooner > max(0.0, *result.gains):
        yield _less_latency(result, result.sooner)
        return
    if result.widen is None:
        yield "More bandwidth in any one dimension saves nothing."
        return
    best = result.gains[result.widen]
    yield (
        f"Widen dimension {result.widen + 1}: with {WIDER - 1:.0%} more bandwidth there the iteration takes "
        f"{format_si(best, 's')} less ({best / result.time:.2%})."
    )


def _latency(result: TrainOutcome, limiting: Sequence[int]) -> list[str]:
    """Compare latency with bytes in the limiting dimension; of several, where latency has the largest share."""
    shares, served, latency = result.run.latency_shares, result.run.served, result.run.latency
    d = max(limiting, key=shares.__getitem__)
    settings = result.simulated.settings
    fewer = settings.chunks > 1 and result.schedule != "latency-aware" and not result.tried
    sends = served[d] - latency[d]
    return latency_sentences(shares[d], sends, fewer=fewer, schedule=settings.schedule, convention=settings.convention)


def _fewer_chunks(result: TrainOutcome, chunks: int, time: float) -> str:
    """Say what fewer chunks save, beside what more bandwidth would."""
    saved, most = result.time - time, max(0.0, *result.gains)
    return (
        f"Take fewer chunks, not more bandwidth: with --chunks {chunks} the iteration takes {format_si(time, 's', 7)}, "
        f"{format_si(saved, 's')} less ({saved / result.time:.2%}). With {WIDER - 1:.0%} more bandwidth in the best "
        f"dimension it takes {format_si(most, 's')} less ({most / result.time:.2%})."
    )


def _less_latency(result: TrainOutcome, saved: float) -> str:
    """Say what less latency saves, beside what more bandwidth would."""
    most = max(0.0, *result.gains)
    return (
        f"Shorten latency rather than widen links: with {WIDER - 1:.0%} less of it on all links the iteration takes "
        f"{format_si(saved, 's')} less ({saved / result.time:.2%}). With {WIDER - 1:.0%} more bandwidth in the best "
        f"dimension it takes {format_si(most, 's')} less ({most / result.time:.2%})."
    )


def _partial(result: TrainOutcome) -> Iterator[str]:
    if result.partial and result.closed is not None and result.closed_partial is not None:
        yield (
            f"Closed form with the whole dimension, as published: {format_si(result.closed.total, 's', 7)}; with the "
            "links that groups in part of a fully connected dimension have: "
            f"{format_si(result.closed_partial.total, 's', 7)}."
        )
