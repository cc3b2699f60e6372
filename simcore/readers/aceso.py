"""The operators of Aceso's table, as operators of simcore: what each of them runs forward and backward.

Shapes come from simcore's own operator lists, `transformer_operators` and `layered_operators`, and backward passes from
`passes`. This module says which of those operators a row of the table covers, and what Megatron-LM's code does
around them that the lists do not have: copies of tensors that change their layout, sums of bias gradients, and the
table's two ways of cutting a product.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from simcore.errors import InputError, unknown_name
from simcore.models.compute.compute_model import KernelCall
from simcore.models.compute.device import DTYPES
from simcore.models.network.collectives import Collective
from simcore.models.training.architecture import Batch, Embedding, Transformer
from simcore.models.training.layered import layered_operators
from simcore.models.training.layered_model import LayeredModel, LayerEntry, LayerKind
from simcore.models.training.operators import Operator, passes
from simcore.models.training.transformer import transformer_operators

FIRST = "encoder-embedding"
"""The first operator of a model, whose times hold warm-up effects: no fit sees it."""

IMAGE = 224
"""Height and width of the images."""

EXPANSION = 4
"""Channels of a bottleneck block's output over those of its inside (He et al., arXiv:1512.03385)."""


@dataclass(frozen=True)
class TransformerSizes:
    """Sizes of a model of the table: one block of GPT, or one of an encoder and a decoder of T5.

    Attributes
    ----------
    hidden, heads, head_dim, feed_forward : int
        As `Transformer` has them.
    vocabulary : int
        Rows of the table of tokens, padded.
    sequence : int
        Tokens of a sequence, of an encoder where there is one.
    decoder_sequence : int or None
        Tokens of a decoder's sequence; None without a decoder.
    """

    hidden: int
    heads: int
    head_dim: int
    feed_forward: int
    vocabulary: int
    sequence: int
    decoder_sequence: int | None = None


@dataclass(frozen=True)
class ConvolutionalSizes:
    """Sizes of a Wide-ResNet of the table.

    Attributes
    ----------
    blocks : tuple of int
        Bottleneck blocks of each stage.
    channels : int
        Channels of the first convolution.
    widening : int
        Channels of a 3 x 3 convolution's output over those of its input.
    """

    blocks: tuple[int, ...]
    channels: int
    widening: int


@dataclass(frozen=True)
class Setting:
    """What a row of the table was timed with.

    Attributes
    ----------
    sizes : TransformerSizes or ConvolutionalSizes
        Of the model.
    dtype : str
        Number format.
    batch : int
        Sequences or images of a micro-batch.
    tp : int
        Degree of tensor parallelism.
    rows : bool
        Whether ``tp_algo`` is 1: products that have the choice are cut along their inputs in place of their outputs.
    """

    sizes: TransformerSizes | ConvolutionalSizes
    dtype: str
    batch: int
    tp: int
    rows: bool

    @property
    def element(self) -> int:
        """Bytes per element [B]."""
        return DTYPES[self.dtype]


Collectives = tuple[tuple[Collective, float], ...]


@dataclass(frozen=True)
class Described:
    """What an operator of the table runs.

    Attributes
    ----------
    kind : str
        See `simcore.models.compute.operator_time.OperatorTime`.
    forward, backward : tuple of KernelCall
        Kernels of the two passes.
    after_forward, after_backward : tuple of (Collective, float)
        Collectives that follow them.
    weights : float or None
        Weights that it owns [B], as the table counts them; None where nobody checks them.
    """

    kind: str
    forward: tuple[KernelCall, ...]
    backward: tuple[KernelCall, ...]
    after_forward: Collectives = ()
    after_backward: Collectives = ()
    weights: float | None = None


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
    made = _transformer if isinstance(setting.sizes, TransformerSizes) else _convolutional
    described = made(op, setting, place)
    return replace(
        described, forward=_in(described.forward, setting.dtype), backward=_in(described.backward, setting.dtype)
    )


def _in(calls: Sequence[KernelCall], dtype: str) -> tuple[KernelCall, ...]:
    return tuple(call if call.dtype else replace(call, dtype=dtype) for call in calls)


# transformers


