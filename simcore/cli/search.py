"""``simcore search``: the fastest layout of a model's training that fits."""

from __future__ import annotations

from simcore.cli.options import StudyCommand
from simcore.studies.search.request import SearchRequest

HELP = """Search the layouts of a model's training on GPUs: the fastest one that fits, the runners-up, and why.

What is given is kept, and the rest is searched: TP x PP x VP x CP x EP x DP x micro-batch x recompute x ZeRO 0 or 1.

\b
$ simcore search llama-2-70b --gpus 64 --device h100 --global-batch 512
...
"""


command = StudyCommand(
    "search", SearchRequest, "simcore.studies.search:search", help=HELP,
    example="llama-2-70b --gpus 64 --device h100 --global-batch 512",
)  # fmt: skip
