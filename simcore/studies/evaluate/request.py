"""Inputs of ``simcore evaluate``."""

from __future__ import annotations

from collections.abc import Sequence

from simcore.errors import by_name
from simcore.models.compute.profile import BEYOND_OF_MODELS
from simcore.studies.evaluate.targets import TARGETS
from simcore.studies.request import Request, argument, option

ENGINES = ("closed-form", "simulate")
"""How points are timed."""


class EvaluateRequest(Request):
    """One figure or table of a publication."""

    study = "evaluate"

    target: str = argument(default="", metavar="TARGET", help="What to evaluate, such as network-fig12 or pit-fig15.")
    small: bool = option(
        default=False,
        flag="--small/--full",
        help="Only the first subplot (PIT: sizes of 256, or small models), or all.",
    )
    resolve: bool = option(default=False, help="Solve every budget for itself, not only 100 GB/s.")
    engine: str = option(
        default="closed-form", choices=ENGINES, help="Time points in closed form, or simulate each chunk by chunk."
    )
    device: str | None = option(
        default=None, metavar="DEVICE", help="What pit-... measures: cpu (by default), cuda or cuda:N."
    )

    predict: Sequence[str] = option(
        default=(), metavar="NAME,...", many=True,
        help="Profiles of devices for which pit-fig8 to pit-fig14 are predicted beside what is measured here. "
        + BEYOND_OF_MODELS,
    )  # fmt: skip
    extrapolate: bool = option(
        default=False, help="Predict devices outside the class of PIT's published tiles, scaled by the dense product."
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "target", by_name(self.target, TARGETS) or self.target)  # names are in any case
