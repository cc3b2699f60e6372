"""Inputs of ``simcore elastic run``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from simcore.real.elastic.job import DETERMINISM, MODELS, REDUCE
from simcore.studies.request import Request, argument, option


class ElasticRequest(Request):
    """A model that is trained on processes that change, and on processes that do not."""

    study = "elastic run"

    model: str = argument(
        metavar="MODEL", help=f"What is trained: {', '.join(MODELS)}, or FILE.py:NAME of a function that makes it."
    )
    workers: int = option(default=4, least=1, help="Logical workers, which share processes.")
    stages: Sequence[str] = option(
        default=("4x1", "2x2", "1x2+2x1@alt"),
        many=True,
        metavar="STAGE,...",
        help="Processes x logical workers of each; @alt is another kernel set.",
    )
    determinism: str = option(
        default="D1", choices=DETERMINISM, help="Rebuild buckets at a restart, keep them, or pin one kernel set too."
    )
    reduce: str = option(default="ring", choices=REDUCE, help="In which order gradients of logical workers are summed.")
    device: str = option(default="cpu", metavar="cpu|cuda", help="What it trains on; cuda needs a GPU per worker.")
    batches: int = option(default=20, least=1, help="Mini-batches of a stage.")
    batch: int = option(default=4, least=1, help="Samples of a mini-batch of a logical worker.")
    seed: int = option(default=0, least=0, help="Of weights, data order, dropout and augmentation.")
    loader_workers: int = option(default=0, least=0, help="Processes that load data for each logical worker.")
    checkpoint: str | Path | None = option(
        default=None,
        metavar="FILE",
        written=True,
        help="Keep the checkpoint here; one of the same run is carried on with.",
    )
