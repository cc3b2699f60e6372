"""``simcore evaluate slapo-...``: Slapo's evaluation (ASPLOS 2024), predicted beside what is public of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from simcore.errors import InputError
from simcore.errors import field as named
from simcore.models.training.schedule import Schedule, Step
from simcore.models.training.schedule.primitives import primitive
from simcore.readers.schedules import read_schedule
from simcore.readers.slapo import read_runs
from simcore.report import Block, Column, Grid, Headline, Sentences
from simcore.results import Provenance, Table, versions
from simcore.studies.evaluate.request import EvaluateRequest
from simcore.studies.evaluate.result import Evaluation
from simcore.studies.evaluate.slapo_grids import grids
from simcore.studies.evaluate.slapo_runs import DEVICE, FP16, NETWORK, USABLE, Runs, placed, steps_of
from simcore.studies.evaluate.targets import SLAPO
from simcore.units import format_si

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Made = tuple[Mapping[str, Table], Sequence[str]]
"""Tables by name, the main one first, and what to know of them."""

_LINES = {"wideresnet": 12, "t5": 11, "roberta": 21, "llama": 11, "opt": 10, "bert": 21, "gpt": 10}
"""Table 4: lines of a schedule by model, as the artifact's README prints them."""

_TRANSFORMERS = ("bert-xlarge", "roberta-xlarge", "gpt-neo-2.7b-slapo", "opt-2.7b")
"""Models whose published runs must fit in memory."""

_MULTI_NODE = {
    16: {"megatron": 9.21, "deepspeed": 9.75, "slapo": 11.29},
    32: {"megatron": 16.69, "deepspeed": 19.14, "slapo": 22.01},
    64: {"megatron": 28.16, "deepspeed": 23.9, "slapo": 30.53},
}
"""Samples per second of a GPT by GPUs, from an early version of Figure 8 (github.com/chhzh123/slapo at 8d5b74c,
benchmark/plot/multi_node.py). The sizes of that GPT are in no public file."""


class SlapoEvaluation(Evaluation):
    """A figure or table of Slapo's evaluation, predicted."""

    def report(self) -> Sequence[Block]:
        """Return the tables as they are, and how they were made."""
        blocks: list[Block] = [Headline(self.title)]
        for table in self.data.values():
            rows = [[_cell(name, row[name], table.units.get(name, "")) for name in table.columns] for row in table]
            keys = sum(1 for name in table.columns if name in {"model", "system", "grid", "step", "gpus"})
            columns = [Column(_title(table, name), left=_is_text(table, name)) for name in table.columns]
            blocks.append(Grid(columns, rows, keys=max(keys, 1)))
        return [*blocks, Sentences("", self.sentences())]

    def figures(self) -> Mapping[str, Figure]:
        """Draw the figure; a table has none."""
        from simcore.studies.evaluate.figures_slapo import draw

        made = draw(self.name, self.data)
        return {} if made is None else {self.stem: made}


def _is_text(table: Table, name: str) -> bool:
    return any(isinstance(value, str) for value in table.column(name))


def _title(table: Table, name: str) -> str:
    """Return the name of a column, with its unit where the cells have none."""
    rate = " [samples/s]" if table.units.get(name) == "samples_per_s" else ""
    return name.replace("_", " ") + rate


_SHARES = {"mape", "fitted_mape", "best_loses"}


def _cell(name: str, value: object, unit: str) -> str:
    if isinstance(value, bool):
        return "yes" if value else "NO"
    if not isinstance(value, float):
        return "" if value is None else str(value)
    if name in _SHARES:
        return f"{value:.2%}"
    return format_si(value, unit.replace("_per_", "/")) if unit in {"B", "s", "FLOP_per_s"} else f"{value:.4g}"


def evaluate(request: EvaluateRequest) -> SlapoEvaluation:
    """Predict a figure or table of Slapo's evaluation.

    Raises
    ------
    InputError
        If only a part is asked for: each has one size.
    """
    if request.small:
        remedy = f"Leave {named('small')} out: it has one size."
        raise InputError(named("small"), request.target, "a figure", remedy)
    runs = Runs()
    tables, notes = _TARGETS[request.target](runs)
    return SlapoEvaluation(
        request=request,
        title=SLAPO.titles[request.target],
        data=tables,
        settings={"device": DEVICE, "network": NETWORK},
        notes=tuple(notes),
        provenance=Provenance(
            command=request.study, inputs=request.inputs(), sha256=runs.sha256, versions=versions("numpy")
        ),
    )


def _runs(runs: Runs) -> Made:
    """Figure 7: whether each published run fits, and what it reaches."""
    read = read_runs()
    runs.sha256["slapo-runs"] = read.sha256
    rows: list[tuple[object, ...]] = []
    for run in read.value:
        one = runs.of_run(run)
        need = one.worst.allocated
        rows.append((run.model, run.gpus, run.system, run.batch, run.ratio, need, need <= USABLE, run.batch / one.time))
    columns = ["model", "gpus", "system", "batch", "ratio", "allocated", "fits", "predicted"]
    table = Table(columns, rows, {"allocated": "B", "predicted": "samples_per_s"})
    return {"fig7": table}, list(_notes_of_runs(table))


