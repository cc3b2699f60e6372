"""Inputs of ``simcore evaluate``."""

from __future__ import annotations

from simcore.studies.request import Request, argument, option

ENGINES = ("closed-form", "simulate")
"""How points are timed."""


class EvaluateRequest(Request):
    """One figure or table of a publication."""

    study = "evaluate"

    target: str = argument(default="", metavar="TARGET", help="What to evaluate, such as network-fig12 or pit-fig15.")
    small: bool = option(
        default=False, flag="--small/--full", help="Only the first subplot (PIT: sizes of 256), or all."
    )
    resolve: bool = option(default=False, help="Solve every budget for itself, not only 100 GB/s.")
    engine: str = option(
        default="closed-form", choices=ENGINES, help="Time points in closed form, or simulate each chunk by chunk."
    )
    device: str | None = option(
        default=None, metavar="DEVICE", help="What pit-... measures: cpu (by default), cuda or cuda:N."
    )
