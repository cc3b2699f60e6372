"""The operators of Aceso's table, as operators of simcore: what each of them runs forward and backward.

Shapes come from simcore's own operator lists, `transformer_operators` and `layered_operators`, and backward passes from
`passes`. This module says which of those operators a row of the table covers, and what Megatron-LM's code does
around them that the lists do not have: copies of tensors that change their layout, sums of bias gradients, and the
table's two ways of cutting a product.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from simcore.models.compute.compute_model import KernelCall
from simcore.readers.aceso_networks import describe_network
from simcore.readers.aceso_sizes import Described, Setting, TransformerSizes
from simcore.readers.aceso_transformers import describe_transformer


def describe(op: str, setting: Setting, place: str) -> Described:
    """Return what an operator of the table runs.

    Parameters
    ----------
    op : str
        As the table has it: ``enc-MLP-GEMM-1``, ``block-1-3-conv2``.
    setting : Setting
        Model, number format, batch and cut.
    place : str
        For messages.

    Raises
    ------
    InputError
        If the model has no such operator, or the cut does not divide it.

    Examples
    --------
    >>> gpt = TransformerSizes(1024, 16, 64, 4096, 51200, 2048)
    >>> product = describe("enc-MLP-GEMM-1", Setting(gpt, "fp16", 4, 2, rows=False), "row 1")
    >>> product.forward[0].shape, product.after_backward[0][1] == 2 * 4 * 2048 * 1024
    ((('m', 8192), ('n', 2048), ('k', 1024), ('batch', 1)), True)
    """
    made = describe_transformer if isinstance(setting.sizes, TransformerSizes) else describe_network
    described = made(op, setting, place)
    return replace(
        described, forward=_in(described.forward, setting.dtype), backward=_in(described.backward, setting.dtype)
    )


def _in(calls: Sequence[KernelCall], dtype: str) -> tuple[KernelCall, ...]:
    return tuple(call if call.dtype else replace(call, dtype=dtype) for call in calls)
