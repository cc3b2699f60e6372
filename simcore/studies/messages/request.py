"""Inputs of ``simcore messages``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from simcore.models.network.algorithms import Algorithm
from simcore.models.network.collectives import Collective
from simcore.models.network.messages.fabric import Routing
from simcore.studies.request import Request, argument, option

ALGORITHMS = (Algorithm.RING.value, Algorithm.DIRECT.value)
"""Ways of which the sends are known; others are written out in a file."""


class MessagesRequest(Request):
    """A collective as messages on links that they share."""

    study = "messages"

    collective: str | Path = argument(
        metavar="COLLECTIVE|FILE",
        help=f"{', '.join(Collective)}, or a YAML file of a collective of one's own, send by send.",
    )
    size: float | str = argument(
        metavar="SIZE",
        unit="B",
        help="Text such as 1GiB, or a number: the full buffer per NPU, for all-gather the input shard per NPU.",
    )
    network: str | Path = option(
        default="",
        metavar="TEXT|NAME|FILE",
        help="A file of links or of a shape (torus, fat-tree, rail-optimised, dragonfly), or dimensions with "
        "bandwidth. Needed.",
    )
    algorithm: str = option(
        default=Algorithm.RING.value,
        choices=ALGORITHMS,
        help="Sends of a named collective: round a ring in both directions, or each NPU to each other; an all-to-all "
        "always is direct.",
    )
    group: str | Sequence[int] | None = option(
        default=None, metavar="RANKS", help="NPUs that take part, in this order: 0-15 or 0,4,8; by default all."
    )
    routing: str = option(
        default=Routing.SPREAD.value,
        choices=Routing,
        help="Where several shortest routes are: an equal part over each, or one by a hash, as ECMP takes it.",
    )
    seed: int = option(default=0, least=0, help="Of the hash.")
