"""What GPUs that hold the same weights send for one repetition of a section: sums of gradients and gathered weights."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from simcore.models.network.collectives import Collective
from simcore.models.network.mapping import Axis
from simcore.models.training.operators import Communication
from simcore.models.training.parallel.costs import SectionCost
from simcore.models.training.parallel.layout import Layout
from simcore.models.training.parallel.stage import Held, recomputed

SHARDED = 3
"""Stage of ZeRO that shards weights."""


class Run(NamedTuple):
    """Equal repetitions of a section in a model chunk.

    Attributes
    ----------
    section : int
        Index in the model's list.
    times : int
        Repetitions.
    again : bool
        Whether they are recomputed.
    """

    section: int
    times: int
    again: bool


def runs_of(layout: Layout, chunk: Sequence[Held], sections: Sequence[SectionCost]) -> Iterator[Run]:
    """Yield the repetitions of a chunk in the order of the model, those that are recomputed apart."""
    for held, again in recomputed(layout, chunk, sections):
        if again:
            yield Run(held.section, again, True)
        if held.count > again:
            yield Run(held.section, held.count - again, False)


def sums(layout: Layout, cost: SectionCost) -> tuple[Communication, ...]:
    """Return what sums the gradients of one repetition over the GPUs that hold the same weights.

    Examples
    --------
    >>> from simcore.models.training.parallel.costs import PassCost
    >>> idle = PassCost()
    >>> block = SectionCost("block", 1, idle, idle, idle, idle, dense=1e6, experts=0.0)
    >>> [(one.collective.value, one.size) for one in sums(Layout(dp=4), block)]
    [('all-reduce', 4000000.0)]
    """
    collective = Collective.REDUCE_SCATTER if layout.zero else Collective.ALL_REDUCE
    size = layout.number_format.gradient
    return tuple(Communication(collective, size * parameters, axis) for axis, parameters, _ in _owned(layout, cost))


def gathers(layout: Layout, cost: SectionCost) -> tuple[Communication, ...]:
    """Return what gathers the weights of one repetition from their shards."""
    size = layout.number_format.element
    return tuple(
        Communication(Collective.ALL_GATHER, size * parameters / group, axis)
        for axis, parameters, group in _owned(layout, cost)
    )


def _owned(layout: Layout, cost: SectionCost) -> Iterator[tuple[Axis, float, int]]:
    """Yield the groups that sum gradients, with the parameters that they share and their sizes."""
    dense, experts = (cost.dense, cost.experts) if layout.ep > 1 else (cost.dense + cost.experts, 0.0)
    for axis, parameters, group in (
        (Axis.DATA, dense, layout.replicas), (Axis.EXPERT_DATA, experts, layout.replicas // layout.ep),
    ):  # fmt: skip
        if parameters and group > 1:
            yield axis, parameters, group


def gradient_bytes(layout: Layout, cost: SectionCost) -> float:
    """Return the gradients of one repetition [B]: they fill buckets."""
    return layout.number_format.gradient * (cost.dense + cost.experts)