def _notes_of_runs(table: Table) -> Iterator[str]:
    own = [row for row in table if row["model"] in _TRANSFORMERS]
    fit = sum(row["fits"] for row in own)
    over = [f"{row['model']} {row['system']} on {row['gpus']} ({row['allocated'] / 1e9:.1f} GB)"
            for row in own if not row["fits"]]  # fmt: skip
    yield f"{fit} of {len(own)} runs of BERT, RoBERTa, GPT and OPT fit in {USABLE / 1e9:g} GB, as all did" + (
        f"; not {', '.join(over)}." if over else "."
    )
    best: dict[tuple[str, int], dict[str, float]] = {}
    for row in table:
        best.setdefault((row["model"], row["gpus"]), {})[row["system"]] = row["predicted"]
    won = sum(max(by, key=by.__getitem__).startswith("slapo") for by in best.values())
    yield f"Slapo with tensor parallelism or ZeRO-3 is predicted to be fastest in {won} of {len(best)} cases."
    yield "What the runs reached is in no public file; the paper's abstract says up to 2.92 times the others on 8 GPUs."
    yield "Nothing is fitted. Convolutions of fp16 were not measured; products of their sizes stand in."
    t5 = [row for row in table if row["model"] == "t5-3b"]
    fit = sum(row["fits"] for row in t5)
    yield f"{fit} of {len(t5)} runs of T5 fit, whose encoder reads 1,024 tokens and whose decoder 512."


def _nodes(runs: Runs) -> Made:
    """Figure 8: Llama-7B and a GPT of ten billion parameters on 16 to 64 GPUs."""
    rows: list[tuple[object, ...]] = []
    for gpus, published in _MULTI_NODE.items():
        for name, pp, tp in (("llama-7b", 2, 8), ("gpt-10b-slapo", 2, 8)):
            layout = replace(placed(gpus, 4, tensor=True, form=FP16), tp=tp, pp=pp, dp=gpus // (tp * pp), micro_batch=4)
            layout = replace(layout, micro_batches=256 // (4 * layout.dp))
            one = runs.of_nodes(name, layout, steps_of(("sdpa",), 1.0, "uniform"))
            slapo = published["slapo"] if name.startswith("gpt") else None
            rows.append((name, gpus, f"TP {tp} x PP {pp} x DP {layout.dp}", 256 / one.time, slapo))
    table = Table(["model", "gpus", "layout", "predicted", "published"], rows,
                  {"predicted": "samples_per_s", "published": "samples_per_s"})  # fmt: skip
    return {"fig8": table}, [
        "Global batch 256 in micro-batches of 4, all blocks recomputed. Nothing is fitted.",
        "The published numbers are those of an early version of the figure, whose GPT is in no public file; "
        "gpt-10b-slapo is assumed (48 blocks of 4096).",
        "The paper's abstract says up to 1.41 times the others on up to 64 GPUs.",
    ]


def _chain(runs: Runs) -> Made:
    """Figure 9: what each step adds."""
    kernels = ("sdpa", "fuse_bias_gelu", "fuse_bias_dropout_norm")
    inside = ("block.*.attention", "block.*.feed_forward")
    cut = tuple(Step(primitive(name, "steps"), None, path) for path in inside for name in ("shard", "sync"))
    whole = tuple(Step(primitive(name, "steps")) for name in ("shard", "sync"))
    made = steps_of(kernels, 0.0, "head").steps
    steps = (
        ("unscheduled", 1, 12, Schedule()),
        ("kernels", 1, 20, Schedule(made)),
        ("attention and feed-forward TP", 8, 64, Schedule((*cut, *made))),
        ("embedding TP", 8, 96, Schedule((*whole, *made))),
    )
    rows = []
    for name, gpus, batch, schedule in steps:
        one = runs.of_steps("bert-xlarge", batch, gpus, schedule)
        rows.append((name, gpus, batch, batch / one.time, one.worst.allocated))
    table = Table(["step", "gpus", "batch", "predicted", "allocated"], rows,
                  {"predicted": "samples_per_s", "allocated": "B"})  # fmt: skip
    rates = table.column("predicted")
    order = "in the order of the paper" if rates == sorted(rates) else "not in the order of the paper"
    return {"fig9": table}, [f"Each step is faster, {order}; its bars are in no public file. Nothing is fitted."]


def _lines(runs: Runs) -> Made:
    """Table 4: steps of our schedules beside the published lines."""
    rows: list[tuple[object, ...]] = []
    for model, published in _LINES.items():
        read = read_schedule(f"slapo-{model}")
        runs.sha256[f"schedules/{read.name}"] = read.sha256
        rows.append((model, len(read.value.steps), published))
    table = Table(["model", "steps", "published_lines"], rows)
    return {"table4": table}, [
        "A step of simcore is a line of a schedule's file. The published number is of lines of Python, without loops.",
    ]


_TARGETS = {
    "slapo-fig7": _runs, "slapo-fig8": _nodes, "slapo-fig9": _chain, "slapo-fig10": grids, "slapo-table4": _lines,
}  # fmt: skip
