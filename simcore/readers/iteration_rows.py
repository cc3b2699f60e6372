"""Measured training iterations, one per row: what was run, on what, and by which software.

A row becomes a model, a layout, a device and a network, or a reason why it cannot. What a row does not say is a
convention of its software, which `SOFTWARE` lists.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from simcore.models.training.architecture import ALL_BIASES, Biases, Embedding, Experts, Transformer
from simcore.models.training.functions import Activation, Functions, Norm, Positions
from simcore.models.training.parallel.layout import FSDP, NUMBER_FORMATS, Layout, NumberFormat, Recompute, Splitter
from simcore.readers.memory_iterations import BLOOM_BF16, DEEPSPEED_BF16, DEEPSPEED_FP16, SAILOR_HEADS, gpt
from simcore.readers.memory_rows import FP16, Unexpressed, whole

Row = Mapping[str, str]

NEEDED = (
    "source", "model", "params_b", "layers", "hidden", "heads", "kv_heads", "ffn", "vocab", "experts", "topk",
    "seq_len", "device", "gpus", "gpus_per_node", "precision", "tp", "pp", "vp", "cp", "ep", "dp", "zero_or_fsdp",
    "sequence_parallel", "recompute", "global_batch", "micro_batch", "iteration_s", "framework", "kind", "note",
)  # fmt: skip
"""Columns of measured iterations that are needed."""

DEVICES = (
    (r"a100_80gb? ?\(paper", "a100-80gb", "dgx-a100"),
    (r"a100_80gb?(_sxm)?", "a100-80gb", "dgx-a100"),
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
"""What sources call a device: a pattern, its profile in the zoo, and the network of its nodes; without one it is alone."""


@dataclass(frozen=True)
class Software:
    """What a training framework does that rows do not say.

    Attributes
    ----------
    stack : str
        Its name among the stacks, before the device's.
    fused : bool
        Whether attention is one kernel, which leaves out what a causal mask hides.
    overlap : bool
        Whether replicas send while layers compute.
    formats : mapping of str to NumberFormat
        What numbers take, by a word of the column of precision.
    splitter : Splitter
        Whose tensor parallelism it is.
    recompute : Recompute
        What runs again where the row says nothing.
    attention : mapping of str to float
        Share of a device's peak that its kernel of fused attention reaches, by profile; see `ATTENTION`.
    stops_early : bool
        Whether its checkpoints are those of torch, which stop early.
    overlap_tensor : bool
        Whether collectives of tensor parallelism run beside their products.
    """

    stack: str
    fused: bool = True
    overlap: bool = True
    formats: Mapping[str, NumberFormat] = field(default_factory=dict)
    splitter: Splitter = Splitter.MEGATRON
    recompute: Recompute = Recompute.NONE
    attention: Mapping[str, float] = field(default_factory=dict)
    stops_early: bool = False
    overlap_tensor: bool = False


FLASH_1 = {"a100": 0.33, "h100": 0.17}
FLASH_2 = {"a100": 0.57, "h100": 0.33}
CUDNN = {"a100": 0.57, "h100": 0.53, "b200": .5, "gb200": .5, "gb300": .5, "b300": .5}

MEGATRON = {"mxfp8": NUMBER_FORMATS["mxfp8"], "fp8": NUMBER_FORMATS["fp8"], "bf16": NUMBER_FORMATS["bf16"], "fp16": FP16}
OF_FSDP = {"float8": replace(FSDP, name="fp8 of fp32 weights", products="fp8"), "fp8": replace(FSDP, name="fp8 of fp32 weights", products="fp8"), "bf16": FSDP}

SOFTWARE = (
    ("vTrain", Software("megatron-deepspeed-vtrain", fused=False, overlap=False, formats={"fp16": FP16})),
    ("bigscience-workshop", Software("megatron-deepspeed-bigscience", fused=False, overlap=False, formats={"fp16": DEEPSPEED_FP16, "bf16": DEEPSPEED_FP16})),
    ("mosaicml", Software("llm-foundry", formats=OF_FSDP, stops_early=True, attention=FLASH_1)),
    ("dgxc-benchmarking", Software("nemo", overlap_tensor=True, formats=MEGATRON, attention=CUDNN)),
    ("NeMo@", Software("nemo", overlap_tensor=True, formats=MEGATRON, attention=CUDNN)),
    ("Megatron-Bridge", Software("megatron-bridge", overlap_tensor=True, formats=MEGATRON, attention=CUDNN)),
    ("Automodel", Software("automodel", formats=OF_FSDP, stops_early=True, attention=CUDNN)),
    ("mlcommons", Software("nemo-mlperf", overlap_tensor=True, formats=MEGATRON, attention=CUDNN)),
    ("torchtitan", Software("torchtitan", formats=OF_FSDP, splitter=Splitter.DTENSOR, stops_early=True, attention=FLASH_2)),
    ("sailor", Software("sailor", fused=False, overlap=False, formats={"fp16": FP16})),
    ("Korthikanti", Software("megatron-lm-selene", fused=False, formats=MEGATRON)),
    ("Narayanan", Software("megatron-lm-selene", fused=False, formats=MEGATRON)),
    ("MT-NLG", Software("megatron-deepspeed-selene", fused=False, overlap=False, formats=MEGATRON)),
    ("MegaScale", Software("megatron-lm-megascale", formats=MEGATRON, attention=FLASH_2)),
    ("NeuSight", Software("eager", fused=False, formats={"fp32": NUMBER_FORMATS["fp32"]})),
)  # fmt: skip
"""Software by what its source's name holds."""


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
    software = next((each for name, each in SOFTWARE if name in row["source"]), None)
    if software is None:
        raise Unexpressed("the layout or the software is not in the row")
    profile, network = _device(row)
    model, sequence = _model(row), whole(row, "seq_len")
    layout = _layout(row, model, software)
    passes = "forward" if kind == "inference" else "passes" if "no optimizer" in kind else "iteration"
    return Iteration(model, sequence, layout, profile, network, _stack(row, software, profile), passes, _attention(software, profile))


