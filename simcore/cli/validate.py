"""``simcore validate``: the model of memory against measured rows."""

from __future__ import annotations

from simcore.cli.options import StudyCommand
from simcore.studies.validate.request import ValidateRequest

HELP = """Hold the model of memory against measured rows: how far off it is by source, and which rows it cannot express.

\b
$ simcore validate --memory megatron_memory.csv.gz
megatron_memory.csv.gz: 453 of 609 measured rows expressed
...
"""

command = StudyCommand("validate", ValidateRequest, "simcore.studies.validate:validate", help=HELP)
"""Entry point."""
