"""Measured memory of training iterations whose sizes and degrees stand in columns, as the public collection has them.

Each source measures something else, and its software holds something of its own; `expressed_iteration` says what.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from simcore.models.training.architecture import ALL_BIASES, Embedding, Transformer
from simcore.models.training.functions import Activation, Functions, Norm, Positions
from simcore.models.training.parallel.layout import FSDP, NUMBER_FORMATS, Layout, Recompute, Splitter
from simcore.models.training.parallel.memory import LOGITS
from simcore.numerals import as_real
from simcore.readers.memory_rows import FP16, Expressed, Unexpressed, whole

Row = Mapping[str, str]

EAGER_LOGITS = 14
"""Bytes of a logit in PyTorch's own loss going back [B]: itself in bf16, its logarithm and two gradients in fp32."""

PARALLEL_LOGITS = 18
"""The same of DTensor's loss, where tensor parallelism cuts the logits [B]: exponentials and sums are further tensors
(``_nll_loss_and_log_softmax_backward`` of torch.distributed.tensor.parallel.loss)."""

SAILOR_BESIDE = 4.2e9
"""What Sailor's runs hold beside the model [B], with CUDA's context: the same for all shapes. Fitted on the rows."""

BIGSCIENCE_BESIDE = {"a100": 12e9, "v100": 4.8e9}
"""What those of BigScience hold beside the model [B]: buckets of ZeRO-1, NCCL's buffers, CUDA's context. Fitted on the
rows; those on V100 are small models on eight GPUs."""

DEEPSPEED_FP16 = replace(NUMBER_FORMATS["fp16"], gradient=2)
"""DeepSpeed's ZeRO-1 in fp16: gradients stay in fp16, and the optimizer's share makes them fp32 as it goes: 4 B and a
share of 12 B per parameter."""

DEEPSPEED_BF16 = replace(NUMBER_FORMATS["bf16"], gradient=6)
"""DeepSpeed's optimizer for bf16: gradients are held in bf16, and added up in fp32."""

BLOOM_BF16 = "02-28"
"""Day from which BLOOM's rows are in bf16: those that ran hold 4 B per parameter more. Inferred."""

SAILOR_HEADS = {"gpt-neo-2.7b": 32}
"""Heads with which Sailor's memory agrees, where the table has others: 2.7B of GPT-3 has 32, GPT-Neo's has 20. Inferred
from the memory of attention's scores."""


def expressed_iteration(row: Row) -> Expressed:
    """Return what a row describes.

    Raises
    ------
    Unexpressed
        Saying why it cannot be.
    """
    source = row["source"].lower()
    if "torchtitan" in source:
        return _torchtitan(row)
    if "sailor" in source:
        return _sailor(row)
    if "bigscience" in source:
        return _bigscience(row)
    raise Unexpressed("the layout is not in the row")


