"""``simcore validate``: the model against measured rows."""

from __future__ import annotations

from simcore.cli.options import StudyCommand
from simcore.studies.validate.request import ValidateRequest

HELP = """Hold the model against measured rows: error and noise by source, and what it cannot express.

Without a file it takes the public measurements that ship with simcore. One of the four files takes their place.

\b
$ simcore validate --rows iterations.csv.gz --source vtrain
$ simcore validate --collectives collectives.csv.gz --json
$ simcore validate --memory memory.csv.gz
$ simcore validate --add mine.csv
"""

command = StudyCommand("validate", ValidateRequest, "simcore.studies.validate:validate", help=HELP)
"""Entry point."""
