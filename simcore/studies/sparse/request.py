"""Inputs of ``simcore sparse``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from simcore.models.compute.profile import BEYOND_OF_MODELS
from simcore.studies.request import Request, argument, option

if TYPE_CHECKING:
    from simcore.models.compute.profile import KernelProfile


class SparseRequest(Request):
    """A torch module whose sparse operators are looked for."""

    study = "sparse"

    model: str = argument(
        metavar="FILE.py:NAME", help="A module, or a function that returns one, alone or with its inputs."
    )
    example: str = option(
        default="",
        metavar="SHAPE,...",
        help="Its inputs, where its function returns none, such as 4x128:int64; numbers are random.",
    )
    device: str = option(default="cpu", choices=("cpu", "cuda"), help="Where it runs.")
    profile: str | Path | KernelProfile | None = option(
        default=None,
        metavar="NAME|FILE",
        help="Chooses kernels by predicted times, dense among them; without it the one that covers least. "
        + BEYOND_OF_MODELS,
    )
    backward: bool = option(default=False, help="Time backward passes of the whole module too.")
    repeats: int = option(default=15, least=3, most=1000, help="Timed calls of each operator at most.")
    seed: int = option(default=0, least=0, help="Of random inputs.")
