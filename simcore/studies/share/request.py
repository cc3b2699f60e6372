"""Inputs of ``simcore share``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from simcore.models.compute.profile import BEYOND_OF_MODELS
from simcore.studies.request import Request, argument, option

if TYPE_CHECKING:
    from simcore.models.compute.profile import KernelProfile


class ShareRequest(Request):
    """Several training jobs on one network."""

    study = "share"

    jobs: str | Path = argument(metavar="JOBS", help="A YAML file of jobs: what each trains, and on which NPUs.")
    network: str | Path = option(
        default="",
        metavar="TEXT|NAME|FILE",
        help="Dimensions with bandwidth (of one direction); or a network that has them, or takes them from --budget. "
        "Needed.",
    )
    budget: float | str | None = option(
        default=None,
        unit="B/s",
        metavar="GB/S",
        help="Bandwidth of one NPU in all, in one direction, split equally; bare text is GB/s. In place of the "
        "network's.",
    )
    profile: str | Path | KernelProfile | None = option(
        default=None,
        metavar="NAME|FILE",
        help=f"Compute times from a kernel profile, not a constant rate. {BEYOND_OF_MODELS}",
    )
    dtype: str | None = option(
        default=None, metavar="TEXT", help="Number format of the profile's kernels, such as fp16, and of all elements."
    )
