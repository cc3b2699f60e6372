"""``simcore tune``: the batch, recomputation, parallelism and kernels that train fastest."""

from __future__ import annotations

from simcore.cli.options import StudyCommand
from simcore.studies.tune.request import TuneRequest

HELP = """Search batch, recomputed blocks, parallelism and kernels for the highest rate, from few measurements.

What fits is predicted first. Then cells are measured by a table, by a function of yours, or by the model itself.

\b
$ simcore tune gpt-1.3b --gpus 8 --device v100-32gb --sequence 1024
...
"""

command = StudyCommand(
    "tune", TuneRequest, "simcore.studies.tune:tune", help=HELP, example="gpt-1.3b --gpus 8 --device v100-32gb"
)
