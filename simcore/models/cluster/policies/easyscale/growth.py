"""EasyScale's growth proposals: what one running job asks for next, in closed form and cached."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simcore.models.cluster.policies.easyscale.proposals import Proposals
from simcore.models.cluster.rules import Rules
from simcore.models.cluster.ties import TOLERANCE, at_least, more_than

MAX_WASTE = 0.30  # share of the GPUs' capability
MAX_GROWTH = 2.0  # times the GPUs that a job holds


@dataclass(frozen=True)
class Growth:
    """A wish for more GPUs of one type.

    Attributes
    ----------
    gpu : int
        Index of the GPU type that grows.
    number : int
        GPUs of that type on top of what the job holds.
    gain : float
        inc_perf: 1 + (relative speed-up - 1) per GPU asked for.
    gpus, threads : tuple of int
        The placement if granted.
    returned : tuple of int
        GPUs of each type that the job gives back when granted.
    speedup : float
        Its claimed speed-up.
    """

    gpu: int
    number: int
    gain: float
    gpus: tuple[float, ...]
    threads: tuple[int, ...]
    returned: tuple[float, ...]
    speedup: float


def growth(
    proposals: Proposals,
    gpus: tuple[float, ...],
    speedup: float,
    rules: Rules,
    *,
    max_waste: float = MAX_WASTE,
    max_growth: float = MAX_GROWTH,
) -> list[Growth]:
    """Return at most one growth proposal per GPU type.

    A proposal counts if it is no slower than now, wastes at most `max_waste`, and holds at most `max_growth` times the
    GPUs. Those that need more of type g and no more of any other type ask for g with
    ``inc_perf = 1 + (speedup / now - 1) / inc_num``. The largest wins; ties go to the larger number of GPUs, then to
    the larger speed-up. The job keeps the GPUs that the proposal does not use, unless ``idle_gpus='returned'``. Then a
    proposal must also be faster than now, because GPUs that add nothing are idle ones.

    Parameters
    ----------
    proposals : Proposals
        What the job may ask for at all.
    gpus : tuple of float
        GPUs of each type that it holds.
    speedup : float
        Its claimed speed-up on them.
    rules : Rules
        Of which ``idle_gpus`` counts.
    max_waste : float
        Largest share of the GPUs' capability that a proposal may waste.
    max_growth : float
        GPUs of a proposal, at most this many times those that the job holds.

    Examples
    --------
    >>> from simcore.models.cluster.policies.easyscale.proposals import for_rules
    >>> from simcore.models.cluster.rules import PUBLISHED
    >>> proposals = for_rules(8, (2.0, 1.0), (8, 0), PUBLISHED)
    >>> [(g.gpu, g.number, g.gpus) for g in growth(proposals, (2, 0), 4.0, PUBLISHED)]
    [(0, 2, (4, 0))]
    """
    held = sum(gpus)
    within = np.flatnonzero(proposals.sizes <= max_growth * held)  # first: a large job has a million proposals
    speedups, more = proposals.speedup[within], proposals.gpus[within] > np.asarray(gpus)
    # a swap between equals would go back and forth for ever: what returns GPUs must gain by it
    faster = at_least(speedups, speedup) if rules.idle_gpus == "held" else more_than(speedups, speedup)
    sound = faster & (proposals.waste[within] <= max_waste + TOLERANCE)
    wishes = []
    for g in range(len(gpus)):
        others = np.delete(more, g, axis=1).any(axis=1)
        rows = within[sound & more[:, g] & ~others]
        rows = rows[held + proposals.gpus[rows, g] - gpus[g] <= max_growth * held]
        if not len(rows):
            continue
        number = proposals.gpus[rows, g] - gpus[g]
        gain = 1.0 + (proposals.speedup[rows] / speedup - 1.0) / number
        best = np.flatnonzero(at_least(gain, gain.max()))
        best = best[number[best] == number[best].max()]
        best = best[at_least(proposals.speedup[rows[best]], proposals.speedup[rows[best]].max())]
        row = int(rows[best[0]])
        if rules.idle_gpus == "held":
            target = tuple(int(proposals.gpus[row, h]) if h == g else n for h, n in enumerate(gpus))
        else:
            target = tuple(int(n) for n in proposals.gpus[row])
        wishes.append(
            Growth(
                g,
                int(number[best[0]]),
                float(gain[best[0]]),
                target,
                tuple(int(a) for a in proposals.threads[row]),
                tuple(max(0, n - m) for n, m in zip(gpus, target, strict=True)),
                float(proposals.speedup[row]),
            )
        )
    return wishes
