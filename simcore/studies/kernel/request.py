"""Inputs of ``simcore kernel``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from simcore.models.compute.profile import STATES, KernelProfile, State
from simcore.studies.request import Request, argument, option


class MatmulRequest(Request):
    """One matrix product on a profiled device."""

    study = "kernel matmul"

    shape: str | Sequence[int] = argument(metavar="MxNxK", help="Sizes of the product of MxK and KxN.")
    profile: str | Path | KernelProfile = option(default="", metavar="NAME|FILE", help="The device. Needed.")
    dtype: str = option(default="fp32", metavar="TEXT", help="fp32, tf32, fp16, bf16, fp8 or fp64.")
    sparsity: float = option(default=0.0, help="Share of the first matrix's blocks that are zero.")
    granularity: str | Sequence[int] = option(default="1x1", metavar="HxW", help="Shape of such a block.")
    state: State = option(default="cold", choices=STATES, help="Where the operands are: in memory, or in a cache.")
    extrapolate: bool = option(default=False, help="Predict shapes outside the measured range, and say so.")
