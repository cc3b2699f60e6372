"""``simcore evaluate easyscale-...``: what elastic workers cost, published and modelled side by side."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import TYPE_CHECKING, Any

from simcore.errors import InputError
from simcore.errors import field as named
from simcore.models.cluster.overheads import Overheads, Shared, SharedStep, packed_memory, step_seconds
from simcore.readers.overheads import read_overheads
from simcore.report import Block, Column, Grid, Headline, Sentences
from simcore.results import Provenance, Table, versions
from simcore.studies.evaluate.request import EvaluateRequest
from simcore.studies.evaluate.result import Evaluation
from simcore.studies.evaluate.targets import EASYSCALE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

REFERENCE = "easyscale"
"""Entry of the zoo with the published numbers."""
FITTED = (2, 3, 4)
"""Workers whose rows Figure 10's constants are fitted to."""

POINTS = "points"
"""Table of what a figure's lines are drawn through: too long to be printed."""

Made = tuple[dict[str, Table], list[str]]


class EasyScaleEvaluation(Evaluation):
    """A figure of EasyScale's overheads."""

    def report(self) -> Sequence[Block]:
        """Return the tables as they are, and how they were made."""
        blocks: list[Block] = [Headline(self.title)]
        for table in (table for name, table in self.data.items() if name != POINTS):
            texts = [isinstance(table[0][name], str) for name in table.columns]
            names = [name.replace("_", " ") + _unit(table, name) for name in table.columns]
            columns = [Column(name, left=text) for name, text in zip(names, texts, strict=True)]
            rows = [[_cell(value, table.units.get(name)) for name, value in row.items()] for row in table]
            blocks.append(Grid(columns, rows, keys=3 if "system" in table.columns else 1))
        return [*blocks, Sentences("", self.sentences())]

    def figures(self) -> Mapping[str, Figure]:
        """Draw the figure."""
        from simcore.studies.evaluate.figures_easyscale import draw

        return {self.stem: draw(self.name, self.data[self.name])}


def _unit(table: Table, name: str) -> str:
    return {"B": " [MiB]", "s": " [s]"}.get(table.units.get(name, ""), "")


def _cell(value: object, unit: str | None) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, float):
        return str(value)
    if unit == "B":
        return f"{value / 2**20:,.2f}"
    return f"{value:.4f}" if value == 0 or abs(value) >= 1e-3 else f"{value:.2e}"


def evaluate(request: EvaluateRequest) -> EasyScaleEvaluation:
    """Set a figure of EasyScale's overheads beside the model.

    Raises
    ------
    InputError
        If only a part is asked for: each has one size.
    """
    if request.small:
        remedy = f"Leave {named('small')} out: it has one size."
        raise InputError(named("small"), request.target, "a figure", remedy)
    published = read_overheads(REFERENCE)
    tables, notes = _TARGETS[request.target](published.value)
    return EasyScaleEvaluation(
        request=request,
        title=EASYSCALE.titles[request.target],
        data=tables,
        settings={"overheads": REFERENCE},
        notes=tuple(notes),
        provenance=Provenance(
            command=request.study,
            inputs=request.inputs(),
            sha256={f"overheads/{published.name}": published.sha256},
            versions=versions("numpy"),
        ),
    )


def _sharing(overheads: Overheads) -> Made:
    """Figure 10: memory and time of sharing and of packing; where only one worker ran, constants are its."""
    rows: list[tuple[object, ...]] = []
    for model, system in dict.fromkeys((row.model, row.system) for row in overheads.sharing):
        own = [row for row in overheads.sharing if (row.model, row.system) == (model, system)]
        fitted = [row for row in own if row.workers in FITTED and row.time is not None] or own[:1]
        time = fmean(row.time for row in fitted if row.time is not None)
        rows += [_shared_row(row, time, _memory_of(row, fitted, overheads), row in fitted) for row in own]
    columns = ["model", "system", "workers", "memory", "predicted_memory", "time", "predicted_time", "runs",
               "predicted_runs", "fitted"]  # fmt: skip
    units = {"memory": "B", "predicted_memory": "B", "time": "s", "predicted_time": "s"}
    table = Table(columns, rows, units)
    return {"fig10": table}, list(_sharing_notes(table, overheads))


def _memory_of(row: Shared, fitted: Sequence[Shared], overheads: Overheads) -> float | None:
    """Return the memory that the model gives; None where it says out of memory."""
    if row.system == "sharing":
        return fmean(each.memory for each in fitted)
    one = fmean(each.memory / each.workers for each in fitted)
    return packed_memory(row.workers, one, overheads.capacity, overheads.shrink)


