"""Inputs that say how a model's training is spread over GPUs. Loading them costs nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from simcore.errors import InputError, field
from simcore.models.compute.profile import BEYOND_OF_MODELS
from simcore.studies.deployment.request import CAUSAL, in_words
from simcore.studies.request import Instead, Request, argument, option

RECOMPUTE = ("none", "selective", "full")
"""What of the forward pass runs again in the backward pass."""

ATTENTION = ("fused", "eager")
"""Whether attention is one kernel, or writes its scores to memory."""

PRECISIONS = ("bf16", "fp16", "fp32", "tf32", "fp8", "mxfp8")
"""Number formats of products with weights."""

ORDERS = ("1F1B", "GPipe", "looped", "interleaved", "zero-bubble", "ZBV", "DualPipeV")
"""Orders of a pipeline's turns."""

EXCHANGES = ("ring", "all-to-all")
"""How the GPUs that share a sequence exchange keys and values."""


COLLECTIVES = ("measured", "wire")
"""Whether collectives take what was measured on the network, or what its links allow."""


class LayoutRequest(Request):
    """How a model's training is spread over GPUs; what is not given is chosen."""

    tp: int | None = option(kw_only=True, default=None, least=1, help="Tensor parallelism.")
    cp: int | None = option(kw_only=True, default=None, least=1, help="Context parallelism: parts of a sequence.")
    pp: int | None = option(kw_only=True, default=None, least=1, help="Pipeline parallelism: stages.")
    vp: int | None = option(kw_only=True, default=None, least=1, help="Model chunks of each pipeline rank.")
    ep: int | None = option(kw_only=True, default=None, least=1, help="Expert parallelism.")
    dp: int | None = option(kw_only=True, default=None, least=1, help="Data parallelism; it follows from the others.")
    micro_batch: int | None = option(kw_only=True, default=None, least=1, help="Sequences of a micro-batch.")
    global_batch: int | None = option(
        kw_only=True, default=None, least=1, help="Sequences of an iteration; by default one for each GPU."
    )
    sequence: int | None = option(
        kw_only=True, default=None, least=1, help="Tokens of a sequence, in place of the model's."
    )
    encoder_sequence: int | None = option(
        kw_only=True, default=None, least=1, help="Tokens that an encoder reads, where its decoder reads others."
    )
    recompute: str | bool | None = option(
        kw_only=True,
        default=None,
        choices=RECOMPUTE,
        bare="full",
        help="What runs again in place of keeping its results; bare it means full.",
    )
    recompute_layers: int | None = option(
        kw_only=True, default=None, least=1, help="In how many blocks of each model chunk; by default in all."
    )
    sequence_parallel: bool | None = option(
        kw_only=True, default=None, help="Cut along the sequence what TP leaves whole; by default with TP above 1."
    )
    zero: int | None = option(
        kw_only=True,
        default=None,
        least=0,
        most=3,
        help="Stage of ZeRO: 1 shards the optimizer, 2 gradients, 3 weights too.",
    )
    fsdp: bool = option(kw_only=True, default=False, help="Fully sharded data parallelism: the same as --zero 3.")
    precision: str | None = option(
        kw_only=True,
        default=None,
        choices=PRECISIONS,
        help="Number format of products; by default the first of bf16, fp16 and fp32 that the device has.",
    )
    order: str = option(
        kw_only=True, default="1F1B", choices=ORDERS, help="Order of a pipeline's turns; interleaved with VP above 1."
    )
    context_exchange: str = option(
        kw_only=True, default="ring", choices=EXCHANGES, help="How the GPUs of a sequence exchange keys and values."
    )
    attention: str = option(
        kw_only=True, default="fused", choices=ATTENTION, help="One kernel, or scores that are written to memory."
    )
    causal: str | None = option(
        kw_only=True,
        default=None,
        choices=CAUSAL,
        help="Whether causal attention is counted in full, or the half below its mask; by default in full, and by half "
        "with a stack whose attention is one kernel.",
    )
    stage_layers: Sequence[int] | str | None = option(
        kw_only=True, default=None, metavar="N,N,...", help="Blocks of each model chunk, where they are uneven."
    )
    expert_load: Sequence[float] | str | None = option(
        kw_only=True, default=None, metavar="N,N,...", help="Tokens of each expert, in any unit; by default even."
    )
    training_schedule: str | Path | None = option(
        kw_only=True, default=None, metavar="NAME|FILE", flag="--schedule",
        help="A training schedule, as simcore schedule writes it: attention is one kernel where a step says so.",
    )  # fmt: skip
    overlap: bool = option(
        kw_only=True, default=True, flag="--overlap/--no-overlap",
        help="Sum gradients, and gather weights, while other layers compute.",
    )  # fmt: skip
    overlap_tensor: bool | None = option(
        kw_only=True, default=None, flag="--overlap-tensor/--no-overlap-tensor",
        help="Run collectives of TP beside their products; by default as the stack does.",
    )  # fmt: skip

    def __post_init__(self) -> None:
        object.__setattr__(self, "recompute", in_words(self.recompute))
        for name in ("stage_layers", "expert_load"):
            object.__setattr__(self, name, _numbers(name, getattr(self, name), whole=name == "stage_layers"))
        super().__post_init__()
        if self.fsdp and self.zero not in (None, 3):
            raise InputError(
                field("fsdp"), f"it beside {field('zero')} {self.zero}", "one of the two", "Leave one out."
            )


