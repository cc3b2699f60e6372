"""``simcore collective``: one collective, chunk by chunk."""

from __future__ import annotations

from simcore.cli.options import StudyCommand
from simcore.studies.collective.request import CollectiveRequest

HELP = """Simulate a collective chunk by chunk: its time, the bound, and which dimension limits it.

COLLECTIVE is all-reduce, reduce-scatter, all-gather or all-to-all. SIZE, such as 1GiB or 100MB, is the full buffer per
NPU, for all-gather the input shard per NPU. A network is written from the inside out, as Ring, FC or Switch:

\b
$ simcore collective all-reduce 1GiB --network "Ring(8)@90GB/s x FC(4)@50GB/s"
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
