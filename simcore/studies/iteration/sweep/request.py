"""Inputs of ``simcore train MODEL --sweep``."""

from __future__ import annotations

from pathlib import Path

from simcore.studies.iteration.request import IterationRequest
from simcore.studies.request import option


class SweepRequest(IterationRequest):
    """A training iteration of a model on GPUs at several values of one input."""

    study = "sweep"

    sweep: str = option(
        kw_only=True,
        default="",
        metavar="FIELD=V,V,...",
        help="Predict the iteration at each value of one option, such as nic=25,50,100,200 or gpus=256,512.",
    )
    cost: str | Path | None = option(
        kw_only=True,
        default=None,
        metavar="NAME|FILE",
        help="With a sweep: what the network costs at each value, from a cost model such as sc245.",
    )
