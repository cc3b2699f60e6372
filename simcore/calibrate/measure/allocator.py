"""The state of memory that whole models and steps are measured in: what one pass gives back is kept for the next."""

from __future__ import annotations

import ctypes

from simcore.models.compute.device import FRESH

_TRIM, _MAP = -1, -3
"""``M_TRIM_THRESHOLD`` and ``M_MMAP_THRESHOLD`` of ``malloc.h``."""


def keep_memory() -> bool:
    """Let the C library keep all that is freed, but blocks of 32 MiB or more, which are the most that it can keep.

    By default glibc decides from what was freed before, and from what lies at the end of its heap, whether memory goes
    back to the system. So the same pass of one process touches new pages every time and that of another never does.
    A user gets the same with ``MALLOC_TRIM_THRESHOLD_=2147483647 MALLOC_MMAP_THRESHOLD_=33554432`` before a command.
    It holds until the process ends.

    Returns
    -------
    bool
        Whether the C library has such a setting; only glibc does.

    Examples
    --------
    >>> keep_memory() in {True, False}
    True
    """
    library = ctypes.CDLL(None)
    if not hasattr(library, "mallopt"):
        return False
    library.mallopt(_MAP, int(FRESH["cpu"]))
    library.mallopt(_TRIM, 2**31 - 1)
    return True
