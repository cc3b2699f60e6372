"""What is said of an elastic run."""

from __future__ import annotations

from simcore.report import Block, Headline, Sentences, grid
from simcore.studies.elastic.outcome import ElasticOutcome

REFERENCES = {
    "ring": "DistributedDataParallel",
    "ordered": "DistributedDataParallel with a hook that gathers gradients and sums them in the order of ranks",
}
"""What a run is held against, by the order of its sums."""


def report(result: ElasticOutcome) -> list[Block]:
    """Return each stage beside the reference, and what that means."""
    request = result.request
    head = f"{request.model}: {request.workers} logical workers, {request.determinism}, reduce {request.reduce}"
    under = (
        f"{request.batches} mini-batches a stage, beside {REFERENCES[request.reduce]} on {request.workers} processes"
    )
    rows = [
        (stage.stage, *map(_equal, (stage.losses_equal, stage.weights_equal, stage.buffers_equal)),
         _apart(stage.max_loss_difference))
        for stage in result.stages
    ]  # fmt: skip
    columns = ("stage", "losses", "weights", "buffers", "largest loss difference")
    return [Headline(head, under), grid(*columns, left=(0, 1, 2, 3), rows=rows), Sentences("", sentences(result))]


def _equal(same: bool) -> str:
    return "equal" if same else "differ"


def _apart(difference: float | None) -> str:
    return "not a number" if difference is None else f"{difference:.3g}"


def sentences(result: ElasticOutcome) -> list[str]:
    """Say whether all stages are equal, and why the first that is not differs."""
    order = "the same samples in the same order" if result.samples_equal else "OTHER SAMPLES"
    said = [f"Every logical worker saw {order} as in the reference."]
    apart = [
        (number, each)
        for number, each in enumerate(result.stages)
        if not (each.losses_equal and each.weights_equal and each.buffers_equal)
    ]
    if not apart:
        return [*said, "All losses, weights and buffers are equal, bit for bit."]
    number, stage = apart[0]
    return [*said, f"Stage {stage.stage} is the first that differs. {_why(result, number)}"]


def _why(result: ElasticOutcome, number: int) -> str:
    """Say what its level leaves open in a stage."""
    request, text = result.request, result.stages[number].stage
    if "@alt" in text.lower() and request.determinism != "D2":
        return f"{request.determinism} pins no kernel set, and its processes @alt run on another one; D2 pins one."
    if number and request.determinism == "D0" and request.reduce == "ring":
        return "D0 rebuilds buckets at a restart, so that the ring sums in another order; D1 keeps their mapping."
    return "The level should not leave this open: please report it."
