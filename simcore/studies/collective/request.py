"""Inputs of ``simcore collective``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from simcore.models.network.algorithms import Algorithm
from simcore.models.network.chunk_counts import AUTO, MOST_CHUNKS
from simcore.models.network.chunks import Optimization
from simcore.models.network.collectives import Collective
from simcore.models.network.conventions import CONVENTIONS
from simcore.models.network.schedulers.base import Scheduler
from simcore.models.network.schedulers.registry import SCHEDULERS
from simcore.studies.request import Request, argument, option


class CollectiveRequest(Request):
    """One collective on an idle network."""

    study = "collective"

    collective: str = argument(metavar="COLLECTIVE", choices=Collective, help="The operation.")
    size: float | str = argument(
        metavar="SIZE",
        unit="B",
        help="Text such as 1GiB, or a number: the full buffer per NPU, for all-gather the input shard per NPU.",
    )
    network: str | Path = option(
        default="",
        metavar="TEXT|NAME|FILE",
        help="Dimensions with bandwidth (of one direction) and link latency; or a network that has them. Needed.",
    )
    chunks: int | str = option(
        default=AUTO,
        choices=(AUTO,),
        beside="COUNT",
        least=1,
        most=MOST_CHUNKS,
        metavar="auto|COUNT",
        help="Into how many the buffer is cut; auto takes the fastest of 1, 2, 4, ... 64, by ASTRA-sim's "
        "conventions 64.",
    )
    schedule: str | type[Scheduler] = option(
        default="ascending", choices=SCHEDULERS, beside="FILE.py:CLASS", help="Order of dimensions per chunk."
    )
    in_flight: int = option(default=1, least=1, most=MOST_CHUNKS, help="Chunks under way in a dimension at once.")
    group: str | Sequence[int] | None = option(
        default=None, metavar="RANKS", help="Ranks that take part: 0-15 or 0,4,8; by default all."
    )
    collective_opt: str = option(
        default="local",
        choices=Optimization,
        metavar="NAME",
        help="What an all-reduce does in each dimension: reduce-scatter up and all-gather down, or all of it.",
    )
    convention: str = option(
        default="physical", choices=CONVENTIONS, help="What a chunk costs, by physics or as ASTRA-sim counts it."
    )
    algorithms: str | Sequence[str] | None = option(
        default=None,
        flag="--algorithm",
        metavar="NAMES",
        help=f"{', '.join(Algorithm)}: one, or with commas one per dimension.",
    )
