"""When a device waits for its host: kernels are launched one after another, and each runs once it is launched.

The host launches ahead of the device. After a short kernel the device may have nothing to do until the next launch.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Waits = Mapping[int, float]
"""Seconds that the device waits before a kernel, by the kernel's position; kernels that it does not wait for are left
out."""

_NONE: Waits = {}


@dataclass(frozen=True)
class Launched:
    """Kernels of a block, or of what stands alone, in the two orders in which an iteration launches them.

    Attributes
    ----------
    seconds : tuple of float
        What each takes on the device [s].
    forward, backward : tuple of int
        Positions of those of the forward pass and of the backward pass, in launch order.
    count : int
        Equal blocks in a row.
    """

    seconds: tuple[float, ...]
    forward: tuple[int, ...]
    backward: tuple[int, ...]
    count: int = 1


def waits_for_host(blocks: Sequence[Launched], launch: float) -> list[list[Waits]]:
    """Return how long the device waits before each kernel of an iteration, for each block and repetition.

    The forward pass runs through all blocks in order, the backward pass from the last to the first. With h the time at
    which the host has launched a kernel and d the time at which the device has finished it, both 0 at the start::

        h' = h + launch        d' = max(d, h') + seconds        wait = max(h' - d, 0)

    so that an iteration takes the kernels' seconds and the waits. Only the lead s = d - h matters from one kernel to
    the next: ``wait = max(launch - s, 0)`` and ``s' = max(s - launch, 0) + seconds``.

    Parameters
    ----------
    blocks : sequence of Launched
        In forward order.
    launch : float
        What the host takes to launch a kernel [s].

    Examples
    --------
    Two kernels of 1 s and 5 s, launched every 3 s: the device waits before the first and for the second, which is there
    at 6 s and done at 11 s.

    >>> waits_for_host([Launched((1.0, 5.0), (0, 1), ())], 3.0)
    [[{0: 3.0, 1: 2.0}]]
    """
    if launch <= 0:
        return [[_NONE] * block.count for block in blocks]
    forward, backward, lead = [], [], 0.0
    for block in blocks:
        waits, lead = _repeated(block, block.forward, launch, lead)
        forward.append(waits)
    for block in reversed(blocks):
        waits, lead = _repeated(block, block.backward, launch, lead)
        backward.append(reversed(waits))
    return [
        [{**first, **then} if then else first for first, then in zip(there, back, strict=True)]
        for there, back in zip(forward, reversed(backward), strict=True)
    ]


def _repeated(block: Launched, order: Sequence[int], launch: float, lead: float) -> tuple[list[Waits], float]:
    """Return the waits of each repetition, and the lead at the end; looked at are kernels where waits change."""
    least, gain = _unhindered(block, order, launch)
    waited: list[Waits] = []
    before, after, waits = math.nan, lead, _NONE
    for _ in range(block.count):
        if lead >= least:
            waited.append(_NONE)
            lead += gain
            continue
        if lead != before:  # else the repetition is that before it
            before, (waits, after) = lead, _once(block, order, launch, lead)
        waited.append(waits)
        lead = after
    return waited, lead


def _unhindered(block: Launched, order: Sequence[int], launch: float) -> tuple[float, float]:
    """Return the lead from which on no kernel of a repetition waits, and by how much the lead then grows."""
    least, gain = -math.inf, 0.0
    for position in order:
        least = max(least, launch - gain)
        gain += block.seconds[position] - launch
    return least, gain


def _once(block: Launched, order: Sequence[int], launch: float, lead: float) -> tuple[Waits, float]:
    waits: dict[int, float] = {}
    for position in order:
        if lead < launch:
            waits[position] = launch - lead
        lead = max(lead - launch, 0.0) + block.seconds[position]
    return waits, lead