@lru_cache(maxsize=256)
def _transformer_list(setting: Setting) -> Mapping[str, Operator]:
    """Return the operators of a model by path."""
    sizes = setting.sizes
    assert isinstance(sizes, TransformerSizes)
    decoding = sizes.decoder_sequence is not None
    model = Transformer(
        "model", sizes.hidden, 1, sizes.heads, feed_forward=sizes.feed_forward, head_dim=sizes.head_dim, dropout=0.1,
        vocabulary=sizes.vocabulary, around=Embedding(final_norm=True), sequence=sizes.sequence,
    )  # fmt: skip
    if decoding:
        model = replace(model, sequence=sizes.decoder_sequence, encoder=model)
    batch = Batch(model.sequence or 0, setting.batch, setting.element)
    return {one.path: one for one in transformer_operators(model, batch, setting.tp)}


def _transformer(op: str, setting: Setting, place: str) -> Described:
    listed = _Listed(setting)
    name = op.removeprefix("enc-").removeprefix("dec-")
    second, decoder = op.endswith("-2") and "GEMM" not in op, op.startswith("dec")
    if not op.startswith("dec") or "GEMM" in op or "attention" in op:
        name = name if "GEMM" in op else re.sub(r"-[12]$", "", name)
    if (decoder and not listed.decoding) or (name not in _TRANSFORMER and op not in _TRANSFORMER):
        raise unknown_name(f"{place}, column 'op'", op, [f"enc-{one}" for one in _TRANSFORMER])
    block = "block.0." if decoder or not listed.decoding else "encoder.block.0."
    around = "" if decoder or not listed.decoding or op.startswith("t5") else "encoder."
    attention = f"{block}{'cross_attention' if second else 'attention'}"
    where = _Where(block, around, attention, decoder)
    return _TRANSFORMER[op if op in _TRANSFORMER else name](listed, where)


@dataclass(frozen=True)
class _Where:
    """Paths of the block, of what stands around it, and of the attention that an operator belongs to."""

    block: str
    around: str
    attention: str
    decoder: bool


class _Listed:
    """The operators of one setting, and what is not in the list."""

    def __init__(self, setting: Setting) -> None:
        assert isinstance(setting.sizes, TransformerSizes)
        self.setting, self.sizes, self.e = setting, setting.sizes, setting.element
        self.decoding = setting.sizes.decoder_sequence is not None
        self.operators = _transformer_list(replace(setting, rows=False))

    def one(self, path: str) -> Operator:
        return self.operators[path]

    def forward(self, *paths: str) -> tuple[KernelCall, ...]:
        return tuple(call for path in paths for call in passes(self.one(path)).forward)

    def backward(self, *paths: str) -> tuple[KernelCall, ...]:
        return tuple(call for path in paths for call in _backward(self.one(path)))

    def tokens(self, decoder: bool) -> int:
        sequence = self.sizes.decoder_sequence if decoder and self.decoding else self.sizes.sequence
        return self.setting.batch * (sequence or 0)


def _backward(one: Operator) -> tuple[KernelCall, ...]:
    made = passes(one)
    return (*made.input_gradient, *made.weight_gradient)


def _moved(moved: float, kernel: str = "copy", dtype: str | None = None) -> KernelCall:
    return KernelCall(kernel, (("bytes", moved),), dtype=dtype)


def _after(one: Operator) -> tuple[Collectives, Collectives]:
    """Return the sums that follow a product: what a list of sequence parallelism gathers is not in the table."""
    pair = [one.after_forward, one.after_input_gradient]
    sums = [((each.collective, each.size),) if each and each.collective is Collective.ALL_REDUCE else ()
            for each in pair]  # fmt: skip
    return sums[0], sums[1]


def _norm(listed: _Listed, where: _Where) -> Described:
    """Return a norm; going back, the gradient that went past its sublayer is added here."""
    path = f"{where.block}feed_forward"
    return Described(
        "norm", listed.forward(f"{path}.norm"), listed.backward(f"{path}.norm", f"{path}.residual"), weights=0
    )


def _final_norm(listed: _Listed, where: _Where) -> Described:
    """Return the last norm, which turns batch and sequence around first; for one sequence that moves nothing."""
    one = listed.one(f"{where.around}output.norm")
    turned = () if listed.setting.batch == 1 else (_moved(one.size("bytes")),)
    kind = "final norm, one sequence" if listed.setting.batch == 1 else "final norm"
    return Described(kind, (*turned, *passes(one).forward), (*_backward(one), *turned), weights=0)


