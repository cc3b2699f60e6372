"""Thin the public measurements to the sample that ships with simcore, which ``simcore validate`` reads by itself.

    python benchmarks/thin_measurements.py [-o simcore/zoo/_measured]

The tables are read from ``../shared``; without them the script says so and ends. Of every source, device and kind the
same number of rows is kept at most, evenly over its order.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from simcore.readers.measured import read_rows
from simcore.studies.validate import columns as columns_of

from tables import COLLECTIVES, ITERATIONS, table

MOST_ITERATIONS, MOST_COLLECTIVES = 60, 12
"""Rows of a group that are kept."""


def main() -> None:
    """Thin both files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", dest="folder", type=Path, default=Path("build/measured"))
    folder = parser.parse_args().folder
    iterations, collectives = table(ITERATIONS), table(COLLECTIVES)
    if iterations is None or collectives is None:
        return
    columns, groups = ("row_id", *columns_of.ITERATIONS), ("source", "device", "kind")
    thin(iterations, columns, groups, MOST_ITERATIONS, folder / "training_iterations.csv.gz")
    groups_of = ("source", "device", "collective", "gpus")
    thin(collectives, columns_of.COLLECTIVES, groups_of, MOST_COLLECTIVES, folder / "collectives.csv.gz")


def thin(path: Path, columns: Sequence[str], by: Sequence[str], most: int, out: Path) -> None:
    """Write so many rows of each group at most."""
    groups: dict[tuple[str, ...], list[int]] = defaultdict(list)
    rows = [row for _, row in read_rows(path).rows()]
    for at, row in enumerate(rows):
        groups[tuple(row[name] for name in by)].append(at)
    kept = sorted(
        each[int((i + 0.5) * len(each) / min(most, len(each)))]
        for each in groups.values()
        for i in range(min(most, len(each)))
    )
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows[at] for at in kept)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(gzip.compress(text.getvalue().encode(), mtime=0))
    print(f"{out.name}: {len(kept):,} of {len(rows):,} rows, {out.stat().st_size:,} B")


if __name__ == "__main__":
    main()
