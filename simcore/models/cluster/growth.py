"""EasyScale's growth proposals: what one running job asks for next, in closed form and cached."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simcore.models.cluster.proposals import Proposals
from simcore.models.cluster.rules import Rules
from simcore.models.cluster.ties import TOLERANCE, at_least, more_than

MAX_WASTE = 0.30
MAX_GROWTH = 2


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
    gpus: tuple[int, ...]
    threads: tuple[int, ...]
    returned: tuple[int, ...]
    speedup: float


def growth(found: Proposals, gpus: tuple[int, ...], speedup: float, rules: Rules) -> list[Growth]:
    """Return at most one growth proposal per GPU type.

    Among the proposals that are no slower than now, waste at most 0.30 and hold at most twice the GPUs, those that need
    more of type g and no more of any other type ask for g with ``inc_perf = 1 + (speedup / now - 1) / inc_num``; the
    largest wins, ties going to the larger number of GPUs, then to the larger speed-up. The job keeps the GPUs that the
    proposal does not use, unless ``idle_gpus='returned'``; then a proposal must also be faster than now, because GPUs
    that add nothing are idle ones.

    Examples
    --------
    >>> from simcore.models.cluster.proposals import for_rules
    >>> from simcore.models.cluster.rules import PUBLISHED
    >>> found = for_rules(8, (2.0, 1.0), (8, 0), PUBLISHED)
    >>> [(g.gpu, g.number, g.gpus) for g in growth(found, (2, 0), 4.0, PUBLISHED)]
    [(0, 2, (4, 0))]
    """
    now = np.asarray(gpus)
    held = int(now.sum())
    sizes = found.gpus.sum(axis=1)
    # a swap between equals would go back and forth for ever: what returns GPUs must gain by it
    faster = at_least(found.speedup, speedup) if rules.idle_gpus == "held" else more_than(found.speedup, speedup)
    sound = faster & (found.waste <= MAX_WASTE + TOLERANCE) & (sizes <= MAX_GROWTH * held)
    more = found.gpus > now
    wishes = []
    for g in range(len(gpus)):
        others = np.delete(more, g, axis=1).any(axis=1)
        number = found.gpus[:, g] - gpus[g]
        rows = np.flatnonzero(sound & more[:, g] & ~others & (held + number <= MAX_GROWTH * held))
        if not len(rows):
            continue
        gain = 1.0 + (found.speedup[rows] / speedup - 1.0) / number[rows]
        best = rows[at_least(gain, gain.max())]
        best = best[number[best] == number[best].max()]
        best = best[at_least(found.speedup[best], found.speedup[best].max())]
        row = int(best[0])
        if rules.idle_gpus == "held":
            target = tuple(int(found.gpus[row, h]) if h == g else n for h, n in enumerate(gpus))
        else:
            target = tuple(int(n) for n in found.gpus[row])
        wishes.append(
            Growth(
                g,
                int(number[row]),
                float(1.0 + (found.speedup[row] / speedup - 1.0) / number[row]),
                target,
                tuple(int(a) for a in found.threads[row]),
                tuple(max(0, n - m) for n, m in zip(gpus, target, strict=True)),
                float(found.speedup[row]),
            )
        )
    return wishes
