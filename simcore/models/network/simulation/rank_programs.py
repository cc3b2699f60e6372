"""What the ranks of a network run: compute, and collectives among some of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

from simcore.errors import InputError
from simcore.models.network.collectives import Collective


@dataclass(frozen=True)
class GroupCollective:
    """A collective among some NPUs, as each of them calls it.

    Attributes
    ----------
    collective : Collective
        The operation.
    size : float
        Bytes [B]: the full buffer per NPU, for all-gather the input shard per NPU.
    members : tuple of int
        Ranks: rank r has coordinate ``r mod n_1`` in the first dimension, and so on outwards.
    chunks : int
        Into how many it is cut.
    label : str
        For messages.
    """

    collective: Collective
    size: float
    members: tuple[int, ...]
    chunks: int = 64
    label: str = ""

    def __str__(self) -> str:
        name = self.label or self.collective.value
        return f"{name} of {len(self.members)} ranks"


def check_program(npus: int, rank: int, program: Sequence[float | GroupCollective]) -> None:
    """Refuse a rank that the network has not, and steps that it cannot take."""
    if not 0 <= rank < npus:
        raise InputError(f"programs, rank {rank}", "its program", f"ranks of the network, 0 to {npus - 1}")
    for number, step in enumerate(program, 1):
        place = f"programs, rank {rank}, step {number}"
        if not isinstance(step, GroupCollective):
            if not isinstance(step, (int, float)):
                raise InputError(place, repr(step), "seconds of compute, or a GroupCollective")
            if not 0 <= step < inf:
                raise InputError(place, f"{step:g} s of compute", "a finite time of at least 0")
            continue
        if rank not in step.members:
            remedy = f"Add rank {rank} to its members, or take the call out of its program."
            raise InputError(place, f"'{step}', which rank {rank} is no member of", "a collective of its own", remedy)
        if not 0 <= step.size < inf:
            raise InputError(place, f"'{step}' of {step.size:g} B", "a finite size of at least 0")
        if not isinstance(step.chunks, int) or step.chunks < 1:
            raise InputError(place, f"'{step}' in {step.chunks!r} chunks", "a whole number of at least 1")
