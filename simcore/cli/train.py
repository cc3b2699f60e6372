"""``simcore train``: a training iteration on a network, simulated chunk by chunk."""

from __future__ import annotations

from simcore.cli.options import StudyCommand
from simcore.studies.train.request import TrainRequest

HELP = """Simulate a training iteration on a network, chunk by chunk, and say where its time goes.

NETWORK is 2D, 3D, 4D or a FILE; BUDGET the bandwidth of one NPU in all, in GB/s; WORKLOAD 17B, 175B, 1T or a FILE.

\b
$ simcore train 4D 325 1T
4D, 325 GB/s per NPU; 1T (TP 128 x DP 8, optimizer workload); loop simulate with recomputation; ...
iteration
time                    ...
"""

command = StudyCommand(
    "train", TrainRequest, "simcore.studies.train:train", help=HELP, example="4D 325 1T", timeline=True
)
