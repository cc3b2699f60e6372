"""Conventions: what the phase of a chunk costs in one dimension, by physics or as ASTRA-sim counts it.

``physical`` keeps what links carry. The others reproduce programs: ``astra-sim`` is ASTRA-sim 1.0 with its
analytical network, ``astra-sim-2`` and ``astra-sim-2-aware`` are ASTRA-sim 2 without and with its congestion model,
``astra-sim-2-2023`` its releases before March 2024.
"""

from __future__ import annotations

from simcore.errors import unknown_name
from simcore.models.network.algorithms import PhaseCost
from simcore.models.network.conventions.astra1 import ASTRA_SIM
from simcore.models.network.conventions.astra2 import ASTRA_SIM_2, ASTRA_SIM_2_2023, ASTRA_SIM_2_AWARE
from simcore.models.network.conventions.base import Convention
from simcore.models.network.conventions.physics import PHYSICAL

CONVENTIONS = {each.name: each for each in (PHYSICAL, ASTRA_SIM, ASTRA_SIM_2, ASTRA_SIM_2_2023, ASTRA_SIM_2_AWARE)}
"""All conventions by name."""

__all__ = [
    "ASTRA_SIM",
    "ASTRA_SIM_2",
    "ASTRA_SIM_2_2023",
    "ASTRA_SIM_2_AWARE",
    "CONVENTIONS",
    "PHYSICAL",
    "Convention",
    "PhaseCost",
    "convention",
]


def convention(name: str, place: str = "convention") -> Convention:
    """Return a convention by its name, in any case.

    Parameters
    ----------
    name : str
        One of `CONVENTIONS`.
    place : str
        The argument that gave it, for messages.

    Raises
    ------
    InputError
        If there is no such convention.

    Examples
    --------
    >>> convention("ASTRA-sim").name
    'astra-sim'
    """
    if name.lower() not in CONVENTIONS:
        raise unknown_name(place, name, CONVENTIONS)
    return CONVENTIONS[name.lower()]
