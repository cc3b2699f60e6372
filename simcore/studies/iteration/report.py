"""What is said of a training iteration on GPUs: its parts, rates, memory, and what to change first."""

from __future__ import annotations

from collections.abc import Iterator

from simcore.models.compute.predict import ESTIMATED
from simcore.models.network.chunk_counts import AUTO
from simcore.models.training.parallel.evaluation import Evaluation
from simcore.models.training.parallel.memory import CONTEXT, FRAGMENTED
from simcore.report import Block, Grid, Headline, Sentences, grid
from simcore.studies.deployment.intervals import interval_words
from simcore.studies.deployment.words import (
    GIB,
    collectives_words,
    degrees,
    details,
    each_words,
    gib,
    memory_grid,
    model_words,
    stack_words,
)
from simcore.studies.inputs import chunks_words
from simcore.studies.iteration.outcome import IterationOutcome
from simcore.units import format_si

_LIMITS = {
    "tensor-parallel": "collectives of tensor parallelism, which compute waits for",
    "context-parallel": "the exchange of keys and values",
    "expert-parallel": "tokens on their way to experts and back",
    "pipeline bubble": "the pipeline's bubble",
    "pipeline messages": "messages between pipeline stages",
    "data-parallel": "sums of gradients and gathered weights",
    "optimizer": "the update of the weights",
    "recompute": "recomputation",
    "stragglers": "waiting for the slowest rank",
}
_COMPUTE = ("forward", "input gradient", "weight gradient")


def report(result: IterationOutcome) -> list[Block]:
    """Return the parts of the iteration, rates, memory by rank, and what limits it."""
    return [
        Headline(_headline(result), "\n".join(_under(result))),
        _parts(result),
        _rates(result),
        memory_grid(result.evaluation.memory, result.capacity),
        Sentences("", sentences(result)),
    ]


def sentences(result: IterationOutcome) -> list[str]:
    """Return what limits the iteration, and what to change first."""
    return list(_sentences(result))


def _headline(result: IterationOutcome) -> str:
    machine, layout = result.deployment.evaluator.machine, result.evaluation.layout
    return (
        f"{result.deployment.name}, {each_words(result.deployment.sequence)}, on {layout.gpus} {machine.profile.name}, "
        f"network {machine.topology.name}: {format_si(result.time, 's', 5)} per iteration"
    )


def _under(result: IterationOutcome) -> Iterator[str]:
    layout, worst = result.evaluation.layout, result.evaluation.worst
    sizes = f"global batch {layout.global_batch:,}, {model_words(result.deployment.model)}"
    yield f"{degrees(layout)}; {details(layout)}; {layout.number_format.name}, {sizes}"
    yield interval_words(result.interval)
    yield stack_words(result.deployment.evaluator.machine.stack)
    choice = result.provenance.inputs.get("collectives")
    yield from filter(None, [collectives_words(result.deployment.evaluator.placement(layout), choice)])
    if result.simulated is not None:
        time, more = format_si(result.simulated.time, "s", 5), result.difference
        cut = chunks_words(result.chunks, tried=result.provenance.inputs["chunks"] == AUTO)
        yield f"closed form {format_si(result.time, 's', 5)}; simulated in {cut} {time} ({more:+.2%})"
    if result.tried is not None:
        what = "fastest that fits" if result.fits else "one that needs least memory, as none fits,"
        alone = layout.cp == layout.vp == 1
        beyond = "; simcore search tries CP and VP too" if alone else ""
        yield f"what was not given is chosen: the {what} of {result.tried:,} layouts{beyond}"
    verdict = "fits: pipeline rank {} needs most, {}" if result.fits else "OUT OF MEMORY: pipeline rank {} needs {}"
    yield verdict.format(worst.rank, f"{gib(worst.reserved)} GiB of {gib(result.capacity)} GiB")


def _parts(result: IterationOutcome) -> Grid:
    rows = [
        (name, format_si(seconds, "s", 5), f"{seconds / result.time:.1%}")
        for name, seconds in result.evaluation.parts.items()
        if seconds
    ]
    return grid("part", "time", "share", rows=[*rows, ("iteration", format_si(result.time, "s", 5), "100.0%")])


def _rates(result: IterationOutcome) -> Grid:
    one, layout = result.evaluation, result.evaluation.layout
    rows = [
        ("tokens", f"{result.tokens_per_second:,.0f} /s ({result.tokens_per_second / layout.gpus:,.0f} /s per GPU)"),
        ("samples", f"{layout.global_batch / result.time:,.4g} /s"),
        ("model", _rate("MFU", one.flops, result.peak)),
        ("hardware", _rate("HFU", one.hardware_flops, result.peak)),
    ]
    if result.training_seconds is not None:
        days, hours = result.training_seconds / 86400, result.training_seconds * layout.gpus / 3600
        rows.append(("training", f"{result.training_tokens:.4g} tokens in {days:,.1f} days, {hours:,.0f} GPU-hours"))
    return grid("rate", "", left=(0, 1), rows=rows)


def _rate(name: str, rate: float, peak: float | None) -> str:
    """Write a rate of one GPU, and which share of its peak that is, where the peak is known."""
    text = f"{rate / 1e12:.1f} TFLOP/s per GPU"
    return text if peak is None else f"{text}, {name} {rate / peak:.1%} of {peak / 1e12:,.1f} TFLOP/s"


def _sentences(result: IterationOutcome) -> Iterator[str]:
    one = result.evaluation
    waits = {name: seconds for name, seconds in one.parts.items() if name not in _COMPUTE}
    largest = max(waits, key=waits.__getitem__)
    compute = sum(one.parts[name] for name in _COMPUTE)
    yield (
        f"Kernels of the model take {compute / result.time:.0%} of the iteration. Of the rest most is "
        f"{_LIMITS[largest]}: {waits[largest] / result.time:.0%}."
    )
    yield from _change(result)
    yield from result.interval_sentences()
    if result.deployment.evaluator.machine.stack is None:
        yield from _errors(one)
    yield (
        f"Reserved memory is allocated memory, {FRAGMENTED:.0%} of what comes and goes, and {CONTEXT / 1e9:.2g} GB of "
        "context beside it (both assumed)."
    )


def _change(result: IterationOutcome) -> Iterator[str]:
    change = result.change
    if change is None:
        if not result.fits:
            yield "No single change makes it fit: use more GPUs, or combine several; simcore search tries them all."
        return
    took, need = format_si(change.result.time, "s", 4), change.result.worst.reserved / GIB
    what = "Change first" if result.fits else "The fastest single change that makes it fit"
    against = f"{change.result.time / result.time - 1:+.0%}"
    yield f"{what}: {change.what}, {took} per iteration ({against}) and {need:.1f} GiB."


def _errors(one: Evaluation) -> Iterator[str]:
    kernels = sum(one.parts[name] for name in (*_COMPUTE, "recompute"))
    if one.error:
        yield f"Expected error of the kernels: {one.error / kernels:.0%} of their time, where it was measured."
    else:
        yield f"Kernel times are {ESTIMATED}: the iteration likely takes longer."
