"""``simcore model``: what was read of a model, its parameters and its work."""

from __future__ import annotations

from simcore.cli.options import StudyCommand
from simcore.studies.model.request import ModelRequest

HELP = """Read a model, and count its parameters, its work per token or sample, and the bytes it moves.

\b
$ simcore model bert-base
bert-base: 108.5 million parameters; sequence 384
12 blocks of 768; 12 heads; context 384
...
"""

command = StudyCommand(
    "model", ModelRequest, "simcore.studies.model:model", help=HELP, example="bert-base", directory=False, width=None
)
