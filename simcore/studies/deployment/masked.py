"""Inputs of studies whose models may be dynamically sparse: weights in blocks of zeros, batches of unequal lengths.

Loading them costs nothing.
"""

from __future__ import annotations

from pathlib import Path

from simcore.studies.request import Request, option


class MaskedRequest(Request):
    """What is sparse in a model, and how that runs."""

    sparsity: str | None = option(
        default=None,
        metavar="S@HxW",
        help="Share of zero blocks in the blocks' weights (outputs x inputs), and a block's rows x columns: 0.9@32x1.",
    )
    lengths: str | Path | None = option(
        default=None,
        metavar="FILE",
        help="Histogram of sequence lengths: length,count or length,share, a line each.",
    )
    kernels: str = option(
        default="pit", choices=("dense", "pit"), help="How sparse weights and short sequences run: dense, or by PIT."
    )
    extrapolate: bool = option(
        default=False,
        help="Let published sparse kernels of V100 stand for a device that has none, scaled by its products.",
    )
