"""The same operators by the sparse libraries of torch: CSR, BSR, jagged tensors, grouped products, flex attention.

A library runs the operators that were found to be sparse, and converts their operands at every call, as dynamic
sparsity needs it. Conversions are timed apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional

from simcore.calibrate.suites import library as suite
from simcore.calibrate.suites.moe import grouped_product, route
from simcore.errors import RunError
from simcore.real.sparse.functions import Rows
from simcore.real.sparse.operators import Operators, Stopwatch
from simcore.real.sparse.pit import Site

BEHIND_RELU = 0.6
"""Share of zeros up to which an input is not converted: behind any ReLU half are, and no library is quicker there."""

Library = Literal["csr", "bsr 32", "jagged", "loop", "grouped", "flex"]


class LibraryOperators(Operators):
    """Runs sparse operators by a library, and all others as they are.

    Parameters
    ----------
    library : str
        ``csr`` and ``bsr 32`` multiply by sparse inputs, weights and masks of attention. ``jagged`` packs rows that
        hold a token. ``loop`` and ``grouped`` run experts. ``flex`` attends under a mask.
    sites : mapping
        What is sparse, as `simcore.real.sparse.pit.PitOperators` found it.
    stopwatch : Stopwatch, optional
        What times conversions.
    """

    def __init__(
        self, library: Library, sites: Mapping[tuple[str, int], Site], stopwatch: Stopwatch | None = None
    ) -> None:
        super().__init__(stopwatch)
        self.kind, self.sites = library, sites
        self._kept: dict[int, tuple[Tensor, Any]] = {}

    def linear(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """Multiply by a sparse input or weight."""
        site = self.sites.get(self.number("linear"))
        stored = site is not None and site.sparse and (site.operand != "input" or site.zeros > BEHIND_RELU)
        if site is None or not stored or self.kind not in {"csr", "bsr 32"}:
            return functional.linear(x, weight, bias)
        rows = x.reshape(-1, x.shape[-1])
        if site.operand == "input":
            made = suite.multiplied(self.stopwatch.of(lambda: self._converted(rows)), weight.T)
        else:
            made = suite.multiplied(self.stopwatch.of(lambda: self._converted(weight)), rows.T).T
        made = made.reshape(*x.shape[:-1], len(weight))
        return made if bias is None else made + bias

    def _converted(self, matrix: Tensor) -> Tensor:
        return suite.to_csr(matrix) if self.kind == "csr" else suite.to_bsr(matrix)

    def attention(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor, scale: float) -> Tensor:
        """Attend under a mask by flex attention, or head by head by sampled products."""
        if self.kind == "flex":
            return _flex(q, k, v, self._once(mask, lambda: _block_mask(mask)), scale)
        if self.kind != "csr" or len(mask) != 1:
            return super().attention(q, k, v, mask, scale)
        seen = self._once(mask, lambda: self._converted(mask[0].to(q.dtype)))
        heads = [
            suite.stored_attention(*each, seen, scale)
            for each in zip(q.flatten(0, 1), k.flatten(0, 1), v.flatten(0, 1), strict=True)
        ]
        return torch.stack(heads).view(*q.shape[:-1], v.shape[-1])

    def _once(self, mask: Tensor, build: Any) -> Any:
        """Return what all operators of a pass share which have the same mask."""
        key = mask.data_ptr()
        if key not in self._kept:
            self._kept[key] = mask, self.stopwatch.of(build)
        return self._kept[key][1]

    def tokenwise(self, function: Rows, valid: Tensor, *rows: Tensor) -> Tensor:
        """Apply a function to jagged rows; what it calls is left to the library as well."""
        if self.kind != "jagged":
            return super().tokenwise(function, valid, *rows)
        at, offsets = self._once(valid, lambda: _jagged(valid))
        packed = [suite.jagged(each.flatten(0, -2).index_select(0, at), offsets) for each in rows]
        made = function(*packed).values()
        return made.new_zeros(valid.numel(), made.shape[-1]).index_copy(0, at, made).view(*valid.shape, -1)

    def routed(self, x: Tensor, choice: Tensor, up: Tensor, down: Tensor) -> Tensor:
        """Run experts one after another on the rows that chose them, or by grouped products of sorted rows."""
        if self.kind == "loop":
            out = x.new_zeros(len(x), down.shape[2])
            for number, (first, second) in enumerate(zip(up, down, strict=True)):
                at = (choice == number).nonzero()[:, 0]
                out = out.index_copy(0, at, functional.relu(x.index_select(0, at) @ first) @ second)
            return out
        if self.kind != "grouped":
            return super().routed(x, choice, up, down)
        multiply = grouped_product()
        if multiply is None:
            raise RunError("this torch has no grouped product")
        order, ends = self.stopwatch.of(lambda: route(choice, len(up)))
        made = multiply(functional.relu(multiply(x.index_select(0, order), up, offs=ends)), down, offs=ends)
        return x.new_zeros(len(x), down.shape[2]).index_copy(0, order, made)


def _jagged(valid: Tensor) -> tuple[Tensor, Tensor]:
    """Return the flat positions that hold a token, and where each sequence's begin and end among them."""
    counts = valid.sum(1)
    offsets = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
    return valid.flatten().nonzero()[:, 0], offsets


@lru_cache(maxsize=1)
def _compiled() -> Any:
    """Return flex attention, compiled when it is first called: without that it multiplies densely."""
    from torch.nn.attention.flex_attention import flex_attention

    return torch.compile(flex_attention)


def _block_mask(mask: Tensor) -> Any:
    from torch.nn.attention.flex_attention import create_block_mask

    def sees(batch: Tensor, _: Tensor, query: Tensor, key: Tensor) -> Tensor:
        return mask[batch if len(mask) > 1 else 0, query, key]

    masks, queries, keys = mask.shape
    return create_block_mask(sees, masks if masks > 1 else None, None, queries, keys, device=str(mask.device))


def _flex(q: Tensor, k: Tensor, v: Tensor, block_mask: Any, scale: float) -> Tensor:
    made: Tensor = _compiled()(q, k, v, block_mask=block_mask, scale=scale)
    return made
