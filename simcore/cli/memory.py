"""``simcore memory``: whether a model's training fits on GPUs."""

from __future__ import annotations

from simcore.cli.options import StudyCommand
from simcore.studies.memory.request import MemoryRequest

HELP = """Say what every GPU holds in a training iteration, whether it fits, and what makes it fit.

MODEL is a transformer of the zoo, a Hugging Face config.json, or a file.

\b
$ simcore memory llama-2-13b --gpus 8 --device v100-32gb
"""

command = StudyCommand(
    "memory", MemoryRequest, "simcore.studies.memory:memory", help=HELP,
    example="llama-2-7b --gpus 8 --device v100-32gb",
)  # fmt: skip
