"""Other kernels for attention: one for all of its core, and one product for Q, K and V; needs torch."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor
from torch.nn import functional

from simcore.models.training.schedule import NotApplicable, Value
from simcore.real.language import Attention, Core
from simcore.real.schedule.joined import Joined
from simcore.real.schedule.replace import put


class FusedCore(nn.Module):
    """What `Core` computes, in one call: `torch.nn.functional.scaled_dot_product_attention`."""

    def __init__(self, core: Core) -> None:
        super().__init__()
        self.scale, self.causal, self.dropout, self.shared = core.scale, core.causal, core.dropout, core.shared

    def forward(
        self, q: Tensor, k: Tensor, v: Tensor, *, bias: Tensor | None = None, later: Tensor | None = None
    ) -> Tensor:
        """Return for each head what its queries take; which tokens come later, the call knows by itself."""
        dropout = self.dropout if self.training else 0.0
        return functional.scaled_dot_product_attention(
            q, k, v, bias, dropout, self.causal and bias is None, scale=self.scale, enable_gqa=self.shared > 1
        )


def sdpa(module: nn.Module, value: Value) -> nn.Module:
    """Let attention compute its core in one call.

    Raises
    ------
    NotApplicable
        If it does already, or is no attention that is known here.
    """
    if not isinstance(module, Attention):
        from simcore.real.schedule.traced import with_sdpa

        return with_sdpa(module)
    if not isinstance(module.core, Core):
        raise NotApplicable("attention is one kernel already")
    put(module, "core", FusedCore(module.core))
    return module


class AttentionOfOneProduct(Attention):
    """Attention whose Q, K and V are columns of one product."""

    query_key_value: Joined

    def projected(self, x: Tensor, source: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return Q, K and V, their heads side by side."""
        made = self.query_key_value(x)
        whole: Any = made.to_local() if isinstance(made, DTensor) else made
        q, k, v = whole.split(list(self.query_key_value.rows.values()), -1)
        return q, k, v


def fuse_qkv(module: nn.Module, value: Value) -> nn.Module:
    """Let attention make Q, K and V by one product.

    Raises
    ------
    NotApplicable
        If they are not three products of the same activations.
    """
    names = ("query", "key", "value")
    if not isinstance(module, Attention) or isinstance(module, AttentionOfOneProduct):
        raise NotApplicable("Q, K and V are not made by three products")
    if module.memory is not None:
        raise NotApplicable("Q, K and V are not made of the same activations")
    with torch.no_grad():
        joined = Joined({name: module.get_submodule(name) for name in names})
    for name in names:
        delattr(module, name)
    module.query_key_value = joined
    module.__class__ = AttentionOfOneProduct  # the same module: hooks and all that others hold of it stay
    return module
