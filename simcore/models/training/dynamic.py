"""Models whose sparsity is known only while they run: the seven experiments of PIT's Figures 8 to 14 as data.

An experiment names a model, a batch and the statistics of its masks. `dynamic_operators` makes THE operator list of it:
that of `simcore.models.training.transformer`, in which sparse operators carry a statistic. The figures, sizes, batches,
granularities and sparsities are those of PIT's artifact (SOSP 2023; github.com/microsoft/SparTA, branch pit_artifact).
Length and routing histograms are in no public file. Those here are drawn, and `DynamicCase.drawn` says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from simcore.errors import InputError
from simcore.models.compute.sparse.composed import tokens_of
from simcore.models.compute.sparse.statistics import Bars, Lengths, Pattern, Routing, Window, Zeros
from simcore.models.training.architecture import ALL_BIASES, Batch, Embedding, Experts, Run, Share, Transformer
from simcore.models.training.functions import Activation, Functions, Norm, Positions
from simcore.models.training.operators import Operation, Operator, OperatorList, Section
from simcore.models.training.transformer import transformer_operators

FIGURES: Mapping[int, str] = {
    8: "Switch-base, inference: experts",
    9: "OPT, inference: lengths and zeros behind ReLU",
    10: "BERT, inference: lengths",
    11: "Longformer, inference: window and global tokens",
    12: "Museformer, inference: fine and coarse attention",
    13: "OPT, training: lengths",
    14: "BERT pruned in training: blocks of weights",
}
"""What each figure is about."""

ELEMENT = {"fp32": 4, "fp16": 2, "bf16": 2}
"""Bytes per element by number format [B]."""

OPT_TEXT = 0.4
"""Share of the positions that hold a token in a padded batch of instructions; ours, since no file says."""

SKEW = 1.0
"""Exponent of Zipf's law by which tokens choose experts; ours, since no file says."""


@dataclass(frozen=True)
class DynamicCase:
    """One bar of a figure: a model, a batch, and what is known of its masks.

    Attributes
    ----------
    figure : int
        Of PIT's paper, 8 to 14.
    name : str
        What tells it from the others of the figure, such as ``Switch-base-64, batch 8``.
    model : Transformer
        The sizes.
    batch : Batch
        Sequences, the length that they are padded to, and bytes per element.
    dtype : str
        Number format of the products.
    training : bool
        Whether an iteration trains: the backward pass and the update belong to it.
    lengths : Lengths or None
        How long the sequences are; None where all are as long as the batch says.
    routing : Routing or None
        Tokens of each expert, in every block that has experts.
    pattern : Window or Bars or None
        Who attends to whom; None for all to all.
    weights : Zeros or None
        Zeros of the weights in all products of the blocks.
    activations : Zeros or None
        Zeros of what the second product of a feed-forward network reads.
    drawn : tuple of str
        Which histograms were drawn, and how.
    """

    figure: int
    name: str
    model: Transformer
    batch: Batch
    dtype: str = "fp32"
    training: bool = False
    lengths: Lengths | None = None
    routing: Routing | None = None
    pattern: Pattern | None = None
    weights: Zeros | None = None
    activations: Zeros | None = None
    drawn: tuple[str, ...] = ()


def dynamic_cases(figure: int, *, small: bool = False) -> tuple[DynamicCase, ...]:
    """Return the experiments of a figure.

    Parameters
    ----------
    figure : int
        8 to 14.
    small : bool
        Whether models are cut down to what a CPU runs in seconds; otherwise sizes are the published ones.

    Raises
    ------
    InputError
        For another figure.

    Examples
    --------
    >>> [case.name for case in dynamic_cases(11)]
    ['Longformer-base, 2048 tokens', 'Longformer-base, 4096 tokens', 'Longformer-large, 2048 tokens', \
'Longformer-large, 4096 tokens']
    >>> {case.model.hidden for case in dynamic_cases(14, small=True)}
    {256}
    """
    if figure not in _CASES:
        raise InputError("figure", str(figure), f"one of {', '.join(map(str, _CASES))}")
    return _CASES[figure](small)


def dynamic_operators(case: DynamicCase) -> OperatorList:
    """Return the operators of an experiment; those that a mask reaches carry its statistic.

    - ``zeros`` of products: of the weights in a block, and of what ``feed_forward.down`` reads.
    - ``mask`` of an operator: `Routing` from ``feed_forward.dispatch`` to ``feed_forward.combine``, a `Window` or
      `Bars` of the core of attention, and `Lengths` wherever tokens go.

    The shapes are those of the dense model: padded sequences, every key, and experts that share the tokens evenly. The
    core of attention is one kernel, but for positions that are added to scores.

    Examples
    --------
    >>> listed = dynamic_operators(dynamic_cases(14, small=True)[0])
    >>> next(one for one in listed if one.path == "block.0.feed_forward.up").zeros
    Zeros(height=64, width=32, sparsity=0.5, operand='b', indexed=True)
    """
    fused = case.routing is None  # relative positions are added to scores, which one kernel does not do
    listed = transformer_operators(case.model, case.batch, Share(fused=fused))
    activation = case.model.kinds.activation.value
    return OperatorList(
        tuple(
            replace(one, operators=tuple(_marked(case, op, activation, one) for op in one.operators if _runs(case, op)))
            for one in listed.sections
        )
    )