class MachineRequest(Request):
    """A model, and the GPUs that it is trained on."""

    model: str | Path = argument(
        metavar="MODEL",
        help="A name in the zoo, a Hugging Face config.json, or a file of simcore's own.",
        instead=Instead("--model", "NAME|FILE", "The model, in place of MODEL."),
    )
    gpus: int | None = option(kw_only=True, default=None, least=1, help="How many GPUs.")
    device: str | Path | None = option(
        kw_only=True,
        default=None,
        metavar="NAME|FILE",
        help=f"The GPU: a device or kernel profile of the zoo, or a file. {BEYOND_OF_MODELS}",
    )
    network: str | Path | None = option(
        kw_only=True,
        default=None,
        metavar="TEXT|NAME|FILE",
        help="The network, such as dgx-h100, whose nodes follow from the GPUs; by default the device's usual one. "
        "Its bandwidths are of one direction.",
    )
    nic: float | str | None = option(
        kw_only=True,
        default=None,
        metavar="GB/S",
        unit="B/s",
        help="What the NIC of each GPU sends between nodes in one direction, in place of the network's; bare text is "
        "GB/s, as in 50.",
    )
    stack: str | Path | None = option(
        kw_only=True,
        default=None,
        metavar="NAME|FILE|none",
        help="What software reaches of device and network, as measured iterations show it; none takes all they can.",
    )
    stragglers: float | None = option(
        kw_only=True,
        default=None,
        least=0,
        below=1,
        metavar="SHARE",
        help="Spread of what a rank computes, such as 0.01: the slowest of all ranks makes the others wait.",
    )
    collectives: str | None = option(
        kw_only=True,
        default=None,
        choices=COLLECTIVES,
        help="What collectives take: as measured, by default where the network's file has it, or what links allow.",
    )


class ParallelRequest(LayoutRequest, MachineRequest):
    """A model on GPUs, and how it is spread over them."""


def _numbers(name: str, value: Sequence[float] | str | None, *, whole: bool) -> tuple[float, ...] | None:
    """Return numbers that were given as text with commas, or one by one."""
    if value is None:
        return None
    words = value.split(",") if isinstance(value, str) else list(value)
    expected = "whole numbers of at least 1 with commas" if whole else "numbers of at least 0 with commas"
    try:
        numbers = tuple(int(word) if whole else float(word) for word in words)
    except (TypeError, ValueError):
        raise InputError(field(name), f"'{value}'", expected) from None
    if not numbers or min(numbers) < (1 if whole else 0) or (not whole and not 0 < sum(numbers) < float("inf")):
        raise InputError(field(name), f"'{value}'", expected)
    return numbers
