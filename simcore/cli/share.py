"""``simcore share``: several training jobs on one network."""

from __future__ import annotations

from simcore.cli.options import StudyCommand
from simcore.studies.share.request import ShareRequest

HELP = """Run several training jobs on one network: how much slower each is, who hurts whom, how full the links are.

JOBS is a YAML file. Each job has a workload and, unless it has the whole network, its positions along each dimension:

\b
jobs:
- {name: first, workload: 175B, tp: 16, positions: [all, all, all, 0-3]}
- {name: second, workload: 175B, tp: 16, positions: [all, all, all, 4-7]}

\b
Example:
  simcore share jobs.yaml --network 4D --budget 325
"""

command = StudyCommand(
    "share",
    ShareRequest,
    "simcore.studies.share:share",
    help=HELP,
    example="jobs.yaml --network 4D --budget 325",
    timeline=True,
)
