"""``simcore optimize``: the best split of a bandwidth budget."""

from __future__ import annotations

from functools import partial

from simcore.cli.options import StudyCommand
from simcore.errors import field
from simcore.studies.optimize.request import OptimizeRequest, limits

HELP = """Split a bandwidth budget over the dimensions of a network, with a proof that no split is better.

NETWORK is 2D, 3D, 4D or a FILE; BUDGET the bandwidth of one NPU in all, in one direction, in GB/s; WORKLOAD 17B,
175B, 1T, Group (the mean of the three) or a FILE, left out with --model; TARGET Perf (least iteration time) or
PerfPerCost (least iteration time x network cost); LOOP NoOverlap or Overlap.

\b
$ simcore optimize 4D 325 1T Perf Overlap
4D, 325 GB/s per NPU, 1T (TP 128 x DP 8), Perf, Overlap
dim   network                    bottleneck of        GB/s    share      busy
1     Ring 2 Tile                tensor-parallel   139.762   43.00%  51.86 ms
...
"""

command = StudyCommand(
    "optimize",
    OptimizeRequest,
    "simcore.studies.optimize:optimize",
    help=HELP,
    example="4D 325 1T Perf Overlap",
    read={"caps": partial(limits, field("caps")), "minima": partial(limits, field("minima"))},
)
