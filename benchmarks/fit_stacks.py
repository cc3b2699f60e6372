"""Fit the stacks of the zoo to measured iterations, and print how far they are off on the rows that were left out.

    python benchmarks/fit_stacks.py [-o simcore/zoo/stacks] [--only WORD]

The table is read from ``../shared``; without it the script says so and ends. All of them take some ten minutes.
"""

from __future__ import annotations

import argparse
import statistics
from collections import defaultdict
from pathlib import Path

from simcore.readers.measured import read_rows
from simcore.readers.stacks import USUAL, read_stack, stack_text
from simcore.studies.validate.fitting import Fitted, expressed, fitted, held_against, usual, with_intervals
from simcore.studies.validate.runs import Run, runs_of

from tables import ITERATIONS, table

NAMED = {"megatron-lm-selene-a100-80gb": "Korthikanti"}
"""Stacks that are fitted to all rows of a source: its 22B and 530B, as its 175B and 1T are to be predicted unseen."""


def main() -> None:
    """Fit, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", dest="folder", type=Path)
    parser.add_argument("--only", default="")
    parser.add_argument("--keep", action="store_true", help="keep the constants of the zoo, and make intervals anew")
    given = parser.parse_args()
    path = table(ITERATIONS)
    if path is None:
        return
    runs, _ = runs_of([row for _, row in read_rows(path).rows()])
    by: dict[str, list[Run]] = defaultdict(list)
    for run in expressed(runs):
        by[run.iteration.stack].append(run)
    chosen = {name: of for name, of in sorted(by.items()) if given.only in name}
    made = []
    for name, of in chosen.items():
        word = NAMED.get(name)
        if given.keep:
            one = held_against(read_stack(name).value, of)
        else:
            one = fitted(name, of, None if word is None else lambda run, word=word: word in run.row["source"])
        made.append(one)
        report(one, len(of))
    made = with_intervals(made)
    if given.folder:
        stacks = [one.stack for one in made]
        for stack in stacks if given.only else (*stacks, usual(USUAL, stacks, chosen)):
            (given.folder / f"{stack.name}.yaml").write_text(stack_text(stack), encoding="utf-8")


def report(one: Fitted, rows: int) -> None:
    """Print a stack and its errors on rows that it was not fitted to."""
    off = [abs(1 / ratio - 1) for ratio in one.ratios]
    error = f"{statistics.fmean(off):.1%} (median {statistics.median(off):.1%})" if off else "no row left"
    stack = one.stack
    split = ", ".join(f"{part:.0%}" for part in one.stack.split) or "too few rows"
    constants = f"products {stack.products:.3f}, launch {stack.launch * 1e6:.1f} us, network {stack.network:.2f}"
    print(
        f"{stack.name:46} {stack.rows:4} of {rows:4}: {constants}; halves differ by {split}; left out: {error}",
        flush=True,
    )


if __name__ == "__main__":
    main()
