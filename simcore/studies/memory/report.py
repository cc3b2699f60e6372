"""What is said of a model's memory."""

from __future__ import annotations

from simcore.models.training.parallel.memory import CONTEXT, FRAGMENTED, WORKSPACE
from simcore.report import Block, Headline, Sentences, grid
from simcore.studies.deployment.words import GIB, degrees, details, gib, memory_grid, model_words, taken_words
from simcore.studies.memory.outcome import MemoryOutcome
from simcore.units import counted, format_si


def report(result: MemoryOutcome) -> list[Block]:
    """Return whether it fits, memory by rank and kind, activations by operator, and what makes it fit."""
    layout = result.evaluation.layout
    asked = f"{result.name} on {counted(layout.gpus, 'GPU')} {result.device}, {taken_words(result.sequence)}"
    sizes = f"{layout.number_format.name}, global batch {layout.global_batch:,}, {model_words(result.model)}"
    under = [f"{degrees(layout)}; {details(layout)}; {sizes}"]
    if result.chosen:
        under.append(f"Chosen, not given: {', '.join(result.chosen)}.")
    return [
        Headline(f"{verdict(result)}: {asked}", "\n".join(under)),
        memory_grid(result.evaluation.memory, result.capacity),
        *_operators(result),
        Sentences("", sentences(result)),
    ]


def verdict(result: MemoryOutcome) -> str:
    """Say whether it fits, or which rank lacks how much."""
    worst = result.evaluation.worst
    if result.fits:
        return f"fits, {gib(worst.reserved)} of {gib(result.capacity)} GiB"
    stage = f"rank {result.first_gpu} of pipeline stage {worst.rank}"
    return f"out of memory, {stage} needs {gib(worst.reserved)} of {gib(result.capacity)} GiB"


def _operators(result: MemoryOutcome) -> list[Block]:
    """Return the operators that keep most on the worst rank."""
    kept = result.operators
    if not kept:
        return []
    whole, listed = sum(kept.values()), list(kept.items())
    rest = sum(size for _, size in listed[result.top :])
    if rest:
        listed = [*listed[: result.top], (f"{len(kept) - result.top} others", rest)]
    name = f"activations of stage {result.evaluation.worst.rank}"
    return [grid(name, "GiB", "share", rows=[(one, gib(size), f"{size / whole:.1%}") for one, size in listed])]


def sentences(result: MemoryOutcome) -> list[str]:
    """Say what makes it fit, and what is assumed."""
    said = [] if result.fits else [_remedy(result)]
    said.append(
        f"Reserved is allocated, {FRAGMENTED:.0%} of activations and temporary memory for the allocator, and "
        f"{format_si(CONTEXT, 'B')} for the CUDA context and NCCL; workspace is {WORKSPACE / GIB * 1024:.0f} MiB. "
        "These three are assumed, not measured."
    )
    if not result.timed:
        said.append(f"No network is given and no usual one of {result.device} is known: no time is said.")
    return said


def _remedy(result: MemoryOutcome) -> str:
    """Say what makes it fit."""
    if result.remedy is None:
        return "No single change makes it fit, no two changes do, and neither do more GPUs that share the global batch."
    other = result.remedy.result
    cost = ""
    if result.timed and other.layout.gpus == result.evaluation.layout.gpus:
        change = other.time / result.evaluation.time - 1
        pace = "as long" if abs(change) < 5e-4 else f"{abs(change):.1%} {'longer' if change > 0 else 'shorter'}"
        cost = f", and an iteration takes {pace} ({format_si(other.time, 's')})"
    elif result.timed:
        cost = f", and an iteration takes {format_si(other.time, 's')}"
    return (
        f"Cheapest change that fits: {result.remedy.what}. "
        f"The worst rank then needs {gib(other.worst.reserved)} GiB{cost}."
    )