def with_masks(listed: OperatorList, weights: Zeros | None, lengths: Lengths | None) -> OperatorList:
    """Return an operator list whose blocks have sparse weights, and whose batch has sequences of these lengths.

    Parameters
    ----------
    listed : OperatorList
        Of a transformer.
    weights : Zeros or None
        Zeros of the weights in all products of the blocks.
    lengths : Lengths or None
        How long the sequences are.
    """

    def marked(one: Operator, section: Section) -> Operator:
        zeros = weights if section.path and one.operation is Operation.LINEAR else one.zeros
        tokens = one.operation is not Operation.UPDATE
        return replace(one, zeros=zeros, mask=lengths if tokens and one.mask is None else one.mask)

    return OperatorList(
        tuple(
            replace(section, operators=tuple(marked(one, section) for one in section.operators))
            for section in listed.sections
        )
    )


def _runs(case: DynamicCase, one: Operator) -> bool:
    """Say whether an operator runs: inference has no loss and no update."""
    return case.training or (one.path != "output.softmax" and one.operation is not Operation.UPDATE)


def _marked(case: DynamicCase, one: Operator, activation: str, section: Section) -> Operator:
    """Return an operator with the statistics of an experiment, and with the model's activation."""
    if one.path.endswith(".activation"):
        one = replace(one, kernel=activation)
    if section.path and one.operation is Operation.LINEAR and case.weights is not None:
        one = replace(one, zeros=case.weights)
    if one.path.endswith("feed_forward.down") and case.activations is not None:
        one = replace(one, zeros=case.activations)
    if one.path.startswith(_ROUTED) and case.routing is not None:
        return replace(one, mask=case.routing)
    if one.path == "attention.fused" and section.path and case.pattern is not None:
        return replace(one, mask=case.pattern)
    return one if case.lengths is None or one.operation is Operation.UPDATE else replace(one, mask=case.lengths)


_ROUTED = ("feed_forward.experts.", "feed_forward.dispatch", "feed_forward.combine")

_RELU = Functions(Norm.LAYER, Activation.RELU, Positions.LEARNED)


def _switch(experts: int, *, small: bool) -> Transformer:
    """Return Switch-base: T5-base with experts in every second block (Fedus et al., 2021; google/switch-base-64)."""
    hidden, blocks = (128, 2) if small else (768, 12)
    runs = tuple(Run(1, sparse=bool(block % 2)) for block in range(blocks))
    functions = Functions(Norm.RMS, Activation.RELU, Positions.RELATIVE)
    stack = Transformer(
        "encoder", hidden, blocks, heads=hidden // 64, head_dim=64, causal=False, functions=functions, runs=runs,
        experts=Experts(experts, 1, 4 * hidden), around=Embedding(final_norm=True), source="google/switch-base-64",
    )  # fmt: skip
    words = 1000 if small else 32128
    return replace(stack, name=f"switch-base-{experts}", causal=True, vocabulary=words, encoder=stack)


def _opt(name: str, hidden: int, blocks: int, heads: int, *, words: int = 50272) -> Transformer:
    """Return an OPT (Zhang et al., 2022): learned positions, ReLU, tied output layer."""
    around = Embedding(added=2050 * hidden, final_norm=True)
    return Transformer(
        name, hidden, blocks, heads=heads, biases=ALL_BIASES, vocabulary=words, around=around, functions=_RELU,
        source="arXiv:2205.01068",
    )  # fmt: skip


def _encoder(name: str, hidden: int, blocks: int, heads: int, words: int, positions: int) -> Transformer:
    """Return an encoder of the kind of BERT that gives each token two numbers."""
    functions = Functions(Norm.LAYER, Activation.GELU, Positions.LEARNED, types=True)
    around = Embedding(added=(positions + 2) * hidden, norm=hidden)
    return Transformer(
        name, hidden, blocks, heads=heads, biases=ALL_BIASES, vocabulary=words, outputs=2, causal=False, around=around,
        functions=functions,
    )  # fmt: skip


def _bert(*, small: bool) -> Transformer:
    return _encoder("bert-small", 256, 2, 4, 1000, 512) if small else _encoder("bert-base", 768, 12, 12, 30522, 512)


def _of_experts(small: bool) -> tuple[DynamicCase, ...]:
    made = []
    for dtype in ("fp32",) if small else ("fp32", "fp16"):
        for experts in (8, 16) if small else (64, 128, 256):
            for batch in (4,) if small else (8, 32):
                tokens, model = batch * 128, _switch(experts, small=small)
                spread = Routing(tuple(tokens_of(tokens, experts, SKEW)))
                drawn = (f"routing: {tokens} tokens to {experts} experts by Zipf's law with exponent {SKEW:g}",)
                name = f"Switch-base-{experts}, batch {batch}, {dtype}"
                case = DynamicCase(8, name, model, Batch(128, batch, ELEMENT[dtype]), dtype)
                made.append(replace(case, routing=spread, drawn=drawn))
    return tuple(made)


