"""Inputs of ``simcore model``."""

from __future__ import annotations

from pathlib import Path

from simcore.errors import InputError, field
from simcore.studies.deployment.request import CAUSAL
from simcore.studies.request import Request, argument, option


class ModelRequest(Request):
    """A model whose parameters, work and bytes are counted."""

    study = "model"

    model: str | Path = argument(
        metavar="NAME|FILE", help="An entry of the zoo, a file such as config.json, or FILE.py:NAME."
    )
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
    example: str | None = option(
        kw_only=True, default=None, metavar="SHAPE,...",
        help="Inputs of a module of FILE.py:NAME, samples first, such as 8x3x224x224, 4x128:int64 or mask=4x128:bool.",
    )  # fmt: skip
    keep_going: bool = option(
        kw_only=True, default=False,
        help="Count operators of a module that are not understood as the bytes that they read and write.",
    )  # fmt: skip

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, given in (("example", self.example), ("keep_going", self.keep_going)):
            if given and not self.of_module:
                remedy = f"Leave {field(name)} out."
                raise InputError(field(name), f"it for {self.model}", "it for a module of FILE.py:NAME", remedy)

    @property
    def of_module(self) -> bool:
        """Whether the model is a torch module."""
        return str(self.model).rpartition(":")[0].endswith(".py")
