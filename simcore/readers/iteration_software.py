"""What training frameworks do that rows of measured iterations do not say: attention, overlap, number formats."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from simcore.models.training.parallel.layout import FSDP, NUMBER_FORMATS, NumberFormat, Splitter
from simcore.readers.memory_iterations import DEEPSPEED_BF16, DEEPSPEED_FP16
from simcore.readers.memory_rows import FP16


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
    attention : mapping of str to float
        Share of a device's peak that its kernel of fused attention reaches, by profile; see `FLASH_2`.
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
    attention: Mapping[str, float] = field(default_factory=dict)
    stops_early: bool = False
    overlap_tensor: bool = False


FLASH_1 = {"a100": 0.33, "h100": 0.17}
"""Share of the peak that FlashAttention 1 reaches, forward and backward, by the beginning of a profile's name.

Its successor's paper names 30 to 50 % forward and 25 to 35 % backward on A100, and half of the successor's speed
(Dao, arXiv:2307.08691)."""

FLASH_2 = {"a100": 0.57, "h100": 0.33}
"""The same of FlashAttention 2: 50 to 73 % forward and up to 63 % backward on A100 (Dao, arXiv:2307.08691); 319 to 335
TFLOP/s on H100 with a causal mask and heads 128 wide (Shah et al., arXiv:2407.08608, figure 5)."""

CUDNN = {"a100": 0.57, "h100": 0.53, "b200": 0.5, "b300": 0.5, "gb200": 0.5, "gb300": 0.5}
"""The same of cuDNN, which Transformer Engine calls: 518 to 539 TFLOP/s on H100 (Shah et al., figure 5); for Blackwell
it is assumed."""

OTHER_ATTENTION = 0.45
"""Where none of them names the device; assumed."""

MEGATRON = {
    "mxfp8": NUMBER_FORMATS["mxfp8"], "fp8": NUMBER_FORMATS["fp8"], "bf16": NUMBER_FORMATS["bf16"], "fp16": FP16,
}  # fmt: skip
"""Number formats of Megatron-LM and what is built on it."""

FSDP_FP8 = replace(FSDP, name="fp8 of fp32 weights", products="fp8")
"""Mixed precision of torch's FSDP with products in fp8."""

OF_FSDP = {"float8": FSDP_FP8, "fp8": FSDP_FP8, "bf16": FSDP}
"""Number formats of what is built on torch's FSDP."""

_EAGER = Software("eager", fused=False, formats={"fp32": NUMBER_FORMATS["fp32"]})
_DEEPSPEED = Software("megatron-deepspeed", fused=False, overlap=False, formats={"fp16": FP16})
NEMO = Software("nemo", overlap_tensor=True, formats=MEGATRON, attention=CUDNN)
_TORCH = Software("torch", stops_early=True, formats=OF_FSDP, attention=FLASH_2)
_SELENE = Software("megatron-lm-selene", fused=False, formats=MEGATRON)

SOFTWARE = (
    ("vTrain", replace(_DEEPSPEED, stack="megatron-deepspeed-vtrain")),
    ("mosaicml", replace(_TORCH, stack="llm-foundry", attention=FLASH_1)),
    ("dgxc-benchmarking", NEMO),
    ("NeMo@", NEMO),
    ("Megatron-Bridge", replace(NEMO, stack="megatron-bridge")),
    ("Automodel", replace(_TORCH, stack="automodel", attention=CUDNN)),
    ("mlcommons", replace(NEMO, stack="nemo-mlperf")),
    ("torchtitan", replace(_TORCH, stack="torchtitan", splitter=Splitter.DTENSOR)),
    ("sailor", replace(_DEEPSPEED, stack="sailor")),
    ("Korthikanti", _SELENE),
    ("Narayanan", _SELENE),
    ("MT-NLG", replace(_DEEPSPEED, stack="megatron-deepspeed-selene", formats=MEGATRON)),
    ("MegaScale", Software("megatron-lm-megascale", formats=MEGATRON, attention=FLASH_2)),
    ("NeuSight", _EAGER),
    (
        "bigscience-workshop",
        replace(
            _DEEPSPEED, stack="megatron-deepspeed-bigscience", formats={"fp16": DEEPSPEED_FP16, "bf16": DEEPSPEED_BF16}
        ),
    ),
)
"""Software by what its source's name holds; the first that fits."""

FRAMEWORKS = (
    ("torchtitan", replace(_TORCH, splitter=Splitter.DTENSOR)), ("fsdp", _TORCH), ("pytorch", _TORCH),
    ("deepspeed", replace(_DEEPSPEED, formats=MEGATRON)), ("nemo", NEMO), ("megatron-bridge", NEMO),
)  # fmt: skip
"""Software of rows of other sources, by what their framework's name holds."""

OTHER = Software("other", formats=MEGATRON | {"fp32": NUMBER_FORMATS["fp32"]}, attention=CUDNN)
