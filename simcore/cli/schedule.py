"""``simcore schedule``: what each step of a training schedule changes."""

from __future__ import annotations

from simcore.cli.options import StudyCommand
from simcore.studies.schedule.request import ScheduleRequest

HELP = """Predict what each step of a training schedule does to time and memory of an iteration.

A step names a primitive, such as sdpa or checkpoint=0.25, and the modules that it is for, such as block.0-11. Before
the first step every operator runs by itself, and nothing is recomputed.

\b
$ simcore schedule gpt-1.3b --gpus 8 --device h100 --steps sdpa,checkpoint
...
"""

command = StudyCommand(
    "schedule", ScheduleRequest, "simcore.studies.schedule:schedule", help=HELP,
    example="gpt-1.3b --gpus 8 --device v100-32gb --steps sdpa",
)  # fmt: skip
