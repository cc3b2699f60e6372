"""Dimensions as ASTRA-sim's schedules see them: one that groups split is two."""

from __future__ import annotations

from dataclasses import dataclass

from simcore.models.network.schedulers.base import CollectiveView


@dataclass(frozen=True)
class Seen:
    """Dimensions as a schedule sees them.

    Where groups that split a dimension have a queue each, it is two dimensions: one of the inner group's neighbours,
    and one of the outer group that strides over them.

    Attributes
    ----------
    real : tuple of int
        The dimension of the network that each one is of, innermost first.
    groups : tuple of int
        NPUs of the collective's group along each, 1 where it does not use it.
    """

    real: tuple[int, ...]
    groups: tuple[int, ...]

    @classmethod
    def by(cls, view: CollectiveView) -> Seen:
        """Return the dimensions of a collective's network."""
        listed: list[tuple[int, int]] = []
        for d, (group, dimension) in enumerate(zip(view.groups, view.costs.topology.dimensions, strict=True)):
            both = [(d, group)]
            if not view.convention.shares_links and 1 < group < dimension.size:
                both = [(d, 1), (d, group)] if d in view.outer else [(d, group), (d, 1)]
            listed += both
        return cls(tuple(d for d, _ in listed), tuple(group for _, group in listed))
