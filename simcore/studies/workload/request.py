"""Inputs of ``simcore workload``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from simcore.studies.request import Request, argument, option

if TYPE_CHECKING:  # clusters need no numpy, but --help needs neither
    from simcore.models.cluster.cluster import Cluster


class WorkloadRequest(Request):
    """A trace whose jobs are counted."""

    study = "workload"

    trace: str | Path = argument(metavar="FILE", help="A trace of durations: simcore's own, or a public one.")
    cluster: str | Path | Cluster | None = option(
        default=None, metavar="NAME|FILE", help="GPUs that the load is taken of; without it no load is said."
    )
    file_format: str | None = option(
        default=None, flag="--format", metavar="NAME", help="Format of FILE; by default its beginning decides."
    )
    keep_going: bool = option(default=False, help="Leave out rows that cannot run, and say how many.")


class SynthesiseRequest(Request):
    """A trace, and how many jobs are drawn that are like those in it."""

    study = "workload synthesise"

    like: str | Path | None = option(
        default=None, metavar="FILE", help="A trace of durations: simcore's own, or a public one. Needed."
    )
    jobs: int | None = option(default=None, least=1, most=100_000_000, metavar="N", help="How many jobs. Needed.")
    seed: int = option(default=0, least=0, help="Of the random numbers.")
    file_format: str | None = option(
        default=None, flag="--format", metavar="NAME", help="Format of FILE; by default its beginning decides."
    )
    keep_going: bool = option(default=False, help="Leave out rows that cannot run, and say how many.")
