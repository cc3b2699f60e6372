"""``simcore trace``: the cluster study."""

from __future__ import annotations

from simcore.cli.options import StudyCommand
from simcore.studies.trace.request import TraceRequest

HELP = """Run a trace of training jobs through cluster schedulers.

TRACE is sc23 (the 62 jobs of EasyScale's trace experiment, the default), a CSV file, or a generator:
synthetic:jobs=1000,load=0.9 (rigid jobs) or synthetic-elastic:jobs=1000,load=0.9.

\b
Examples:
  simcore trace --interval 60
  simcore trace --policy fifo --policy easyscale-heter --rules corrected
  simcore trace mine.csv --cluster mine.yaml --rates rates.csv -o results
"""


command = StudyCommand(
    "trace",
    TraceRequest,
    "simcore.studies.trace:trace",
    help=HELP,
    example="sc23 --interval 60",
    timeline=True,
    timeline_table=False,
)
