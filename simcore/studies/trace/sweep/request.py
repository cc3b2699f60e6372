"""Inputs of ``simcore sweep trace``."""

from __future__ import annotations

from simcore.studies.request import option
from simcore.studies.trace.request import TraceRequest


class TraceSweepRequest(TraceRequest):
    """A trace of training jobs at all combinations of some options' values, each over the same seeds."""

    study = "sweep trace"

    vary: tuple[str, ...] = option(
        kw_only=True,
        default=(),
        many=True,
        metavar="OPTION[=V,V,...],...",
        help="Options that vary, such as policy,load=0.6,0.9,interval=60,event. Policies are those of --policy; load, "
        "interval, placement and rules have values of their own.",
    )
