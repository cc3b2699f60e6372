"""Inputs of ``simcore train MODEL``."""

from __future__ import annotations

from simcore.models.network.chunk_counts import AUTO, MOST_CHUNKS
from simcore.studies.deployment.masked import MaskedRequest
from simcore.studies.deployment.parallel import ParallelRequest
from simcore.studies.request import option

LOOPS = ("closed", "simulate")
"""How an iteration is timed."""


class IterationRequest(MaskedRequest, ParallelRequest):
    """A training iteration of a model on GPUs."""

    study = "iteration"

    loop: str = option(
        default="closed",
        choices=LOOPS,
        metavar="LOOP",
        help="How the iteration is timed: closed is a formula, simulate runs it chunk by chunk beside it. "
        "What waits for what with a workload: NoOverlap, Overlap, simulate (its default).",
    )
    chunks: int | str = option(
        default=AUTO,
        choices=(AUTO,),
        beside="COUNT",
        least=1,
        most=MOST_CHUNKS,
        metavar="auto|COUNT",
        help="Into how many each collective is cut where it is simulated; auto takes the fastest of 1, 2, 4, ... 64.",
    )
    tokens: float | str | None = option(
        default=None, metavar="COUNT", help="Say how long training on so many tokens takes: 300B, 2T."
    )