def _attention(software: Software, profile: str) -> float | None:
    return next((v for k, v in sorted(software.attention.items()) if profile.startswith(k)), .45 if software.attention else None)


def _stack(row: Row, software: Software, profile: str) -> str:
    name = software.stack
    if name == "nemo" and row["framework"] and "NeMo" not in row["framework"]:
        name = row["framework"].lower()
    if "bigscience-workshop" in row["source"] and row["note"].startswith("02-20"):
        name += "-0220"  # code that was changed the day after
    if "8" not in row["precision"]:
        return f"{name}-{profile}"
    eight = "-fp8-rowwise" if "rowwise" in row["precision"] else "-fp8"
    return f"{name}-{profile}{eight}"


def _device(row: Row) -> tuple[str, str]:
    for pattern, profile, network in DEVICES:
        if re.match(pattern + r"( |$)", row["device"]) or re.fullmatch(pattern, row["device"]):
            return profile, network
    found = row["device"] or "nothing"
    raise Unexpressed(f"device {found}: not in the zoo; a file of its data sheet adds it (docs: how-to of devices)")


def _model(row: Row) -> Transformer:
    name = row["model"].lower()
    source = row["source"]
    if "MegaScale" in row["framework"]:
        raise Unexpressed("parallel blocks and a sliding window of unknown width")
    if "switch" in name:
        raise Unexpressed("which layers have experts is not in the row")
    if re.match(r"(llama|mixtral|grok)", name):
        return _llama(row, name)
    if name.startswith("nemotron4"):
        return replace(_llama(row, name), gated=False, functions=Functions(Norm.LAYER, Activation.RELU, Positions.ROTARY))
    if name.startswith(("t5", "bert")) and "NeuSight" not in source:
        raise Unexpressed("layers is not in the row")
    return gpt(row, SAILOR_HEADS.get(row["model"]) if "sailor" in source else None)


def _llama(row: Row, name: str) -> Transformer:
    hidden, inner, vocabulary = whole(row, "hidden"), whole(row, "ffn"), whole(row, "vocab")
    count = whole(row, "experts", 0)
    return Transformer(
        row["model"], hidden, whole(row, "layers"), whole(row, "heads"), kv_heads=whole(row, "kv_heads", whole(row, "heads")),
        feed_forward=inner, gated=True, vocabulary=vocabulary, outputs=vocabulary, around=Embedding(final_norm=True),
        experts=Experts(count, whole(row, "topk", 2), inner) if count else None,
        functions=Functions(Norm.RMS, Activation.GELU if "grok" in name else Activation.SILU, Positions.ROTARY),
    )  # fmt: skip


def _degree(row: Row, column: str) -> int:
    """Return a degree; what a source adds to it in words is left out."""
    text = row[column].strip()
    found = re.match(r"\d+", text)
    return int(found[0]) if found else 1


