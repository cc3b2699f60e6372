"""Measured training iterations, one per row: what was run, on what, and by which software.

A row becomes a model, a layout, a device and a network, or a reason why it cannot. What a row does not say is a
convention of its software, which `SOFTWARE` lists.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from simcore.models.training.architecture import Batch, Embedding, Experts, Transformer
from simcore.models.training.functions import Activation, Functions, Norm, Positions
from simcore.models.training.listing import operators_of
from simcore.models.training.parallel.layout import Layout, NumberFormat, Recompute, Splitter
from simcore.numerals import as_real
from simcore.outputs import is_there
from simcore.readers.devices import default_network
from simcore.readers.iteration_software import FRAMEWORKS, NEMO, OTHER, OTHER_ATTENTION, SOFTWARE, Software
from simcore.readers.memory_iterations import BLOOM_BF16, SAILOR_HEADS, gpt, sailor_stages
from simcore.readers.memory_rows import Unexpressed, whole
from simcore.readers.row_sizes import check_batch, check_parameters, check_sizes
from simcore.readers.zoo import names

Row = Mapping[str, str]

DEVICES = (
    (r"a100_80gb?(_sxm)?( \(.*\))?", "a100-80gb", "dgx-a100"),
    (r"a100_40gb", "a100-40gb", "dgx-a100"),
    (r"h100_96gb_hbm2e_500w", "h100-96gb", "dgx-h100"),
    (r"h100(_80gb?(_sxm|_700w)?)?", "h100", "dgx-h100"),
    (r"h200", "h200", "dgx-h100"),
    (r"b200", "b200", "dgx-b200"),
    (r"b300", "b300", "dgx-b200"),
    (r"gb200", "gb200", "nvl72"),
    (r"gb300", "gb300", "nvl72"),
    (r"v100_16gb_sxm2", "v100-16gb", "jean-zay"),
    (r"v100_32gb_sxm2", "v100-32gb", "jean-zay"),
    (r"v100_32gb", "v100-32gb", "dgx-v100"),
    (r"GH-96", "gh200-96gb", "gh200-slingshot"),
    (r"NVIDIA_A100-PCIE-40GB", "a100-pcie-40gb", ""),
    (r"NVIDIA_A100_80GB_PCIe", "a100-pcie-80gb", ""),
    (r"NVIDIA_H100_80GB_HBM3", "h100", ""),
    (r"NVIDIA_L4", "l4", ""),
    (r"Tesla_P100-PCIE-16GB", "p100-pcie-16gb", ""),
    (r"Tesla_P4", "p4", ""),
    (r"Tesla_T4", "t4", ""),
    (r"Tesla_V100-PCIE-32GB", "v100-pcie-32gb", ""),
)
"""What sources call a device: a pattern, its profile, and the network of its nodes; without one it is alone."""


INTERCONNECTS = (("Omni-Path 100 Gb/s per node", "jean-zay-a100"), ("between nodes 800 Gb/s", "a100-800g"))
"""What rows say of a network that is not the usual one of their device, and its name in the zoo."""


@dataclass(frozen=True)
class Iteration:
    """What a row describes.

    Attributes
    ----------
    model : Transformer
        The sizes.
    sequence : int
        Tokens of a sequence.
    layout : Layout
        How it was spread.
    profile, network : str
        Device, and network of its nodes, in the zoo; the network is empty for one GPU.
    stack : str
        The software on the device.
    passes : str
        What was timed: ``iteration``, ``forward``, or ``passes`` without the update.
    """

    model: Transformer
    sequence: int
    layout: Layout
    profile: str
    network: str
    stack: str
    passes: str = "iteration"
    attention: float | None = None


def described(row: Row) -> Iteration:
    """Return what a row of measured iterations describes.

    Raises
    ------
    Unexpressed
        Saying why it cannot be.
    """
    kind = row["kind"].lower()
    if "lora" in kind:
        raise Unexpressed("adapters (LoRA) train a part of the weights")
    if kind == "oom":
        raise Unexpressed("ran out of memory: no time to compare")
    if not row["iteration_s"]:
        raise Unexpressed("no iteration time in the row")
    check_sizes(row)
    software = next((each for name, each in SOFTWARE if name in row["source"]), None) or _by_framework(row)
    profile, network = _device(row)
    model, sequence = _model(row), whole(row, "seq_len")
    layout = _layout(row, model, software)
    check_parameters(row, _parameters(model))
    passes = "forward" if kind == "inference" else "passes" if "no optimizer" in kind else "iteration"
    return Iteration(
        model, sequence, layout, profile, network, _stack(row, software, profile), passes,
        _attention(software, profile),
    )  # fmt: skip


@cache
def _parameters(model: Transformer) -> float:
    """Return how many parameters a model has: bytes of elements of one byte."""
    return operators_of(model, Batch(sequence=1, sequences=1, element=1)).parameters


def _by_framework(row: Row) -> Software:
    """Return the software of a row whose source is not known, from what its framework is called."""
    framework = row["framework"].lower()
    found = next((each for word, each in FRAMEWORKS if word in framework), OTHER)
    return replace(found, stack=re.sub(r"[^a-z0-9]+", "-", framework).strip("-") or "unknown")


def _attention(software: Software, profile: str) -> float | None:
    """Return the share of the peak that fused attention reaches; None where there is none."""
    if not software.attention:
        return None
    return next((share for name, share in software.attention.items() if profile.startswith(name)), OTHER_ATTENTION)


def _stack(row: Row, software: Software, profile: str) -> str:
    """Return the name of a row's stack: its software, whether widths fit tiles, device, number format."""
    name = software.stack
    if name == "nemo" and row["framework"] and "NeMo" not in row["framework"]:
        name = row["framework"].lower()
    if name.endswith("bigscience") and profile.startswith("a100") and not is_aligned(row):
        name += "-first"
    if "8" not in row["precision"]:
        return f"{name}-{profile}"
    return f"{name}-{profile}-fp8" + ("-rowwise" if "rowwise" in row["precision"] else "")