def _torchtitan(row: Row) -> Expressed:
    hidden, inner, heads = whole(row, "hidden"), whole(row, "ffn"), whole(row, "heads")
    vocabulary, kv = whole(row, "vocab"), whole(row, "kv_heads")
    model = Transformer(
        row["model"], hidden, whole(row, "layers"), heads, kv_heads=kv, feed_forward=inner, gated=True,
        vocabulary=vocabulary, outputs=vocabulary, around=Embedding(final_norm=True),
        functions=Functions(Norm.RMS, Activation.SILU, Positions.ROTARY),
    )  # fmt: skip
    tp, pp, cp = whole(row, "tp", 1), whole(row, "pp", 1), whole(row, "cp", 1)
    layout = Layout(
        tp=tp, pp=pp, cp=cp, dp=whole(row, "dp", 1), micro_batch=max(1, whole(row, "micro_batch") // pp),
        micro_batches=pp, sequence_parallel=tp > 1, splitter=Splitter.DTENSOR, zero=3, number_format=FSDP,
        recompute=Recompute.NONE if row["recompute"] == "none" else Recompute.FULL,
    )  # fmt: skip
    if "interleaved" in row["note"].lower() and pp > 1:
        each, more = divmod(model.blocks, 2 * pp)
        cut = tuple(each + (i >= 2 * pp - more) for i in range(2 * pp))
        layout = replace(layout, vp=2, order="interleaved", stage_layers=cut)
    newer = "2025" in row["note"]
    logits = LOGITS if newer else EAGER_LOGITS if tp == 1 else PARALLEL_LOGITS
    kept, sequence = 0.0, whole(row, "seq_len")
    if row["recompute"] == "selective":
        compiled = "compile" in row["note"] or newer
        columns = hidden * (2 if compiled else 3) + hidden * kv // heads + inner
        kept = model.blocks * 2.0 * layout.micro_batch * sequence / cp * columns / tp
    return Expressed(model, sequence, layout, None, kept=kept, loss=logits / LOGITS, reserved=True)


def _sailor(row: Row) -> Expressed:
    stages = sailor_stages(row, whole(row, "layers"))
    model = gpt(row, SAILOR_HEADS.get(row["model"]))
    dp = whole(row, "dp", 1)
    micro = whole(row, "micro_batch")
    layout = Layout(
        tp=whole(row, "tp", 1), pp=len(stages), dp=dp, micro_batch=micro,
        micro_batches=max(1, whole(row, "global_batch") // (micro * dp)), fused_attention=False,
        stage_layers=stages, number_format=FP16,
    )  # fmt: skip
    return Expressed(model, whole(row, "seq_len"), layout, None, constant=SAILOR_BESIDE, reserved=True)


def sailor_stages(row: Row, blocks: int) -> tuple[int, ...]:
    """Return the blocks of each stage, which the note of Sailor's rows names with embedding and output as layers.

    Raises
    ------
    Unexpressed
        If the note does not say which stage is where, or its stages are not the model's layers.

    Examples
    --------
    >>> sailor_stages({"note": "stages 5 5"}, 8)
    (4, 4)
    """
    if "heterogeneous" in row["note"]:
        raise Unexpressed("GPUs of several kinds, and the row does not say which stage is where")
    stages = [int(one) for one in re.findall(r"\d{1,6}", row["note"].rpartition("stages")[2])]
    if sum(stages) != blocks + 2:
        raise Unexpressed("stages do not add up to the model's layers")
    stages[0] -= 1  # the embedding
    stages[-1] -= 1  # the output layer
    return tuple(stages)


def _bigscience(row: Row) -> Expressed:
    model = gpt(row, None)
    dp, micro, pp = whole(row, "dp", 1), whole(row, "micro_batch"), whole(row, "pp", 1)
    layout = Layout(
        tp=whole(row, "tp", 1), pp=pp, dp=dp, micro_batch=micro,
        micro_batches=max(1, whole(row, "global_batch") // (micro * dp)), fused_attention=False,
        zero=1 if "1" in row["zero_or_fsdp"] else 0,
        recompute=Recompute.FULL if row["recompute"] == "full" else Recompute.NONE,
        number_format=DEEPSPEED_BF16 if row["note"].startswith(BLOOM_BF16) else DEEPSPEED_FP16,
    )  # fmt: skip
    return Expressed(
        model,
        whole(row, "seq_len"),
        layout,
        None,
        constant=BIGSCIENCE_BESIDE["v100" if "v100" in row["device"] else "a100"],
        reserved=True,
    )


def gpt(row: Row, heads: int | None) -> Transformer:
    """Return a GPT of a row's sizes, with its vocabulary padded as Megatron-LM does."""
    hidden, tp = whole(row, "hidden"), whole(row, "tp", 1)
    pad = 128 * tp
    return Transformer(
        row["model"], hidden, _blocks(row, hidden), heads or whole(row, "heads", _heads(hidden, tp)),
        feed_forward=whole(row, "ffn", 4 * hidden), biases=ALL_BIASES, dropout=0.1,
        vocabulary=-(-whole(row, "vocab", 50257) // pad) * pad,
        around=Embedding(added=whole(row, "seq_len") * hidden, final_norm=True),
    )  # fmt: skip


def _blocks(row: Row, hidden: int) -> int:
    """Return the number of blocks; where it is not in the row, the one with which the parameters come out."""
    parameters = as_real(row["params_b"])
    if row["layers"] or not parameters:
        return whole(row, "layers")
    return max(1, round((parameters * 1e9 - whole(row, "vocab", 50257) * hidden) / (12 * hidden**2)))


def _heads(hidden: int, tp: int) -> int:
    """Return the number of heads nearest to 128 columns each that tensor parallelism and the hidden size allow.

    Examples
    --------
    >>> _heads(14400, 8)
    120
    """
    allowed = [heads for heads in range(tp, hidden + 1, tp) if hidden % heads == 0] or [tp]
    return min(allowed, key=lambda heads: abs(heads - hidden / 128))
