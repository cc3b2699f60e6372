"""What one NPU is: its peaks, its memory and its processors, each number with its source."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from simcore.errors import InputError
from simcore.errors import field as mark

PAGE = 4096
"""Bytes of a page of memory [B]."""

DTYPES: Mapping[str, int] = {"fp64": 8, "fp32": 4, "tf32": 4, "fp16": 2, "bf16": 2, "fp8": 1}
"""Bytes per element [B] by number format; TF32 is stored as fp32 and multiplied with fewer bits, and fp8 is both of its
forms, E4M3 and E5M2."""


FAR = 96 * 2**20
"""Bytes written between two calls that make a call on a CPU cold [B], which is how cold calls are measured."""


FRESH: Mapping[str, float] = {"cpu": 2**25, "cuda": math.inf}
"""Outputs as large [B] are fresh pages in every call, which the system clears first: 32 MiB is the most that glibc
keeps for the next call, torch's allocator keeps all of a GPU's memory."""


@dataclass(frozen=True)
class Device:
    """One NPU, as a data sheet or a driver describes it.

    Attributes
    ----------
    name : str
        For example ``v100-16gb``.
    kind : {'cuda', 'cpu'}
        What runs on it.
    processors : int
        Streaming multiprocessors of a GPU; threads that a CPU's kernels use.
    memory : float
        Size of its memory [B].
    bandwidth : float
        Peak bandwidth of that memory [B/s]; 0 where nobody says.
    cache : float
        Last-level cache [B].
    clock : float
        Boost clock [Hz]; 0 where nobody says.
    peaks : mapping of str to float
        Peak of dense matrix multiplication by number format [FLOP/s].
    power : float
        What the board may draw [W]; 0 where nobody says.
    sources : mapping of str to str
        Where each number is from, by field.

    Examples
    --------
    >>> t4 = Device("t4", "cuda", 40, 16e9, 320e9, 4e6, peaks={"fp32": 8.1e12, "fp16": 65e12})
    >>> t4.peak("fp16")
    65000000000000.0
    """

    name: str
    kind: str
    processors: int
    memory: float
    bandwidth: float
    cache: float
    clock: float = 0.0
    peaks: Mapping[str, float] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)
    power: float = 0.0

    def peak(self, dtype: str) -> float:
        """Return the peak of one number format [FLOP/s].

        Raises
        ------
        InputError
            If the device has no such format.
        """
        if dtype not in self.peaks:
            raise lacks(self.name, dtype, self.peaks)
        return self.peaks[dtype]


def lacks(place: str, dtype: str, known: Mapping[str, object] | list[str]) -> InputError:
    """Return the error for a number format that a device or a profile lacks, or simcore, which has no place."""
    return InputError(
        f"{mark('dtype')}, {place}" if place else mark("dtype"),
        f"'{dtype}'",
        f"one of {', '.join(known) or 'none'}",
        "Choose one of these, or calibrate.",
    )
