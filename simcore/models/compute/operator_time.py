"""An operator of a model that somebody timed as a whole: its kernels, and what the harness around them takes.

A library of layers launches several kernels for one operator, and with tensor parallelism a collective follows them. A
timing of operators, one after the other in a loop, is so the time of the kernels, or of the host where launching them
takes longer, and of the collective.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from simcore.models.compute.compute_model import KernelCall
from simcore.models.network.collectives import Collective, traffic


class PassName(StrEnum):
    """Which way an operator was run; the backward pass is that of inputs and weights together."""

    FORWARD = "forward"
    BACKWARD = "backward"


@dataclass(frozen=True)
class OperatorTime:
    """One pass of an operator that somebody timed.

    Attributes
    ----------
    op : str
        What the table calls it.
    run : PassName
        Forward or backward.
    dtype : str
        Number format of its products.
    kind : str
        Operators of one kind are launched by the same code, so that the host takes the same time for them.
    calls : tuple of KernelCall
        Its kernels in order, each with its number format.
    collectives : tuple of (Collective, float)
        What follows them, with bytes as `simcore.models.network.collectives.traffic` has them.
    ranks : int
        GPUs of the collectives.
    seconds : float
        What was measured [s].
    model : str
        The family of models that it belongs to.
    combination : str
        Size of the model, micro-batch and tensor parallelism that it was timed with.
    """

    op: str
    run: PassName
    dtype: str
    kind: str
    calls: tuple[KernelCall, ...]
    collectives: tuple[tuple[Collective, float], ...]
    ranks: int
    seconds: float
    model: str
    combination: str = ""


@dataclass(frozen=True)
class Link:
    """What a collective of some GPUs of one machine takes: ``start + traffic / bandwidth``.

    Attributes
    ----------
    start : float
        Beside the bytes [s].
    bandwidth : float
        At which each GPU sends what the collective needs [B/s].
    """

    start: float
    bandwidth: float


@dataclass(frozen=True)
class Harness:
    """The machine and the code that operators were timed with, beside the GPU.

    Attributes
    ----------
    host : mapping of (str, PassName) to float
        Least time of an operator of a kind, however small: launching it takes so long [s].
    links : mapping of (str, int) to Link
        By model and number of GPUs of a group: models differ in the code around their collectives.

    Examples
    --------
    >>> sums = ((Collective.ALL_REDUCE, 2e6),)
    >>> norm = OperatorTime("norm", PassName.FORWARD, "fp16", "norm", (), sums, 2, 1.0, "toy")
    >>> harness = Harness({("norm", PassName.FORWARD): 4e-5}, {("toy", 2): Link(1e-4, 1e10)})
    >>> round(harness.seconds(norm, [3e-5, 2e-5]) * 1e6), round(harness.seconds(norm, [1e-5]) * 1e6)
    (350, 340)
    """

    host: Mapping[tuple[str, PassName], float]
    links: Mapping[tuple[str, int], Link]

    def seconds(self, operator: OperatorTime, kernels: Sequence[float]) -> float:
        """Return the time of an operator whose kernels take so long each [s]."""
        return max(math.fsum(kernels), self.host.get((operator.kind, operator.run), 0.0)) + self.network(operator)

    def network(self, operator: OperatorTime) -> float:
        """Return the time of its collectives [s]."""
        if operator.ranks == 1:
            return 0.0
        link = self.links[operator.model, operator.ranks]
        return math.fsum(
            link.start + traffic(collective, size, (operator.ranks,))[0] / link.bandwidth
            for collective, size in operator.collectives
        )
