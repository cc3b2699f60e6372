"""``simcore search``: the best layout of a model's training on GPUs."""

from __future__ import annotations

from simcore.cli.options import StudyCommand
from simcore.studies.search.request import SearchRequest

HELP = """Find the fastest layout that fits: TP, CP, PP, VP, EP, DP, micro-batch, ZeRO and recomputation.

MODEL is a transformer of the zoo, a Hugging Face config.json, or a file. Degrees that are given are kept.

\b
$ simcore search llama-2-13b --gpus 64 --device h100 --global-batch 512
"""

command = StudyCommand(
    "search", SearchRequest, "simcore.studies.search:search", help=HELP,
    example="llama-2-7b --gpus 64 --device h100 --global-batch 512",
)  # fmt: skip
