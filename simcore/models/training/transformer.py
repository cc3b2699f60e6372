"""The operators of a transformer: the one description of its block.

Tensor parallelism cuts as Megatron-LM does: columns of Q, K, V and of the first feed-forward product, rows of the
products that end attention and feed-forward network. So activations are summed after the row-cut products going
forward, and after the column-cut ones going backward. Not modelled: the scale and the mask of the scores, position and
type embeddings of models that do not name them, transposed copies, and fused attention.

Symbols: h `hidden`, s `sequence`, n tokens, a heads, e bytes per element, TP the degree of tensor parallelism.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

from simcore.errors import InputError, field
from simcore.models.network.collectives import Collective
from simcore.models.training.architecture import WHOLE, Batch, Experts, Projection, Run, Share, Transformer
from simcore.models.training.operator_maker import (
    ALL_TOKENS,
    Cut,
    OperatorMaker,
    Routed,
    fused_core,
    gemm_flop,
    sizes_of,
    update_of,
)
from simcore.models.training.operators import Communication, Operation, Operator, OperatorList, Section


def transformer_operators(model: Transformer, batch: Batch, share: Share = WHOLE) -> OperatorList:
    """Return the operators of a transformer on one NPU.

    Attention is one batched product per head, with the scores written to memory. Embedding and output layer are cut
    over the vocabulary. Experts are cut as the feed-forward network is, and take equal shares of the tokens. Adam
    updates all weights. A tower of images is not among them.

    Parameters
    ----------
    model : Transformer
        The sizes.
    batch : Batch
        What a replica processes; an encoder reads as many tokens, unless it takes a number of its own.
    share : Share
        What one NPU has of them.

    Raises
    ------
    InputError
        If a degree is below 1, or does not split evenly what it splits: TP the hidden size, the heads and the
        feed-forward width, CP the tokens of a sequence, EP the experts.

    References
    ----------
    Saved activations: Korthikanti et al., Reducing Activation Recomputation in Large Transformer Models, MLSys 2023,
    whose ``s b h (10 + 24 / t + 5 a s / (h t))`` per block (2 B per element, dropout, 4 h, GELU) this is. Of ReLU
    PyTorch keeps the output alone, which the next product keeps as its input: ``8 s b h / t`` less.

    Examples
    --------
    >>> model = Transformer("gpt", hidden=1024, blocks=1, heads=16, dropout=0.1)
    >>> list(transformer_operators(model, Batch(512, 4)))[0].shape
    (('m', 2048), ('n', 1024), ('k', 1024), ('batch', 1))
    >>> transformer_operators(model, Batch(512, 4)).saved == 512 * 4 * 1024 * (34 + 5 * 16 * 512 / 1024)
    True
    """
    sections = transformer_sections(model, batch, share)
    if all(section.path for section in sections):
        return OperatorList(sections)
    # the update stands first: gradients arrive from the last operator to the first
    return OperatorList((update_of(sections, batch.element), *sections))


def transformer_sections(
    model: Transformer, batch: Batch, share: Share = WHOLE, *, routed: bool = False
) -> tuple[Section, ...]:
    """Return the sections of a transformer on one NPU, without the update.

    Parameters
    ----------
    model : Transformer
        The sizes.
    batch : Batch
        As of `transformer_operators`.
    share : Share
        What one NPU has of them.
    routed : bool
        Whether only blocks with experts are wanted.

    Raises
    ------
    InputError
        As `transformer_operators`.

    Examples
    --------
    >>> [section.path for section in transformer_sections(Transformer("gpt", 64, 2, 8, vocabulary=100), Batch(16, 1))]
    ['', 'block', '']
    """
    _check_split(model, batch, share)
    made = tuple(_sections(model, batch, share, routed=routed))
    if model.encoder is None:
        return made
    return *_encoder(model.encoder, batch, share, model.vocabulary is not None, routed=routed), *made


def _sections(model: Transformer, batch: Batch, share: Share, *, routed: bool) -> Iterator[Section]:
    """Yield embedding, blocks and output layer; blocks alone where there is nothing to embed."""
    make, around = _Make(model, batch, share), model.vocabulary is not None or bool(model.around.front)
    around = around and not routed
    if around:
        yield Section("", make.embedding())
    start = 0
    for run in model.in_runs():
        if run.sparse or not routed:
            yield Section("block", make.block(run), run.count, start)
        start += run.count
    if around:
        yield Section("", make.output())


def _encoder(model: Transformer, batch: Batch, share: Share, around: bool, *, routed: bool) -> Iterator[Section]:
    """Yield the sections of an encoder, whose tokens share the table of the model that it belongs to."""
    own = replace(batch, sequence=model.sequence or batch.sequence)
    for section in _sections(model if around else model.stack(), own, share, routed=routed):
        if section.path:
            yield replace(section, path=f"encoder.{section.path}")
        else:
            yield Section("", tuple(_shared(one) for one in section.operators))


def _shared(one: Operator) -> Operator:
    """Return an operator around an encoder's blocks; its look-up reads the table of the decoder."""
    weights = 0.0 if one.operation is Operation.LOOKUP else one.weights
    return replace(one, path=f"encoder.{one.path}", weights=weights)


