"""Operators of GPT and T5 in Aceso's table, as operators of simcore's transformers."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from simcore.errors import unknown_name
from simcore.models.compute.compute_model import KernelCall
from simcore.models.network.collectives import Collective
from simcore.models.training.architecture import Batch, Embedding, Share, Transformer
from simcore.models.training.operators import Operator
from simcore.models.training.passes import passes
from simcore.models.training.transformer import transformer_operators
from simcore.readers.aceso_sizes import Collectives, Described, Setting, TransformerSizes, backward_of, moving


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
    return {one.path: one for one in transformer_operators(model, batch, Share(setting.tp))}


def describe_transformer(op: str, setting: Setting, place: str) -> Described:
    """Return what an operator of GPT or T5 runs."""
    listed = _Listed(setting)
    name = op.removeprefix("enc-").removeprefix("dec-")
    second, decoder = op.endswith("-2") and "GEMM" not in op, op.startswith("dec")
    if not op.startswith("dec") or "GEMM" in op or "attention" in op:
        name = name if "GEMM" in op else re.sub(r"-[12]$", "", name)
    if (decoder and not listed.decoding) or (name not in _TRANSFORMER and op not in _TRANSFORMER):
        raise unknown_name(f"{place}, column 'op'", op, _names(listed.decoding))
    block = "block.0." if decoder or not listed.decoding else "encoder.block.0."
    around = "" if decoder or not listed.decoding or op.startswith("t5") else "encoder."
    attention = f"{block}{'cross_attention' if second else 'attention'}"
    where = _Where(block, around, attention, decoder)
    return _TRANSFORMER[op if op in _TRANSFORMER else name](listed, where)


def _names(decoding: bool) -> list[str]:
    """Return the operators of a model as the table has them; with a decoder's, whose attentions are numbered."""
    around = [one for one in _TRANSFORMER if one.endswith(("embedding", "post-process"))]
    blocks = [one for one in _TRANSFORMER if one not in around]
    around = [one for one in around if not one.startswith("gpt" if decoding else ("decoder", "t5"))]
    if not decoding:
        return [f"enc-{one}" for one in blocks if one != "final-layernorm"] + ["final-layernorm", *around]
    numbered = [f"{one}-{at}" for one in blocks if "attention" in one for at in (1, 2)]
    others = [one for one in blocks if "attention" not in one]
    return [*(f"enc-{one}" for one in blocks), *(f"dec-{one}" for one in (*others, *numbered)), *around]


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
        return tuple(call for path in paths for call in backward_of(self.one(path)))

    def tokens(self, decoder: bool) -> int:
        sequence = self.sizes.decoder_sequence if decoder and self.decoding else self.sizes.sequence
        return self.setting.batch * (sequence or 0)


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
    turned = () if listed.setting.batch == 1 else (moving(one.size("bytes")),)
    kind = "final norm, one sequence" if listed.setting.batch == 1 else "final norm"
    return Described(kind, (*turned, *passes(one).forward), (*backward_of(one), *turned), weights=0)


def _qkv(listed: _Listed, where: _Where) -> Described:
    """Return one product for what the list has apart, its bias, and copies of its parts; cut by columns or by rows."""
    q, k, v = (listed.one(f"{where.attention}.{name}") for name in ("query", "key", "value"))
    together = [_joined([q, k, v])] if q.size("m") == k.size("m") else [q, _joined([k, v])]
    rows, tp = listed.setting.rows and listed.setting.tp > 1, listed.setting.tp
    if rows:
        together = [_by_rows(one, tp) for one in together]
    whole = sum(one.output for one in together)
    around = (moving(2 * whole, "add"), moving(2 * whole))
    sums = tuple(pair for one in (q, k) for pair in _after(one)[1])
    after = ((Collective.ALL_REDUCE, whole),)
    return Described(
        "qkv" if len(together) == 1 else "q and kv",
        (*(call for one in together for call in passes(one).forward), *around),
        (moving(2 * whole), moving(whole), *(call for one in together for call in backward_of(one))),
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
        return Described("product", passes(one).forward, backward_of(one), *_after(one), weights=one.weights)

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
    return Described("causal softmax" if causal else "softmax", passes(one).forward, backward_of(one), weights=0)


def _scores_dropout(listed: _Listed, where: _Where) -> Described:
    path = f"{where.attention}.scores_dropout"
    return Described("dropout", listed.forward(path), listed.backward(path), weights=0)


def _context(listed: _Listed, where: _Where) -> Described:
    """Return a product, whose heads are copied side by side for each token."""
    one = listed.one(f"{where.attention}.context")
    return Described("context", (*passes(one).forward, moving(2 * one.output)), backward_of(one), weights=0)


def _after_product(listed: _Listed, where: _Where) -> Described:
    """Return bias, dropout and residual; going back, the bias's gradient is a sum over tokens."""
    path = f"{where.block}feed_forward"
    moved = listed.one(f"{path}.residual").output
    return Described(
        "bias, dropout, add",
        (moving(2 * moved, "add"), *listed.forward(f"{path}.dropout", f"{path}.residual")),
        (*listed.backward(f"{path}.dropout"), moving(moved)),
        weights=0,
    )


def _gelu(listed: _Listed, where: _Where) -> Described:
    """Return bias and GELU in one kernel; going back, the bias's gradient is a sum over tokens."""
    one = listed.one(f"{where.block}feed_forward.activation")
    return Described("gelu", passes(one).forward, (*backward_of(one), moving(one.output)), weights=0)


def _loss(listed: _Listed, where: _Where) -> Described:
    """Return the output layer, and the cross entropy of its logits in fp32."""
    one = listed.one("output.product")
    logits = one.output / listed.e
    raised = (moving(6 * logits, dtype="fp32"),)
    loss = moving(8 * logits, "cross_entropy", "fp32")
    back = moving(8 * logits, "cross_entropy_backward", "fp32")
    tokens = listed.tokens(decoder=True)
    sums = ((Collective.ALL_REDUCE, 4.0 * tokens),) * 3
    bias = (moving(2 * one.output, "add"),) if listed.decoding else ()
    biased = (moving(one.output),) if listed.decoding else ()
    _, after = _after(one)
    weights = listed.e * listed.sizes.vocabulary * listed.sizes.hidden / listed.setting.tp
    return Described(
        "t5 loss" if listed.decoding else "gpt loss",
        (*passes(one).forward, *bias, *raised, loss),
        (back, *raised, *biased, *backward_of(one)),
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
    turned = () if listed.setting.batch == 1 else (moving(2 * tokens.output + 2 * handed),)
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
