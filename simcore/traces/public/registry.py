"""All formats of public traces, and what is said of a file of none."""

from __future__ import annotations

from collections.abc import Sequence

from simcore.errors import InputError
from simcore.traces.public.acme import ACME
from simcore.traces.public.base import Format
from simcore.traces.public.elasticflow import ELASTICFLOW
from simcore.traces.public.gavel import GAVEL
from simcore.traces.public.helios import HELIOS
from simcore.traces.public.muri import MURI
from simcore.traces.public.openb import OPENB
from simcore.traces.public.pai import PAI
from simcore.traces.public.philly import LOG, TABLE
from simcore.traces.public.pollux import POLLUX
from simcore.traces.public.shockwave import SHOCKWAVE
from simcore.traces.public.swf import SWF
from simcore.traces.public.tiresias import TIRESIAS

# a format that another one's columns are part of comes first
_ALL = (LOG, TABLE, HELIOS, ACME, PAI, OPENB, ELASTICFLOW, MURI, TIRESIAS, SWF, SHOCKWAVE, POLLUX, GAVEL)
PUBLIC: dict[str, Format] = {each.name: each for each in _ALL}

KNOWN_BUT_NOT_READ = {
    "the job table of PAI-2020": (
        ("job_name", "inst_id", "user", "status", "start_time", "end_time"),
        "It does not say how many GPUs: join it with the task table by job_name, and keep plan_gpu and inst_num.",
    ),
}
"""Formats that are recognised, and how to convert them."""


def recognised(text: str, header: Sequence[str]) -> Format | None:
    """Return the format of a file, by its beginning; None if it is none of these.

    Examples
    --------
    >>> recognised("", ["timestamp", "duration", "num_gpus", "gpu_time", "cluster"]).name
    'philly'
    """
    return next((each for each in PUBLIC.values() if each.matches(text, header)), None)


def no_reader(header: Sequence[str], name: str) -> InputError:
    """Return what is said of a file that no reader takes: what it looks like, the nearest format, how to convert it."""
    columns = f"the columns {', '.join(header[:8])}" + (", ..." if len(header) > 8 else "")
    for what, (theirs, remedy) in KNOWN_BUT_NOT_READ.items():
        if set(theirs) <= set(header):
            return InputError(name, f"{what}, by {columns}", "a trace that says how long jobs run", remedy)
    shared = {each.name: len(set(each.columns) & set(header)) / len(each.columns) for each in _ALL if each.columns}
    nearest = max(shared, key=lambda key: (shared[key], key))
    missing = [column for column in PUBLIC[nearest].columns if column not in header]
    hint = f"The nearest format is {nearest}, which also needs {', '.join(missing)}. " if shared[nearest] else ""
    return InputError(
        name, columns, f"a trace in simcore's format, or one of {', '.join(PUBLIC)}",
        f"{hint}Or write name,submit_s,duration_s,gpus.",
    )  # fmt: skip
