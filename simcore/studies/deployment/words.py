"""How a layout is written, and what of it was chosen rather than given."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

from simcore.errors import with_fields
from simcore.models.training.architecture import Batch
from simcore.models.training.listing import Architecture, operators_of
from simcore.models.training.parallel.layout import Layout
from simcore.models.training.parallel.memory import KINDS, RankMemory
from simcore.models.training.parallel.placement import Placement
from simcore.models.training.parallel.stack import Stack
from simcore.models.training.workload import parameters_words
from simcore.report import Column, Grid
from simcore.studies.deployment.parallel import ParallelRequest
from simcore.units import counted

GIB = 2.0**30
"""Bytes of a GiB [B]."""

_CHOSEN = {
    "tp": "TP", "cp": "CP", "pp": "PP", "vp": "VP", "ep": "EP", "dp": "DP", "micro_batch": "micro-batch",
    "recompute": "recompute", "zero": "ZeRO",
}  # fmt: skip


def gib(size: float) -> str:
    """Write bytes in GiB.

    Examples
    --------
    >>> gib(1.5 * 2**30)
    '1.50'
    """
    return f"{size / GIB:.2f}"


def degrees(layout: Layout) -> str:
    """Write the degrees of a layout; of context and expert parallelism and chunks only those above 1.

    Examples
    --------
    >>> degrees(Layout(tp=8, pp=2, vp=2, dp=4))
    'TP 8 x PP 2 (VP 2) x DP 4'
    """
    words = [f"TP {layout.tp}"]
    words += [f"CP {layout.cp}"] * (layout.cp > 1)
    words.append(f"PP {layout.pp}" + f" (VP {layout.vp})" * (layout.vp > 1))
    words.append(f"DP {layout.dp}" + f" (EP {layout.ep})" * (layout.ep > 1))
    return " x ".join(words)


def taken_words(sequence: int) -> str:
    """Say what an iteration takes: sequences of so many tokens, or samples, which count as one.

    Examples
    --------
    >>> taken_words(2048), taken_words(1)
    ('sequences of 2,048 tokens', 'samples')
    """
    return "samples" if sequence == 1 else f"sequences of {sequence:,} tokens"


def each_words(sequence: int) -> str:
    """Say of what a head speaks: a sequence of so many tokens, or samples.

    Examples
    --------
    >>> each_words(2048), each_words(1)
    ('sequence 2,048', 'samples')
    """
    return "samples" if sequence == 1 else f"sequence {sequence:,}"


def parameters_of(model: Architecture) -> float:
    """Return how many parameters a model has, with its output layer."""
    return operators_of(model, Batch(1, 1, 1)).parameters


def model_words(model: Architecture) -> str:
    """Say how many parameters a model has, with its output layer.

    Examples
    --------
    >>> from simcore.models.training.architecture import Transformer
    >>> model_words(Transformer("gpt", hidden=4096, blocks=32))
    '6.443 billion parameters'
    """
    return parameters_words(parameters_of(model))


def assumed_batch(gpus: int) -> str:
    """Say which global batch is taken where nobody gives one.

    Examples
    --------
    >>> assumed_batch(8)
    'a global batch of 8 sequences is assumed, one per GPU, as nobody gives one'
    """
    return f"a global batch of {counted(gpus, 'sequence')} is assumed, one per GPU, as nobody gives one"


def details(layout: Layout) -> str:
    """Write what a layout has beside its degrees.

    Examples
    --------
    >>> details(Layout(tp=2, dp=4, zero=1, sequence_parallel=True, micro_batches=8))
    '8 micro-batches of 1, ZeRO 1, recompute none, sequence parallelism'
    """
    some = "" if layout.recompute_layers is None else f" in {layout.recompute_layers} blocks of each chunk"
    plural = "" if layout.micro_batches == 1 else "es"
    words = [f"{layout.micro_batches:,} micro-batch{plural} of {layout.micro_batch}", f"ZeRO {layout.zero}"]
    words.append(f"schedule {layout.schedule}" if layout.schedule else f"recompute {layout.recompute.value}{some}")
    words += ["sequence parallelism"] * (layout.sequence_parallel and layout.tp > 1)
    words += [f"order {layout.order}"] * (layout.pp > 1 and layout.order not in {"1F1B", "interleaved"})
    words += ["collectives of TP beside products"] * (layout.overlap_tensor and layout.tp > 1)
    words += ["causal attention by half"] * layout.causal_half
    words += ["eager attention"] * (not layout.fused_attention and not layout.schedule)
    return ", ".join(words)


def chosen_words(request: ParallelRequest) -> tuple[str, ...]:
    """Return what a request leaves to be chosen."""
    given = {name for name in _CHOSEN if getattr(request, name) is not None}
    if request.fsdp:
        given.add("zero")
    if {"tp", "pp"} <= given:
        given.add("dp")
    return tuple(word for name, word in _CHOSEN.items() if name not in given)


def stack_words(stack: Stack | None) -> str:
    """Say what software is taken to reach, and where that comes from."""
    if stack is None:
        return "no stack: what data sheets and measurements say of device and network"
    reached = f"products at {stack.products:.0%}, network at {stack.network:.0%}, {stack.launch * 1e6:.3g} us a launch"
    of = f"fitted to {counted(stack.rows, 'measured iteration')}" if stack.rows else stack.source or "as given"
    of += ", nothing held out" if stack.rows and not stack.held else ""
    return f"stack {stack.name} ({reached}; {of})"


def stack_dict(stack: Stack | None) -> dict[str, Any] | None:
    """Return a stack as plain containers; None where there is none."""
    if stack is None:
        return None
    return {
        "name": stack.name, "products": stack.products, "launch": stack.launch, "network": stack.network,
        "attention": stack.attention, "overlap_tensor": stack.overlap_tensor, "stops_early": stack.stops_early,
        "low": stack.low, "high": stack.high,
        "identified": stack.identified, "rows": stack.rows, "held": stack.held, "source": stack.source,
    }  # fmt: skip


def collectives_words(placement: Placement, choice: str | None) -> str:
    """Say what collectives are taken to take, with the error on sizes that were held out of the fit; or nothing.

    Nothing is said of networks on which no collective was measured, unless that was asked for.

    Parameters
    ----------
    placement : Placement
        With its collectives, after it was asked for their times.
    choice : str or None
        What the request says.
    """
    profile = placement.collectives
    if profile is None:
        return "collectives take what links allow" if choice == "wire" else ""
    errors = [timing.error for _, _, timing in placement.used() if timing.error is not None]
    unsure = any(timing.error is None and timing.curves for _, _, timing in placement.used())
    scaled = sum(timing.basis != "measured" for _, _, timing in placement.used())
    expected = f", expected error {max(errors):.1%}" if errors else ""
    expected += ", error unknown where no size was held out" if unsure else ""
    expected += f", {scaled} of {len(placement.used())} kinds and groups scaled by lines" if scaled else ""
    return f"collectives as measured (profile {profile.name}{expected})"


def collectives_notes(placement: Placement) -> list[str]:
    """Say which collectives of a layout are not of a kind, group and size that was measured."""
    profile = placement.collectives
    if profile is None:
        return []
    said: dict[str, list[str]] = {}
    for collective, axis, timing in placement.used():
        span = placement.span(axis)
        beyond = f" x {span.nodes} nodes" if span.nodes > 1 else ""
        where = f"{collective.value} of {counted(span.near, 'GPU')}{beyond}"
        reason = _REASONS.get(timing.basis, "")
        if not reason and (collective, axis) in placement.beyond:
            reason = "some sizes are beyond those measured, lines of algorithms scale them"
        if reason:
            said.setdefault(reason, []).append(where)
    return [f"collectives of profile {profile.name}: {', '.join(dict.fromkeys(each))}: {reason}"
            for reason, each in said.items()]  # fmt: skip


_REASONS = {
    "derived": "not measured, derived from all-reduces",
    "scaled": "not measured in such a group, scaled by lines of algorithms",
}


def layout_dict(layout: Layout) -> dict[str, Any]:
    """Return a layout as plain containers for JSON."""
    names = ("tp", "cp", "pp", "vp", "ep", "dp", "micro_batch", "micro_batches", "zero", "recompute_layers", "order",
             "sequence_parallel", "fused_attention", "overlap", "overlap_tensor", "causal_half",
             "schedule")  # fmt: skip
    plain = {name: getattr(layout, name) for name in names}
    return {
        **plain, "recompute": layout.recompute.value, "context_exchange": layout.exchange.value,
        "stage_layers": list(layout.stage_layers), "precision": layout.number_format.name, "gpus": layout.gpus,
        "global_batch": layout.global_batch,
    }  # fmt: skip


def with_options(note: str) -> str:
    """Return a note in which fields are named as the command line has them."""
    return with_fields(note, lambda name: f"--{name.replace('_', '-')}")


def by_reason(notes: Iterable[str]) -> list[str]:
    """Return notes on kernels with those that say the same of several in one.

    Examples
    --------
    >>> by_reason(["add bf16: a copy stands in", "gelu bf16: a copy stands in", "other"])
    ['add bf16, gelu bf16: a copy stands in', 'other']
    """
    kernels: dict[str, list[str]] = {}
    for note in notes:
        kernel, colon, reason = note.rpartition(": ")
        kernels.setdefault(reason, []).extend([kernel] * bool(colon))
    return [f"{', '.join(names)}: {reason}" if names else reason for reason, names in kernels.items()]


def memory_grid(memory: Sequence[RankMemory], capacity: float) -> Grid:
    """Return memory by kind, with equal ranks in one column; of kinds that no rank has there is no row.

    Parameters
    ----------
    memory : sequence of RankMemory
        Of one GPU of each pipeline rank.
    capacity : float
        Memory of a GPU that programs may use [B].
    """
    groups = [list(same) for _, same in itertools.groupby(memory, lambda one: (one.kinds, one.reserved))]
    shown = [kind for kind in KINDS if any(group[0].kinds[kind] for group in groups)]
    rows = [[kind, *(gib(group[0].kinds[kind]) for group in groups)] for kind in shown]
    rows += [
        ["allocated", *(gib(group[0].allocated) for group in groups)],
        ["reserved", *(gib(group[0].reserved) for group in groups)],
        ["capacity", *(gib(capacity) for _ in groups)],
    ]
    columns = [Column("GiB by pipeline stage", left=True)]
    columns += [
        Column(f"{group[0].rank}" if len(group) == 1 else f"{group[0].rank}-{group[-1].rank}") for group in groups
    ]
    return Grid(columns, rows, keys=1)
