"""``simcore evaluate easyscale-fig9``, ``-fig14``, ``-fig15``: elastic training that is run, the trace with costs."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simcore.errors import InputError, field
from simcore.models.cluster import metrics
from simcore.models.cluster.cluster import Cluster
from simcore.models.cluster.jobs import Trace
from simcore.models.cluster.log import PlacementLog
from simcore.models.cluster.policies.registry import EXPERIMENT, find_policy
from simcore.models.cluster.rules import PUBLISHED
from simcore.models.cluster.simulator import simulate
from simcore.models.cluster.step_times import StepTimes
from simcore.progress import tell, tracked
from simcore.readers.clusters import read_cluster
from simcore.readers.overheads import read_overheads
from simcore.readers.step_times import read_step_times
from simcore.results import Provenance, Table, versions
from simcore.studies.evaluate.easyscale import POINTS, REFERENCE, EasyScaleEvaluation
from simcore.studies.evaluate.request import EvaluateRequest
from simcore.studies.evaluate.targets import EASYSCALE_RUNS
from simcore.traces.sources import read_trace

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STAGES = ("4x1", "2x2", "1x2+2x1@alt")
"""Processes x logical workers of Figure 9's three stages; @alt stands for another kind of GPU."""
LEVELS = ("D0", "D1", "D2")
EXPERIMENT_INTERVAL = 60.0
"""Between decisions of the published trace experiment [s]."""
TRACE, CLUSTER, RATES = "sc23", "sc23", "sc23-fitted"

#: mean JCT and makespan of Figure 14 [s]: EasyScale's artifact (SC'23)
FIGURE_14 = {
    "yarn-cs": (8905.0, 16560.0),
    "easyscale-homo": (1070.5, 6720.0),
    "easyscale-heter": (676.7, 6000.0),
}


class EasyScaleRuns(EasyScaleEvaluation):
    """A figure of EasyScale that is run: elastic training, or the trace experiment."""

    def figures(self) -> Mapping[str, Figure]:
        """Draw the figure."""
        from simcore.studies.evaluate.figures_easyscale_runs import draw

        return {self.stem: draw(self.name, self.data)}


@dataclass(frozen=True)
class _Made:
    """What a figure is made of."""

    data: dict[str, Table]
    settings: dict[str, Any]
    notes: tuple[str, ...]
    sha256: dict[str, str]
    packages: tuple[str, ...]


def evaluate(request: EvaluateRequest) -> EasyScaleRuns:
    """Run a figure of EasyScale.

    Raises
    ------
    InputError
        If only a part is asked for of a figure that has one size.
    MissingExtraError
        If torch is needed and not installed.
    """
    made = _losses(request) if request.target == "easyscale-fig9" else _trace(request)
    return EasyScaleRuns(
        request=request,
        title=EASYSCALE_RUNS.titles[request.target],
        data=made.data,
        settings=made.settings,
        notes=made.notes,
        provenance=Provenance(
            command=request.study, inputs=request.inputs(), sha256=made.sha256, versions=versions(*made.packages)
        ),
    )


