"""What GPUs that share a model send each other: an operator list with its collectives, for a layout.

Tensor parallelism cuts as Megatron-LM does, see `simcore.models.training.transformer`. With sequence parallelism what
it leaves whole is cut along the sequence: an all-gather stands before the column-cut products, and a reduce-scatter
after the row-cut ones, in place of all-reduces. What a column-cut product keeps is its shard, which is gathered again
for the weight gradient, or what was gathered: see `simcore.models.training.parallel.layout.Splitter`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

from simcore.models.network.collectives import Collective
from simcore.models.network.mapping import Axis
from simcore.models.training.architecture import Batch, Transformer
from simcore.models.training.listing import Architecture, operators_of
from simcore.models.training.operators import Communication, Operation, Operator, OperatorList
from simcore.models.training.parallel.layout import ContextExchange, Layout, Splitter
from simcore.models.training.transformer import transformer_sections

_CUT_ALONG_SEQUENCE = {Operation.NORM, Operation.RESIDUAL, Operation.SUM, Operation.DROPOUT}
"""Operations of which sequence parallelism cuts those that tensor parallelism leaves whole."""

_OF_HEADS = ("qk_norm", "query_norm", "key_value_norm", "scores_dropout")
"""Norms and dropout inside attention, which see the whole sequence."""


def sharded_operators(model: Architecture, sequence: int, layout: Layout, *, routed: bool = False) -> OperatorList:
    """Return the operators of one micro-batch on one GPU of a layout, with the collectives between them.

    Collectives of a group of one GPU are left out. Pipeline and data parallelism, which cut the list and repeat it, are
    not among them; nor is the update.

    Parameters
    ----------
    model : Transformer or LayeredModel
        The sizes.
    sequence : int
        Tokens of a whole sequence.
    layout : Layout
        How the iteration is spread.

    routed : bool
        Whether only sections with experts are wanted: the others do not depend on expert parallelism.

    Raises
    ------
    InputError
        As `simcore.models.training.listing.operators_of`.

    Examples
    --------
    >>> gpt = Transformer("gpt", hidden=64, blocks=2, heads=8)
    >>> listed = sharded_operators(gpt, 128, Layout(tp=4, sequence_parallel=True))
    >>> [comm.collective.value for one in listed for comm in one.before_forward][:2]
    ['all-gather', 'all-gather']
    """
    element = layout.number_format.element
    if not isinstance(model, Transformer):
        return _without_update(operators_of(model, Batch(1, layout.micro_batch, element), layout.tp))
    batch = Batch(sequence, layout.micro_batch, element, causal_half=layout.causal_half)
    sharding = _Sharding(model, batch, layout)
    read = None if model.encoder is None or model.encoder.sequence is None else model.encoder.sequence
    sections = (
        replace(
            section, operators=tuple(sharding.of(one) for one in section.operators),
            input=None if read is None or not section.path.startswith("encoder.") else block_input(model, read, layout),
        )
        for section in transformer_sections(model, batch, layout.share, routed=routed)
        if section.operators
    )  # fmt: skip
    return OperatorList(tuple(sections))


def block_input(model: Architecture, sequence: int, layout: Layout) -> float:
    """Return what a block reads, and a GPU hands to the next stage [B]; of a list of layers each block says it."""
    if not isinstance(model, Transformer):
        return 0.0
    cut = layout.tp if layout.sequence_parallel else 1
    tokens = layout.micro_batch * sequence // layout.cp
    return layout.number_format.element * tokens * model.hidden / cut


def _without_update(listed: OperatorList) -> OperatorList:
    return OperatorList(tuple(
        section for section in listed.sections
        if any(one.operation is not Operation.UPDATE for one in section.operators)
    ))  # fmt: skip


class Scheduling(Protocol):
    """What decides which operators one GPU runs for a micro-batch, and what of the layout changes with them."""

    def layout(self, layout: Layout, model: Architecture) -> Layout:
        """Return the layout that is run."""

    def operators(self, model: Architecture, sequence: int, layout: Layout, *, routed: bool = False) -> OperatorList:
        """Return the operators of a micro-batch on one GPU, as `sharded_operators` does."""


class Unscheduled:
    """No schedule: the operators are those of the layout alone."""

    def layout(self, layout: Layout, model: Architecture) -> Layout:
        """Return the layout as it is."""
        return layout

    def operators(self, model: Architecture, sequence: int, layout: Layout, *, routed: bool = False) -> OperatorList:
        """Return what `sharded_operators` does."""
        return sharded_operators(model, sequence, layout, routed=routed)


UNSCHEDULED: Scheduling = Unscheduled()
"""No schedule."""


@dataclass(frozen=True)
class _Sharding:
    """Writes the collectives of a layout into operators."""

    model: Transformer
    batch: Batch
    layout: Layout

    def of(self, one: Operator) -> Operator:
        """Return an operator with what this layout sends."""
        one = self._tensor(one)
        if self.layout.ep > 1:
            one = self._expert(one)
        return self._context(one) if self.layout.cp > 1 and is_core(one, self.layout.fused_attention) else one

    def _tensor(self, one: Operator) -> Operator:
        """Of tensor parallelism; the published workloads have an all-gather that nothing needs."""
        sends = one.after_forward is not None or one.after_input_gradient is not None
        if self.layout.tp == 1:
            return replace(one, after_forward=None, after_input_gradient=None) if sends else one
        if sends and one.path.endswith("attention.output"):
            one = replace(one, after_input_gradient=None)
        if one.path == "output.softmax":
            # largest logit, sum of exponentials, and the logit that is wanted, of each token, in fp32
            each = Communication(Collective.ALL_REDUCE, 4.0 * self.batch.tokens / self.layout.cp)
            return replace(one, before_forward=(each, each, each))
        one = self._sequence(one) if self.layout.sequence_parallel else one
        return _beside(one) if self.layout.overlap_tensor and one.operation is Operation.LINEAR else one

    def _sequence(self, one: Operator) -> Operator:
        """Of sequence parallelism: all-reduces in two halves, and the rest cut."""
        tp = self.layout.tp
        if cut_along_sequence(one):
            return _cut(one, tp)
        summed, back = one.after_forward, one.after_input_gradient
        if summed is not None:
            gathered = Communication(Collective.ALL_GATHER, summed.size / tp)
            one = replace(
                one, after_forward=replace(summed, collective=Collective.REDUCE_SCATTER), before_backward=(gathered,),
                output=one.output / tp if one.operation is Operation.LINEAR else one.output,
            )  # fmt: skip
        if back is not None:
            shard = Communication(Collective.ALL_GATHER, back.size / tp)
            again, saved = one.before_backward, one.saved
            if self.layout.splitter is Splitter.MEGATRON:
                again, saved = (replace(shard, hidden=True),), saved / tp
            one = replace(
                one, after_input_gradient=replace(back, collective=Collective.REDUCE_SCATTER), before_forward=(shard,),
                before_backward=again, saved=saved,
            )  # fmt: skip
        return one

    def _expert(self, one: Operator) -> Operator:
        """Of expert parallelism: tokens go to their experts and come back, and so do gradients."""
        if one.path not in {"feed_forward.dispatch", "feed_forward.combine"}:
            return one
        cut = self.layout.tp if self.layout.sequence_parallel else 1
        size = dict(one.shape)["bytes"] / 2 / cut * self.layout.imbalance
        sent = Communication(Collective.ALL_TO_ALL, size, Axis.EXPERT)
        if one.path.endswith("dispatch"):
            return replace(one, after_forward=sent, after_input_gradient=sent)
        return replace(one, before_forward=(*one.before_forward, sent), before_backward=(*one.before_backward, sent))

    def _context(self, one: Operator) -> Operator:
        """Of context parallelism: a ring of keys and values beside attention, or heads in place of tokens."""
        model, tp = self.model, self.layout.tp
        tokens = self.batch.element * self.batch.tokens // self.layout.cp
        wide = model.latent is not None
        keys = tokens * ((model.query_width + model.context_width) if wide else 2 * model.kv_width) / tp
        if self.layout.exchange is ContextExchange.RING:
            there = Communication(Collective.ALL_GATHER, keys, Axis.CONTEXT, hidden=True)
            back = (there, Communication(Collective.REDUCE_SCATTER, keys * self.layout.cp, Axis.CONTEXT, hidden=True))
            return replace(one, before_forward=(there,), before_backward=back)
        before = Communication(Collective.ALL_TO_ALL, tokens * model.query_width / tp + keys, Axis.CONTEXT)
        after = Communication(Collective.ALL_TO_ALL, tokens * model.context_width / tp, Axis.CONTEXT)
        return replace(
            one, before_forward=(before,), after_forward=after, before_backward=(after,), after_input_gradient=before
        )


def _beside(one: Operator) -> Operator:
    """Return a product whose collectives run beside its kernels."""
    after, back = one.after_forward, one.after_input_gradient
    return replace(
        one,
        before_forward=tuple(replace(each, hidden=True) for each in one.before_forward),
        before_backward=tuple(replace(each, hidden=True) for each in one.before_backward),
        after_forward=None if after is None else replace(after, hidden=True),
        after_input_gradient=None if back is None else replace(back, hidden=True),
    )


def cut_along_sequence(one: Operator) -> bool:
    """Say whether sequence parallelism cuts what an operator works on, while every GPU has all of its weights."""
    return (one.operation in _CUT_ALONG_SEQUENCE and not one.path.endswith(_OF_HEADS)) or "router" in one.path


def is_core(one: Operator, fused: bool) -> bool:
    """Say whether an operator is where queries meet keys of other tokens of their own sequence."""
    return one.path == ("attention.fused" if fused else "attention.scores")


def _cut(one: Operator, parts: int) -> Operator:
    """Return an operator on a part of the rows."""
    names = {"bytes", "m"}
    shape = tuple((name, -(-size // parts) if name in names else size) for name, size in one.shape)
    return replace(
        one, shape=shape, work=one.work / parts, saved=one.saved / parts, output=one.output / parts,
        after_forward=None, after_input_gradient=None,
    )  # fmt: skip
