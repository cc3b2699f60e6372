"""What an eager run in PyTorch keeps for the backward pass: the operator list, with other saved activations.

`simcore.models.training.operators.Operator.saved` is the formula of Korthikanti et al. (MLSys 2023), which counts what
fused kernels such as Megatron-LM's keep. A module in plain PyTorch keeps more: statistics of norms, the mask of causal
attention, heads of K and V once for each head of Q, and what no kernel of the device fuses. Each rule below says why.
The rules for the CPU are held against PyTorch's MemTracker, to the byte.

Symbols: h `hidden`, s `sequence`, n tokens, a heads, V `vocabulary`, e bytes per element.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from simcore.models.training.architecture import WHOLE, Batch, Share, Transformer
from simcore.models.training.functions import Norm, Positions
from simcore.models.training.operator_maker import HEAD_WIDTH
from simcore.models.training.operators import Operation, Operator, OperatorList, Section
from simcore.models.training.transformer import transformer_operators

INDEX = 8
"""Bytes of the number of a token, position or class (int64) [B]."""

STATISTIC = 4
"""Bytes of a statistic of a row in fp32 [B]."""


class Device(StrEnum):
    """Whose kernels run."""

    CPU = "cpu"
    CUDA = "cuda"


def eager_operators(
    model: Transformer,
    batch: Batch,
    share: Share = WHOLE,
    *,
    device: Device = Device.CUDA,
    recompute: bool = False,
) -> OperatorList:
    """Return the operators of a transformer whose `saved` is what eager PyTorch keeps at the end of the forward pass.

    The forward pass ends with the loss (cross entropy), and the logits are not held apart from it. The numbers of the
    tokens and of their classes count, parameters do not.

    Parameters
    ----------
    model : Transformer
        The sizes.
    batch : Batch
        What is processed at once.
    share : Share
        What one GPU has of them; `fused` is ``torch.nn.functional.scaled_dot_product_attention``.
    device : Device
        Whose kernels run. Those of CUDA fuse more.
    recompute : bool
        Whether ``torch.utils.checkpoint`` keeps the inputs of each block alone.

    Raises
    ------
    InputError
        If a degree does not split the model.

    Notes
    -----
    The rules for CUDA are PyTorch's own (2.9 and later); they have not been compared with a run.

    Examples
    --------
    Two norms of n rows keep 8 B for each row beyond the formula:

    >>> from simcore.models.training.functions import Functions
    >>> model = Transformer("block", hidden=1024, blocks=1, heads=16, dropout=0.1, functions=Functions())
    >>> eager_operators(model, Batch(512, 4)).saved - transformer_operators(model, Batch(512, 4)).saved
    32768.0
    """
    listed = transformer_operators(model, batch, share)
    own = Eager(model, batch, share, device, recompute)
    sections = [own.section(one) for one in listed.sections]
    if model.encoder is not None:
        read = replace(batch, sequence=model.encoder.sequence or batch.sequence)
        theirs = Eager(model.encoder, read, share, device, recompute)
        last = max(at for at, one in enumerate(sections) if _of_encoder(one))
        for at, one in enumerate(listed.sections[: last + 1]):
            if _of_encoder(one):
                sections[at] = theirs.section(one)
        sections[last] = theirs.handed_on(sections[last])
    return OperatorList(tuple(sections))


def recomputed(section: Section) -> Section:
    """Return blocks that keep their inputs alone, and are computed again in the backward pass.

    Examples
    --------
    >>> one = Operator("copy", (("bytes", 8),), saved=8.0, output=4.0)
    >>> block = Section("block", (one, one), count=2)
    >>> OperatorList((recomputed(block),)).saved
    8.0
    """
    first, *others = (replace(one, saved=0.0) for one in section.operators)
    # a block hands on as much as it takes
    return replace(section, operators=(replace(first, saved=section.operators[-1].output), *others))


def _of_encoder(section: Section) -> bool:
    return section.path.startswith("encoder.") or any(one.path.startswith("encoder.") for one in section.operators)


@dataclass(frozen=True)
class Eager:
    """One stack of blocks, and how it is run: which bytes each of its operators keeps.

    Attributes
    ----------
    model : Transformer
        The stack; an encoder is one of its own.
    batch, share, device, recompute
        As `eager_operators` takes them.

    Examples
    --------
    >>> model, batch = Transformer("gpt", hidden=1024, blocks=1, heads=16, dropout=0.1), Batch(512, 4)
    >>> dropped = next(one for one in transformer_operators(model, batch) if one.operation is Operation.DROPOUT)
    >>> Eager(model, batch, device=Device.CPU).saved(dropped) / dropped.saved
    2.0
    """

    model: Transformer
    batch: Batch
    share: Share = WHOLE
    device: Device = Device.CUDA
    recompute: bool = False

    def section(self, section: Section) -> Section:
        """Return the operators with what an eager run keeps."""
        kept = replace(section, operators=tuple(replace(one, saved=self.saved(one)) for one in section.operators))
        return recomputed(kept) if self.recompute and section.path else kept

    def handed_on(self, section: Section) -> Section:
        """Return an encoder's last operators; the products of all cross attentions read, and keep, what it makes."""
        if not section.operators:
            return section
        *others, last = section.operators
        kept = replace(last, saved=last.saved + self.batch.element * self.tokens * self.model.hidden)
        return replace(section, operators=(*others, kept))

    @property
    def tokens(self) -> int:
        """Tokens that one GPU has."""
        return self.batch.tokens // self.share.cp

    def saved(self, one: Operator) -> float:
        """Return what an operator keeps that no operator before it has kept [B]."""
        rule = _RULES.get(one.operation)
        return one.saved if rule is None else rule(self, one)

    def norm(self, one: Operator) -> float:
        """Keep the input, and a mean and a deviation of each row: in fp32, on a CPU as wide as the weights.

        A root mean square norm has no mean. On a CPU no kernel fuses it: what is divided and what that makes are kept
        apart, both in fp32, and the input itself is not, unless it is fp32.
        """
        elements, rows = one.work, one.work / one.size("width")
        if self.model.kinds.norm is Norm.LAYER:
            return one.saved + 2 * rows * (self.batch.element if self.device is Device.CPU else STATISTIC)
        if self.device is Device.CPU:
            return 2 * STATISTIC * elements + STATISTIC * rows
        return one.saved + STATISTIC * rows

    def dropout(self, one: Operator) -> float:
        """Keep a mask of a byte per element, which is of as many as an element has on a CPU."""
        return one.saved * self.mask

    @property
    def mask(self) -> int:
        """Bytes per element of a mask of dropout [B]."""
        return self.batch.element if self.device is Device.CPU else 1

    def scores(self, one: Operator) -> float:
        """Keep Q and K head by head; heads of K that several heads of Q share are copied for each."""
        return self.batch.element * one.size("batch") * (one.size("m") + one.size("n")) * float(one.size("k"))

    def context(self, one: Operator) -> float:
        """Keep V head by head, and what dropout leaves of the softmax, which the softmax itself has kept before."""
        dropped = one.size("m") if self.model.dropout else 0
        return self.batch.element * one.size("batch") * (one.size("n") + dropped) * float(one.size("k"))

    def attention(self, one: Operator) -> float:
        """Keep Q, K, V and a sum of exponentials per query (fp32).

        The CPU's kernel knows neither dropout nor biases that learn. With them the operators run one by one, in fp32.
        """
        learned = self.model.kinds.positions is Positions.RELATIVE and not one.path.startswith("cross_attention")
        if self.device is Device.CUDA or not (self.model.dropout or learned):
            return one.saved
        width = one.size("width")
        rows, keys = one.size("queries"), one.size("keys")
        operands = (rows + keys) * width + keys * (self.model.value_dim or width)
        each = operands + (3 if self.model.dropout else 1) * rows * keys
        return float(STATISTIC * one.size("batch") * one.size("heads") * each)

    def positions(self, one: Operator) -> float:
        """Keep numbers of positions (s) and types (n), or cosines and sines, or what relative biases were read by.

        A causal mask of a byte for each pair of tokens is made once, and kept by every block's scores. Blocks that are
        computed again keep the biases, which are given to them; so does a fused kernel.
        """
        kinds, keys, e = self.model.kinds, self.batch.sequence, self.batch.element
        pairs = self.batch.sequence // self.share.cp * keys
        mask = (
            pairs if self.model.causal and not (self.share.fused and kinds.positions is not Positions.RELATIVE) else 0
        )
        if kinds.positions is Positions.RELATIVE:
            held = self.recompute or (self.share.fused and self.device is Device.CUDA)
            return float(INDEX * pairs + mask + held * e * self.heads * pairs)
        if kinds.positions is Positions.ROTARY:
            return float(2 * e * keys // self.share.cp * self.head_width + mask)
        return float(INDEX * (keys // self.share.cp + kinds.types * self.tokens) + mask)

    @property
    def heads(self) -> int:
        """Heads of one GPU."""
        return self.all_heads // self.share.tp

    @property
    def all_heads(self) -> int:
        """Heads of the model, also where it does not say."""
        return self.model.heads or max(1, self.model.hidden // HEAD_WIDTH)

    @property
    def head_width(self) -> int:
        """Columns of a head of Q."""
        return self.model.query_width // self.all_heads

    def elementwise(self, one: Operator) -> float:
        """Keep the input or the output.

        Cross entropy keeps the logarithm of the softmax, the number of each token's class, the loss and the sum of the
        classes' weights.
        """
        if one.path.endswith("output.softmax"):
            rows = one.saved / (self.batch.element * one.size("width"))
            return one.saved + INDEX * rows + 2 * self.batch.element
        return one.saved


_RULES: Mapping[Operation, Callable[[Eager, Operator], float]] = {
    Operation.NORM: Eager.norm,
    Operation.DROPOUT: Eager.dropout,
    Operation.SCORES: Eager.scores,
    Operation.CONTEXT: Eager.context,
    Operation.ATTENTION: Eager.attention,
    Operation.SUM: Eager.positions,
    Operation.ELEMENTWISE: Eager.elementwise,
}
