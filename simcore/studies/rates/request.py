"""Inputs of ``simcore rates``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from simcore.models.compute.profile import BEYOND_OF_MODELS, KernelProfile
from simcore.studies.deployment.masked import MaskedRequest
from simcore.studies.request import option

if TYPE_CHECKING:
    from simcore.models.cluster.step_times import StepTimes

PUBLISHED = "published"
"""In place of batch sizes: those that were published of each model."""


class RatesRequest(MaskedRequest):
    """Models whose mini-batches are predicted on some devices."""

    study = "rates"

    models: Sequence[str | Path] = option(
        default=(), flag="--models, --model", many=True, metavar="NAME|FILE,...", help="Models. Needed."
    )
    devices: Sequence[str] = option(
        default=(),
        flag="--devices, --device",
        many=True,
        metavar="TYPE,...",
        help="GPU types to write: each with the measured profile of its name, or one per --profile.",
    )
    profiles: Sequence[str | Path | KernelProfile] = option(
        default=(),
        flag="--profiles, --profile",
        many=True,
        metavar="NAME|FILE,...",
        help=f"Profiles of the devices, where they are not those of their names. {BEYOND_OF_MODELS}",
    )
    batches: Sequence[int | str] = option(
        default=(),
        flag="--batch",
        many=True,
        metavar="N,...|published",
        help="Sequences or samples per mini-batch, or those published of each model. Needed.",
    )
    names: Sequence[str] = option(
        default=(),
        flag="--names, --name",
        many=True,
        metavar="TEXT,...",
        help="Model names to write, one per model, where a trace calls them otherwise.",
    )
    fit_to: str | Path | StepTimes | None = option(
        default=None,
        metavar="NAME|FILE",
        help="Measured steps, as trace --rates reads them, to fit to: one constant per model, beside its kernels.",
    )
    fit_on: Sequence[str] = option(
        default=(),
        many=True,
        metavar="TYPE,...",
        help="GPU types whose measured steps the constants are fitted to; all of them by default.",
    )
    sequence: int | None = option(default=None, least=1, help="Tokens per sequence, in place of the model's.")
    dtype: str | None = option(
        default=None,
        metavar="TEXT",
        help="Number format of the kernels, such as fp16; by default one as wide as the model's elements.",
    )
