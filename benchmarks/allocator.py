"""The state of memory that steps are measured in: what a step gives back is kept for the next one.

By default glibc decides from what was freed before, and from what lies at the end of its heap, whether memory goes back
to the system. So the same step of one process touches new pages every time and that of another never does.
"""

from __future__ import annotations

import ctypes
import sys

from simcore.models.compute.device import FRESH

_TRIM, _MAP = -1, -3
"""``M_TRIM_THRESHOLD`` and ``M_MMAP_THRESHOLD`` of ``malloc.h``."""


def keep_memory() -> None:
    """Let the C library keep all that is freed, but blocks of 32 MiB or more, which are the most that it can keep.

    A user gets the same with ``MALLOC_TRIM_THRESHOLD_=2147483647 MALLOC_MMAP_THRESHOLD_=33554432`` before the command.
    """
    library = ctypes.CDLL(None)
    if not hasattr(library, "mallopt"):
        sys.exit("the C library has no mallopt: steps are measured with glibc, whose memory can be kept")
    library.mallopt(_MAP, int(FRESH["cpu"]))
    library.mallopt(_TRIM, 2**31 - 1)