ALIGNED = 64
"""An A100 multiplies fastest where widths are multiples of so many elements of 16 bits.

They are 128 B, as NVIDIA's guide to matrix products has it. BLOOM's source names its first grid, 14,400 wide on 8
GPUs, as an example of tiles that do not fit.
"""


def is_aligned(row: Row) -> bool:
    """Return whether the part of a model's width that a GPU has is a multiple of `ALIGNED`.

    Examples
    --------
    >>> is_aligned({"hidden": "13824", "tp": "8"}), is_aligned({"hidden": "14400", "tp": "8"})
    (True, False)
    """
    return (as_real(row["hidden"]) or 0.0) % (ALIGNED * (as_real(row["tp"]) or 1.0)) == 0


def _device(row: Row) -> tuple[str, str]:
    """Return device and network: what a source calls it, a device of the zoo, or the path of a data sheet."""
    text = row["device"]
    for pattern, profile, network in DEVICES:
        if re.fullmatch(pattern, text):
            said = (name for words, name in INTERCONNECTS if words in row["interconnect"])
            return profile, next(said, network)
    if text in names("devices"):
        return text, default_network(text) or ""
    if text.endswith((".yaml", ".json")) and is_there(Path(text)):
        return text, row["interconnect"] if row["interconnect"] in names("networks") else ""
    remedy = "give the name of a device of the zoo, or the path of its data sheet as a YAML file"
    raise Unexpressed(f"device '{text}' is not in the zoo: {remedy}")


def _model(row: Row) -> Transformer:
    name = row["model"].lower()
    if not row["layers"] and "bigscience-workshop" not in row["source"]:  # whose parameters tell the layers
        raise Unexpressed("layers is not in the row")
    if "MegaScale" in row["framework"]:
        raise Unexpressed("parallel blocks and a sliding window of unknown width")
    if "switch" in name:
        raise Unexpressed("which layers have experts is not in the row")
    if re.match(r"llama|mixtral|grok", name):
        activation = Activation.GELU if "grok" in name else Activation.SILU
        return _llama(row, Functions(Norm.RMS, activation, Positions.ROTARY))
    if name.startswith("nemotron4"):
        return replace(_llama(row, Functions(Norm.LAYER, Activation.SQUARED_RELU, Positions.ROTARY)), gated=False)
    return gpt(row, SAILOR_HEADS.get(row["model"]) if "sailor" in row["source"] else None)


def _llama(row: Row, functions: Functions) -> Transformer:
    inner, vocabulary, heads = whole(row, "ffn"), whole(row, "vocab"), whole(row, "heads")
    count = whole(row, "experts", 0)
    return Transformer(
        row["model"], whole(row, "hidden"), whole(row, "layers"), heads, kv_heads=whole(row, "kv_heads", heads),
        feed_forward=inner, gated=True, vocabulary=vocabulary, outputs=vocabulary, around=Embedding(final_norm=True),
        experts=Experts(count, whole(row, "topk", 2), inner) if count else None, functions=functions,
    )  # fmt: skip


def _degree(row: Row, column: str) -> int:
    """Return a degree, 1 where there is none; what a source adds to it in words is left out."""
    found = re.match(r"\s*(\d+)", row[column])
    degree = int(found[1]) if found else 1
    if degree < 1:
        raise Unexpressed(f"{column} is {degree}")
    return degree


