"""Inputs of ``simcore rates``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from simcore.models.compute.profile import KernelProfile
from simcore.studies.request import Request, option


class RatesRequest(Request):
    """Models whose mini-batches are predicted on some devices."""

    study = "rates"

    profiles: Sequence[str | Path | KernelProfile] = option(
        default=(), flag="--profile", many=True, metavar="NAME|FILE", help="A device; repeat for more GPUs. Needed."
    )
    models: Sequence[str | Path] = option(
        default=(), flag="--model", many=True, metavar="NAME|FILE", help="A model; repeat for more. Needed."
    )
    batches: Sequence[int] = option(
        default=(), flag="--batch", many=True, metavar="N,N,...", help="Sequences or samples per mini-batch. Needed."
    )
    devices: Sequence[str] = option(
        default=(),
        flag="--device",
        many=True,
        metavar="TYPE",
        help="GPU type to write, one per profile; the profile's name by default.",
    )
    names: Sequence[str] = option(
        default=(),
        flag="--name",
        many=True,
        metavar="TEXT",
        help="Model name to write, one per model, where a trace calls it otherwise.",
    )
    sequence: int | None = option(default=None, least=1, help="Tokens per sequence, in place of the model's.")
    dtype: str | None = option(
        default=None,
        metavar="TEXT",
        help="Number format of the kernels, such as fp16; by default one as wide as the model's elements.",
    )