def _qkv(listed: _Listed, where: _Where) -> Described:
    """Return one product for what the list has apart, its bias, and copies of its parts; cut by columns or by rows."""
    q, k, v = (listed.one(f"{where.attention}.{name}") for name in ("query", "key", "value"))
    together = [_joined([q, k, v])] if q.size("m") == k.size("m") else [q, _joined([k, v])]
    rows, tp = listed.setting.rows and listed.setting.tp > 1, listed.setting.tp
    if rows:
        together = [_by_rows(one, tp) for one in together]
    whole = sum(one.output for one in together)
    around = (_moved(2 * whole, "add"), _moved(2 * whole))
    sums = tuple(pair for one in (q, k) for pair in _after(one)[1])
    after = ((Collective.ALL_REDUCE, whole),)
    return Described(
        "qkv" if len(together) == 1 else "q and kv",
        (*(call for one in together for call in passes(one).forward), *around),
        (_moved(2 * whole), _moved(whole), *(call for one in together for call in _backward(one))),
        after if rows else (), () if rows else sums, q.weights + k.weights + v.weights,
    )  # fmt: skip


def _joined(products: Sequence[Operator]) -> Operator:
    """Return products of one input as one: their columns stand side by side."""
    first = products[0]
    columns = sum(one.size("n") for one in products)
    return replace(first, shape=(("m", first.size("m")), ("n", columns), ("k", first.size("k")), ("batch", 1)),
                   work=sum(one.work for one in products), output=sum(one.output for one in products))  # fmt: skip


def _by_rows(one: Operator, tp: int) -> Operator:
    """Return a product that was cut by columns as one that is cut by rows."""
    sizes = dict(one.shape)
    shape = (("m", sizes["m"]), ("n", sizes["n"] * tp), ("k", sizes["k"] / tp), ("batch", 1))
    return replace(one, shape=shape, output=one.output * tp)


def _product(path: str) -> Callable[[_Listed, _Where], Described]:
    def described(listed: _Listed, where: _Where) -> Described:
        one = listed.one(
            f"{where.attention if path == 'output' else where.block}{'.' if path == 'output' else ''}{path}"
        )
        return Described("product", passes(one).forward, _backward(one), *_after(one), weights=one.weights)

    return described


def _scores(listed: _Listed, where: _Where) -> Described:
    path = f"{where.attention}.scores"
    return Described("scores", listed.forward(path), listed.backward(path), weights=0)


def _softmax(listed: _Listed, where: _Where) -> Described:
    """Return a softmax; a causal one reads half of its rows, and writes them whole."""
    one = listed.one(f"{where.attention}.softmax")
    causal = not listed.decoding or (where.decoder and not where.attention.endswith("cross_attention"))
    if causal:
        moved, width = one.size("bytes"), one.size("width")
        one = replace(one, shape=(("bytes", moved * 3 / 4), ("width", width / 2)))
    return Described("causal softmax" if causal else "softmax", passes(one).forward, _backward(one), weights=0)


def _scores_dropout(listed: _Listed, where: _Where) -> Described:
    path = f"{where.attention}.scores_dropout"
    return Described("dropout", listed.forward(path), listed.backward(path), weights=0)


def _context(listed: _Listed, where: _Where) -> Described:
    """Return a product, whose heads are copied side by side for each token."""
    one = listed.one(f"{where.attention}.context")
    return Described("context", (*passes(one).forward, _moved(2 * one.output)), _backward(one), weights=0)


def _after_product(listed: _Listed, where: _Where) -> Described:
    """Return bias, dropout and residual; going back, the bias's gradient is a sum over tokens."""
    path = f"{where.block}feed_forward"
    moved = listed.one(f"{path}.residual").output
    return Described(
        "bias, dropout, add",
        (_moved(2 * moved, "add"), *listed.forward(f"{path}.dropout", f"{path}.residual")),
        (*listed.backward(f"{path}.dropout"), _moved(moved)),
        weights=0,
    )


def _gelu(listed: _Listed, where: _Where) -> Described:
    """Return bias and GELU in one kernel; going back, the bias's gradient is a sum over tokens."""
    one = listed.one(f"{where.block}feed_forward.activation")
    return Described("gelu", passes(one).forward, (*_backward(one), _moved(one.output)), weights=0)


