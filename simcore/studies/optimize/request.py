"""Inputs of ``simcore optimize``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from simcore.errors import InputError
from simcore.models.bandwidth.target import Target
from simcore.models.training.program import CLOSED_FORM_LOOPS
from simcore.studies.deployment.parallel import RECOMPUTE, LayoutRequest
from simcore.studies.deployment.request import DeploymentRequest
from simcore.studies.request import Instead, argument, option


class OptimizeRequest(DeploymentRequest, LayoutRequest):
    """A budget of bandwidth to be split over the dimensions of a network."""

    study = "optimize"

    network: str | Path = argument(metavar="NETWORK", help="A name in the zoo or the path of a file.")
    budget: float | str = argument(
        metavar="BUDGET",
        unit="B/s",
        help="Bandwidth of one NPU in all, in one direction; bare text is GB/s, as in 325.",
    )
    workload: str | Path = argument(
        metavar="WORKLOAD",
        help="A name in the zoo, or the path of a file.",
        instead=Instead("--model", "FILE", "A transformer or Hugging Face config.json, in place of WORKLOAD."),
    )
    target: str = argument(
        metavar="[TARGET]",
        default="Perf",
        choices=Target,
        help="Least iteration time, or least iteration time x the network's cost.",
    )
    loop: str = argument(metavar="[LOOP]", default="NoOverlap", choices=CLOSED_FORM_LOOPS, help="The overlap rule.")
    device: str | Path | None = option(
        default=None,
        metavar="NAME|FILE",
        help="The GPU: WORKLOAD is a model then, spread over the network's NPUs as simcore train MODEL spreads it.",
    )
    recompute: str | bool | None = option(
        kw_only=True,
        default=None,
        choices=RECOMPUTE,
        bare="full",
        help="Forward collectives run twice; train --recompute runs forward compute twice too. Bare it means full.",
    )
    caps: Mapping[str, float | str] | None = option(
        default=None, flag="--cap", many=True, metavar="DIM=BW", help="At most BW GB/s in a dimension: 4=100, Pod=100."
    )
    minima: Mapping[str, float | str] | None = option(
        default=None, flag="--min", many=True, metavar="DIM=BW", help="At least BW GB/s in a dimension."
    )
    constraints: tuple[str, ...] = option(
        default=(),
        flag="--constraint",
        many=True,
        metavar="TEXT",
        help="Linear (in)equality over b1..bD and total, in GB/s: 'b1 >= b2', 'b3 + b4 = 200'.",
    )
    at_most: bool = option(default=False, flag="--budget-at-most", help="The budget may be left in part.")
    cost: str | Path | None = option(
        default=None, metavar="NAME|FILE", help="Cost model; by default the zoo's first that fits the network."
    )


def limits(place: str, texts: Sequence[str]) -> dict[str, float | str]:
    """Return caps or minima by dimension, of texts ``DIM=BW``.

    Raises
    ------
    InputError
        If a text has no equals sign, or a dimension comes twice.

    Examples
    --------
    >>> limits("caps", ["1=50", "Pod=100 GB/s"])
    {'1': '50', 'Pod': '100 GB/s'}
    """
    by_dimension: dict[str, float | str] = {}
    for text in texts:
        key, equals, value = (part.strip() for part in text.partition("="))
        if not (key and equals and value):
            raise InputError(place, f"'{text}'", "DIM=BW, such as 4=100 (GB/s)")
        if key in by_dimension:
            raise InputError(place, f"'{key}' twice", "each dimension once", "Leave one of them out.")
        by_dimension[key] = value
    return by_dimension
