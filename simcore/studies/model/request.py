"""Inputs of ``simcore model``."""

from __future__ import annotations

from pathlib import Path

from simcore.studies.deployment.request import CAUSAL
from simcore.studies.request import Request, argument, option


class ModelRequest(Request):
    """A model whose parameters, work and bytes are counted."""

    study = "model"

    model: str | Path = argument(metavar="NAME|FILE", help="An entry of the zoo, or a file such as config.json.")
    sequence: int | None = option(
        default=None,
        least=1,
        help="Tokens per sequence, in place of the file's, or of the longest that the model takes.",
    )
    causal: str = option(
        default="full", choices=CAUSAL, help="Whether causal attention is counted in full, or the half below its mask."
    )
    batch: int | None = option(
        default=None, least=1, help="Sequences or samples of a mini-batch, in place of the model's own number."
    )
    operators: bool = option(default=False, help="List the operators of the forward pass too.")