def _loss(listed: _Listed, where: _Where) -> Described:
    """Return the output layer, and the cross entropy of its logits in fp32."""
    one = listed.one("output.product")
    logits = one.output / listed.e
    raised = (_moved(6 * logits, dtype="fp32"),)
    loss = _moved(8 * logits, "cross_entropy", "fp32")
    back = _moved(8 * logits, "cross_entropy_backward", "fp32")
    tokens = listed.tokens(decoder=True)
    sums = ((Collective.ALL_REDUCE, 4.0 * tokens),) * 3
    bias = (_moved(2 * one.output, "add"),) if listed.decoding else ()
    biased = (_moved(one.output),) if listed.decoding else ()
    _, after = _after(one)
    weights = listed.e * listed.sizes.vocabulary * listed.sizes.hidden / listed.setting.tp
    return Described(
        "t5 loss" if listed.decoding else "gpt loss",
        (*passes(one).forward, *bias, *raised, loss),
        (back, *raised, *biased, *_backward(one)),
        sums, after, weights,
    )  # fmt: skip


def _embedding(listed: _Listed, where: _Where) -> Described:
    """Return look-up, positions, dropout, and the change of layout.

    A decoder's hands the encoder's output on, and its gradient with it, which is a view. A table that is cut masks the
    tokens of other GPUs, which the host launches.
    """
    paths = [f"{where.around}embedding.{name}" for name in ("tokens", "positions", "dropout")]
    tokens = listed.one(paths[0])
    handed = listed.e * listed.tokens(decoder=False) * listed.sizes.hidden if where.decoder else 0.0
    turned = () if listed.setting.batch == 1 else (_moved(2 * tokens.output + 2 * handed),)
    kind = f"{'decoder embedding' if where.decoder else 'embedding'}{'' if listed.setting.tp == 1 else ', cut'}"
    back = () if where.decoder else listed.backward(*reversed(paths))
    return Described(kind, (*listed.forward(*paths), *turned), back, _after(tokens)[0])


_TRANSFORMER: Mapping[str, Callable[[_Listed, _Where], Described]] = {
    "encoder-embedding": _embedding,
    "decoder-embedding": _embedding,
    "1st-layernorm": _norm,
    "2nd-layernorm": _norm,
    "3rd-layernorm": _norm,
    "final-layernorm": _final_norm,
    "attention-qkv": _qkv,
    "attention-score": _scores,
    "attention-softmax": _softmax,
    "attention-dropout": _scores_dropout,
    "attention-context": _context,
    "attention-dense": _product("output"),
    "post-attention-dropout": _after_product,
    "post-MLP-dropout": _after_product,
    "MLP-GEMM-1": _product("feed_forward.up"),
    "MLP-gelu": _gelu,
    "MLP-GEMM-2": _product("feed_forward.down"),
    "gpt-post-process": _loss,
    "t5-post-process": _loss,
}


# Wide-ResNet


@lru_cache(maxsize=256)
def _convolutional_list(setting: Setting) -> Mapping[str, Operator]:
    sizes = setting.sizes
    assert isinstance(sizes, ConvolutionalSizes)
    model = LayeredModel("wide-resnet", 3, IMAGE, IMAGE, tuple(_layers(sizes)))
    batch = Batch(1, setting.batch, setting.element)
    return {one.path: one for one in layered_operators(model, batch)}