def _of_lengths(case: DynamicCase, share: float) -> DynamicCase:
    """Return an experiment with drawn lengths that fill a share of the batch."""
    lengths = Lengths.drawn(share, case.batch.sequences, case.batch.sequence)
    return replace(case, lengths=lengths, drawn=(f"lengths: log-normal, {lengths.share:.0%} of the positions",))


def _of_opt(small: bool) -> tuple[DynamicCase, ...]:
    """Return OPT with 95 % zeros behind ReLU: the middle of the 90 to 99 % that PIT's microbenchmarks sweep."""
    models = [_opt("OPT-small", 256, 2, 4, words=1000)] if small else [
        _opt("OPT-13B", 5120, 40, 40), _opt("OPT-30B", 7168, 48, 56),
    ]  # fmt: skip
    batch = Batch(128, 4 if small else 32, 4)
    zeros = Zeros(1, 1, 0.95, "a")
    return tuple(_of_lengths(DynamicCase(9, one.name, one, batch, activations=zeros), OPT_TEXT) for one in models)


def _of_bert(small: bool) -> tuple[DynamicCase, ...]:
    """Return BERT at the shares of positions of the prototype of PIT's sequence packing."""
    model, made = _bert(small=small), []
    for batch in (Batch(128, 8, 4),) if small else (Batch(128, 32, 4), Batch(2048, 4, 4)):
        own = model if batch.sequence <= 512 else replace(model, around=Embedding(added=2050 * 768, norm=768))
        for share in (0.125, 0.25, 0.5, 0.875):
            name = f"BERT, batch {batch.sequences} x {batch.sequence}, {share:.0%} valid"
            made.append(_of_lengths(DynamicCase(10, name, own, batch), share))
    return tuple(made)


def _of_longformer(small: bool) -> tuple[DynamicCase, ...]:
    """Return Longformer with one global token, as where a sequence is classified; it uses the products of all."""
    if small:
        models, tokens, window = [_encoder("Longformer-small", 128, 2, 2, 1000, 4096)], (512, 1024), 128
    else:
        models = [
            _encoder("Longformer-base", 768, 12, 12, 50265, 4096),
            _encoder("Longformer-large", 1024, 24, 16, 50265, 4096),
        ]
        tokens, window = (2048, 4096), 512
    return tuple(
        DynamicCase(11, f"{one.name}, {length} tokens", one, Batch(length, 1, 4), pattern=Window(window, 1))
        for one in models
        for length in tokens
    )


def _of_museformer(small: bool) -> tuple[DynamicCase, ...]:
    """Return Museformer's blocks alone; a summary is the mean of its bar's keys and values."""
    hidden, blocks, heads = (128, 2, 2) if small else (512, 3, 8)
    functions = Functions(Norm.LAYER, Activation.RELU, Positions.LEARNED)
    model = Transformer("Museformer", hidden, blocks, heads=heads, biases=ALL_BIASES, functions=functions)
    tokens = (512, 1024) if small else (1024, 4096, 7168, 15360, 24576, 31744)
    pattern = Bars(32 if small else 64)
    drawn = (f"bars of {pattern.bar} tokens",)
    return tuple(
        DynamicCase(12, f"Museformer, {length} tokens", model, Batch(length, 1, 4), pattern=pattern, drawn=drawn)
        for length in tokens
    )


def _of_training(small: bool) -> tuple[DynamicCase, ...]:
    if small:
        models = [(_opt("OPT-small", 256, 2, 4, words=1000), 4)]
    else:
        middle = _opt("OPT-350M", 1024, 24, 16)
        models = [(_opt("OPT-125M", 768, 12, 12), 8), (middle, 8), (_opt("OPT-1.3B", 2048, 24, 32), 4)]
    return tuple(
        _of_lengths(DynamicCase(13, one.name, one, Batch(128, batch, 4), training=True), OPT_TEXT)
        for one, batch in models
    )


def _of_pruning(small: bool) -> tuple[DynamicCase, ...]:
    """Return BERT with blocks of 32 x 64 or 32 x 1 in weights of outputs x inputs, which as B lie transposed."""
    model, batch = _bert(small=small), Batch(128, 4 if small else 256, 4)
    made = []
    for height, width in ((32, 64), (32, 1)):
        for sparsity in (0.5, 0.9, 0.98) if small else (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98):
            zeros = Zeros(width, height, sparsity)
            name = f"BERT, {sparsity:.0%} zeros in {height}x{width}"
            made.append(DynamicCase(14, name, model, batch, training=True, weights=zeros))
    return tuple(made)


_CASES: Mapping[int, Callable[[bool], tuple[DynamicCase, ...]]] = {
    8: _of_experts, 9: _of_opt, 10: _of_bert, 11: _of_longformer, 12: _of_museformer, 13: _of_training,
    14: _of_pruning,
}  # fmt: skip
