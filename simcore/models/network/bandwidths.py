"""Bandwidths that a script gives a network as numbers."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from numbers import Real

from simcore.errors import InputError, written
from simcore.models.network.topology import Topology
from simcore.units import LEAST_BANDWIDTH, format_si


def check_bandwidths(topology: Topology, bandwidths: Sequence[float]) -> None:
    """Refuse bandwidths of another number than dimensions, that are not above 0 and finite, or too little for a link.

    Raises
    ------
    InputError
        Naming the dimension.
    """
    if len(bandwidths) != len(topology.dimensions):
        expected = f"one for each of the {len(topology.dimensions)} dimensions of network {topology.name}"
        remedy = "Give the bandwidth of one NPU into each dimension [B/s], innermost first."
        raise InputError("bandwidths", f"{len(bandwidths)} numbers", expected, remedy)
    for number, bandwidth in enumerate(bandwidths, 1):
        if not isinstance(bandwidth, Real) or not 0 < bandwidth < inf:
            remedy = "A dimension without links is left out of the network, or has size 1."
            raise InputError(
                f"bandwidths, dimension {number}", f"{written(bandwidth)} B/s", "a finite number above 0", remedy
            )
        if bandwidth < LEAST_BANDWIDTH:
            remedy = f"Numbers are in B/s: write {bandwidth:g}e9 for {bandwidth:g} GB/s."
            raise InputError(
                f"bandwidths, dimension {number}", f"{bandwidth:g} B/s",
                f"at least {format_si(LEAST_BANDWIDTH, 'B/s')}", remedy,
            )  # fmt: skip
