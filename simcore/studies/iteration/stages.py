"""When each stage of a pipeline does what: the turns of an iteration, played."""

from __future__ import annotations

from simcore.models.training.parallel.evaluation import Evaluation
from simcore.models.training.parallel.orders import Kind, Pipelined, turns_of
from simcore.models.training.parallel.pipelining import stage_times
from simcore.models.training.parallel.simulate import UPDATE, Simulated
from simcore.models.training.parallel.stages import play
from simcore.timeline.slices import Slice

NAMES = {
    Kind.FORWARD: "forward",
    Kind.BACKWARD: "backward",
    Kind.INPUT_GRADIENT: "input gradient",
    Kind.WEIGHT_GRADIENT: "weight gradient",
}
"""What a turn is called."""


def stage_slices(evaluation: Evaluation) -> list[Slice]:
    """Return the turns of every pipeline rank, and what follows them: sums of gradients, and the update.

    Exposed collectives of a turn belong to it. Orders that have a closed form may end a little before or after it.
    """
    layout = evaluation.layout
    order = layout.order if layout.pp > 1 else "1F1B"
    size = layout.pipelined if layout.pp > 1 else Pipelined(1, layout.micro_batches, 1)
    table = turns_of(order, size)
    times = [stage_times(chunk) for chunk in evaluation.chunks]
    played = play(order, size, table, times, evaluation.message)
    slices = []
    for rank, (turns, starts) in enumerate(zip(table, played.starts, strict=True)):
        track = f"rank {rank}"
        for turn, start in zip(turns, starts, strict=True):
            stage = turn.chunk * size.ranks + rank if order not in {"ZBV", "DualPipeV"} or not turn.chunk else (
                2 * size.ranks - 1 - rank
            )  # fmt: skip
            values = {"micro-batch": turn.micro_batch + 1, "model chunk": stage + 1}
            slices.append(Slice(track, NAMES[turn.kind], start, start + times[stage].of(turn.kind), values))
        end = played.seconds
        for name in ("data-parallel", "optimizer"):
            if evaluation.parts[name]:
                slices.append(Slice(track, name, end, end + evaluation.parts[name], {}))
                end += evaluation.parts[name]
    return slices


def simulated_slices(simulated: Simulated) -> list[Slice]:
    """Return what a GPU of every pipeline rank computed and waited for in a simulated iteration."""
    slices = []
    for rank, log in enumerate(simulated.logs):
        for span in log.spans:
            name = span.part.value if span.layer != UPDATE else "optimizer"
            values: dict[str, int | str] = {} if span.layer == UPDATE else {"repetition": span.layer + 1}
            if span.axis is not None:
                name = f"waits: {span.axis.value}"
                values["for"] = span.part.value
            slices.append(Slice(f"rank {rank}", name, span.start, span.end, values))
    return slices
