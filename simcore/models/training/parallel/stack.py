"""What a software stack reaches of a device and a network: at most three constants, fitted to measured iterations."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

MOVED = 0.8
"""Share of a data sheet's memory bandwidth that kernels reach which only move bytes. Large element-wise kernels of the
six GPUs of NeuSight's table reach 0.71 to 0.90 of theirs (see the profiles of the zoo)."""

SHARPNESS = 4
"""Order of the mean in which the time of a pass's kernels and that of launching them join: where both are alike a pass
takes longer than either, as kernels of one kind wait for the host while those of another do not."""


ALIKE = 0.05
"""Constants of two halves of the rows that differ by no more than this share are identified."""


@dataclass(frozen=True)
class Stack:
    """A training framework on a device, as measured iterations show it.

    Attributes
    ----------
    name : str
        For example ``megatron-deepspeed-a100-80gb``.
    products : float
        Speed of matrix products, over what the kernel profile says.
    launch : float
        What the host takes to launch a kernel [s].
    network : float
        Speed of collectives and messages, over what the network says.
    attention : float or None
        Speed of fused attention, over what the profile says of its products; published, not fitted. None for that of
        products.
    overlap_tensor : bool
        Whether it runs collectives of tensor parallelism beside their products.
    stops_early : bool
        Whether its recomputation stops early, see `simcore.models.training.parallel.layout.Layout`.
    low, high : float
        Measured over predicted time: the interval between them held nine of ten rows that no constant was fitted to.
    rows, held : int
        Rows that the constants were fitted to, and rows that the interval is of.
    source : str
        Where the rows come from.
    fitted : frozenset of str
        Ids of the rows that the constants were fitted to.
    split : tuple of float
        How far products, launch and network of two halves of those rows lie apart, over their mean; empty where the
        rows are too few to halve, so that nothing says whether they identify the constants.

    Examples
    --------
    >>> Stack("toy", products=0.8).interval(10.0)
    (9.0, 11.0)
    """

    name: str
    products: float = 1.0
    launch: float = 0.0
    network: float = 1.0
    attention: float | None = None
    overlap_tensor: bool = False
    stops_early: bool = False
    low: float = 0.9
    high: float = 1.1
    rows: int = 0
    held: int = 0
    source: str = ""
    fitted: frozenset[str] = frozenset()
    split: tuple[float, ...] = ()

    @property
    def identified(self) -> dict[str, bool]:
        """Whether halves of the fitting rows give the same constant, within `ALIKE`; False where nobody could say."""
        names = ("products", "launch", "network")
        return dict.fromkeys(names, False) | {name: off <= ALIKE for name, off in zip(names, self.split, strict=False)}

    def interval(self, seconds: float) -> tuple[float, float]:
        """Return between what times nine of ten measurements should be [s]."""
        return seconds * self.low, seconds * self.high


def joined(kernels: float, launches: float) -> float:
    """Return what a pass takes whose kernels and whose launches take so long [s]: ``(k^q + l^q)^(1/q)``.

    Parameters
    ----------
    kernels, launches : float
        What the device, and what the host takes [s].

    Examples
    --------
    >>> round(joined(1.0, 1.0), 4), joined(2.0, 0.0)
    (1.1892, 2.0)
    """
    most = max(kernels, launches)
    if not most:
        return 0.0
    return most * float(((kernels / most) ** SHARPNESS + (launches / most) ** SHARPNESS) ** (1 / SHARPNESS))


def slowest(spread: float, ranks: int) -> float:
    """Return how much later the slowest of some ranks is than the mean one, as a share of what they compute.

    It is the expected largest of `ranks` normal deviates, ``Phi^-1((n - 3/8) / (n + 1/4))``, times their spread.

    Parameters
    ----------
    spread : float
        Standard deviation of what one rank computes, over the mean. The logs of MLPerf Training v3.1 show 0.0013 (768
        H100) to 0.015 (10,752) between steps.
    ranks : int
        Ranks that wait for each other.

    References
    ----------
    Blom, Statistical Estimates and Transformed Beta-Variables, 1958.

    Examples
    --------
    >>> round(slowest(0.01, 1), 6), round(slowest(0.01, 8), 4), round(slowest(0.01, 10752), 4)
    (0.0, 0.0143, 0.0385)
    """
    return spread * NormalDist().inv_cdf((ranks - 0.375) / (ranks + 0.25))