def _conv_entry(name: str, out: int, kernel: int, stride: int, source: str = "") -> LayerEntry:
    sizes = {"out": out, "kernel": kernel, "stride": stride, "padding": kernel // 2}
    return LayerEntry(LayerKind.CONV, name, sizes, source)


def _layers(sizes: ConvolutionalSizes) -> Sequence[LayerEntry]:
    """Return the layers of a Wide-ResNet with the table's names."""
    made = [
        _conv_entry("conv1", sizes.channels, 7, 2),
        LayerEntry(LayerKind.BATCH_NORM, "bn1"),
        LayerEntry(LayerKind.RELU, "relu1"),
        LayerEntry(LayerKind.MAX_POOL, "maxpool", {"kernel": 3, "stride": 2, "padding": 1}),
    ]
    for stage, blocks in enumerate(sizes.blocks):
        for block in range(blocks):
            first = block == 0
            made += _block(f"block-{stage}-{block}", sizes, sizes.channels << stage, made[-1].name,
                           2 if first and stage else 1, first)  # fmt: skip
    return [*made, LayerEntry(LayerKind.GLOBAL_POOL, "avgpool"),
            LayerEntry(LayerKind.LINEAR, "fc", {"out": 1024, "bias": 1})]  # fmt: skip


def _block(name: str, sizes: ConvolutionalSizes, width: int, given: str, stride: int, first: bool) -> list[LayerEntry]:
    """Return one bottleneck block; the first of a stage has a convolution beside it."""
    inside = [
        _conv_entry(f"{name}-conv1", width, 1, 1),
        LayerEntry(LayerKind.BATCH_NORM, f"{name}-bn1"),
        _conv_entry(f"{name}-conv2", width * sizes.widening, 3, stride),
        LayerEntry(LayerKind.BATCH_NORM, f"{name}-bn2"),
        _conv_entry(f"{name}-conv3", width * EXPANSION, 1, 1),
        LayerEntry(LayerKind.BATCH_NORM, f"{name}-bn3"),
    ]
    beside = [
        _conv_entry(f"{name}-downsample", width * EXPANSION, 1, stride, given),
        LayerEntry(LayerKind.BATCH_NORM, f"{name}-downsample-bn"),
    ]
    added = LayerEntry(LayerKind.ADD, f"{name}-add", other=f"{name}-bn3" if first else given)
    return [*inside, *(beside if first else []), added, LayerEntry(LayerKind.RELU, f"{name}-relu")]


def _convolutional(op: str, setting: Setting, place: str) -> Described:
    listed = _convolutional_list(replace(setting, rows=False, tp=1))
    added = listed.get(op.replace("downsample", "add"))
    one = listed.get(op, added)
    if one is None or op.endswith(("-add", "-bn")):
        raise unknown_name(f"{place}, column 'op'", op, [path for path in listed if path != "optimizer.update"])
    kind = re.sub(r"^block-\d+-\d+-|\d+$", "", op)
    if one.kernel == "conv":
        return _convolution(one, op, listed, setting, place)
    if op.endswith("downsample"):
        return Described("add", passes(one).forward, (), weights=0)
    if op == "fc":
        bias = _moved(2 * one.output, "add")
        return Described("fc", (*passes(one).forward, bias), (*_backward(one), _moved(one.output)),
                         weights=one.weights + one.vectors)  # fmt: skip
    return Described(kind, passes(one).forward, _backward(one), weights=one.vectors)


def _convolution(one: Operator, op: str, listed: Mapping[str, Operator], setting: Setting, place: str) -> Described:
    """Return a convolution on one GPU of a group, and what a block does beside it: batch norm and sum, or one back."""
    beside_forward: tuple[KernelCall, ...] = ()
    beside_backward: tuple[KernelCall, ...] = ()
    if op.endswith("downsample"):
        norm, added = listed[f"{op}-bn"], listed[op.replace("downsample", "add")]
        beside_forward, beside_backward = (*passes(norm).forward, *passes(added).forward), _backward(norm)
    shape, e = dict(one.shape), setting.element
    read = e * shape["batch"] * shape["in_channels"] * shape["height"] * shape["width"]
    if op.endswith("-conv1"):
        beside_backward = (_moved(3 * read, "add"),)
    one = replace(one, input_gradient=True)
    if setting.tp == 1:
        return Described("conv", (*passes(one).forward, *beside_forward), (*beside_backward, *_backward(one)),
                         weights=one.weights)  # fmt: skip
    rows = setting.rows and op != "conv1"
    cut = "in_channels" if rows else "out_channels"
    if shape[cut] % setting.tp:
        raise InputError(f"{place}, column 'tp'", str(setting.tp), f"a divisor of the {shape[cut]} {cut}")
    part = replace(one, shape=tuple((name, size // setting.tp if name == cut else size) for name, size in one.shape))
    tp, written = setting.tp, one.output
    before, after = (read, written) if rows else (written, read)
    split, gathered = (_moved(2 * before / tp),), (_moved(4 * before),)
    gather, total = ((Collective.ALL_GATHER, before / tp),), ((Collective.ALL_REDUCE, float(after)),)
    forward = (*split, *passes(part).forward) if rows else (*passes(part).forward, *gathered)
    backward = (*_backward(part), *gathered) if rows else (*split, *_backward(part))
    return Described(
        "conv", (*forward, *beside_forward), (*beside_backward, *backward),
        total if rows else gather, gather if rows else total, one.weights / tp,
    )  # fmt: skip
