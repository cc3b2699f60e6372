"""The operators of a transformer: the one description of its block.

Tensor parallelism cuts as Megatron-LM does: columns of Q, K, V and of the first feed-forward product, rows of the
products that end attention and feed-forward network. So activations are summed after the row-cut products going
forward, and after the column-cut ones going backward. Not modelled: the scale and the mask of the scores, position and
type embeddings, the norm after the last block, transposed copies, and fused attention.

Symbols: h `hidden`, s `sequence`, n tokens, a heads, e bytes per element, TP the degree of tensor parallelism.
"""

from __future__ import annotations

import math
from dataclasses import replace

from simcore.errors import InputError, field
from simcore.models.network.collectives import Collective
from simcore.models.training.architecture import Batch, Transformer
from simcore.models.training.operators import Communication, Operation, Operator, OperatorList, Section

HEAD_WIDTH = 128
"""Columns of an attention head, where a model does not say how many heads it has."""

ADAM = 28
"""Bytes that Adam's update of one weight moves [B]: weight, gradient and two moments are read, all but the gradient
written, 4 B each; with 2-byte weights a master copy takes the weight's place and the 2-byte weight is written too."""


def operators_of(model: Transformer, batch: Batch, tp: int = 1) -> OperatorList:
    """Return the operators of a transformer on one NPU.

    Attention is one batched product per head, with the scores written to memory. Embedding and output layer are cut
    over the vocabulary. Adam updates all weights.

    Parameters
    ----------
    model : Transformer
        The sizes.
    batch : Batch
        What a replica processes.
    tp : int
        Degree of tensor parallelism.

    Raises
    ------
    InputError
        If TP is below 1, or does not split the hidden size, the heads or the feed-forward width evenly.

    References
    ----------
    Saved activations: Korthikanti et al., Reducing Activation Recomputation in Large Transformer Models, MLSys 2023,
    whose ``s b h (10 + 24 / t + 5 a s / (h t))`` per block (2 B per element, dropout, 4 h) this is.

    Examples
    --------
    >>> model = Transformer("gpt", hidden=1024, blocks=1, heads=16, dropout=0.1)
    >>> list(operators_of(model, Batch(512, 4)))[0].shape
    (('m', 2048), ('n', 1024), ('k', 1024), ('batch', 1))
    >>> operators_of(model, Batch(512, 4)).saved == 512 * 4 * 1024 * (34 + 5 * 16 * 512 / 1024)
    True
    """
    _check_split(model, tp)
    make = _Make(model, batch, tp)
    block = Section("block", (*make.attention(), *make.feed_forward()), model.blocks)
    if model.vocabulary is None:
        return OperatorList((block,))
    first, last = Section("", make.embedding()), Section("", make.output())
    weights = math.fsum(section.count * one.weights for section in (first, block, last) for one in section.operators)
    # the update stands first: gradients arrive from the last operator to the first
    return OperatorList((Section("", (make.update(weights),)), first, block, last))


Shape = tuple[tuple[str, int], ...]


