"""Inputs of ``simcore trace``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simcore.studies.request import Request, argument, option

if TYPE_CHECKING:  # traces are arrays, and --help needs no numpy
    from simcore.models.cluster.cluster import Cluster
    from simcore.models.cluster.jobs import Trace
    from simcore.models.cluster.policy import Policy
    from simcore.models.cluster.rules import Rules
    from simcore.models.cluster.step_times import StepTimes

SWITCHES = ("assignment", "single_type_speedup", "idle_gpus", "startup", "order", "startup_delay")
"""Fields that each change one rule of the rule set."""


SHORTEST_INTERVAL, LONGEST_INTERVAL = 1e-6, 1e9  # [s]
MOST_SEEDS = 10_000
"""Seeds of one run; a sweep has as many at most, too."""
LEAST_LOAD = 1e-6
"""Load that submissions are stretched to at least; its reciprocal is the largest."""


class TraceRequest(Request):
    """A trace of training jobs under several scheduling policies."""

    study = "trace"

    trace: str | Path | Trace = argument(
        default="sc23",
        metavar="[TRACE]",
        help="sc23, a CSV file, or a generator: synthetic:jobs=N,load=X or synthetic-elastic:...",
    )
    interval: float | str = option(
        default=60.0,
        unit="s",
        metavar="SECONDS|event",
        help=f"Decide at multiples of this, from {SHORTEST_INTERVAL:g} to {LONGEST_INTERVAL:,.0f}, or at every arrival "
        "and completion.",
    )
    policies: tuple[str | Policy, ...] = option(
        default=(),
        flag="--policy",
        many=True,
        metavar="NAME[:OPTION=VALUE,...]|FILE.py:CLASS",
        help="A policy; repeat, or put commas between; the first is the one to improve on.  "
        "[default: yarn-cs, fifo, easyscale-homo, easyscale-heter; fifo where TRACE gives durations]",
    )
    window: str | Sequence[float] | None = option(
        default=None,
        metavar="START:END|steady",
        help="Take the summary from jobs submitted, and GPUs allocated, between these times in s; "
        "steady leaves out the first fifth of the submissions' time, and what follows the last one.",
    )
    cluster: str | Path | Cluster = option(default="sc23", metavar="NAME|FILE", help="GPUs by type.")
    rates: str | Path | StepTimes | None = option(
        default=None,
        metavar="NAME|FILE|FOLDER",
        help="Seconds per mini-batch by model, batch size and GPU type, or a folder of profiles of applications.  "
        "[default: sc23-fitted; none are needed where work is counted in seconds]",
    )
    overheads: str | Path = option(
        default="none",
        metavar="none|published|FILE",
        help="What elastic workers cost beside these: the last of a GPU, D2, memory, a change of GPUs.",
    )
    workers: str = option(
        default="sharing",
        choices=("sharing", "packing"),
        help="How workers lie on one GPU: they share a process, or have one each, which its memory must hold.",
    )
    placement: str = option(
        default="packed",
        choices=(
            "packed",
            "consolidated",
            "spread",
            "freest",
            "random",
            "buddy",
            "fragmentation",
            "fragmentation-aware",
        ),
        help="Which nodes a gang gets, where the cluster has nodes.",
    )
    load: float | None = option(
        default=None,
        least=LEAST_LOAD,
        most=1 / LEAST_LOAD,
        metavar="X",
        help="Stretch the submissions of TRACE until all GPU-seconds are so many times GPUs x their time.",
    )
    keep_going: bool = option(default=False, help="Leave out jobs that can never run, and say how many.")
    rules: str | Rules | Mapping[str, Any] | None = option(
        default=None,
        metavar="published|corrected",
        help="Count as the published code does, or as the paper means.  "
        "[default: published; corrected where TRACE gives durations]",
    )
    assignment: str | None = option(
        default=None, choices=("worst", "best"), help="Thread assignment kept per placement."
    )
    single_type_speedup: str | None = option(
        default=None, choices=("linear", "exact"), help="Claimed speed-up of n equal GPUs."
    )
    idle_gpus: str | None = option(
        default=None, choices=("held", "returned"), help="GPUs that a grown job no longer uses."
    )
    startup: str | None = option(
        default=None, choices=("once", "every-change"), help="When the start-up delay is paid."
    )
    order: str | None = option(
        default=None, choices=("dictionary", "submission"), help="Order in which policies see jobs."
    )
    startup_delay: float | None = option(
        default=None, least=0, most=LONGEST_INTERVAL, unit="s", metavar="SECONDS", help="Start-up delay.  [default: 20]"
    )
    restart_cost: str | float | Mapping[str, float] | None = option(
        default=None,
        unit="s",
        metavar="SECONDS|POLICY=SECONDS,...",
        help="Delay of a job that starts again, or changes its GPUs, under all policies or each named one; without it "
        "the policy's option or --startup says.",
    )
    file_format: str | None = option(
        default=None,
        flag="--format",
        metavar="NAME",
        help="Format of TRACE: simcore, easyscale, or that of a public trace, such as philly; by default its header "
        "decides.",
    )
    resample: str | None = option(
        default=None,
        choices=("jobs", "days"),
        help="Draw the jobs, or the days, of TRACE anew with replacement, by the seed.",
    )
    seed: int = option(
        default=0, least=0, help="Seed of a generated or resampled trace, of random placement and of noisy estimates."
    )
    seeds: int = option(
        default=1,
        least=1,
        most=MOST_SEEDS,
        metavar="N",
        help="Run with N seeds, from --seed on, and give each metric with its 95 % confidence interval.",
    )