def _shared_row(row: Shared, time: float, memory: float | None, fitted: bool) -> tuple[object, ...]:
    fits = memory is not None
    predicted = time if fits else None
    return (row.model, row.system, row.workers, row.memory, memory, row.time, predicted, row.time is not None, fits,
            fitted)  # fmt: skip


def _sharing_notes(table: Table, overheads: Overheads) -> Iterable[str]:
    yield "Constants are fitted to the rows of 2 to 4 workers; where only one worker ran, to that."
    held = [row for row in table if not row["fitted"] and row["workers"] > 1 and row["time"] is not None]
    for model, system in dict.fromkeys((row["model"], row["system"]) for row in held):
        own = [row for row in held if (row["model"], row["system"]) == (model, system)]
        off = fmean(abs(row["predicted_time"] / row["time"] - 1) for row in own)
        yield f"{model}, {system}: {off:.2%} MAPE of time over {len(own)} rows that were not fitted."
    for row in table:
        if row["workers"] == 1 and not row["fitted"]:
            off = row["predicted_time"] / row["time"] - 1
            yield f"{row['model']}, {row['system']}: {off:+.1%} of the time of one worker, which counts in no MAPE."
    wrong = sum(row["runs"] != row["predicted_runs"] for row in table)
    yield f"{len(table) - wrong} of {len(table)} rows are said to run or to be out of memory as published."
    yield (
        f"A packed worker keeps {overheads.shrink:.3f} of its memory at least: the least that a worker of a row that "
        "runs takes. Seven packed workers of ResNet50 gave it, so that they run is fitted."
    )
    yield "That an eighth of ResNet50 and a second of ShuffleNetv2 do not run follows from it."


def _switching(overheads: Overheads) -> Made:
    """Figure 11: time with context switches over time without."""
    rows = [(step.model, step.batch, step.unswitched, step.switched, step.switching) for step in _steps(overheads)]
    columns = ["model", "batch", "without", "with_switches", "ratio"]
    mean = fmean(step.switching for step in _steps(overheads))
    return {"fig11": Table(columns, rows, {"without": "s", "with_switches": "s"})}, [
        "Published inputs; nothing is predicted. A ratio below 1 is set to 1, as the artifact draws it.",
        f"The mean ratio is {mean:.4f}.",
    ]


def _determinism(overheads: Overheads) -> Made:
    """Figure 12: time under each level over time without determinism."""
    rows = [
        (each.model, each.gpu, each.batch, each.none, each.d1 / each.none, each.d2 / each.none)
        for each in overheads.determinism.values()
    ]
    table = Table(["model", "gpu", "batch", "without", "d1", "d1_d2"], rows, {"without": "s"})
    notes = ["Published inputs; nothing is predicted."]
    for gpu in dict.fromkeys(table.column("gpu")):
        own = [row for row in table if row["gpu"] == gpu]
        d1, d2 = (fmean(row[level] for row in own) - 1 for level in ("d1", "d1_d2"))
        notes.append(f"{gpu}: {d1:+.1%} under D1 and {d2:+.1%} under D1 and D2, in the mean over models.")
    return {"fig12": table}, notes


def _synchronisation(overheads: Overheads) -> Made:
    """Figure 13: a mini-batch of the first workers and of the last over a step of DistributedDataParallel."""
    rows: list[tuple[Any, ...]] = [
        (step.model, step.batch, *(_over_ddp(step, each) for each in (step.switched, step.last, step.first)),
         step_seconds(step.workers, step.first, step.last), step.workers * step.switched)
        for step in _steps(overheads)
    ]  # fmt: skip
    columns = ["model", "batch", "published_first", "published_last", "first", "step", "published_step"]
    first, last = fmean(row[4] for row in rows), fmean(row[3] for row in rows)
    return {"fig13": Table(columns, rows, {"step": "s", "published_step": "s"})}, [
        "The published column of the first workers is the mean over all eight. So t_first = (8 mean - t_last) / 7, and "
        "a step of eight workers takes 7 t_first + t_last = 8 mean.",
        f"Over a step of DistributedDataParallel on eight GPUs a first worker takes {first:.3f}, the last {last:.3f}, "
        "in the mean over models.",
    ]


def _steps(overheads: Overheads) -> list[SharedStep]:
    return list(overheads.steps.values())


def _over_ddp(step: SharedStep, seconds: float) -> float:
    """Return a time over the step of DistributedDataParallel, which every published row has."""
    assert step.ddp is not None
    return seconds / step.ddp


_TARGETS = {
    "easyscale-fig10": _sharing,
    "easyscale-fig11": _switching,
    "easyscale-fig12": _determinism,
    "easyscale-fig13": _synchronisation,
}
