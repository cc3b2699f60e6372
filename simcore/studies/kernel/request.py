"""Inputs of ``simcore kernel``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from simcore.errors import by_name
from simcore.models.compute.device import DTYPES
from simcore.models.compute.profile import BEYOND_BY_SHAPE, STATES, KernelProfile, State
from simcore.studies.request import Request, argument, option


class _OfFormat(Request):
    """A request with a number format, which is read in any case."""

    dtype: str = option(default="fp32", metavar="TEXT", help="fp32, tf32, fp16, bf16, fp8 or fp64.", kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "dtype", by_name(self.dtype, DTYPES) or self.dtype)


class MatmulRequest(_OfFormat):
    """One matrix product on a profiled device."""

    study = "kernel matmul"

    shape: str | Sequence[int] = argument(metavar="MxNxK", help="Sizes of the product of MxK and KxN.")
    profile: str | Path | KernelProfile = option(default="", metavar="NAME|FILE", help="The device. Needed.")
    sparsity: float = option(default=0.0, least=0, most=1, help="Share of the first matrix's blocks that are zero.")
    granularity: str | Sequence[int] = option(default="1x1", metavar="HxW", help="Shape of such a block.")
    state: State = option(default="cold", choices=STATES, help="Where the operands are: in memory, or in a cache.")
    extrapolate: bool = option(default=False, help=BEYOND_BY_SHAPE)


SPARSITIES = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99)
"""Where kernels are compared by default, in the range that a calibration measures."""


class BreakEvenRequest(_OfFormat):
    """A product whose sparse kernels are compared with the dense one over sparsity."""

    study = "kernel break-even"

    shape: str | Sequence[int] = argument(metavar="MxNxK", help="Sizes of the product of MxK and KxN.")
    granularity: str | Sequence[int] = option(default="1x1", metavar="HxW", help="Shape of the blocks of zeros.")
    device: str | None = option(
        default=None, metavar="cpu|cuda|cuda:N", help="Where to measure every kernel.  [default: cpu]"
    )
    profile: str | Path | KernelProfile | None = option(
        default=None, metavar="NAME|FILE", help="Predict from a profile instead; measure nothing."
    )
    sparsities: Sequence[float] = option(
        default=SPARSITIES, flag="--sparsity", many=True, metavar="S,S,...", least=0, below=1,
        help="Shares of zero blocks at which kernels are compared; between them the break-even is interpolated.",
    )  # fmt: skip
    repeats: int = option(default=9, least=3, help="Timed calls of each kernel, where it is measured.")
    extrapolate: bool = option(default=False, help=BEYOND_BY_SHAPE)