def _layout(row: Row, model: Transformer, software: Software) -> Layout:
    tp, pp, cp, ep = (_degree(row, name) for name in ("tp", "pp", "cp", "ep"))
    micro, dp = whole(row, "micro_batch"), _replicas(row, tp * pp * cp)
    check_batch(row, dp)
    torch_cuts = software.splitter is Splitter.DTENSOR
    if torch_cuts and pp > 1:
        micro = max(1, micro // pp)  # the table has the local batch
    batch = whole(row, "global_batch")
    if micro < 1 or batch % (micro * dp):
        raise Unexpressed(f"micro-batches of {micro} on DP {dp} do not divide the batch of {batch}")
    vp = _chunks(row, model, software, pp)
    recompute, layers = _recompute(row, software, model.blocks // (pp * vp))
    return Layout(
        tp=tp, pp=pp, vp=vp, cp=cp, ep=ep, dp=dp, micro_batch=micro, micro_batches=batch // (micro * dp),
        sequence_parallel=(_said(row, "sequence_parallel") or torch_cuts) and tp > 1,
        splitter=software.splitter, zero=_zero(row), recompute=recompute, recompute_layers=layers,
        stops_early=software.stops_early, order="interleaved" if vp > 1 else "1F1B", fused_attention=software.fused,
        # torchtitan's ring was not balanced: its last GPU sees nearly all keys
        causal_half=software.fused and not (cp > 1 and torch_cuts),
        overlap=software.overlap, overlap_tensor=software.overlap_tensor or _asynchronous(row),
        number_format=_format(row, software), stage_layers=_stages(row, model, pp, vp),
    )  # fmt: skip


def _replicas(row: Row, others: int) -> int:
    """Return the degree of data parallelism, which the GPUs and the other degrees give; the row's own must agree."""
    gpus, degrees = whole(row, "gpus"), f"TP {row['tp'] or 1} x PP {row['pp'] or 1} x CP {row['cp'] or 1}"
    if gpus < 1 or gpus % others:
        raise Unexpressed(f"{degrees} do not divide the {gpus} GPUs")
    given = row["dp"]
    if given.isdecimal() and int(given) != gpus // others and not row["zero_or_fsdp"].startswith("FSDP "):
        raise Unexpressed(f"{degrees} x DP {given} are not the {gpus} GPUs")
    return gpus // others


def _said(row: Row, column: str) -> bool:
    """Return what a column of yes and no says; without a word no."""
    text = row[column].strip().lower()
    if text not in {"", "no", "false", "0", "yes", "true", "1"}:
        raise Unexpressed(f"{column} is '{row[column]}', neither yes nor no")
    return text in {"yes", "true", "1"}


def _asynchronous(row: Row) -> bool:
    """Say whether torchtitan's tensor parallelism is asynchronous, as a note has it after the name of its file."""
    return "torchtitan" in row["source"] and "async" in row["note"].lower().rpartition(".md")[2]


def _chunks(row: Row, model: Transformer, software: Software, pp: int) -> int:
    if pp == 1:
        return 1
    # NeMo's rows give one chunk as 1
    if "not in the table" in row["vp"] or (software is NEMO and not row["vp"]):
        raise Unexpressed("chunks of the interleaved pipeline are not in the row")
    # MLPerf's rows name a file that is not here: one block in each chunk, as NeMo's settings of this model have it
    return model.blocks // pp if row["vp"].startswith("see config") else _degree(row, "vp")


def _stages(row: Row, model: Transformer, pp: int, vp: int) -> tuple[int, ...]:
    """Return the blocks of each model chunk where they are uneven: Sailor names them, others fill the last ones."""
    chunks = pp * vp
    if "sailor" in row["source"]:
        stages = sailor_stages(row, model.blocks)
        return stages if len(stages) > 1 else ()
    if chunks == 1 or model.blocks % chunks == 0:
        return ()
    if model.blocks < chunks:  # Megatron-LM counts embedding and loss as layers there
        raise Unexpressed(f"{chunks} model chunks of {model.blocks} blocks, some of which hold embedding or loss alone")
    each, more = divmod(model.blocks, chunks)
    return tuple(each + (i >= chunks - more) for i in range(chunks))


def _zero(row: Row) -> int:
    text = row["zero_or_fsdp"]
    if re.match(r"ZeRO-[0-3]", text):
        return int(text[5])
    if "SHARD_GRAD_OP" in text:
        return 2
    if "FSDP" in text or "FULL_SHARD" in text:
        return 3
    if text and not text.startswith(("dist-optimizer", "none", "DDP")):
        raise Unexpressed(f"zero_or_fsdp '{text}' is not understood")
    return 1 if text.startswith("dist-optimizer") else 0


def _recompute(row: Row, software: Software, blocks: int) -> tuple[Recompute, int | None]:
    """Return what runs again, and in how many blocks of a chunk; fused attention does its own recomputation.

    torchtitan's selective recomputation repeats every other product: as much as all of half of the blocks.
    """
    text = row["recompute"]
    if text.startswith("full"):
        return Recompute.FULL, None
    if software.splitter is Splitter.DTENSOR and text in {"selective", "per-op SAC"}:
        return Recompute.FULL, max(1, blocks // 2)
    if text.startswith("selective"):
        return (Recompute.NONE if software.fused else Recompute.SELECTIVE), None
    if text and not text.startswith("none"):
        raise Unexpressed(f"recompute '{text}' is not understood")
    return Recompute.NONE, None


def _format(row: Row, software: Software) -> NumberFormat:
    text = row["precision"].lower()
    if software.stack.endswith("bigscience"):
        text = "bf16" if row["note"].startswith(BLOOM_BF16) else "fp16"
    for word, found in software.formats.items():
        if word in text:
            return found
    raise Unexpressed(f"number format '{row['precision']}'")
