"""Measure how far off iterations and collectives are to which no constant is fitted: the intervals of terms.

    python benchmarks/term_errors.py [--write]    # prints them, and writes the zoo's file

The tables are read from ``../shared``; without them the script says so and ends.
"""

from __future__ import annotations

import argparse
import math
import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import yaml
from simcore.errors import InputError
from simcore.models.network.collectives import Collective
from simcore.models.network.nccl import Span
from simcore.models.network.topology import Block, Dimension, Topology
from simcore.models.training.operators import Communication
from simcore.models.training.parallel.evaluation import Evaluation, Evaluator
from simcore.models.training.parallel.layout import Layout
from simcore.models.training.parallel.placement import Placement
from simcore.models.training.parallel.terms import terms_of
from simcore.models.training.terms import LINKS, RATE, SHEETS
from simcore.readers.collective_rows import CollectiveRow
from simcore.readers.collective_tables import read_collectives
from simcore.readers.measured import read_rows
from simcore.readers.term_errors import FILE, OTHER_GROUPS
from simcore.studies.validate.collectives import state_of
from simcore.studies.validate.runs import Run, runs_of

from public_collectives import SOURCES, Source, fitted, rows_of
from tables import COLLECTIVES, ITERATIONS, table

MOST = 0.8
"""Iterations count of which kernels from data sheets are at least this share, and that share of the kernels."""

LEAST = 5
"""Rows of a stack from which on it has a median rate."""

LARGE = 2**20
"""Smaller collectives are latency alone and are left out [B]."""

LATENCIES = (1.7e-6, 7e-6)
"""Of a message within a node and between nodes, as the zoo's networks have them [s]."""

Ratios = Mapping[object, Sequence[float]]


def main() -> None:
    """Print the intervals, and write them where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    iterations, collectives = table(ITERATIONS), table(COLLECTIVES)
    if iterations is None or collectives is None:
        return
    sheets, rates = of_iterations(iterations)
    wire, groups = of_collectives(collectives)
    entries = {
        SHEETS: entry(sheets, "public iterations predicted from data sheets alone, of {} stacks"),
        RATE: entry(rates, "public iterations predicted at the median rate of their software on their device, of {}"
                    " stacks: the given rate is taken for such a median"),
        LINKS: entry(wire, "public collectives from 1 MiB beside what their links allow, in {} kinds and groups"),
        OTHER_GROUPS: entry(groups, "public collectives in groups that their fit had not seen, in {} kinds and groups"),
    }  # fmt: skip
    text = yaml.safe_dump({"source": SOURCE, "terms": entries}, sort_keys=False, width=118)
    print(text)
    if given.write:
        FILE.write_text(text, encoding="utf-8")


SOURCE = (
    "quantiles of measured over predicted times of the public rows that docs/validation.md lists, each stack or group "
    "weighing the same; benchmarks/term_errors.py makes them"
)


def entry(ratios: Ratios, basis: str) -> dict[str, object]:
    """Return an entry of the file: between what ratios nine of ten rows are, each group weighing the same."""
    pairs = sorted((ratio, 1 / len(of)) for of in ratios.values() for ratio in of)
    weights = np.cumsum([weight for _, weight in pairs])
    low, high = (pairs[int(np.searchsorted(weights, share * weights[-1]))][0] for share in (0.05, 0.95))
    return {"low": round(low, 3), "high": round(high, 3), "rows": len(pairs), "basis": basis.format(len(ratios))}


def of_iterations(path: Path) -> tuple[Ratios, Ratios]:
    """Return measured over predicted times by stack: from data sheets, and at a median rate."""
    sheets: dict[str, list[float]] = defaultdict(list)
    rates: dict[str, list[tuple[float, float, float]]] = defaultdict(list)
    runs, _ = runs_of([row for _, row in read_rows(path).rows()])
    for run, evaluation, terms in predicted([run for run in runs if run.iteration.passes == "iteration"]):
        kernels = evaluation.time - terms.get(LINKS, 0.0)
        if kernels < MOST * evaluation.time:
            continue
        if terms.get(SHEETS, 0.0) >= MOST * kernels:
            sheets[run.iteration.stack].append(run.measured / evaluation.time)
        waits = kernels / (kernels - evaluation.parts["pipeline bubble"])
        work = evaluation.hardware_flop / evaluation.layout.gpus * waits
        rates[run.iteration.stack].append((work, run.measured, evaluation.time - kernels))
    return sheets, {name: at_median(of) for name, of in rates.items() if len(of) >= LEAST}


def predicted(runs: Sequence[Run]) -> list[tuple[Run, Evaluation, dict[str, float]]]:
    """Predict runs without a stack and without measured collectives; those are left out that no machine can run."""
    evaluators: dict[object, Evaluator] = {}
    found = []
    for run in runs:
        one = run.iteration
        machine = run.machine._replace(collectives=None, stack=None)
        evaluator = evaluators.setdefault(
            (id(run.machine), one.model, one.sequence), Evaluator(one.model, one.sequence, machine)
        )
        try:
            evaluation = evaluator.evaluate(one.layout)
        except InputError:
            continue
        found.append((run, evaluation, terms_of(evaluator, evaluation)[0]))
    return found


def at_median(of: Sequence[tuple[float, float, float]]) -> list[float]:
    """Return measured over predicted times at the median rate; of each row work [FLOP], time and network [s]."""
    rate = statistics.median(work / (seconds - network) for work, seconds, network in of if seconds > network)
    return [seconds / (work / rate + network) for work, seconds, network in of]


def of_collectives(path: Path) -> tuple[Ratios, Ratios]:
    """Return measured over predicted times by kind and group: of links, and of fits that had not seen the group."""
    every = [row for row in read_collectives(path).rows if row.size >= LARGE]
    wire, groups = defaultdict(list), defaultdict(list)
    for source in SOURCES:
        own = rows_of(source, every)
        for row in own:
            if row.kind in {each.value for each in Collective}:
                wire[source.name, row.kind, row.span].append(row.seconds / on_links(source, row))
        for near in sorted({row.span.near for row in own if row.span.nodes == 1})[1:-1]:
            profile = fitted(source, [row for row in own if row.span != Span(near)], folds=0)
            for row in own:
                if row.span == Span(near):
                    timing = profile.timing(row.kind, row.span, state=state_of(profile, row))
                    groups[source.name, row.kind, near].append(row.seconds / timing.seconds(row.size))
    return wire, groups


def on_links(source: Source, row: CollectiveRow) -> float:
    """Return what a collective takes on its links [s]."""
    sizes = (row.span.near, row.span.nodes)
    used = [
        (Dimension(Block.SWITCH, size, latency=latency), bandwidth)
        for size, latency, bandwidth in zip(sizes, LATENCIES, source.bandwidths, strict=True)
        if size > 1
    ]
    topology = Topology(source.name, tuple(dimension for dimension, _ in used))
    placement = Placement(topology, [bandwidth for _, bandwidth in used], Layout(tp=math.prod(sizes)))
    return placement.seconds(Communication(Collective(row.kind), row.size))


if __name__ == "__main__":
    main()
