"""The suites by name, and the cases of some of them on a device."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence

from simcore.calibrate.measure.device import current, resolve_device
from simcore.calibrate.measure.timing import Case
from simcore.errors import by_name, field, unknown_name

SUITES = (
    "gemm", "memory", "launch", "step", "conv", "norm", "pool", "embedding", "attention", "pit", "moe", "sequence",
    "library",
)  # fmt: skip
"""Names of all suites in the order in which they run.

A suite is the module of this package that has its name. ``cases(kind, full=...)`` of the module yields what is measured
on a ``cpu`` or ``cuda`` device. A new suite is a new module and its name here.
"""

WORKERS = "easyscale"
"""What measures logical workers of elastic training: whole trainings, which are no cases of kernels."""

NAMED = ("slapo", WORKERS)
"""Suites that run where they are named alone: they measure kernels of others at sizes of their own, or no kernels."""

ONE_STATE = ("launch", "step", "pit", "moe", "sequence", "library")
"""Suites whose cases are in one state; those of all others are measured cold and warm."""


def known_suites(suites: Sequence[str]) -> tuple[str, ...]:
    """Return the suites of some names, which may be in any case.

    Parameters
    ----------
    suites : sequence of str
        Names.

    Raises
    ------
    InputError
        With the closest name, if there is no such suite.
    """
    found = []
    for name in suites:
        suite = by_name(name, (*SUITES, *NAMED))
        if suite is None:
            raise unknown_name(field("suites"), name, (*SUITES, *NAMED))
        found.append(suite)
    return tuple(dict.fromkeys(found))


def cases(device: str, suites: Sequence[str] = SUITES, *, full: bool = False) -> Iterator[Case]:
    """Yield the cases of some suites on a device.

    Parameters
    ----------
    device : str
        ``cpu``, ``cuda`` or ``cuda:N``.
    suites : sequence of str
        Of `SUITES` and `NAMED`.
    full : bool
        Whether to measure more shapes.

    Raises
    ------
    InputError
        If a suite or the device is unknown.
    """
    for name in (each for each in known_suites(suites) if each != WORKERS):
        module = importlib.import_module(f"simcore.calibrate.suites.{name}")
        with current(device):
            listed = list(module.cases(resolve_device(device).type, full=full))
        alone = name in ONE_STATE
        yield from (one for case in listed for one in ((case,) if alone or case.host else case.in_both()))
