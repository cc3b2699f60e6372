"""PIT's products with gradients: zeros of the sparse matrix are skipped forward and backward.

``C = A B`` needs ``dB = A^T dC``, which skips the zeros of A as well. ``dA = dC B^T`` is dense in general, also where A
is zero. It is skipped there only if what made A multiplies its gradient by zero, as ReLU, softmax and a mask do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from simcore.calibrate.kernels.pit import Index, index_of, multiply

KILLING = {"ReluBackward0", "ThresholdBackward0", "SoftmaxBackward0", "SafeSoftmaxBackward0"}
"""What multiplies the gradient by its own output, or by zero where its output is zero."""


@dataclass(frozen=True)
class Kernel:
    """A kernel of PIT that packs one axis of a sparse A.

    Attributes
    ----------
    axis : {'k', 'm', 'rows'}
        ``rows`` is the m-axis with one block of all columns: rows that hold a non-zero.
    block : int
        Rows of a micro-tile on the k-axis, its columns on the m-axis [elements]; 0 for rows.
    """

    axis: Literal["k", "m", "rows"]
    block: int = 0

    @property
    def name(self) -> str:
        """What it is called: ``k-axis 32x1``."""
        return {"k": f"k-axis {self.block}x1", "m": f"m-axis 1x{self.block}", "rows": "m-axis, whole rows"}[self.axis]

    def width(self, columns: int) -> int:
        """Return the columns of a micro-tile of the m-axis, of a matrix of so many columns."""
        return columns if self.axis == "rows" else self.block

    def packs(self, columns: int) -> tuple[Literal["k", "m"], int, int]:
        """Return the axis, and the rows and columns of a micro-tile of a matrix of so many columns."""
        return ("k", self.block, 1) if self.axis == "k" else ("m", 1, self.width(columns))

    def index(self, mask: Tensor) -> Index:
        """Return the micro-tiles that hold a True, see `simcore.calibrate.kernels.pit.index_of`."""
        return index_of(mask, *self.packs(mask.shape[1]))


def product(a: Tensor, b: Tensor, index: Index, kernel: Kernel, *, unread: bool = False) -> Tensor:
    """Multiply by one of PIT's kernels, with gradients.

    Parameters
    ----------
    a : Tensor, shape (m, k)
        The sparse matrix.
    b : Tensor, shape (k, n)
        The dense one.
    index : list of Tensor
        From `Kernel.index` of where `a` is not zero.
    kernel : Kernel
        What multiplies.
    unread : bool
        Whether the gradient of `a` is needed only where `a` is not zero, see `killed`.

    Returns
    -------
    Tensor, shape (m, n)

    Examples
    --------
    >>> a = torch.tensor([[0.0, 0.0], [1.0, 2.0]])
    >>> product(a, torch.eye(2), Kernel("rows").index(a != 0), Kernel("rows"))
    tensor([[0., 0.],
            [1., 2.]])
    """
    made: Tensor = _Product.apply(a, b, index, kernel, unread)  # type: ignore[no-untyped-call]
    return made


def killed(x: Tensor, held: Tensor | None = None) -> bool:
    """Say whether the gradient at each zero of `x` is multiplied by zero before anything else reads it.

    Parameters
    ----------
    x : Tensor
        An operand.
    held : Tensor of bool, optional
        Where it is not zero, if that is known.

    Examples
    --------
    >>> x = torch.ones(2, requires_grad=True)
    >>> killed(x.relu()), killed(x * torch.tensor([True, False])), killed(2 * x)
    (True, True, False)
    """
    made = x.grad_fn
    if made is None:
        return False
    if made.name() in KILLING:
        return True
    if made.name() == "MulBackward0":  # by a mask, which needs no gradient of its own
        needed = [edge for edge, _ in made.next_functions]
        other = made._saved_other if needed[1] is None else made._saved_self if needed[0] is None else None  # type: ignore[attr-defined]
        if isinstance(other, Tensor) and other.shape == x.shape:
            return _within(_held(other), _held(x) if held is None else held)
    return False


def _held(x: Tensor) -> Tensor:
    """Return where a tensor is not zero."""
    return x if x.dtype == torch.bool else x != 0


def _within(inner: Tensor, outer: Tensor) -> bool:
    """Say whether one mask is True only where another is: nearly always both are equal, which words of 8 bytes tell."""
    if inner.numel() % 8 == 0 and inner.is_contiguous() and outer.is_contiguous():
        left, right = (each.flatten().view(torch.int64) for each in (inner, outer))
        if torch.equal(left, right):
            return True
    return bool((outer | ~inner).all())


class _Product(torch.autograd.Function):
    """C = A B, where A's index is known."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor, index: Index, kernel: Kernel, unread: bool) -> Tensor:
        ctx.save_for_backward(a, b)
        ctx.index, ctx.kernel, ctx.unread = index, kernel, unread
        return multiply(a, b, index, *kernel.packs(a.shape[1]))

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        a, b = ctx.saved_tensors
        (grad,) = grads
        left = right = None
        if ctx.needs_input_grad[0]:
            left = _at_micro_tiles(a, b, grad, ctx.index, ctx.kernel) if ctx.unread else _of_rows(grad, b)
        if ctx.needs_input_grad[1]:
            right = _transposed_product(a, grad, ctx.index, ctx.kernel)
        return left, right, None, None, None


def _of_rows(grad: Tensor, b: Tensor) -> Tensor:
    """Return ``dC B^T``, of the rows of dC alone that are not zero."""
    rows = (grad != 0).any(1).nonzero()[:, 0]
    if len(rows) == len(grad):
        return grad @ b.T
    return grad.new_zeros(len(grad), len(b)).index_copy_(0, rows, grad.index_select(0, rows) @ b.T)


def _at_micro_tiles(a: Tensor, b: Tensor, grad: Tensor, index: Index, kernel: Kernel) -> Tensor:
    """Return ``dC B^T`` at the kept micro-tiles of A, and zeros elsewhere, where nobody reads it."""
    found = torch.zeros_like(a)
    for number, at in enumerate(index):
        if not len(at):
            continue
        if kernel.axis == "k":
            rows = slice(number * kernel.block, (number + 1) * kernel.block)
            found[rows].index_copy_(1, at, grad[rows] @ b.index_select(0, at).T)
        else:
            width = kernel.width(a.shape[1])
            inner = slice(number * width, (number + 1) * width)
            found[:, inner].index_copy_(0, at, grad.index_select(0, at) @ b[inner].T)
    return found


def _transposed_product(a: Tensor, grad: Tensor, index: Index, kernel: Kernel) -> Tensor:
    """Return ``A^T dC`` from the kept micro-tiles of A; sums are in fp32 for shorter types."""
    wide = torch.float32 if a.dtype in {torch.float16, torch.bfloat16} else a.dtype
    found = grad.new_zeros(a.shape[1], grad.shape[1], dtype=wide)
    for number, at in enumerate(index):
        if not len(at):
            continue
        if kernel.axis == "k":
            rows = slice(number * kernel.block, (number + 1) * kernel.block)
            found.index_add_(0, at, (a[rows].index_select(1, at).T @ grad[rows]).to(wide))
        else:
            width = kernel.width(a.shape[1])
            inner = slice(number * width, (number + 1) * width)
            found[inner] = (a[:, inner].index_select(0, at).T @ grad.index_select(0, at)).to(wide)
    return found.to(a.dtype)
