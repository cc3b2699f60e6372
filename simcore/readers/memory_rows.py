"""Measured memory of training iterations, one per row: the arguments of Megatron-LM's functional tests, or sizes.

A row becomes a model and a layout, or a reason why it cannot. What it does not say is not guessed, but for the
constants below. Columns of arguments are called as Megatron-LM calls them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from simcore.models.training.architecture import ALL_BIASES, Biases, Embedding, Experts, Projection, Run, Transformer
from simcore.models.training.functions import Activation, Functions, Norm, Positions
from simcore.models.training.parallel.layout import NUMBER_FORMATS, Layout, Recompute
from simcore.models.training.parallel.memory import FRAGMENTED, LOGITS, RankMemory, memory_of
from simcore.numerals import MOST_DIGITS

GPUS = 8
"""GPUs of a functional test, which no row names: one node of eight, or two of four. Assumed."""

GPUS_OF_NODE = {"gb200": 4}
"""GPUs of a node by platform, where they are not `GPUS`; a test whose name ends in ``1node`` has one node."""

VOCABULARIES = {
    "": 50257, "GPTSentencePieceTokenizer": 256000, "Llama2Tokenizer": 32000, "BertWordPieceCase": 28996,
}  # fmt: skip
"""Tokens by tokenizer; without one it is GPT-2's table of byte pairs."""

BERT = 28996
"""Tokens of the cased BERT."""

PADDED = 128
"""Megatron-LM pads a vocabulary to a multiple of this, times the degree of tensor parallelism."""

DROPOUT = 0.1
"""Megatron-LM's default, which the small tests keep; models of 4,096 and wider set it to 0. Assumed."""

WIDE = 4096
"""Hidden size from which on models are trained without dropout."""

FP16 = replace(NUMBER_FORMATS["fp16"], gradient=2, optimizer=16)
"""Megatron-LM's fp16: gradients are summed in fp16, and copied to fp32 for the update: 20 B per parameter."""

OLDER = "dracooci"
"""Goldens whose name has this are of older tests, whose attention was not fused; their rows have newer arguments."""

CUBLAS = 32 * 2**20
"""Workspace of a cuBLAS handle on Hopper, and on every GPU where results are to be repeatable [B]."""

CUBLAS_OTHERS = 8.125 * 2**20
"""That of other GPUs otherwise [B]."""

ENGINE_AMPERE = 4 * 2**20
"""Workspace of Transformer Engine on Ampere [B]; on Hopper it is as large as cuBLAS's."""

OTHER_LOSS = ("cross_entropy_loss_fusion", "defer_embedding_wgrad_compute")
"""Tests whose loss is fused, or whose output layer's weight gradient waits: no argument in the rows says so."""

MORE_OF_LOGITS = 4
"""Bytes of a logit that these hold beside the others [B]; from the difference of tests that are equal besides."""

STREAMS = 4
"""Streams on which Transformer Engine runs products of experts that are grouped, each with a workspace of its own."""


@dataclass(frozen=True)
class Expressed:
    """What a row describes.

    Attributes
    ----------
    model : Transformer
        The sizes.
    sequence : int
        Tokens of a sequence.
    layout : Layout
        How the iteration was spread.
    rank : int or None
        Pipeline rank whose memory was measured; None for the one with the most.
    workspace : float or None
        What libraries of matrix products hold, in place of the model's own number [B].
    kept : float
        Activations that the software of the source keeps beside those of the model [B].
    constant : float
        What else it holds beside the model [B].
    loss : float
        What the loss holds, over what the model says of it.
    reserved : bool
        Whether it is what torch's allocator took of the device that was measured.
    """

    model: Transformer
    sequence: int
    layout: Layout
    rank: int | None
    workspace: float | None = None
    kept: float = 0.0
    constant: float = 0.0
    loss: float = 1.0
    reserved: bool = False

    def predicted(self) -> tuple[float, float]:
        """Return the peak that the model says, and what the same rank holds between iterations [B]."""
        ranks = memory_of(self.model, self.sequence, self.layout)
        worst = max(ranks, key=self._peak) if self.rank is None else ranks[self.rank]
        return self._peak(worst), worst.state + self._workspace(worst) + self.constant

    def _peak(self, memory: RankMemory) -> float:
        passing = memory.kinds["activations"] + memory.kinds["communication"] + self._workspace(memory) + self.kept
        passing += max(self.loss * memory.loss, memory.block)
        return memory.state + passing * (1 + FRAGMENTED * self.reserved) + self.constant

    def _workspace(self, memory: RankMemory) -> float:
        return memory.kinds["workspace"] if self.workspace is None else self.workspace


class Unexpressed(Exception):
    """Says why a row is not expressed."""


Row = Mapping[str, str]

