"""Makers of single operators: products, norms and what moves bytes, cut by tensor parallelism.

Symbols: h `hidden`, s `sequence`, n tokens, e bytes per element, TP the degree of tensor parallelism.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from simcore.models.network.collectives import Collective
from simcore.models.training.architecture import Batch, Share, Transformer
from simcore.models.training.operators import Communication, Operation, Operator, Section

HEAD_WIDTH = 128
"""Columns of an attention head, where a model does not say how many heads it has."""

ADAM = 28
"""Bytes that Adam's update of one weight moves [B]: weight, gradient and two moments are read, all but the gradient
written, 4 B each; with 2-byte weights a master copy takes the weight's place and the 2-byte weight is written too."""

Shape = tuple[tuple[str, int], ...]


class Cut(StrEnum):
    """Where tensor parallelism cuts a matrix; an uncut one is whole on every NPU."""

    COLUMNS = "columns"
    ROWS = "rows"
    NONE = "none"


@dataclass(frozen=True)
class Routed:
    """How tokens are routed: to how many of how many experts.

    Attributes
    ----------
    count, per_token : int
        Experts on this NPU, and how many of all experts each token passes.
    imbalance : float
        Rows of these experts, over those of an even share.
    pad : int
        Number of rows that the rows of each expert are padded to a multiple of.

    Examples
    --------
    >>> Routed(8, 2).routed(100), Routed(8, 2, imbalance=1.5).routed(100), Routed(8, 2, pad=16).routed(100)
    (200, 300, 256)
    """

    count: int = 1
    per_token: int = 1
    imbalance: float = 1.0
    pad: int = 1

    def rows(self, tokens: int) -> int:
        """Return the rows of one of these experts."""
        each = math.ceil(tokens * self.per_token * self.imbalance / self.count)
        return -(-each // self.pad) * self.pad

    def routed(self, tokens: int) -> int:
        """Return the rows of all of these experts: as many as tokens come, where none are padded."""
        whole = self.rows(tokens) * self.count if self.pad > 1 else tokens * self.per_token * self.imbalance
        return math.ceil(whole)


ALL_TOKENS = Routed()
"""Every token passes the one network that there is."""


class OperatorMaker:
    """Makes the operators of a transformer on one NPU, one by one.

    Parameters
    ----------
    model : Transformer
        The sizes.
    batch : Batch
        What a replica processes.
    share : Share
        What the NPU has of them: of every sequence it has 1 / CP.
    """

    def __init__(self, model: Transformer, batch: Batch, share: Share) -> None:
        self.model, self.batch, self.share, self.tp = model, batch, share, share.tp
        self.n, self.h, self.s, self.e = (
            batch.tokens // share.cp,
            model.hidden,
            batch.sequence // share.cp,
            batch.element,
        )
        self.activations = float(self.e * self.n * self.h)
        self.summed = self.all_reduce(self.n * self.h)
        heads = model.heads or max(1, self.h // HEAD_WIDTH)
        self.products = math.ceil(heads / self.tp) * batch.sequences
        self.head_width = model.head_dim or max(1, self.h // heads)
        self.value_width = model.value_dim or self.head_width

    def all_reduce(self, elements: int) -> Communication:
        """Return the sum of so many elements over the tensor-parallel group."""
        return Communication(Collective.ALL_REDUCE, float(self.e * elements))

    def linear(
        self,
        path: str,
        inputs: int,
        outputs: int,
        cut: Cut,
        *,
        bias: bool = False,
        tokens: int | None = None,
        saved: float = 0.0,
        after: Communication | None = None,
        back: Communication | None = None,
        experts: Routed = ALL_TOKENS,
    ) -> Operator:
        """Return a product with weights of inputs x outputs; a row-cut product's bias is whole."""
        n = experts.routed(self.n if tokens is None else tokens)
        tp = 1 if cut is Cut.NONE else self.tp
        rows, columns = (inputs // tp, outputs) if cut is Cut.ROWS else (inputs, outputs // tp)
        shape = sizes_of(math.ceil(n / experts.count), columns, rows, experts.count)
        length = outputs if cut is Cut.ROWS else outputs / tp
        return Operator(
            "gemm", shape, gemm_flop(n, inputs, outputs, tp), path=path, operation=Operation.LINEAR,
            weights=self.e * inputs * outputs * experts.count / tp,
            vectors=self.e * length * experts.count if bias else 0.0,
            saved=float(saved), output=float(self.e * n * columns),
            after_forward=after, after_input_gradient=back,
        )  # fmt: skip

    def product(
        self, path: str, operation: Operation, sizes: tuple[int, int, int], work: float, saved: float
    ) -> Operator:
        """Return a product of activations, one per head and sequence."""
        return Operator(
            "gemm", sizes_of(*sizes, self.products), work, path=path,
            operation=operation, saved=float(saved), output=float(self.e * self.products * sizes[0] * sizes[1]),
        )  # fmt: skip

    def memory(
        self,
        path: str,
        kernel: str,
        moved: int,
        operation: Operation = Operation.ELEMENTWISE,
        saved: float = 0.0,
        output: float | None = None,
        width: int | None = None,
    ) -> Operator:
        """Return an operator that moves bytes; unless said otherwise it writes as many as it reads.

        Where it works on rows, `width` is the elements of one.
        """
        left = moved / 2 if output is None else output
        shape: Shape = (("bytes", moved),) if width is None else (("bytes", moved), ("width", width))
        return Operator(kernel, shape, path=path, operation=operation, saved=float(saved), output=float(left))

    def dropout(self, path: str, elements: int) -> tuple[Operator, ...]:
        """Return dropout, whose mask of a byte per element is saved; nothing where nothing is dropped."""
        if not self.model.dropout:
            return ()
        moved, left = (2 * self.e + 1) * elements, self.e * elements
        made = self.memory(path, "dropout", moved, Operation.DROPOUT, saved=elements, output=left)
        return (replace(made, shape=(*made.shape, ("percent", round(100 * self.model.dropout)))),)

    def norm(self, path: str, width: int, scales: int, *, whole: bool = False, row: int | None = None) -> Operator:
        """Return a norm of as many columns as `width`, in rows of that or of `row`.

        A constant rate counts one FLOP per element.
        """
        model, elements = self.model, self.n * width // (1 if whole else self.tp)
        vectors = scales * (2 if model.biases.norms else 1) if model.norm_scales else 0
        shape: Shape = (("bytes", 2 * self.e * elements), ("width", width if row is None else row))
        return Operator(
            "layer_norm", shape, float(elements), path=path, operation=Operation.NORM,
            vectors=float(self.e * vectors), saved=float(self.e * elements), output=float(self.e * elements),
            vectors_held=2 if model.biases.norms else 1,
        )  # fmt: skip


def fused_core(core: Sequence[Operator], sequences: int) -> Operator:
    """Return the core of attention in one kernel, which keeps Q, K, V and a sum of exponentials for each query (fp32).

    Parameters
    ----------
    core : sequence of Operator
        From the scores to their product with V, with what stands before and behind.
    sequences : int
        Sequences that are processed at once.
    """
    scores = next(one for one in core if one.operation is Operation.SCORES)
    context = next(one for one in core if one.operation is Operation.CONTEXT)
    products, queries, keys, width = (int(scores.size(name)) for name in ("batch", "m", "n", "k"))
    # without dropout the softmax has kept what V is multiplied with, otherwise that is kept beside V
    dropped = scores.output if any(one.operation is Operation.DROPOUT for one in core) else 0.0
    shape: Shape = (
        ("batch", sequences), ("heads", products // sequences), ("queries", queries), ("keys", keys), ("width", width),
    )  # fmt: skip
    return Operator(
        "attention", shape, scores.work + context.work, path=scores.path.rpartition(".")[0] + ".fused",
        operation=Operation.ATTENTION, saved=scores.saved + context.saved - dropped + 4.0 * products * queries,
        output=context.output, before_forward=scores.before_forward, before_backward=scores.before_backward,
        after_forward=scores.after_forward, after_input_gradient=scores.after_input_gradient,
    )  # fmt: skip


def gemm_flop(tokens: int, inputs: int, outputs: float, tp: int) -> float:
    """Work of a product on one NPU of a tensor-parallel group [FLOP]: 2 n inputs outputs / TP.

    Examples
    --------
    >>> gemm_flop(32768, 12288, 12288, 16) / (60 * 2**40)
    0.009375
    """
    return 2 * tokens * inputs * outputs / tp


def sizes_of(m: int, n: int, k: int, batch: int = 1) -> Shape:
    """Return the shape of a product of m x k and k x n, or of as many as `batch`."""
    return ("m", m), ("n", n), ("k", k), ("batch", batch)


def adam_update(weights: float, element: int, tensors: int = 1) -> Operator:
    """Return Adam's update of so many bytes of weights, of so many bytes each [B], which lie in so many tensors.

    Examples
    --------
    >>> adam_update(4e6, element=4, tensors=8).shape
    (('bytes', 28000000), ('tensors', 8))
    """
    shape = (("bytes", ADAM * math.ceil(weights / element)), ("tensors", max(tensors, 1)))
    return Operator("adam", shape, dtype="fp32", path="optimizer.update", operation=Operation.UPDATE)


def update_of(sections: Sequence[Section], element: int) -> Section:
    """Return Adam's update of all weights of some sections, whose elements are so wide [B].

    Examples
    --------
    >>> one = Operator("gemm", (("m", 2), ("n", 4), ("k", 4)), weights=64.0, vectors=16.0)
    >>> update_of([Section("block", (one,), count=3)], element=4).operators[0].shape
    (('bytes', 1344), ('tensors', 6))
    """
    each = [(section.count, one) for section in sections for one in section.operators]
    weights = math.fsum(count * one.weights for count, one in each)
    return Section("", (adam_update(weights, element, sum(count * one.tensors for count, one in each)),))
