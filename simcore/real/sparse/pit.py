"""A module's sparse operators by PIT's kernels, each by the kernel that was chosen when it was first seen."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional

from simcore.calibrate.kernels.pit import Index
from simcore.calibrate.suites.moe import route
from simcore.real.sparse import attention as packed
from simcore.real.sparse.choice import AXES, Choice, Chooser
from simcore.real.sparse.functions import Rows
from simcore.real.sparse.operators import Operators, Stopwatch
from simcore.real.sparse.products import Kernel, killed, product

Operator = Literal["linear", "product", "attention", "tokenwise", "routed"]
Operand = Literal["input", "weight", "mask", "padding", "routing"]

SPARSE = 0.05
"""Share of zeros from which an operand is worth a look."""


@dataclass(frozen=True)
class Site:
    """One operator of a module, as it was when it was first seen.

    Attributes
    ----------
    operator : str
        What it is: ``linear``, ``product``, ``attention``, ``tokenwise`` or ``routed``.
    operand : str
        Which operand is sparse: ``input``, ``weight``, ``mask``, ``padding`` or ``routing``; empty where none is.
    zeros : float
        Share of it that is zero, masked, padding, or would be padding of experts, 0 to 1.
    choice : Choice
        The kernel, and why.
    """

    operator: Operator
    operand: Operand | Literal[""]
    zeros: float
    choice: Choice

    @property
    def sparse(self) -> bool:
        """Whether an operand is sparse."""
        return self.operand != ""

    @property
    def pit(self) -> bool:
        """Whether a kernel of PIT runs it."""
        return self.choice.kernel is not None or (self.sparse and self.operand in {"padding", "routing"})


DENSE = Choice(None, "no operand is sparse")
ROUTED = Choice(None, "rows are sorted by expert once, and each expert multiplies its own at their exact number")
ALL_VALID = Choice(None, "every position holds a token")


class PitOperators(Operators):
    """Runs sparse operators by PIT's kernels, and all others as they are.

    Parameters
    ----------
    sites : dict
        Operators by kind and number. Those that are not in it are looked at and put into it.
    choose : callable
        What chooses a kernel for a sparse operand.
    stopwatch : Stopwatch, optional
        What times indices.
    """

    def __init__(self, sites: dict[tuple[str, int], Site], choose: Chooser, stopwatch: Stopwatch | None = None) -> None:
        super().__init__(stopwatch)
        self.sites, self.choose = sites, choose
        self._kept: dict[tuple[Any, ...], tuple[Tensor, Any]] = {}

    def linear(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """Multiply by a sparse input or a sparse weight."""
        number = self.number("linear")
        rows = x.reshape(-1, x.shape[-1])
        site = self.sites.get(number) or self._look(number, "linear", rows.detach(), weight.detach())
        kernel = site.choice.kernel
        if kernel is None or not x.numel():
            return functional.linear(x, weight, bias)
        if site.operand == "input":
            held, index = self.stopwatch.of(partial(_index, kernel, rows))
            made = product(rows, weight.T, index, kernel, unread=killed(x, held.view_as(x)))
        else:
            held, index = self.stopwatch.of(partial(_index, kernel, weight))
            made = product(weight, rows.T, index, kernel, unread=killed(weight, held)).T
        made = made.reshape(*x.shape[:-1], len(weight))
        return made if bias is None else made + bias

    def product(self, a: Tensor, b: Tensor) -> Tensor:
        """Multiply by a sparse left matrix, or by each of a batch of them."""
        number = self.number("product")
        if a.ndim < 2 or b.ndim != a.ndim or a.shape[:-2] != b.shape[:-2]:
            return torch.matmul(a, b)
        site = self.sites.get(number) or self._look(number, "product", a.detach().flatten(0, -2), b.detach())
        kernel = site.choice.kernel
        if kernel is None or not a.numel():
            return torch.matmul(a, b)
        unread = killed(a)
        made = []
        for left, right in zip(a.reshape(-1, *a.shape[-2:]), b.reshape(-1, *b.shape[-2:]), strict=True):
            _, index = self.stopwatch.of(partial(_index, kernel, left))
            made.append(product(left, right, index, kernel, unread=unread))
        return torch.stack(made).view(*a.shape[:-1], b.shape[-1])

    def attention(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor, scale: float) -> Tensor:
        """Attend to what is visible."""
        number = self.number("attention")
        site = self.sites.get(number)
        if site is None or not site.sparse:
            site = self._look_at_mask(number, q, mask)
        kernel = site.choice.kernel
        if kernel is None:
            return super().attention(q, k, v, mask, scale)
        shared = len(mask) == 1
        seen = self._once("attention", mask, kernel.block, lambda: packed.visible(mask, kernel.block))
        return packed.attention(q, k, v, seen, scale, shared)

    def tokenwise(self, function: Rows, valid: Tensor, *rows: Tensor) -> Tensor:
        """Apply a function to rows that hold a token, packed."""
        number = self.number("tokenwise")
        site = self.sites.get(number)
        if site is None or not site.sparse:
            site = self._look_at_padding(number, valid)
        if not site.pit:
            return super().tokenwise(function, valid, *rows)
        at = self._once("tokenwise", valid, 0, lambda: valid.flatten().nonzero()[:, 0])
        with self:
            made = function(*(each.flatten(0, -2).index_select(0, at) for each in rows))
        return made.new_zeros(valid.numel(), made.shape[-1]).index_copy_(0, at, made).view(*valid.shape, -1)

    def routed(self, x: Tensor, choice: Tensor, up: Tensor, down: Tensor) -> Tensor:
        """Sort rows by expert, and multiply expert by expert without padding."""
        number = self.number("routed")
        if number not in self.sites:
            most = int(torch.bincount(choice, minlength=len(up)).max()) if len(choice) else 1
            self.sites[number] = Site("routed", "routing", 1 - len(choice) / max(most * len(up), 1), ROUTED)
        order, ends = self.stopwatch.of(lambda: route(choice, len(up)))
        return by_expert(x, up, down, order, ends)

    def _once(self, operator: str, mask: Tensor, block: int, build: Any) -> Any:
        """Return an index that all operators of a pass share which have the same mask."""
        key = (operator, mask.data_ptr(), mask.shape, mask.stride(), mask._version, block)
        if key not in self._kept:
            self._kept[key] = mask, self.stopwatch.of(build)  # the mask is kept so that its memory is nobody else's
        return self._kept[key][1]

    def _look(self, number: tuple[str, int], operator: Operator, a: Tensor, b: Tensor) -> Site:
        """Look for zeros in both operands of a product, A first; of a linear layer B is the weight."""
        zeros = _zeros(a)
        site = Site(operator, "", zeros, DENSE)
        if zeros >= SPARSE:
            columns = b.shape[0] if operator == "linear" else b.shape[-1]
            site = Site(operator, "input", zeros, self.choose(a != 0, columns, a.dtype, AXES))
        elif operator == "linear" and a.numel() and (zeros := _zeros(b)) >= SPARSE:
            site = Site(operator, "weight", zeros, self.choose(b != 0, len(a), b.dtype, AXES))
        if a.numel():  # no row says nothing of the next pass
            self.sites[number] = site
        return site

    def _look_at_mask(self, number: tuple[str, int], q: Tensor, mask: Tensor) -> Site:
        zeros = 1 - float(mask.float().mean()) if mask.numel() else 0.0
        site = Site("attention", "", zeros, DENSE)
        if zeros >= SPARSE:
            columns = 2 * q.shape[1] * q.shape[3]  # Q K^T and the product with V, of all heads
            site = Site("attention", "mask", zeros, self.choose(mask.flatten(0, 1), columns, q.dtype, ("k",)))
        self.sites[number] = site
        return site

    def _look_at_padding(self, number: tuple[str, int], valid: Tensor) -> Site:
        padding = 1 - float(valid.float().mean()) if valid.numel() else 0.0
        why = f"{1 - padding:.1%} of the positions hold a token, and the others are left out"
        site = (
            Site("tokenwise", "padding", padding, Choice(None, why)) if padding else Site("tokenwise", "", 0, ALL_VALID)
        )
        self.sites[number] = site
        return site


def by_expert(x: Tensor, up: Tensor, down: Tensor, order: Tensor, ends: Tensor) -> Tensor:
    """Run each expert on its own rows, which `simcore.calibrate.suites.moe.route` sorted; see `routed`."""
    counts = torch.diff(ends, prepend=ends.new_zeros(1)).tolist()
    rows = torch.split(x.index_select(0, order), counts)
    made = [
        functional.relu(own @ first) @ second
        for own, first, second in zip(rows, up.unbind(), down.unbind(), strict=True)
    ]
    return x.new_zeros(len(x), down.shape[2]).index_copy_(0, order, torch.cat(made))


def _zeros(x: Tensor) -> float:
    """Return the share of zeros."""
    return 1 - float(torch.count_nonzero(x)) / x.numel() if x.numel() else 0.0


def _index(kernel: Kernel, a: Tensor) -> tuple[Tensor, Index]:
    """Return where a matrix is not zero, and the micro-tiles that a kernel multiplies."""
    held = a.detach() != 0
    return held, kernel.index(held)
