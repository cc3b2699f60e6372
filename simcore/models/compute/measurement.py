"""One row of a table of measurements: a kernel that somebody timed, and which of the library's kernels it was."""

from __future__ import annotations

import re
from dataclasses import dataclass

from simcore.models.compute.profile import Sample

_TILE = re.compile(r"(?:tilesize|_)(\d{2,3})x(\d{2,3})")


@dataclass(frozen=True)
class Measurement:
    """A kernel that somebody timed.

    Attributes
    ----------
    op : str
        What the table calls it, such as ``linear`` or ``bmm``.
    sample : Sample
        The same as simcore's kernel, with its shape and seconds.
    launched : str
        Name of the kernel that ran; empty where the table has none.
    """

    op: str
    sample: Sample
    launched: str = ""

    @property
    def tile(self) -> tuple[int, int] | None:
        """Output tile of the library's kernel, as its name tells it; None where it does not.

        Examples
        --------
        >>> Measurement("linear", Sample("gemm", "fp32", {}, 1.0), "volta_sgemm_128x64_tn").tile
        (128, 64)
        """
        match = _TILE.search(self.launched)
        return None if match is None else (int(match[1]), int(match[2]))
