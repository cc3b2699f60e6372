"""A small application with round numbers, as files and as the object, and the artifact's own loop over ticks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from simcore.models.cluster.applications import Application, Validation
from simcore.results import Table

FILES = {
    # a step of 8 samples of a GPU takes 1 s on one GPU, 1.25 s on two of a node, 1.5 s on two of two nodes
    "placements.csv": "placement,local_bsz,step_time,sync_time\n1,4,0.5,0\n1,8,1,0\n2,4,0.75,0.25\n2,8,1.25,0.25\n"
    "11,4,1,0.5\n11,8,1.5,0.5\n22,4,1,0.5\n22,8,1.5,0.5\n",
    "scalability.csv": "num_nodes,num_replicas,local_bsz,step_time,sync_time\n4,8,4,2,1.5\n4,8,8,2.5,1.5\n"
    "4,4,4,2,1.5\n4,4,8,2.5,1.5\n",
    # a gradient without variance: each step is worth one
    "validation-8.csv": "progress,iteration,metric,grad_sqr,grad_var\n"
    "100.3,100,0,1,0\n200.4173,200,0,1,0\n300.2371,300,0,1,0\n",
    # a gradient that is all variance in the second epoch: a step of 16 is worth two of 8
    "validation-16.csv": "progress,iteration,metric,grad_sqr,grad_var\n101,100,0,1,0\n201,150,0,0,1\n301,200,0,1,0\n",
}


def write_folder(folder: Path, name: str = "net") -> Path:
    """Write the profiles of the application into a folder, and return it."""
    (folder / name).mkdir(parents=True)
    for file, text in FILES.items():
        (folder / name / file).write_text(text)
    return folder


def an_application() -> Application:
    """Return the application without its files."""

    def rows(text: str) -> np.ndarray:
        return np.array([[float(each) for each in line.split(",")] for line in text.strip().split("\n")[1:]])

    placements: dict[tuple[int, ...], list[list[float]]] = {}
    for number, *rest in rows(FILES["placements.csv"]).tolist():
        placements.setdefault(tuple(int(digit) for digit in f"{number:.0f}"), []).append(rest)
    tables = {size: rows(FILES[f"validation-{size}.csv"]).T for size in (8, 16)}
    return Application(
        "net",
        {split: np.array(values) for split, values in placements.items()},
        rows(FILES["scalability.csv"]),
        {size: Validation(table[0], table[1], table[3], table[4]) for size, table in tables.items()},
    )


def by_ticks(application: Application, batch: int, stretches: list[tuple[float, float, tuple[int, ...]]]) -> float:
    """Return the end of a job that holds nodes in stretches of (from, to, split), tick by tick as the artifact does."""
    ends, epoch, progress = application.progress(), 0, 0.0
    for start, stop, split in stretches:
        rates, now = application.pace(batch, split).rate, start
        while now < stop:
            left = min(60.0 - now % 60.0, stop - now)
            while left > 0:
                if progress + rates[epoch] * left < ends[epoch]:
                    progress += rates[epoch] * left
                    now += left
                    break
                delta = round((ends[epoch] - progress) / rates[epoch])
                progress, epoch, now, left = ends[epoch], epoch + 1, now + delta, left - delta
                if epoch == len(ends):
                    return now
    return float("nan")


def rows_of(table: Table) -> list[dict[str, object]]:
    """Return a result table as a dictionary per row."""
    return [dict(row) for row in table]
