"""Step times: seconds per mini-batch, the one input through which every model of speed reaches the cluster study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from simcore.models.cluster.applications import Application
from simcore.models.cluster.cluster import Cluster
from simcore.models.cluster.jobs import Trace
from simcore.models.cluster.overheads import Overheads, step_seconds

Key = tuple[str, int, str]


@dataclass(frozen=True)
class StepTimes:
    """Seconds that one EST mini-batch takes on one GPU.

    Attributes
    ----------
    name : str
        Name or path.
    seconds : mapping of (model, batch size, GPU type) to float
        Step times [s].
    kinds : tuple of str
        How the values came about, sorted: ``measured``, ``interpolated``, ``fitted``, ``predicted``.
    note : str
        One line that is printed wherever a result that rests on them is printed.
    given : bool
        Whether they stand in no file, because the trace gives the durations of its jobs.
    overheads : Overheads or None
        What elastic workers cost beside these times; None for nothing.
    workers : {'sharing', 'packing'}
        How a job's workers lie on one GPU, which decides how many its memory holds.
    applications : mapping of str to Application
        By model, what was measured by placement and epoch; `seconds` then says 1 s, as where durations are given.

    Examples
    --------
    >>> mine = StepTimes("mine", {("bert", 8, "v100"): 0.4}, ("measured",))
    >>> mine.seconds["bert", 8, "v100"]
    0.4
    """

    name: str
    seconds: Mapping[Key, float]
    kinds: tuple[str, ...] = ()
    note: str = ""
    given: bool = False
    overheads: Overheads | None = None
    workers: str = "sharing"
    applications: Mapping[str, Application] = field(default_factory=dict)

    def last(self, model: str, gpu: str) -> float:
        """Return the last worker's mini-batch over that of the others on a GPU [1]; 1 where it is not known."""
        return 1.0 if self.overheads is None else self.overheads.last(model, gpu)

    def most_workers(self, model: str, batch: int, gpu: str) -> int | None:
        """Return how many workers of a model the memory of one GPU holds; None for any number, or if unknown."""
        return None if self.overheads is None else self.overheads.most_workers(model, batch, gpu, self.workers)

    @property
    def models(self) -> list[str]:
        """The models, sorted."""
        return sorted({model for model, _, _ in self.seconds})

    def batch_sizes(self, model: str) -> list[int]:
        """Return the batch sizes that are there for a model, sorted."""
        return sorted({batch for name, batch, _ in self.seconds if name == model})

    def label(self) -> str:
        """Return the name with what kind of numbers these are."""
        return f"{self.name} ({', '.join(self.kinds)})" if self.kinds else self.name


def same_everywhere(trace: Trace, cluster: Cluster) -> StepTimes:
    """Return step times of a trace of durations: 1 s for each of its models, on every GPU type.

    Examples
    --------
    >>> from simcore.models.cluster.jobs import JobClass, build_trace
    >>> trace = build_trace("t", ["a"], [0.0], [60.0], [JobClass("bert", 1, 4, False, "v100")])
    >>> same_everywhere(trace, Cluster("c", ("v100", "t4"), (4, 4))).seconds["bert", 1, "t4"]
    1.0
    """
    kinds = dict.fromkeys((job.model, job.batch_size) for job in trace.classes)
    seconds = {(*kind, gpu): 1.0 for kind in kinds for gpu in cluster.types}
    return StepTimes("none", seconds, note="a job runs for its duration on its gang, of whatever GPU type", given=True)


def global_step_time(
    threads: Sequence[int], seconds: Sequence[float | None], last: Sequence[float] | None = None
) -> float:
    """Return the time of one global mini-batch [s]: the slowest GPU, which runs its threads one after another.

    ``t = max_g A_g t_g`` over the GPU types, A_g threads (ESTs) per GPU of type g (EasyScale's simulator, no
    communication). With overheads ``t = max_g (A_g - 1 + L_g) t_g``, where ``L_g = t_last / t_first``.

    Parameters
    ----------
    threads : sequence of int
        A_g, 0 for a type that is not used.
    seconds : sequence of float or None
        t_g [s]; None where there is no entry, allowed only where A_g is 0.
    last : sequence of float, optional
        L_g of a GPU's last thread [1]; 1 by default.

    Examples
    --------
    >>> global_step_time([3, 2, 0], [0.5, 1.0, None])
    2.0
    """
    ends = [1.0] * len(threads) if last is None else last
    # mini-batches first: for L = 1 they are A_g exactly, which a sum of times would not be
    return max(
        step_seconds(a, 1.0, end) * t for a, t, end in zip(threads, seconds, ends, strict=True) if a and t is not None
    )