class _Make(OperatorMaker):
    """Makes the operators of a transformer; see `transformer_operators`."""

    def block(self, run: Run) -> tuple[Operator, ...]:
        """Return the operators of one block."""
        keys = self.model.keys(self.batch.sequence, windowed=run.windowed, half=self.batch.causal_half)
        made = self.latent() if self.model.latent else self.projections("attention", self.n)
        cross = () if self.model.encoder is None else self.cross_attention(self.model.encoder)
        network = self.experts(self.model.experts) if run.sparse and self.model.experts else self.feed_forward()
        return *made, *self.heads("attention", keys), *cross, *network

    def projections(self, path: str, keys: int) -> tuple[Operator, ...]:
        """Return Q of the block's tokens, and K and V of as many as `keys`."""
        width, biases = self.model.kv_width, self.model.biases
        own = keys == self.n and path == "attention"
        back = None if own else self.all_reduce(keys * self.h)
        norm = self.norm(f"{path}.qk_norm", self.model.query_width + width, self.model.qk_norm, row=self.head_width)
        return (
            self.linear(
                f"{path}.query", self.h, self.model.query_width, Cut.COLUMNS, bias=biases.query,
                saved=self.activations, back=self.summed,
            ),
            self.linear(f"{path}.key", self.h, width, Cut.COLUMNS, bias=biases.key, tokens=keys, back=back),
            self.linear(f"{path}.value", self.h, width, Cut.COLUMNS, bias=biases.value, tokens=keys),
            *((norm,) if self.model.qk_norm and own else ()),
        )  # fmt: skip

    def latent(self) -> tuple[Operator, ...]:
        """Return how Q, K and V come from narrow vectors, which every NPU of the group has whole."""
        model, latent, bias = self.model, self.model.latent, self.model.biases.query
        assert latent is not None
        rank, keys = latent.query, latent.key_value
        widened = (self.head_width - latent.positions + self.value_width) * (model.heads or 1)
        if rank is None:
            query: tuple[Operator, ...] = (
                self.linear(
                    "attention.query", self.h, model.query_width, Cut.COLUMNS, saved=self.activations, back=self.summed
                ),
            )
        else:
            query = (
                self.linear("attention.query_down", self.h, rank, Cut.NONE, bias=bias, saved=self.activations),
                self.norm("attention.query_norm", rank, rank, whole=True),
                self.linear(
                    "attention.query", rank, model.query_width, Cut.COLUMNS,
                    saved=self.e * self.n * rank, back=self.all_reduce(self.n * rank),
                ),
            )  # fmt: skip
        return (
            *query,
            self.linear("attention.key_value_down", self.h, keys + latent.positions, Cut.NONE, bias=bias),
            self.norm("attention.key_value_norm", keys, keys, whole=True),
            self.linear(
                "attention.key_value", keys, widened, Cut.COLUMNS,
                saved=self.e * self.n * keys, back=self.all_reduce(self.n * keys),
            ),
        )  # fmt: skip

    def heads(self, path: str, keys: float, tokens: int | None = None) -> tuple[Operator, ...]:
        """Return what the heads compute with as many `keys` as each query sees, its output, residual and norms.

        K and V are of as many `tokens`, unless they are the block's own.
        """
        s, e, tp, model = self.s, self.e, self.tp, self.model
        seen = math.ceil(keys)
        scores, whole = self.products * s * seen, self.activations
        grouped = model.latent is None  # heads of K and V that several heads of Q share
        kept = e * self.n * model.query_width / tp
        tokens = self.n if tokens is None else tokens
        keyed = e * tokens * (model.kv_width if grouped else model.query_width) / tp
        values = e * tokens * (model.kv_width if grouped else model.context_width) / tp
        dropped = e * scores if model.dropout else 0  # without dropout the softmax has saved them
        query = gemm_flop(self.n, model.query_width, keys, tp)
        context = gemm_flop(self.n, model.context_width, keys, tp)
        sizes = (s, seen, self.head_width), (s, self.value_width, seen)
        gathered = math.ceil(kept + keyed + values)
        core = (
            self.memory(f"{path}.scale", "mul", 2 * math.ceil(kept), Operation.ROUTE),
            self.memory(f"{path}.split", "copy", 2 * gathered, Operation.ROUTE),
            self.product(f"{path}.scores", Operation.SCORES, sizes[0], query, saved=kept + keyed),
            self.memory(f"{path}.softmax", "softmax", 2 * e * scores, saved=e * scores, width=seen),
            *self.dropout(f"{path}.scores_dropout", scores),
            self.product(f"{path}.context", Operation.CONTEXT, sizes[1], context, saved=values + dropped),
            self.memory(f"{path}.merge", "copy", 2 * math.ceil(e * self.n * model.context_width / tp), Operation.ROUTE),
        )
        if self.share.fused:
            core = (fused_core(core, self.batch.sequences),)
        return (
            *core,
            self.linear(
                f"{path}.output", model.context_width, self.h, Cut.ROWS, bias=model.biases.output,
                saved=e * self.n * model.context_width / tp,
                after=None if model.parallel else self.summed,
                back=Communication(Collective.ALL_GATHER, whole / tp),
            ),
            *self.sublayer_end(path, 1 if path != "attention" else model.norms[0]),
        )  # fmt: skip

    def cross_attention(self, encoder: Transformer) -> tuple[Operator, ...]:
        """Return the attention to an encoder's tokens."""
        keys = encoder.sequence or self.s
        tokens = keys * self.batch.sequences
        return *self.projections("cross_attention", tokens), *self.heads("cross_attention", keys, tokens)

    def feed_forward(self) -> tuple[Operator, ...]:
        """Return the operators of the feed-forward network, its residual and its norms."""
        model = self.model
        back, bias = None if model.parallel else self.summed, model.biases.feed_forward
        network = self.network("feed_forward", model.inner, bias, saved=self.activations, back=back)
        return (
            *network[:-1],
            replace(network[-1], after_forward=self.summed),
            *self.sublayer_end("feed_forward", model.norms[1]),
        )

    def network(
        self,
        path: str,
        inner: int,
        bias: bool,
        saved: float,
        back: Communication | None = None,
        experts: Routed = ALL_TOKENS,
    ) -> tuple[Operator, ...]:
        """Return two products with an activation between them, in each of some experts."""
        model, routed = self.model, experts.routed(self.n)
        kept = self.e * routed * inner // self.tp
        width, activation = inner * (2 if model.gated else 1), model.kinds.activation
        gate = self.memory(f"{path}.gate", "add", 3 * kept, Operation.GATE, saved=2 * kept, output=kept)
        return (
            self.linear(path + ".up", self.h, width, Cut.COLUMNS, bias=bias, saved=saved, back=back, experts=experts),
            self.memory(f"{path}.activation", activation.kernel, 2 * kept, saved=kept if activation.keeps_input else 0),
            *((gate,) if model.gated else ()),
            self.linear(f"{path}.down", inner, self.h, Cut.ROWS, bias=bias, saved=kept, experts=experts),
        )

    def experts(self, sizes: Experts) -> tuple[Operator, ...]:
        """Return the router, what it sends to the experts and back, and what every token passes beside them."""
        bias, routed = self.model.biases, 2 * self.e * self.n * self.h * sizes.per_token
        router = self.linear("feed_forward.router", self.h, sizes.count, Cut.NONE, saved=self.activations)
        experts = self.network(
            "feed_forward.experts", sizes.inner, bias.experts, saved=routed / 2, back=self.summed,
            experts=Routed(sizes.count // self.share.ep, sizes.per_token, self.share.imbalance, self.share.pad),
        )  # fmt: skip
        shared: tuple[Operator, ...] = ()
        if sizes.shared:
            shared = self.network("feed_forward.shared", sizes.shared, bias.feed_forward, saved=0.0)
        if sizes.shared_gate:
            shared = (*shared, self.linear("feed_forward.shared_gate", self.h, 1, Cut.NONE))
        combine = self.memory(
            "feed_forward.combine", "copy", routed, Operation.ROUTE, saved=routed / 2, output=self.activations
        )
        return (
            replace(router, vectors=float(self.e * sizes.router_biases * sizes.count)),
            self.memory("feed_forward.dispatch", "copy", routed, Operation.ROUTE),
            *experts,
            *shared,
            replace(combine, after_forward=self.summed),
            *self.sublayer_end("feed_forward", self.model.norms[1]),
        )

    def sublayer_end(self, path: str, norms: int) -> tuple[Operator, ...]:
        """Return dropout, residual and norms."""
        names = [f"{path}.norm", f"{path}.norm_2"][:norms]
        residual = 3 * self.e * self.n * self.h
        return (
            *self.dropout(f"{path}.dropout", self.n * self.h),
            self.memory(f"{path}.residual", "add", residual, Operation.RESIDUAL, output=self.activations),
            *(self.norm(name, self.h, self.h, whole=True) for name in names),
        )

    def embedding(self) -> tuple[Operator, ...]:
        """Return the look-up of tokens, whose numbers (8 B each) are saved, what is added, and what follows."""
        n, h, e, model = self.n, self.h, self.e, self.model
        around, width = model.around, model.around.width or h
        table = float(e * width * (model.vocabulary or 0) / self.tp)
        tokens = Operator(
            "gather", (("rows", n), ("width", e * width)), path="embedding.tokens", operation=Operation.LOOKUP,
            weights=table, saved=8.0 * n, output=float(e * n * width), after_forward=self.all_reduce(n * width),
        )  # fmt: skip
        added = self.memory("embedding.positions", "add", 3 * e * n * h, Operation.SUM, output=self.activations)
        norm = (self.norm("embedding.norm", around.norm, around.norm, whole=True),) if around.norm else ()
        return (
            *(() if model.vocabulary is None else (tokens,)),
            replace(added, weights=float(e * around.added)),
            *norm,
            *self.between("embedding", around.front),
            *self.dropout("embedding.dropout", n * h),
        )

    def output(self) -> tuple[Operator, ...]:
        """Return the output layer; one that shares the embedding's weights owns none."""
        n, e, tp, model = self.n, self.e, self.tp, self.model
        around, columns = model.around, math.ceil(model.columns / self.tp)
        dropped = self.dropout("output.dropout", n * self.h) if around.final_dropout else ()
        h, logits = around.back[-1].outputs if around.back else self.h, e * n * columns
        before = (
            *((self.norm("output.norm", self.h, self.h, whole=True),) if around.final_norm else ()),
            *dropped,
            *self.between("output", around.back),
        )
        if not model.columns:
            return before
        return (
            *before,
            Operator(
                "gemm", sizes_of(n, columns, h), gemm_flop(n, h, model.columns, tp),
                path="output.product", operation=Operation.LINEAR,
                weights=float(e * h * (model.outputs or 0) / tp), vectors=e * columns * float(model.biases.head),
                saved=float(e * n * h), output=float(logits), after_input_gradient=self.summed,
            ),
            self.memory("output.softmax", "softmax", 2 * logits, saved=logits, width=columns),
        )  # fmt: skip

    def between(self, path: str, products: Sequence[Projection]) -> tuple[Operator, ...]:
        """Return products before or after the blocks, which every NPU computes whole, and their norms."""
        made: list[Operator] = []
        for one in products:
            tokens = max(1, round(self.n * one.per_token)) if one.per_token else self.batch.sequences
            name, inputs = f"{path}.{one.name}", one.inputs
            saved = self.e * tokens * inputs
            made.append(self.linear(name, inputs, one.outputs, Cut.NONE, bias=one.bias, tokens=tokens, saved=saved))
            if one.norm:
                made.append(self.norm(f"{name}_norm", one.outputs, one.outputs, whole=True))
        return tuple(made)


def _check_split(model: Transformer, batch: Batch, share: Share) -> None:
    whose, tp = f"workload '{model.name}', TP", share.tp
    if tp < 1:
        raise InputError(whose, str(tp), "a whole number of at least 1")
    parts = {
        "hidden size": model.hidden,
        "feed-forward width": model.inner,
        "width of an expert": None if model.experts is None else model.experts.inner,
        "number of heads": model.heads,
        "number of K and V heads": model.kv_heads,
    }
    for what, count in parts.items():
        if count is not None and count % tp:
            raise InputError(whose, str(tp), f"a divisor of its {what}, {count}", f"Choose another with {field('tp')}.")
    split = {"cp": (share.cp, "tokens of a sequence", batch.sequence)}
    if model.experts is not None:
        split["ep"] = share.ep, "number of experts", model.experts.count
    for name, (degree, what, count) in split.items():
        if degree < 1 or count % degree:
            raise InputError(
                f"workload '{model.name}', {field(name)}", str(degree), f"a divisor of its {what}, {count}"
            )
    if share.ep > 1 and model.experts is None:
        found, remedy = f"{share.ep} for a model without experts", f"Leave {field('ep')} out."
        raise InputError(f"workload '{model.name}', {field('ep')}", found, "1", remedy)
