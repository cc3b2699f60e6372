"""A rank that is slower than the others: what it is given as, and the iteration that waits for it.

All NPUs meet in the collectives of their groups, and each replica meets the slow one when gradients are summed. So the
slow rank never waits for another, and its own program with its own times is the iteration.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from simcore.errors import InputError, field
from simcore.models.network.ports import widened
from simcore.numerals import as_real
from simcore.studies.train.deployment import Deployment
from simcore.studies.train.iteration import Iteration

KEYS = ("rank", "compute", "bandwidth", "dimension")
_EXAMPLE = "rank=3,compute=1.2 or rank=3,bandwidth=0.5,dimension=2"


@dataclass(frozen=True)
class Slow:
    """A slow rank.

    Attributes
    ----------
    rank : int
        Which one, from 0.
    compute : float
        Factor on its compute times, at least 1.
    bandwidth : float
        Factor on the bandwidth of its links, at most 1.
    dimension : int or None
        Dimension (from 0) of these links; None for all.
    time_without : float
        The iteration if it were as fast as the others [s].
    """

    rank: int
    compute: float = 1.0
    bandwidth: float = 1.0
    dimension: int | None = None
    time_without: float = 0.0

    def on(self, simulated: Iteration, deployment: Deployment) -> tuple[Iteration, Deployment]:
        """Return the iteration and the deployment as the slow rank has them."""
        dimensions = range(len(deployment.bandwidths)) if self.dimension is None else [self.dimension]
        topology, bandwidths = widened(deployment.topology, deployment.bandwidths, list(dimensions), self.bandwidth)
        slower = replace(simulated, compute_scale=simulated.compute_scale * self.compute)
        return slower, replace(deployment, topology=topology, bandwidths=bandwidths)


def parse_slow(text: str, deployment: Deployment) -> Slow:
    """Read a slow rank.

    Raises
    ------
    InputError
        If a word is no setting, a number is out of its range, or the rank or the dimension is not there.
    """
    given: dict[str, float] = {}
    for word in text.split(","):
        name, _, number = word.strip().partition("=")
        value = as_real(number)
        if name not in KEYS or value is None or name in given:
            raise InputError(field("slow"), f"'{word.strip()}'", f"one of {', '.join(KEYS)} with a number, each once",
                             f"For example {_EXAMPLE}.")  # fmt: skip
        given[name] = value
    npus, dimensions = deployment.topology.npus, len(deployment.bandwidths)
    rank = _whole("rank", given.get("rank"), 0, npus - 1)
    at = _whole("dimension", given["dimension"], 1, dimensions) - 1 if "dimension" in given else None
    _within("compute", given.get("compute", 1.0), 1.0, 1e6)
    _within("bandwidth", given.get("bandwidth", 1.0), 1e-6, 1.0)
    return Slow(rank, given.get("compute", 1.0), given.get("bandwidth", 1.0), at)


def _whole(name: str, value: float | None, least: int, most: int) -> int:
    if value is None or value != int(value) or not least <= value <= most:
        found = f"no {name}" if value is None else f"{name}={value:g}"
        raise InputError(field("slow"), found, f"{name}=N, from {least} to {most}", f"For example {_EXAMPLE}.")
    return int(value)


def _within(name: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:
        expected = f"{name} from {least:g} to {most:g}: others wait for a rank that is slower than they are"
        raise InputError(field("slow"), f"{name}={value:g}", expected)
