"""How a training iteration is spread over GPUs: degrees of parallelism, micro-batches, and what is recomputed."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from simcore.errors import InputError, field
from simcore.models.training.architecture import Share, Transformer
from simcore.models.training.captured import CapturedModel
from simcore.models.training.layered_model import LayeredModel
from simcore.models.training.listing import Architecture
from simcore.models.training.parallel.orders import FOLDED, MANY_CHUNKS, Pipelined


class Recompute(StrEnum):
    """What of a block's forward pass runs again in the backward pass, in place of keeping its results.

    ``SELECTIVE`` is the core of attention, from the scores to their product with V (Korthikanti et al., MLSys 2023).
    """

    NONE = "none"
    SELECTIVE = "selective"
    FULL = "full"


class ContextExchange(StrEnum):
    """How GPUs that share a sequence come to the keys and values of the others.

    In a ``RING`` keys and values go round while attention computes (arXiv:2310.01889). ``ALL_TO_ALL`` gives each GPU
    whole sequences of some heads (DeepSpeed-Ulysses, arXiv:2309.14509).
    """

    RING = "ring"
    ALL_TO_ALL = "all-to-all"


class Splitter(StrEnum):
    """Whose tensor parallelism it is; they differ where activations are cut along the sequence.

    ``MEGATRON`` keeps the shard of a product's input, and gathers it again for the weight gradient (Megatron-LM).
    ``DTENSOR`` keeps what was gathered (torch's ``parallelize_module``, as torchtitan uses it), adds the bias of a
    row-cut product before the sum, and cuts learned positions along the sequence.
    """

    MEGATRON = "megatron"
    DTENSOR = "dtensor"


@dataclass(frozen=True)
class NumberFormat:
    """What a weight, its gradient and its optimizer's state take.

    Attributes
    ----------
    name : str
        As ``--precision`` has it.
    products, others : str
        Number format of products with weights, and of all other kernels.
    element : int
        Bytes of an activation, and of a weight on the network [B].
    weight, gradient, optimizer : int
        Bytes per parameter of each [B]; Adam's two moments and a master copy of the weight in fp32 are its state.
    pad : int
        What the rows of an expert's products are padded to a multiple of.
    """

    name: str
    products: str
    others: str
    element: int
    weight: int
    gradient: int
    optimizer: int
    pad: int = 1


NUMBER_FORMATS = {
    one.name: one
    for one in (
        NumberFormat("fp32", "fp32", "fp32", 4, 4, 4, 8),
        NumberFormat("tf32", "tf32", "tf32", 4, 4, 4, 8),
        NumberFormat("fp16", "fp16", "fp16", 2, 2, 4, 12),
        NumberFormat("bf16", "bf16", "bf16", 2, 2, 4, 12),
        NumberFormat("fp8", "fp8", "bf16", 2, 2, 4, 12, pad=16),
        NumberFormat("mxfp8", "fp8", "bf16", 2, 2, 4, 12, pad=32),
    )
}
"""Number formats by name. Gradients are summed in fp32, as Megatron-LM does: 18 B per parameter (2 + 4 + 12)."""

FSDP = NumberFormat("bf16 of fp32 weights", "bf16", "bf16", 2, 4, 4, 8)
"""Mixed precision of torch's FSDP2: 16 B per parameter. Weights, gradients and Adam's two moments are sharded in fp32,
and gathered in bf16."""


@dataclass(frozen=True)
class Layout:
    """How an iteration is spread over GPUs.

    Attributes
    ----------
    tp, cp, pp, vp, ep, dp : int
        Degrees: tensor, context, pipeline, model chunks per pipeline rank, expert and data parallelism. The GPUs are
        TP x CP x PP x DP; an expert-parallel group is a part of a group of DP x CP.
    micro_batch, micro_batches : int
        Sequences of a micro-batch, and micro-batches of a replica and iteration.
    sequence_parallel : bool
        Whether what tensor parallelism leaves whole is cut along the sequence (Korthikanti et al., MLSys 2023).
    splitter : Splitter
        Whose tensor parallelism it is.
    zero : int
        Stage of ZeRO: optimizer state (1), gradients (2) and weights (3) are sharded over DP x CP.
    recompute : Recompute
        What runs again in the backward pass.
    recompute_layers : int or None
        In how many blocks of each model chunk, beside those that a schedule says; None for all.
    stops_early : bool
        Whether full recomputation of a block stops once all is there that its backward pass needs, as torch's
        checkpoints do that are not reentrant; Megatron-LM's run to the end.
    order : str
        Order of a pipeline's turns, a key of `simcore.models.training.parallel.orders.ORDERS`.
    exchange : ContextExchange
        How a sequence's GPUs exchange keys and values.
    fused_attention : bool
        Whether attention is one kernel.
    causal_half : bool
        Whether causal attention is charged for what its mask leaves alone, as its kernel computes it, or in full, as
        work is usually counted.
    stage_layers : tuple of int
        Blocks of each model chunk, in the order of the model; empty for an even cut.
    overlap : bool
        Whether gradients are summed, and weights gathered, while other layers compute.
    overlap_tensor : bool
        Whether collectives of tensor and sequence parallelism run beside the product that they belong to, as
        Transformer Engine's user buffers and asynchronous tensor parallelism of torch do.
    bucket : float
        Bytes of gradients that are summed at once [B].
    expert_load : tuple of float
        Tokens of each expert, in any unit; empty for an even load.
    number_format : NumberFormat
        What numbers take.
    schedule : str
        The training schedule that it is run with, see `simcore.models.training.schedule`; empty for none.

    Examples
    --------
    >>> Layout(tp=8, pp=2, dp=4, micro_batches=128).gpus
    64
    """

    tp: int = 1
    cp: int = 1
    pp: int = 1
    vp: int = 1
    ep: int = 1
    dp: int = 1
    micro_batch: int = 1
    micro_batches: int = 1
    sequence_parallel: bool = False
    splitter: Splitter = Splitter.MEGATRON
    zero: int = 0
    recompute: Recompute = Recompute.NONE
    recompute_layers: int | None = None
    stops_early: bool = False
    order: str = "1F1B"
    exchange: ContextExchange = ContextExchange.RING
    fused_attention: bool = True
    causal_half: bool = False
    stage_layers: tuple[int, ...] = ()
    overlap: bool = True
    overlap_tensor: bool = False
    bucket: float = 160e6
    expert_load: tuple[float, ...] = ()
    number_format: NumberFormat = NUMBER_FORMATS["bf16"]
    schedule: str = ""

    @property
    def gpus(self) -> int:
        """How many GPUs it takes."""
        return self.tp * self.cp * self.pp * self.dp

    @property
    def replicas(self) -> int:
        """GPUs that hold the same weights, apart from those of experts: DP x CP."""
        return self.dp * self.cp

    @property
    def global_batch(self) -> int:
        """Sequences of an iteration."""
        return self.micro_batch * self.micro_batches * self.dp

    @property
    def chunks(self) -> int:
        """Model chunks of the whole pipeline: PP x VP."""
        return self.pp * self.vp

    @property
    def pipelined(self) -> Pipelined:
        """The sizes of its pipeline."""
        return Pipelined(self.pp, self.micro_batches, self.vp)

    @property
    def imbalance(self) -> float:
        """Rows of the busiest GPU's experts, over those of an even share.

        Examples
        --------
        >>> Layout(ep=2, dp=2, expert_load=(1.0, 1.0, 1.0, 5.0)).imbalance
        1.5
        """
        count = len(self.expert_load)
        each = count // self.ep
        if not each:
            return 1.0
        busiest = max(math.fsum(self.expert_load[at : at + each]) for at in range(0, count, each))
        return busiest * self.ep / math.fsum(self.expert_load)

    @property
    def share(self) -> Share:
        """What one GPU has of a model's operators."""
        return Share(self.tp, self.cp, self.ep, self.fused_attention, self.imbalance, self.number_format.pad)

    def chunk_layers(self, blocks: int) -> tuple[int, ...]:
        """Return the blocks of each model chunk, in the order of the model; first ones are shorter where it is uneven.

        Examples
        --------
        >>> Layout(pp=4).chunk_layers(30)
        (7, 7, 8, 8)
        """
        if self.stage_layers:
            return self.stage_layers
        each, more = divmod(blocks, self.chunks)
        return tuple(each + (i >= self.chunks - more) for i in range(self.chunks))


def total_blocks(model: Architecture) -> int:
    """Return the blocks of a model, those of an encoder included."""
    if not isinstance(model, Transformer):
        return model.blocks
    return model.blocks + (0 if model.encoder is None else model.encoder.blocks)


def check_layout(layout: Layout, model: Architecture, sequence: int) -> None:
    """Refuse a layout that does not fit a model.

    Raises
    ------
    InputError
        If a degree is below 1, or does not divide what it must; the message names the nearest that do.
    """
    for name in ("tp", "cp", "pp", "vp", "ep", "dp", "micro_batch", "micro_batches"):
        if getattr(layout, name) < 1:
            raise InputError(field(name), str(getattr(layout, name)), "a whole number of at least 1")
    if isinstance(model, Transformer):
        _check_degrees(layout, model, sequence)
    else:
        _check_layers(layout, model)
    most = max(layout.chunk_layers(total_blocks(model)), default=1)
    if layout.recompute_layers is not None and layout.recompute_layers > most:
        found, expected = str(layout.recompute_layers), f"at most {most}, the blocks of a model chunk"
        raise InputError(field("recompute_layers"), found, expected, "Leave it out to recompute all of them.")
    if layout.zero not in range(4):
        raise InputError(field("zero"), str(layout.zero), "0, 1, 2 or 3")


def _check_degrees(layout: Layout, model: Transformer, sequence: int) -> None:
    """Refuse degrees of parallelism that do not fit a transformer."""
    gpus, tensor, context = layout.gpus, _tensor_sizes(model), {"tokens of a sequence": sequence}
    if layout.sequence_parallel:
        tensor[f"tokens of a sequence over CP {layout.cp}, which sequence parallelism cuts"] = sequence // layout.cp
    if layout.exchange is ContextExchange.ALL_TO_ALL and layout.cp > 1 and layout.tp:
        context[f"heads of K and V over TP {layout.tp}"] = (model.kv_heads or model.heads or 0) // layout.tp
    _divides("tp", layout.tp, tensor, gpus)
    _divides("cp", layout.cp, context, gpus)
    if layout.ep > 1:
        if model.experts is None:
            found, remedy = f"{layout.ep} for {model.name}, a model without experts", f"Leave {field('ep')} out."
            raise InputError(field("ep"), found, "1", remedy)
        _divides("ep", layout.ep, {"experts": model.experts.count, "GPUs of DP x CP": layout.replicas}, gpus)
    _check_pipeline(layout, model)


def _check_layers(layout: Layout, model: LayeredModel | CapturedModel) -> None:
    """Refuse degrees of parallelism that a list of layers does not have."""
    for name, why in (("cp", "sequence"), ("ep", "experts"), ("pp", "stages that send one size")):
        if getattr(layout, name) > 1:
            found = f"{getattr(layout, name)} for {model.name}, whose layers have no {why}"
            raise InputError(field(name), found, "1", f"Leave {field(name)} out.")
    if layout.sequence_parallel:
        remedy = f"Leave {field('sequence_parallel')} out."
        raise InputError(field("sequence_parallel"), f"it for {model.name}", "a model of sequences", remedy)
    if layout.tp > 1 and not model.cut:
        found = f"{layout.tp} for {model.name}, whose file cuts no layer"
        raise InputError(
            field("tp"), found, "1", f"Leave {field('tp')} out, or write how layers are cut into the file."
        )


def nearest(degree: int, *counts: int) -> str:
    """Return the nearest degrees that divide all of some counts, as text.

    Examples
    --------
    >>> nearest(6, 32, 64), nearest(5, 12)
    ('4 or 8', '4 or 6')
    """
    whole = math.gcd(*counts)
    above = range(degree + 1, min(whole, degree + FAR) + 1)
    sides = (next((each for each in side if whole % each == 0), None) for side in (range(degree - 1, 0, -1), above))
    return " or ".join(str(each) for each in sides if each is not None)


FAR = 10_000
"""How much larger a degree may be that a remedy names."""


def _divides(name: str, degree: int, counts: dict[str, int], gpus: int) -> None:
    for what, count in counts.items():
        if count % degree:
            expected = f"a divisor of the {count:,} {what}"
            remedy = f"The nearest that divide all it must are {nearest(degree, *counts.values(), gpus)}."
            raise InputError(field(name), str(degree), expected, remedy)


def _tensor_sizes(model: Transformer) -> dict[str, int]:
    """Return what tensor parallelism cuts."""
    sizes: Iterable[tuple[str, int | None]] = (
        ("hidden size", model.hidden), ("feed-forward width", model.inner), ("heads", model.heads),
        ("heads of K and V", model.kv_heads),
        ("width of an expert", None if model.experts is None else model.experts.inner),
    )  # fmt: skip
    return {what: count for what, count in sizes if count is not None}


def _check_pipeline(layout: Layout, model: Transformer) -> None:
    """Refuse a pipeline that the blocks cannot fill, or whose order does not take as many chunks."""
    blocks = total_blocks(model)
    if layout.stage_layers:
        given, whole = layout.stage_layers, sum(layout.stage_layers)
        if len(given) != layout.chunks or whole != blocks or min(given) < 1:
            found = f"{len(given)} model chunks of {whole} blocks in all"
            expected = f"{layout.chunks} (PP x VP) of {blocks} blocks in all, each with one at least"
            raise InputError(field("stage_layers"), found, expected)
    elif layout.chunks > blocks:
        found = f"{layout.pp}" + (f" x VP {layout.vp}" if layout.vp > 1 else "")
        expected = f"at most one chunk for each of the {blocks} blocks"
        raise InputError(field("pp"), found, expected)
    elif layout.vp > 1 and blocks % layout.chunks:
        expected = f"model chunks of as many of the {blocks} blocks each"
        remedy = f"The nearest PP x VP that divide them are {nearest(layout.chunks, blocks)}."
        raise InputError(field("vp"), f"PP {layout.pp} x VP {layout.vp}", expected, remedy)
    if layout.pp == 1 and layout.vp > 1:
        raise InputError(field("vp"), f"{layout.vp} with one pipeline rank", "1", f"Give {field('pp')} too.")
    folded, many = layout.order in FOLDED, layout.order in MANY_CHUNKS
    if layout.pp > 1 and not many and layout.vp != (2 if folded else 1):
        expected = "2, which this order has per rank" if folded else f"1, or one of {', '.join(sorted(MANY_CHUNKS))}"
        raise InputError(field("vp"), f"{layout.vp} with the order {layout.order}", expected)