def _layout(row: Row, model: Transformer, software: Software) -> Layout:
    tp, pp, vp, cp, ep = (_degree(row, name) for name in ("tp", "pp", "vp", "cp", "ep"))
    gpus, batch = whole(row, "gpus"), whole(row, "global_batch")
    if gpus % (tp * pp * cp):
        raise Unexpressed(f"TP {tp} x PP {pp} x CP {cp} do not divide the {gpus} GPUs")
    dp = gpus // (tp * pp * cp)
    if row["dp"].isdecimal() and int(row["dp"]) != dp and not row["zero_or_fsdp"].startswith("FSDP "):
        raise Unexpressed(f"TP {tp} x PP {pp} x CP {cp} x DP {row['dp']} are not the {gpus} GPUs")
    micro = whole(row, "micro_batch")
    vp = _chunks(row, model, pp, vp)
    if "torchtitan" in row["source"] and pp > 1:
        micro = max(1, micro // pp)
    if batch % (micro * dp):
        raise Unexpressed(f"micro-batches of {micro} on DP {dp} do not divide the batch of {batch}")
    zero = _zero(row)
    recompute, layers = _recompute(row, software), None
    if software.splitter is Splitter.DTENSOR and row["recompute"] in {"selective", "per-op SAC"}:
        recompute, layers = Recompute.FULL, max(1, model.blocks // (pp * vp) // 2)  # every other product runs again
    sharded = row["sequence_parallel"].lower() in {"yes", "true", "1"} or (software.splitter is Splitter.DTENSOR and tp > 1)
    return Layout(
        tp=tp, pp=pp, vp=vp, cp=cp, ep=ep, dp=dp, micro_batch=micro, micro_batches=batch // (micro * dp),
        sequence_parallel=sharded and tp > 1, splitter=software.splitter, zero=zero, recompute=recompute, recompute_layers=layers,
        order="interleaved" if vp > 1 else "1F1B", fused_attention=software.fused, causal_half=software.fused and not (cp > 1 and software.splitter is Splitter.DTENSOR),
        overlap=software.overlap, overlap_tensor=software.overlap_tensor or "async" in row["note"].lower().split("torchtitan.md", 1)[-1], stops_early=software.stops_early, number_format=_format(row, software), stage_layers=_stages(row, model, pp * vp),
    )  # fmt: skip


def _chunks(row: Row, model: Transformer, pp: int, vp: int) -> int:
    if pp == 1:
        return 1
    if "not in the table" in row["vp"]:
        raise Unexpressed("chunks of the interleaved pipeline are not in the row")
    if row["vp"].startswith("see config"):
        return model.blocks // pp
    return vp


def _stages(row: Row, model: Transformer, chunks: int) -> tuple[int, ...]:
    if "sailor" in row["source"].lower():
        if "heterogeneous" in row["note"]:
            raise Unexpressed("GPUs of several kinds, and the row does not say which stage is where")
        stages = [int(one) for one in re.findall(r"\d+", row["note"].rpartition("stages")[2])]
        if sum(stages) != model.blocks + 2:
            raise Unexpressed("stages do not add up to the model's layers")
        stages[0] -= 1
        stages[-1] -= 1
        return tuple(stages) if len(stages) > 1 else ()
    if chunks > 1 and model.blocks % chunks:
        each, more = divmod(model.blocks, chunks)
        return tuple(each + (i >= chunks - more) for i in range(chunks))
    return ()


def _zero(row: Row) -> int:
    text = row["zero_or_fsdp"]
    if text.startswith("ZeRO-"):
        return int(text[5])
    if "SHARD_GRAD_OP" in text:
        return 2
    if "FSDP" in text or "FULL_SHARD" in text:
        return 3
    return 1 if text.startswith("dist-optimizer") else 0


def _recompute(row: Row, software: Software) -> Recompute:
    text = row["recompute"]
    if text.startswith("full"):
        return Recompute.FULL
    return Recompute.SELECTIVE if text.startswith("selective") and not software.fused else Recompute.NONE if text else software.recompute


def _format(row: Row, software: Software) -> NumberFormat:
    text = row["precision"].lower()
    for word, found in software.formats.items():
        if word in text:
            if found is DEEPSPEED_FP16 and row["note"].startswith(BLOOM_BF16):
                return DEEPSPEED_BF16
            return found
    raise Unexpressed(f"number format {row['precision']}")