OF_TESTS = (
    "source", "test", "golden", "platform", "tensor-model-parallel-size", "pipeline-model-parallel-size",
    "num-layers-per-virtual-pipeline-stage", "num-virtual-stages-per-pipeline-rank", "context-parallel-size",
    "expert-model-parallel-size", "expert-tensor-parallel-size", "sequence-parallel", "use-distributed-optimizer",
    "use-megatron-fsdp", "num-layers", "hidden-size", "ffn-hidden-size", "num-attention-heads", "num-query-groups",
    "group-query-attention", "kv-channels", "seq-length", "max-position-embeddings", "micro-batch-size",
    "global-batch-size", "fp16", "fp8-format", "recompute-granularity", "num-experts", "moe-router-topk",
    "moe-ffn-hidden-size", "moe-layer-freq", "moe-grouped-gemm", "multi-latent-attention", "swiglu", "transformer-impl",
    "attention-backend", "untie-embeddings-and-output-weights", "disable-bias-linear", "tokenizer-type",
    "make-vocab-size-divisible-by", "optimizer", "deterministic-mode",
)  # fmt: skip
"""Columns of Megatron-LM's tests that are needed."""

REFUSED = (
    ("grpo", "reinforcement learning holds a second engine for inference"),
    ("hybrid", "layers of Mamba"),
    ("nemotron", "layers of Mamba"),
    ("mimo", "images beside text"),
    ("llava", "images beside text"),
    ("distill", "distillation holds a teacher"),
    ("mtp", "prediction of several tokens"),
    ("offload", "activations are moved to the CPU"),
    ("uneven_pipeline", "stages are uneven, and the row does not say how"),
    ("account_for_embedding", "stages are uneven, and the row does not say how"),
)  # fmt: skip
"""What the name of a test says of it that no argument does."""


def expressed(row: Row) -> Expressed:
    """Return what a row of Megatron-LM's functional tests describes.

    Raises
    ------
    Unexpressed
        Saying why it cannot be.
    """
    for word, reason in REFUSED:
        if word in row["test"]:
            raise Unexpressed(reason)
    for column, value, reason in (
        ("multi-latent-attention", "True", "sizes of latent attention are not in the row"),
        ("use-megatron-fsdp", "True", "Megatron-FSDP"),
        ("optimizer", "muon", "the optimizer Muon"),
    ):
        if row[column] == value:
            raise Unexpressed(reason)
    if row["fp8-format"]:
        raise Unexpressed("weights in fp8")
    if "release" in row["test"] and row["use-distributed-optimizer"]:
        raise Unexpressed("a release test has more GPUs than one node, and the row does not say how many")
    if not row["num-layers"] or not row["hidden-size"]:
        raise Unexpressed("the number of layers is not in the row")
    model = _model(row)
    layout = _layout(row, model)
    sequence = whole(row, "seq-length")
    return Expressed(model, sequence, layout, -1, _workspace(row, layout), loss=_loss(row))


def _loss(row: Row) -> float:
    """Return what the loss holds over what the model says, where a test's name says that it is another one."""
    other = any(word in row["test"] for word in OTHER_LOSS)
    return 1 + MORE_OF_LOGITS / LOGITS if other else 1.0


