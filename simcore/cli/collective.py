"""``simcore collective``: one collective, chunk by chunk."""

from __future__ import annotations

from simcore.cli.options import StudyCommand
from simcore.studies.collective.request import CollectiveRequest

HELP = """Simulate a collective chunk by chunk: its time, the bound, and which dimension limits it.

COLLECTIVE is all-reduce, reduce-scatter, all-gather or all-to-all. SIZE, such as 1GiB or 100MB, is the full buffer per
NPU, for all-gather the input shard per NPU. A network is written from the inside out, as Ring, FC or Switch:

\b
$ simcore collective all-reduce 1GiB --network "Ring(4)@200GB/s,500ns x FC(8)@140GB/s,700ns x Switch(4)@50GB/s,1us"
all-reduce of 1 GiB (full buffer per NPU) among 4 x 8 x 4 = 128 NPUs, ascending, 4 chunks (auto: the fastest
of 1, 2, 4, ... 64), 1 in flight, physical
...
"""

command = StudyCommand(
    "collective",
    CollectiveRequest,
    "simcore.studies.collective:collective",
    help=HELP,
    example='all-reduce 1GiB --network "Ring(8)@100GB/s"',
    timeline=True,
)
