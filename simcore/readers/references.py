"""Numbers of published studies, to stand beside simcore's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from simcore.files import read_yaml
from simcore.readers.quantities import Bandwidth, Entry, Measure, NotEmpty, Strict, Time, Whole
from simcore.readers.read import InputFile, Read, read_entry


@dataclass(frozen=True)
class Spread:
    """A ratio over many points.

    Attributes
    ----------
    mean : float
        Geometric mean.
    largest : float
        Largest value.
    """

    mean: float
    largest: float


@dataclass(frozen=True)
class PublishedPlan:
    """A bandwidth plan that another program found.

    Attributes
    ----------
    workload, loop : str
        What it was found for.
    bandwidths : tuple of float
        Per dimension [B/s per NPU], innermost first.
    time : float
        Iteration time of the certified optimum [s].
    """

    workload: str
    loop: str
    bandwidths: tuple[float, ...]
    time: float


@dataclass(frozen=True)
class PublishedIteration:
    """A training iteration of Megatron-LM that somebody ran.

    Attributes
    ----------
    name : str
        What it is called where it was published.
    model : str
        The model in the zoo.
    recompute : str
        ``full``, or ``seqsel``: the core of attention, with sequence parallelism.
    tp, pp, vp, dp : int
        Degrees: tensor and pipeline parallelism, model chunks per pipeline rank, replicas.
    global_batch, micro_batch : int
        Sequences of an iteration, and of a micro-batch.
    time : float or None
        What was measured [s]; None where it is not given.
    """

    name: str
    model: str
    recompute: str
    tp: int
    pp: int
    vp: int
    dp: int
    global_batch: int
    micro_batch: int
    time: float | None


@dataclass(frozen=True)
class References:
    """What a study published; what it has no numbers of is empty.

    Attributes
    ----------
    limits : mapping of str to float
        Largest feasible bandwidth [B/s per NPU] by level of the network.
    speedup : mapping of str to Spread
        PerfOptBW over EqualBW, by network.
    perf_per_cost : mapping of str to Spread
        PerfPerCostOptBW over EqualBW, by network.
    perf_per_cost_over_2d : mapping of str to Spread
        PerfPerCostOptBW over EqualBW of network 2D, by network.
    table6 : tuple of PublishedPlan
        The rows of Table VI.
    iterations : tuple of PublishedIteration
        Training iterations.
    source : str
        Where the numbers come from.
    """

    limits: Mapping[str, float]
    speedup: Mapping[str, Spread]
    perf_per_cost: Mapping[str, Spread]
    perf_per_cost_over_2d: Mapping[str, Spread]
    table6: tuple[PublishedPlan, ...]
    iterations: tuple[PublishedIteration, ...]
    source: str


class _Spread(Strict):
    mean: Annotated[Measure, Field(gt=0)]
    largest: Annotated[Measure, Field(gt=0)]


class _Plan(Strict):
    workload: str
    loop: Literal["NoOverlap", "Overlap"]
    bandwidths: Annotated[list[Bandwidth], NotEmpty]
    time: Time


_Degree = Annotated[Whole, Field(ge=1)]


class _Iteration(Strict):
    name: str
    model: str
    recompute: Literal["full", "seqsel"]
    tp: _Degree
    pp: _Degree
    vp: _Degree
    dp: _Degree
    global_batch: _Degree
    micro_batch: _Degree
    time: Time | None = None


class _References(Entry):
    limits: dict[str, Bandwidth] = Field(default_factory=dict)
    speedup: dict[str, _Spread] = Field(default_factory=dict)
    perf_per_cost: dict[str, _Spread] = Field(default_factory=dict)
    perf_per_cost_over_2d: dict[str, _Spread] = Field(alias="perf_per_cost_over_2D", default_factory=dict)
    table6: list[_Plan] = Field(default_factory=list)
    iterations: list[_Iteration] = Field(default_factory=list)


def read_references(name_or_path: str | Path | InputFile, place: str = "reference") -> Read[References]:
    """Read the numbers of a published study.

    Parameters
    ----------
    name_or_path : str, Path or InputFile
        A zoo name or the path of a YAML file.
    place : str
        The field that gave it, for messages.

    Raises
    ------
    InputError
        For an unknown name (with the closest one), or naming file, line and field.

    Examples
    --------
    >>> read_references("sc245").value.speedup["4D"]
    Spread(mean=1.146, largest=1.498)
    """
    file = read_entry("references", name_or_path, place, "reference")
    data = read_yaml(file.path, _References, "reference", file.text)

    def spreads(table: dict[str, _Spread]) -> dict[str, Spread]:
        return {name: Spread(each.mean, each.largest) for name, each in table.items()}

    references = References(
        limits=data.limits,
        speedup=spreads(data.speedup),
        perf_per_cost=spreads(data.perf_per_cost),
        perf_per_cost_over_2d=spreads(data.perf_per_cost_over_2d),
        table6=tuple(PublishedPlan(row.workload, row.loop, tuple(row.bandwidths), row.time) for row in data.table6),
        iterations=tuple(PublishedIteration(**row.model_dump()) for row in data.iterations),
        source=data.source,
    )
    return file.of(references)