def _model(row: Row) -> Transformer:
    hidden, tp = whole(row, "hidden-size"), whole(row, "tensor-model-parallel-size", 1)
    bert = row["test"].startswith("bert/")
    vocabulary = BERT if bert else VOCABULARIES.get(row["tokenizer-type"])
    if vocabulary is None:
        raise Unexpressed("the vocabulary is not in the row")
    pad = whole(row, "make-vocab-size-divisible-by", PADDED) * tp
    rows = -(-vocabulary // pad) * pad
    rotary = "rope" in row["test"] or hidden >= WIDE
    heads = whole(row, "num-attention-heads")
    bare = row["disable-bias-linear"] == "True"
    places = 0 if rotary else whole(row, "max-position-embeddings") * hidden
    return Transformer(
        row["test"], hidden, whole(row, "num-layers"), heads,
        kv_heads=whole(row, "num-query-groups") if row["group-query-attention"] == "True" else None,
        feed_forward=_inner(row, hidden),
        gated=row["swiglu"] == "True",
        biases=Biases(norms=True) if bare else ALL_BIASES,
        vocabulary=rows,
        outputs=rows if row["untie-embeddings-and-output-weights"] == "True" else None,
        dropout=0.0 if hidden >= WIDE else DROPOUT,
        head_dim=whole(row, "kv-channels") if row["kv-channels"] else None,
        causal=not bert,
        experts=_experts(row, hidden),
        runs=_runs(row),
        around=Embedding(
            added=places + (2 * hidden if bert else 0), final_norm=True, back=_bert_heads(hidden) if bert else ()
        ),
        functions=Functions(
            Norm.LAYER, Activation.SILU if row["swiglu"] == "True" else Activation.GELU,
            Positions.ROTARY if rotary else Positions.LEARNED,
        ),
    )  # fmt: skip


def _bert_heads(hidden: int) -> tuple[Projection, ...]:
    """Return what BERT has before its output layer: a pooler with a classifier of sentence pairs, and a transform."""
    return (
        Projection("pooler", hidden, hidden, bias=True, per_token=0.0),
        Projection("pairs", hidden, 2, bias=True, per_token=0.0),
        Projection("transform", hidden, hidden, bias=True, norm=True),
    )


def _inner(row: Row, hidden: int) -> int:
    """Return the inner width; with a gate Megatron-LM takes two thirds of 4 h, in steps of 64."""
    gated = row["swiglu"] == "True"
    return whole(row, "ffn-hidden-size", int(4 * hidden * 2 / 3) // 64 * 64 if gated else 4 * hidden)


def _experts(row: Row, hidden: int) -> Experts | None:
    if not row["num-experts"]:
        return None
    inner = whole(row, "moe-ffn-hidden-size", _inner(row, hidden))
    tp, etp = whole(row, "tensor-model-parallel-size", 1), row["expert-tensor-parallel-size"]
    if etp and etp != str(tp):
        raise Unexpressed("experts are cut otherwise than the rest")
    return Experts(whole(row, "num-experts"), whole(row, "moe-router-topk", 2), inner)


def _runs(row: Row) -> tuple[Run, ...]:
    """Return which blocks have experts: ``([0]*3+[1]*11)`` is three without and eleven with them."""
    text = row["moe-layer-freq"]
    if not text:
        return ()
    parts = [re.fullmatch(r"\[([01])\]\*(\d+)", part) for part in text.strip("()").split("+")]
    if None in parts:
        raise Unexpressed("which layers have experts is not understood")
    return tuple(Run(int(part[2]), sparse=part[1] == "1") for part in parts if part)


def _layout(row: Row, model: Transformer) -> Layout:
    tp, pp, cp = (whole(row, f"{name}-parallel-size", 1) for name in ("tensor-model", "pipeline-model", "context"))
    ep = whole(row, "expert-model-parallel-size", 1)
    dp = max(gpus_of(row) // (tp * pp * cp), 1)
    if "multi_dist_optimizer_instances" in row["test"]:  # two of them, each of half of the replicas
        dp = max(dp // 2, 1)
    if dp * cp % ep:
        raise Unexpressed("experts are spread over more GPUs than the test is assumed to have")
    vp = _chunks(row, model.blocks, pp)
    each = whole(row, "micro-batch-size")
    batch = whole(row, "global-batch-size", each * dp)
    form = FP16 if row["fp16"] == "True" else NUMBER_FORMATS["bf16"]
    return Layout(
        tp=tp, cp=cp, pp=pp, vp=vp, ep=ep, dp=dp, micro_batch=each, micro_batches=max(1, batch // (each * dp)),
        sequence_parallel=row["sequence-parallel"] == "True" and tp > 1,
        zero=1 if row["use-distributed-optimizer"] == "True" else 0,
        recompute={"full": Recompute.FULL, "selective": Recompute.SELECTIVE}.get(
            row["recompute-granularity"], Recompute.NONE
        ),
        order="interleaved" if vp > 1 else "1F1B",
        fused_attention=_fused(row),
        number_format=form,
    )  # fmt: skip


def gpus_of(row: Row) -> int:
    """Return the GPUs of a test; assumed."""
    return GPUS_OF_NODE.get(row["platform"], GPUS) if row["test"].endswith("1node") else GPUS


def _chunks(row: Row, blocks: int, pp: int) -> int:
    each = row["num-layers-per-virtual-pipeline-stage"]
    if each:
        return max(1, blocks // pp // whole(row, "num-layers-per-virtual-pipeline-stage"))
    return whole(row, "num-virtual-stages-per-pipeline-rank", 1)


def _fused(row: Row) -> bool:
    """Say whether attention is one kernel: Transformer Engine chooses one where nothing forbids it."""
    if row["attention-backend"]:
        return row["attention-backend"] in {"flash", "fused"}
    older = OLDER in row["golden"] and "reshard" not in row["test"]
    return row["transformer-impl"] != "local" and not older


def _workspace(row: Row, layout: Layout) -> float:
    """Return what libraries hold [B]: two handles of cuBLAS, Transformer Engine, and Megatron-LM's own scores."""
    hopper = row["platform"] == "h100"
    repeatable = row["deterministic-mode"] == "True" or bool(row["num-experts"])
    held = 2 * (CUBLAS if hopper or repeatable else CUBLAS_OTHERS)
    local = row["transformer-impl"] == "local"
    if not local or "_te_" in row["test"]:
        streams = 1 + (STREAMS if row["moe-grouped-gemm"] == "True" else 0)
        held += streams * (ENGINE_AMPERE if row["platform"] in {"a100", ""} else CUBLAS)
    if local:
        heads, sequence = whole(row, "num-attention-heads"), whole(row, "seq-length") // layout.cp
        held += layout.number_format.element * layout.micro_batch * heads / layout.tp * sequence * sequence
    return held


def whole(row: Row, column: str, default: int | None = None) -> int:
    """Return a whole number of a row; without one a row is not expressed, unless there is a default."""
    text = row.get(column, "")
    if not text:
        if default is None:
            raise Unexpressed(f"{column} is not in the row")
        return default
    if not text.isdecimal() or len(text) > MOST_DIGITS:
        raise Unexpressed(f"{column} is no whole number")
    return int(text)
