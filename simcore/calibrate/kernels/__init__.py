"""Kernels of simcore's own: the sparse products of PIT, in plain torch (`pit`) and in Triton (`pit_triton`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simcore._lazy import attach

if TYPE_CHECKING:
    from simcore.calibrate.kernels.pit import (
        batched,
        block_mask,
        k_axis,
        kept,
        m_axis,
        n_axis,
        row_block_index,
        whole_blocks,
    )

__getattr__, __dir__ = attach(
    __name__,
    {
        "batched": "simcore.calibrate.kernels.pit",
        "block_mask": "simcore.calibrate.kernels.pit",
        "k_axis": "simcore.calibrate.kernels.pit",
        "kept": "simcore.calibrate.kernels.pit",
        "m_axis": "simcore.calibrate.kernels.pit",
        "n_axis": "simcore.calibrate.kernels.pit",
        "row_block_index": "simcore.calibrate.kernels.pit",
        "whole_blocks": "simcore.calibrate.kernels.pit",
    },
)

__all__ = [
    "batched",
    "block_mask",
    "k_axis",
    "kept",
    "m_axis",
    "n_axis",
    "row_block_index",
    "whole_blocks",
]
