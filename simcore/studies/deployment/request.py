"""Inputs that say what runs: how a workload is cut, and what its compute takes. Loading them costs nothing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from simcore.models.compute.profile import BEYOND_OF_MODELS
from simcore.studies.request import Request, option

if TYPE_CHECKING:
    from simcore.models.compute.profile import KernelProfile

VARIANTS = ("optimizer", "evaluation")
"""Where weight gradients are summed: layer by layer, or all in the first layer."""

CAUSAL = ("full", "half")
"""Whether causal attention is counted in full, as PaLM and Megatron-LM count, or the half that its mask leaves."""


RECOMPUTE = ("none", "full")
"""Whether the forward pass of a block runs again before its backward pass."""


def in_words(recompute: object) -> object:
    """Return what is recomputed in words, where it was given as yes or no.

    Examples
    --------
    >>> in_words(True), in_words("none"), in_words(None)
    ('full', 'none', None)
    """
    return {True: "full", False: "none"}[recompute] if isinstance(recompute, bool) else recompute


SIZES = ("full", "shard")
"""What the size of an all-gather in a text may be."""


class DeploymentRequest(Request):
    """Inputs that say how a workload is cut and what its compute takes."""

    tp: int | None = option(kw_only=True, default=None, least=1, help="Tensor parallelism, in place of the workload's.")
    dp: int | None = option(kw_only=True, default=None, least=1, help="Data parallelism, in place of the workload's.")
    communicator: str | Path | None = option(
        kw_only=True, default=None, metavar="FILE", help="Explicit groups per dimension, in place of TP and DP."
    )
    variant: str = option(
        kw_only=True,
        default="optimizer",
        flag="--workload-variant",
        choices=VARIANTS,
        help="Weight gradients summed layer by layer, or all in the first.",
    )
    sizes: str | None = option(
        kw_only=True,
        default=None,
        choices=SIZES,
        help="What the size of an all-gather is in a workload text: the full buffer, as AICB writes it, or the shard "
        "of an NPU. By default as the program that wrote the text has it.",
    )
    sequence: int | None = option(
        kw_only=True, default=None, least=1, help="Tokens per sequence, in place of the transformer's."
    )
    batch: int | None = option(
        kw_only=True, default=None, least=1, help="Sequences per replica, in place of the transformer's."
    )
    causal: str = option(
        kw_only=True,
        default="full",
        choices=CAUSAL,
        help="Whether causal attention is counted in full, or the half below its mask.",
    )
    profile: str | Path | KernelProfile | None = option(
        kw_only=True,
        default=None,
        metavar="NAME|FILE",
        help=f"Compute times from a kernel profile, not a constant rate. {BEYOND_OF_MODELS}",
    )
    dtype: str | None = option(
        kw_only=True,
        default=None,
        metavar="TEXT",
        help="Number format of the profile's kernels, such as fp16, and of all elements.",
    )
