"""Parameters and operators of a model, counted on its operator list."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from simcore.models.training.architecture import Transformer
from simcore.models.training.listing import Architecture
from simcore.models.training.operators import Operation, Operator, OperatorList, Section
from simcore.models.training.traffic import flop_of, moved_bytes

PARTS = ("embedding", "attention", "feed-forward", "experts", "norms", "output", "vision tower")
"""Where the parameters of a transformer are."""

LAYERED_PARTS = ("embedding", "convolutions", "attention", "linear", "norms")
"""Where the parameters of a list of layers are."""


@dataclass(frozen=True)
class OperatorRow:
    """One operator of the forward pass, or as many equal ones as there are equal blocks.

    Attributes
    ----------
    path : str
        Module path; ``stage.0-2.conv`` is that of three blocks.
    count : int
        How often the model has it.
    kernel : str
        Its kernel.
    shape : dict of str to float
        The kernel's sizes.
    flop, bytes : float
        Work [FLOP] and bytes [B] of one of them.
    parameters : int
        Those of one of them.
    """

    path: str
    count: int
    kernel: str
    shape: dict[str, float]
    flop: float
    bytes: float
    parameters: int


def rows_of(listed: OperatorList, element: int) -> tuple[OperatorRow, ...]:
    """Return the operators of the forward pass, equal blocks once with their count."""
    return tuple(
        OperatorRow(
            _path(section, one), section.count, one.kernel, dict(one.shape), flop_of(one), moved_bytes(one, element),
            round(one.parameters / element),
        )
        for section in listed.sections
        for one in section.operators
        if one.operation is not Operation.UPDATE
    )  # fmt: skip


def parts_of(model: Architecture, listed: OperatorList, towers: Iterable[OperatorList], element: int) -> dict[str, int]:
    """Return the parameters of each part."""
    of_transformer = isinstance(model, Transformer)
    parts = dict.fromkeys(PARTS if of_transformer else LAYERED_PARTS, 0.0)
    for one, count in _counted(listed):
        parts[_part(one) if of_transformer else _layered_part(one)] += count * one.parameters
    if of_transformer:
        parts["vision tower"] = math.fsum(tower.parameters for tower in towers)
    return {part: round(count / element) for part, count in parts.items()}


def block_parameters(listed: OperatorList, element: int) -> int:
    """Return the parameters of the blocks."""
    return round(math.fsum(each.count * one.parameters for each in listed.sections if each.path
                           for one in each.operators) / element)  # fmt: skip


def idle_parameters(model: Architecture, listed: OperatorList, element: int) -> int:
    """Return the parameters of experts that a token does not pass."""
    experts = model.experts if isinstance(model, Transformer) else None
    if experts is None:
        return 0
    routed = [count * one.parameters for one, count in _counted(listed)
              if one.path.startswith("feed_forward.experts.")]  # fmt: skip
    return round(math.fsum(routed) * (1 - experts.per_token / experts.count) / element)


def _counted(listed: OperatorList) -> Iterator[tuple[Operator, int]]:
    return ((one, section.count) for section in listed.sections for one in section.operators)


def _path(section: Section, one: Operator) -> str:
    if not section.path:
        return one.path
    last = section.start + section.count - 1
    numbers = f"{section.start}-{last}" if section.count > 1 else f"{section.start}"
    return f"{section.path}.{numbers}.{one.path}"


def _part(one: Operator) -> str:
    path = one.path.removeprefix("encoder.")
    if one.operation is Operation.NORM:
        return "norms"
    if path.startswith(("feed_forward.experts", "feed_forward.router")):
        return "experts"
    first = path.partition(".")[0]
    return {
        "attention": "attention",
        "cross_attention": "attention",
        "feed_forward": "feed-forward",
        "output": "output",
    }.get(first, "embedding")


def _layered_part(one: Operator) -> str:
    if "window_attention" in one.path:
        return "attention"
    return {
        Operation.CONV: "convolutions",
        Operation.NORM: "norms",
        Operation.LOOKUP: "embedding",
    }.get(one.operation, "linear")
