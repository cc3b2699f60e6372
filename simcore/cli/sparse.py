"""``simcore sparse``: where a torch module is dynamically sparse, and what PIT's kernels save there."""

from __future__ import annotations

from simcore.cli.options import StudyCommand
from simcore.studies.sparse.request import SparseRequest

HELP = """Find where a torch module is dynamically sparse, which operators PIT speeds up, and by how much.

FILE.py:NAME is a module, or a function without arguments that returns one, alone or with its inputs. It runs once on
its inputs; each operator with a sparse operand is then timed dense and by PIT, index included. It needs torch.

\b
$ simcore sparse my.py:build --example 64x512
...
"""

command = StudyCommand(
    "sparse", SparseRequest, "simcore.studies.sparse:sparse", help=HELP, example="my.py:build --example 64x512"
)