class _Make:
    """Makes the operators of a transformer; see `operators_of`."""

    def __init__(self, model: Transformer, batch: Batch, tp: int) -> None:
        self.model, self.batch, self.tp = model, batch, tp
        self.n, self.h, self.s, self.e = batch.tokens, model.hidden, batch.sequence, batch.element
        self.activations = float(self.e * self.n * self.h)
        self.summed = Communication(Collective.ALL_REDUCE, self.activations)
        heads = model.heads or max(1, self.h // HEAD_WIDTH)
        self.products, self.head_width = math.ceil(heads / tp) * batch.sequences, max(1, self.h // heads)

    def attention(self) -> tuple[Operator, ...]:
        """Return the operators of self-attention, its residual and its norm."""
        h, s, e, tp = self.h, self.s, self.e, self.tp
        scores, whole = self.products * s * s, self.activations
        kept, keys = whole / tp, e * self.n * self.model.kv_width / tp
        shard = Communication(Collective.ALL_GATHER, kept)
        dropped = e * scores if self.model.dropout else 0  # without dropout the softmax has saved them
        return (
            self.columns("attention.query", h, saved=whole, back=self.summed),
            self.columns("attention.key", self.model.kv_width),
            self.columns("attention.value", self.model.kv_width),
            self.product("attention.scores", Operation.SCORES, (s, s, self.head_width), saved=kept + keys),
            self.memory("attention.softmax", "softmax", 2 * e * scores, saved=e * scores),
            *self.dropout("attention.scores_dropout", scores),
            self.product("attention.context", Operation.CONTEXT, (s, self.head_width, s), saved=keys + dropped),
            self.rows("attention.output", h, saved=kept, back=shard),
            *self.sublayer_end("attention"),
        )

    def feed_forward(self) -> tuple[Operator, ...]:
        """Return the operators of the feed-forward network, its residual and its norm."""
        model, inner = self.model, self.e * self.n * self.model.inner // self.tp
        width = model.inner * (2 if model.gated else 1)
        gate = self.memory("feed_forward.gate", "add", 3 * inner, Operation.GATE, saved=2 * inner, output=inner)
        return (
            self.columns("feed_forward.up", width, saved=self.activations, back=self.summed),
            self.memory("feed_forward.activation", "gelu", 2 * inner, saved=inner),
            *((gate,) if model.gated else ()),
            self.rows("feed_forward.down", model.inner, saved=inner),
            *self.sublayer_end("feed_forward"),
        )

    def sublayer_end(self, path: str) -> tuple[Operator, ...]:
        """Return dropout, residual and norm; a constant rate counts one FLOP per element of a norm."""
        moved, scale = 2 * self.e * self.n * self.h, self.e * self.h
        norm = self.memory(f"{path}.norm", "layer_norm", moved, Operation.NORM, saved=self.activations)
        return (
            *self.dropout(f"{path}.dropout", self.n * self.h),
            self.memory(
                f"{path}.residual", "add", 3 * self.e * self.n * self.h, Operation.RESIDUAL, output=self.activations
            ),
            replace(norm, work=float(self.n * self.h), vectors=float(scale * (2 if self.model.biases else 1))),
        )

    def embedding(self) -> tuple[Operator, ...]:
        """Return the look-up of tokens, whose numbers (8 B each) are saved, and the sum with their positions."""
        n, h, e = self.n, self.h, self.e
        table = float(e * h * (self.model.vocabulary or 0) / self.tp)
        return (
            Operator(
                "gather", (("rows", n), ("width", e * h)), path="embedding.tokens", operation=Operation.LOOKUP,
                weights=table, saved=8.0 * n, output=self.activations, after_forward=self.summed,
            ),
            self.memory("embedding.positions", "add", 3 * e * n * h, Operation.SUM, output=self.activations),
            *self.dropout("embedding.dropout", n * h),
        )  # fmt: skip

    def output(self) -> tuple[Operator, ...]:
        """Return the output layer; one that shares the embedding's weights owns none."""
        n, h, e, tp, columns = self.n, self.h, self.e, self.tp, math.ceil(self.model.columns / self.tp)
        logits = e * n * columns
        return (
            Operator(
                "gemm", _sizes(n, columns, h), gemm_flop(n, h, self.model.columns, tp),
                path="output.product", operation=Operation.LINEAR,
                weights=float(e * h * (self.model.outputs or 0) / tp), saved=self.activations, output=float(logits),
                after_input_gradient=self.summed,
            ),
            self.memory("output.softmax", "softmax", 2 * logits, saved=logits),
        )  # fmt: skip

    def update(self, weights: float) -> Operator:
        """Return Adam's update of so many bytes of weights."""
        shape = (("bytes", ADAM * math.ceil(weights / self.e)),)
        return Operator("adam", shape, dtype="fp32", path="optimizer.update", operation=Operation.UPDATE)

    def columns(self, path: str, width: int, saved: float = 0.0, back: Communication | None = None) -> Operator:
        """Return a product with weights of h x `width`, cut by columns; its bias is cut like them."""
        shape, bias = _sizes(self.n, width // self.tp, self.h), width / self.tp
        return replace(self.linear(path, shape, width, bias, saved), after_input_gradient=back)

    def rows(self, path: str, width: int, saved: float, back: Communication | None = None) -> Operator:
        """Return a product with weights of `width` x h, cut by rows: its results are summed, and its bias is whole."""
        shape, bias = _sizes(self.n, self.h, width // self.tp), float(self.h)
        return replace(
            self.linear(path, shape, width, bias, saved), after_forward=self.summed, after_input_gradient=back
        )

    def linear(self, path: str, shape: Shape, width: int, bias: float, saved: float) -> Operator:
        """Return a product with weights; `width` is that of the whole, `bias` the length of the NPU's own."""
        return Operator(
            "gemm", shape, gemm_flop(self.n, self.h, width, self.tp), path=path, operation=Operation.LINEAR,
            weights=self.e * self.h * width / self.tp, vectors=self.e * bias if self.model.biases else 0.0,
            saved=float(saved), output=float(self.e * shape[0][1] * shape[1][1]),
        )  # fmt: skip

    def product(self, path: str, operation: Operation, sizes: tuple[int, int, int], saved: float) -> Operator:
        """Return a product of activations, one per head and sequence."""
        return Operator(
            "gemm", _sizes(*sizes, self.products), gemm_flop(self.n, self.h, self.s, self.tp), path=path,
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
    ) -> Operator:
        """Return an operator that moves bytes; unless said otherwise it writes as many as it reads."""
        left = moved / 2 if output is None else output
        shape = (("bytes", moved),)
        return Operator(kernel, shape, path=path, operation=operation, saved=float(saved), output=float(left))

    def dropout(self, path: str, elements: int) -> tuple[Operator, ...]:
        """Return dropout, whose mask of a byte per element is saved; nothing where nothing is dropped."""
        if not self.model.dropout:
            return ()
        moved, left = (2 * self.e + 1) * elements, self.e * elements
        return (self.memory(path, "dropout", moved, Operation.DROPOUT, saved=elements, output=left),)


def gemm_flop(tokens: int, inputs: int, outputs: int, tp: int) -> float:
    """Work of a product on one NPU of a tensor-parallel group [FLOP]: 2 n inputs outputs / TP.

    Examples
    --------
    >>> gemm_flop(32768, 12288, 12288, 16) / (60 * 2**40)
    0.009375
    """
    return 2 * tokens * inputs * outputs / tp


def _sizes(m: int, n: int, k: int, batch: int = 1) -> Shape:
    return ("m", m), ("n", n), ("k", k), ("batch", batch)


def _check_split(model: Transformer, tp: int) -> None:
    whose = f"workload '{model.name}', TP"
    if tp < 1:
        raise InputError(whose, str(tp), "a whole number of at least 1")
    parts = {
        "hidden size": model.hidden,
        "feed-forward width": model.inner,
        "number of heads": model.heads,
        "number of K and V heads": model.kv_heads,
    }
    for what, count in parts.items():
        if count is not None and count % tp:
            raise InputError(whose, str(tp), f"a divisor of its {what}, {count}", f"Choose another with {field('tp')}.")
