"""``simcore trace``: the cluster study."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from simcore.cli.console import trace_progress
from simcore.cli.options import StudyCommand
from simcore.studies.trace.request import TraceRequest

HELP = """Run a trace of training jobs through cluster schedulers.

TRACE is sc23 (the 62 jobs of EasyScale's trace experiment, the default), a CSV file, or a generator:
synthetic:jobs=1000,load=0.9 (rigid jobs) or synthetic-elastic:jobs=1000,load=0.9.

\b
Examples:
  simcore trace --interval 60
  simcore trace --policy fifo --policy easyscale-heter --rules corrected -o results
  simcore trace my_trace.csv --cluster my_cluster.yaml --rates my_rates.csv --json
"""


@contextmanager
def _progress(_: TraceRequest, __: dict[str, Any]) -> Iterator[dict[str, Any]]:
    with trace_progress() as progress:
        yield {"progress": progress}


command = StudyCommand(
    "trace",
    TraceRequest,
    "simcore.studies.trace:trace",
    help=HELP,
    example="sc23 --interval 60",
    runtime=_progress,
    timeline=True,
    timeline_table=False,
    width=None,
)