def _losses(request: EvaluateRequest) -> _Made:
    """Figure 9: a model trained on processes that change, at each level of determinism, beside DDP."""
    from simcore.real.elastic.job import Job, Place
    from simcore.real.elastic.plan import parse_stages
    from simcore.real.elastic.run import compare, train_job, train_reference

    model, batches = ("mlp", 20) if request.small else ("resnet18", 100)
    workers = 4
    plan = parse_stages(STAGES, workers)
    rows, lines = [], {}
    each = len(STAGES) + 1  # the stages, and the reference
    parts = each * len(LEVELS)
    for number, level in enumerate(LEVELS):
        job = Job(model=model, workers=workers, plan=plan, batches=batches, determinism=level)
        with tempfile.TemporaryDirectory(prefix="simcore-fig9-") as folder:
            place = Place(Path(folder), Path(folder) / "checkpoint")
            ours = train_job(job, place, partial(_told, each * number, parts))
            _told(each * number, parts, len(STAGES))
            reference = train_reference(job, Path(folder))
        rows += [
            (level, one.stage, one.losses_equal, one.weights_equal, one.buffers_equal, one.max_loss_difference)
            for one in compare(job, ours, reference)
        ]
        lines[level] = [mine[-1] - theirs[-1] for mine, theirs in zip(ours.losses, reference.losses, strict=True)]
    _told(parts, parts, 0)
    points = [
        (batch, STAGES[batch // batches], *(lines[level][batch] for level in LEVELS))
        for batch in range(len(STAGES) * batches)
    ]
    columns = ["level", "stage", "losses_equal", "weights_equal", "buffers_equal", "max_loss_difference"]
    notes = (
        f"{model}, {workers} logical workers, {batches} mini-batches in each of the stages {', '.join(STAGES)}; ring.",
        "A difference is the last logical worker's loss minus that of DistributedDataParallel on as many processes.",
        "D0 rebuilds buckets at a restart, D1 keeps them, D2 pins one kernel set too; @alt is another kernel set.",
    )
    data = {"fig9": Table(columns, rows), POINTS: Table(["batch", "stage", *LEVELS], points)}
    return _Made(data, {"model": model, "workers": workers, "batches": batches}, notes, {}, ("numpy", "torch"))


def _told(before: int, parts: int, done: int) -> None:
    """Tell how many stages and references are trained; the time that is left follows from those."""
    tell("stages trained", before + done, parts)


def _trace(request: EvaluateRequest) -> _Made:
    """Figures 14 and 15: the trace experiment without what elastic workers cost, and with it."""
    if request.small:
        raise InputError(field("small"), request.target, "a figure", f"Leave {field('small')} out: it has one size.")
    cluster, times, costs = read_cluster(CLUSTER), read_step_times(RATES), read_overheads(REFERENCE)
    jobs = read_trace(TRACE, cluster=cluster.value)
    both = {"none": times.value, "published": replace(times.value, overheads=costs.value)}
    runs = {
        (policy, name): _simulated(jobs.value, cluster.value, step_times, policy)
        for policy in tracked(EXPERIMENT, "policies")
        for name, step_times in both.items()
    }
    make = _figure_14 if request.target == "easyscale-fig14" else _figure_15
    notes = (
        f"Trace {TRACE}, cluster {CLUSTER}, step times {RATES} (fitted to the published figure), published rules, "
        f"decided every {EXPERIMENT_INTERVAL:g} s.",
        "Costs are the published ones of sharing a GPU: the last worker's sum of gradients, D2 of heterogeneous jobs.",
    )
    hashes = {"trace": jobs.sha256, "cluster": cluster.sha256, "rates": times.sha256, "overheads": costs.sha256}
    named = {"trace": TRACE, "cluster": CLUSTER, "rates": RATES, "overheads": REFERENCE}
    return _Made(make(runs, jobs.value, cluster.value), named, notes, hashes, ("numpy", "simpy"))


def _simulated(jobs: Trace, cluster: Cluster, step_times: StepTimes, policy: str) -> PlacementLog:
    return simulate(
        jobs, cluster, step_times, find_policy(policy), interval=EXPERIMENT_INTERVAL, rules=PUBLISHED
    )  # fmt: skip


def _figure_14(runs: Mapping[tuple[str, str], PlacementLog], jobs: Trace, cluster: Cluster) -> dict[str, Table]:
    """Return mean completion time and makespan of each policy, published and ours, without costs and with them."""
    rows = []
    for policy in EXPERIMENT:
        jct, span = {}, {}
        for name in ("none", "published"):
            log = runs[policy, name]
            segments = metrics.cut_segments(log, len(cluster.types))
            jct[name] = float(metrics.job_times(jobs, segments).jct.mean())
            span[name] = metrics.makespan(jobs, log, PUBLISHED, EXPERIMENT_INTERVAL)
        said = FIGURE_14.get(policy, (None, None))
        rows.append((policy, said[0], jct["none"], jct["published"], said[1], span["none"], span["published"]))
    columns = ["policy", "reference_mean_jct", "mean_jct", "mean_jct_with_costs", "reference_makespan", "makespan",
               "makespan_with_costs"]  # fmt: skip
    return {"fig14": Table(columns, rows, dict.fromkeys(columns[1:], "s"))}


def _figure_15(runs: Mapping[tuple[str, str], PlacementLog], jobs: Trace, cluster: Cluster) -> dict[str, Table]:
    """Return the allocated GPUs of EasyScale's policies over time, and their means."""
    rows, points = [], []
    for policy in ("easyscale-homo", "easyscale-heter"):
        means = []
        for name in ("none", "published"):
            log = runs[policy, name]
            segments = metrics.cut_segments(log, len(cluster.types))
            means.append(float(metrics.mean_allocated(segments, jobs.origin, log.clock).sum()))
            clock, gpus = metrics.allocation(log, segments, EXPERIMENT_INTERVAL, PUBLISHED, jobs.origin)
            points += [
                (policy, name, at - EXPERIMENT_INTERVAL, int(held))
                for at, held in zip(clock.tolist(), gpus.sum(axis=1).tolist(), strict=True)
            ]
        rows.append((policy, *means))
    return {
        "fig15": Table(["policy", "mean_gpus", "mean_gpus_with_costs"], rows),
        POINTS: Table(["policy", "overheads", "time", "gpus"], points, {"time": "s"}),
    }
