"""``simcore memory``: whether a model's training fits, and what makes it fit."""

from __future__ import annotations

from simcore.cli.options import StudyCommand
from simcore.studies.memory.request import MemoryRequest

HELP = """Count what each GPU holds in a training iteration, and say whether it fits.

Out of memory is a result: it names the rank, and the cheapest change that makes it fit. What is not given of the
layout is chosen.

\b
$ simcore memory llama-2-7b --gpus 8 --device v100-32gb --tp 2
...
"""

command = StudyCommand(
    "memory", MemoryRequest, "simcore.studies.memory:memory", help=HELP, example="llama-2-7b --gpus 8 --device h100"
)
