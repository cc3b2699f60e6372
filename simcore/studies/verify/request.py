"""Inputs of ``simcore verify``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from simcore.errors import InputError, field
from simcore.studies.request import Request, argument, option

PRECISIONS = ("fp64", "fp32")
DROPOUT = ("off", "seeded")


class VerifyRequest(Request):
    """A torch module, and the steps after which it has to compute the same."""

    study = "verify"

    model: str = argument(
        metavar="MODEL|FILE.py:NAME",
        help="A model of the zoo, in small sizes; or a module, or a function that returns one with its inputs.",
    )
    steps: str | None = option(
        kw_only=True, default=None, metavar="STEP,...", help="Steps in order, as simcore schedule takes them."
    )
    schedule: str | Path | None = option(
        kw_only=True, default=None, metavar="NAME|FILE", help="A schedule of the zoo or a file, in place of steps."
    )
    ranks: int | None = option(
        kw_only=True, default=None, least=1,
        help="Processes that share the module, each with a rank of its own.  [default: those of --parallel, or 1]",
    )  # fmt: skip
    parallel: str | None = option(
        kw_only=True, default=None, metavar="TEXT",
        help="How ranks share it: tp=3, pp=2,tp=2 or zero3. By default what the steps need: tp for shard, pp for cut, "
        "zero3 for the rest.",
    )  # fmt: skip
    example: str | None = option(
        kw_only=True, default=None, metavar="SHAPE,...",
        help="Inputs of a module of one's own, samples first, where its function returns none, such as 4x128:int64.",
    )  # fmt: skip
    device: str = option(kw_only=True, default="cpu", choices=("cpu", "cuda"), help="Where it runs.")
    precision: Sequence[str] = option(
        kw_only=True, default=PRECISIONS, choices=PRECISIONS, many=True, help="Number formats."
    )
    dropout: str = option(
        kw_only=True, default="off", choices=DROPOUT, help="Whether activations are dropped, by a seed of each rank."
    )
    blocks: int = option(kw_only=True, default=4, least=1, help="Blocks of the small version.")
    heads: int = option(kw_only=True, default=12, least=1, help="Heads of attention of the small version.")
    batch: int = option(kw_only=True, default=12, least=1, help="Sequences.")
    sequence: int = option(kw_only=True, default=12, least=1, help="Tokens of a sequence.")
    seed: int = option(kw_only=True, default=0, least=0, help="Of weights and inputs.")
    timeout: float = option(
        kw_only=True,
        default=300.0,
        above=0,
        unit="s",
        metavar="SECONDS",
        help="After so long, ranks that have not answered are ended.",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.steps is not None and self.schedule is not None:
            found = f"it beside {field('schedule')}"
            raise InputError(field("steps"), found, "one of the two", "Leave one out.")
        if self.steps is None and self.schedule is None:
            found = "nothing"
            raise InputError(field("steps"), found, "steps to verify", f"Add {field('steps')} sdpa,checkpoint.")
        if self.example is not None and ".py:" not in str(self.model):
            raise InputError(field("example"), f"it beside {self.model}", "FILE.py:NAME", "Leave it out.")
